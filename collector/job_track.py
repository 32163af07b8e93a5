# SPDX-License-Identifier: AGPL-3.0-or-later
"""The record of a device's jobs: the one that runs, how it seems to end, and the one before.

It holds no rules about signs (`collector.jobs` has them): it knows how a job is written down when it ends.
"""

from __future__ import annotations

import zlib
from typing import Any, Final, Literal, NamedTuple

import msgspec
from msgspec.structs import replace

from collector.contract.event import JobEnded, Outcome
from collector.contract.limits import JOB_TEXT_CHARS_MAX
from collector.contract.reading import Fact
from collector.signs import Began, Ended, Running

ENDED_IDS_MAX: Final = 64
"""Ids of ended jobs that a track remembers; an older job that is told again counts as new."""
LAST_WORD_S: Final = 10.0
"""How long a machine that stopped has for its own word about the job: OctoPrint takes some milliseconds."""
END_NOT_HEARD: Final = "end not heard"


class Closing(msgspec.Struct, frozen=True):
    """An end that isn't certain yet. `report` is the machine's, where it came without a cause; `at` None: unknown."""

    how: Literal["broke", "lost", "stopped", "reported"]
    since: float
    due: float
    at: float | None = None
    words: str | None = None
    phrase: str | None = None
    report: Ended | None = None


class OpenJob(msgspec.Struct, frozen=True):
    """The job that runs. Where we came `late`, `held_s` is None until a hold is heard, and `started_at` is a bound.

    `first_stamp` and `stamp` are the oldest and the newest of the machine's own clock.
    """

    id: str
    file: str | None
    started_at: float | None
    first_stamp: float | None = None
    stamp: float | None = None
    estimate_s: float | None = None
    held_s: float | None = 0.0
    held_since: float | None = None
    closing: Closing | None = None
    late: bool = False


class LastEnd(msgspec.Struct, frozen=True):
    """The newest end: what belongs to that job must not open another one."""

    at: float
    file: str | None = None
    stamp: float | None = None


class JobTrack(msgspec.Struct, frozen=True):
    """What is known of a device's jobs; bounded, and JSON as it stands."""

    open: OpenJob | None = None
    last: LastEnd | None = None
    ended: tuple[str, ...] = ()


class Step(NamedTuple):
    """The track afterwards, and the facts to record."""

    track: JobTrack
    facts: tuple[Fact, ...] = ()


def job_id(file: str | None, stamp_s: float) -> str:
    """Return an id made of the machine's own words, so that the same words told again give the same id."""
    return f"{round(stamp_s * 1000)}-{zlib.crc32((file or '').encode(errors='replace')):08x}"


def name_of(sign: Began | Running | Ended) -> str:
    """Return the id of a job whose sender gives none."""
    return job_id(sign.file, sign.ts if sign.stamp is None else sign.stamp)


def end_unheard(track: JobTrack, ts: float) -> Step:
    """Return the track without an open job, because another one is there now."""
    job = track.open
    if job is None:
        return Step(track)
    return close(track, job, job.closing or Closing("stopped", ts, ts, phrase=END_NOT_HEARD))


def held_until(job: OpenJob, ts: float | None) -> float | None:
    """Return the seconds held up to `ts`; None where a hold is open and its end is not known."""
    if job.held_since is None:
        return job.held_s
    return None if ts is None else (job.held_s or 0.0) + max(0.0, ts - job.held_since)


def reported(sign: Ended) -> Closing:
    """Return the end as the machine reports it; its own last word, or its record of the job, may follow."""
    at = sign.ts if sign.ended_at is None else sign.ended_at
    return Closing("reported", sign.ts, sign.ts + (sign.record_due_s or LAST_WORD_S), at, report=sign)


def recorded(first: Ended, record: Ended) -> Ended:
    """Return the machine's record with what it had said before, where that was closer to the end."""
    names = ("cause", "duration_s", "print_duration_s", "total_duration_s", "held_s", "material_mm", "energy_kwh")
    said = {name: getattr(first, name) for name in names}
    return replace(record, **{name: value for name, value in said.items() if value is not None})


def close(track: JobTrack, job: OpenJob, closing: Closing) -> Step:
    """Return the track without the open job, and its end."""
    said = closing.report
    held_s = held_until(job, closing.at)
    if said is not None and said.held_s is not None:
        held_s = said.held_s
    outcome = _outcome(closing)
    figures: dict[str, Any] = {}
    if said is not None:
        names = ("print_duration_s", "total_duration_s", "material_g", "material_mm", "energy_kwh")
        figures = {name: getattr(said, name) for name in names}
    ended = JobEnded(
        job.id,
        closing.at,
        outcome,
        file=job.file or (short(said.file) if said else None),
        cause=_cause(closing, outcome),
        started_at=_started_at(job, closing),
        held_s=held_s,
        duration_s=_duration_s(job, closing, held_s),
        estimate_s=said.estimate_s if said is not None and said.estimate_s is not None else job.estimate_s,
        **figures,
    )
    last = LastEnd(closing.since, ended.file, job.stamp)
    return Step(JobTrack(None, last, (*track.ended, job.id)[-ENDED_IDS_MAX:]), (ended,))


def _started_at(job: OpenJob, closing: Closing) -> float | None:
    """Return when the job began; of one that we came late to, the earliest of what the machine's figures allow.

    Every figure leaves out holds that we did not hear, so each is a time at which the job had begun.
    """
    said = closing.report
    if said is not None and said.started_at is not None:
        return said.started_at
    if not job.late or said is None or said.duration_s is None or closing.at is None:
        return job.started_at
    by_duration = closing.at - said.duration_s - (held_until(job, closing.at) or 0.0)
    return by_duration if job.started_at is None else min(by_duration, job.started_at)


def _outcome(closing: Closing) -> Outcome:
    if closing.report is None:
        return Outcome.FAILED if closing.how == "broke" else Outcome.UNKNOWN
    if closing.report.outcome is Outcome.CANCELLED and closing.words is not None:
        return Outcome.FAILED  # the machine cancelled by itself, because of an error that it told
    return closing.report.outcome


def _cause(closing: Closing, outcome: Outcome) -> str | None:
    own = closing.report.cause if closing.report is not None else None
    if outcome in {Outcome.DONE, Outcome.CANCELLED}:
        return short(own)
    return short(own or closing.words or closing.phrase)


def _duration_s(job: OpenJob, closing: Closing, held_s: float | None) -> float | None:
    if closing.report is not None and closing.report.duration_s is not None:
        return closing.report.duration_s
    if job.started_at is None or closing.at is None or held_s is None:
        return None
    return max(0.0, closing.at - job.started_at - held_s)


def short(text: str | None) -> str | None:
    """Return at most the characters that a fact may hold (contract 4)."""
    return text if text is None else text[:JOB_TEXT_CHARS_MAX]
