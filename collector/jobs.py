# SPDX-License-Identifier: AGPL-3.0-or-later
"""One job, one outcome, whatever the dialect: signs of a job go in, facts about it come out.

A decoder says what it saw as signs; `track` makes of them one JobStarted and one JobEnded a job, whatever is
said twice, late, or not at all. Some ends are only certain after a while (a machine that broke off may still
give its reason, an agent that fell silent may come back): they wait in the track until `settle` finds them due.
Whoever keeps a track calls `settle` with the time of every turn, and with infinity at the end of a recording.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from msgspec.structs import replace

from collector.contract.event import JobStarted, Outcome
from collector.contract.reading import Fact
from collector.job_track import (
    END_NOT_HEARD,
    LAST_WORD_S,
    Closing,
    JobTrack,
    LastEnd,
    OpenJob,
    Step,
    close,
    end_unheard,
    held_until,
    name_of,
    recorded,
    reported,
    short,
)
from collector.signs import Began, Broke, Ended, Held, Lost, Resumed, Running, Sign, Stopped

__all__ = [
    "Began",
    "Broke",
    "Ended",
    "Held",
    "JobTrack",
    "Lost",
    "Resumed",
    "Running",
    "Sign",
    "Step",
    "Stopped",
    "follow",
    "settle",
    "track",
]

COME_BACK_S: Final = 60.0
"""How long a lost agent has to come back and show that the job still runs: gaps in Wi-Fi last 30 s on average."""
CONTRADICT_S: Final = 2.0
"""Evidence that a job runs, younger than this, may have been on its way when the job ended."""
_WAITS: Final = frozenset({Outcome.FAILED, Outcome.UNKNOWN})
"""An end of which the machine may still say more."""
SAME_START_S: Final = 1.0
"""Two starts of one file within this time, from a machine that stamps nothing, are one start told twice."""


def track(track: JobTrack, sign: Sign) -> Step:
    """Return the track after the sign and the JobStarted and JobEnded that it makes certain."""
    settled = settle(track, sign.ts)
    job = settled.track.open
    if job is not None and not isinstance(sign, Began | Lost) and sign.stamp is not None:
        if _is_old(job, sign, sign.stamp):
            return settled
        job = replace(job, stamp=max(sign.stamp, job.stamp or sign.stamp))
    step = _RULES[type(sign)](replace(settled.track, open=job), sign)
    return Step(step.track, settled.facts + step.facts)


def _is_old(job: OpenJob, sign: Sign, stamp: float) -> bool:
    """Tell whether the words are older than what we know, so told again; an end, only if older than the start.

    A clock that was set back in the middle of a job must not cost the end.
    """
    newest = job.first_stamp if isinstance(sign, Ended) else job.stamp
    return newest is not None and stamp < newest


def follow(before: JobTrack, said: Iterable[Fact | Sign]) -> Step:
    """Return the track and the facts: of what a decoder said, every sign is replaced by what follows from it."""
    now = before
    facts: list[Fact] = []
    for item in said:
        if isinstance(item, Sign):
            now, made = track(now, item)
            facts.extend(made)
        else:
            facts.append(item)
    return Step(now, tuple(facts))


def settle(track: JobTrack, now: float) -> Step:
    """Return the track at `now` (Unix s) and the end that has waited long enough; infinity waits for nothing."""
    job = track.open
    if job is None or job.closing is None or now < job.closing.due:
        return Step(track)
    return close(track, job, job.closing)


def _began(track: JobTrack, sign: Began) -> Step:
    name = sign.job or name_of(sign)
    job = track.open
    if name in track.ended or (job is not None and (job.id == name or _same_start(job, sign))):
        return Step(track)
    before = end_unheard(track, sign.ts)
    opened = OpenJob(name, short(sign.file), sign.ts, sign.stamp, sign.stamp, sign.estimate_s)
    started = JobStarted(name, sign.ts, opened.file, sign.estimate_s)
    return Step(replace(before.track, open=opened), (*before.facts, started))


def _same_start(job: OpenJob, sign: Began) -> bool:
    if sign.job is not None or sign.stamp is not None or job.started_at is None:
        return False
    return job.file == sign.file and abs(sign.ts - job.started_at) < SAME_START_S


def _running(track: JobTrack, sign: Running) -> Step:
    job = track.open
    if job is None:
        nameable = sign.file is not None or sign.opens
        return _came_late(track, sign) if nameable and _is_another(track.last, sign) else Step(track)
    if sign.file is not None and job.file is not None and sign.file != job.file:
        if not _is_another(track.last, sign):
            return Step(track)
        before = end_unheard(track, sign.ts)
        after = _came_late(before.track, sign)
        return Step(after.track, before.facts + after.facts)
    refuted = job.closing is not None and job.closing.report is None and sign.ts - job.closing.since >= CONTRADICT_S
    job = replace(
        job,
        file=job.file or short(sign.file),
        started_at=_earliest(job.started_at, _begun_by(sign)) if job.late else job.started_at,
        estimate_s=job.estimate_s if sign.estimate_s is None else sign.estimate_s,
        closing=None if refuted else job.closing,
    )
    return Step(replace(track, open=job))


def _earliest(*times: float | None) -> float | None:
    return min((ts for ts in times if ts is not None), default=None)


def _is_another(last: LastEnd | None, sign: Running) -> bool:
    """Tell whether the evidence is of a job that began after the last end, and not an echo of the ended one."""
    if last is None or sign.opens:
        return True
    if sign.ts - last.at < LAST_WORD_S or _stamped_before(sign.stamp, last):
        return False
    if sign.file != last.file:
        return True
    begun_by = _begun_by(sign)
    return begun_by is not None and begun_by > last.at


def _begun_by(sign: Running) -> float | None:
    """Return a time at which the job had begun, by the machine's own print time (whole seconds, without holds)."""
    return None if sign.print_time_s is None else sign.ts - sign.print_time_s


def _stamped_before(stamp: float | None, last: LastEnd) -> bool:
    return stamp is not None and last.stamp is not None and stamp <= last.stamp


def _came_late(track: JobTrack, sign: Running) -> Step:
    started_at = _begun_by(sign)
    name = name_of(sign)
    job = OpenJob(name, short(sign.file), started_at, sign.stamp, sign.stamp, sign.estimate_s, None, late=True)
    return Step(replace(track, open=job), (JobStarted(name, started_at, job.file, sign.estimate_s),))


def _held(track: JobTrack, sign: Held) -> Step:
    job = track.open
    if job is None or job.held_since is not None:
        return Step(track)
    return Step(replace(track, open=replace(job, held_since=sign.ts)))


def _resumed(track: JobTrack, sign: Resumed) -> Step:
    job = track.open
    if job is None or job.held_since is None:
        return Step(track)
    job = replace(job, held_s=held_until(job, sign.ts), held_since=None)
    return Step(replace(track, open=job))


def _broke(track: JobTrack, sign: Broke) -> Step:
    job = track.open
    if job is None:
        return Step(track)
    waiting = job.closing
    if waiting is not None and waiting.report is not None:
        return close(track, job, replace(waiting, words=sign.words, phrase=sign.phrase))
    if waiting is not None and (waiting.how == "broke" or sign.words is None):
        closing = replace(waiting, words=waiting.words or short(sign.words))
    else:
        due = sign.ts + LAST_WORD_S
        closing = Closing("broke", sign.ts, due, sign.ts, short(sign.words), short(sign.phrase))
    return Step(replace(track, open=replace(job, closing=closing)))


def _stopped(track: JobTrack, sign: Stopped) -> Step:
    job = track.open
    if job is None:
        return Step(track)
    if job.closing is not None:
        return close(track, job, job.closing) if job.closing.how == "lost" else Step(track)
    closing = Closing("stopped", sign.ts, sign.ts + LAST_WORD_S, phrase=END_NOT_HEARD)
    return Step(replace(track, open=replace(job, closing=closing)))


def _lost(track: JobTrack, sign: Lost) -> Step:
    job = track.open
    if job is None or (job.closing is not None and job.closing.how == "lost"):
        return Step(track)
    if job.closing is not None:
        return close(track, job, job.closing)
    closing = Closing("lost", sign.ts, sign.ts + COME_BACK_S, phrase=short(sign.cause))
    return Step(replace(track, open=replace(job, closing=closing)))


def _ended(track: JobTrack, sign: Ended) -> Step:
    job = track.open
    if sign.job is not None and (job is None or sign.job != job.id):
        return Step(track) if sign.job in track.ended else _never_began(track, sign, sign.job)
    if job is None:
        return _never_began(track, sign, name_of(sign)) if _began_after(track.last, sign) else Step(track)
    if sign.job is None and sign.file is not None and job.file is not None and sign.file != job.file:
        before = end_unheard(track, sign.ts)
        after = _never_began(before.track, sign, name_of(sign))
        return Step(after.track, before.facts + after.facts)
    return _ends(track, job, sign)


def _ends(track: JobTrack, job: OpenJob, sign: Ended) -> Step:
    """Return the track after the open job's end was reported; further words may be due."""
    waiting = job.closing
    closing = reported(sign)
    if waiting is not None and waiting.report is not None:
        if waiting.report.record_due_s > 0.0:
            if sign.record_due_s > 0.0:
                return Step(track)
            return close(track, job, replace(waiting, at=closing.at, report=recorded(waiting.report, sign)))
        knows_better = waiting.report.outcome is Outcome.UNKNOWN and sign.outcome is not Outcome.UNKNOWN
        return close(track, job, replace(waiting, report=sign)) if knows_better else Step(track)
    if waiting is not None and waiting.how != "stopped":
        closing = replace(closing, words=waiting.words, phrase=waiting.phrase)
    broke = waiting is not None and waiting.how == "broke"
    no_cause = not broke and sign.outcome in _WAITS and sign.cause is None and sign.job is None
    if sign.record_due_s > 0.0 or no_cause:
        return Step(replace(track, open=replace(job, closing=closing)))
    return close(track, job, closing)


def _began_after(last: LastEnd | None, sign: Ended) -> bool:
    """Tell whether the machine's own figures say that this job began after the last end that we know of."""
    if last is None:
        return True
    if sign.started_at is not None:
        return sign.started_at > last.at
    if sign.duration_s is None:
        return False
    stamps_fit = sign.stamp is None or last.stamp is None or sign.stamp - sign.duration_s > last.stamp
    return stamps_fit and sign.ts - sign.duration_s > last.at


def _never_began(track: JobTrack, sign: Ended, name: str) -> Step:
    unseen = OpenJob(name, None, None, stamp=sign.stamp, held_s=None)
    if track.open is None and sign.record_due_s > 0.0:
        return Step(replace(track, open=replace(unseen, closing=reported(sign))))
    step = close(track, unseen, reported(sign))
    still = track.open if track.open is not None and track.open.id != name else None
    return Step(replace(step.track, open=still), step.facts)


_RULES: Final[dict[type, Callable[[JobTrack, Any], Step]]] = {
    Began: _began,
    Running: _running,
    Held: _held,
    Resumed: _resumed,
    Ended: _ended,
    Broke: _broke,
    Stopped: _stopped,
    Lost: _lost,
}
