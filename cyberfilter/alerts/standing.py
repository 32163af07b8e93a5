# SPDX-License-Identifier: AGPL-3.0-or-later
"""Hazards, calls and silence: made of facts at once, without the filter, without waiting.

| fact | signal |
|---|---|
| state fault | hazard `fault`, by its words `thermal` or `smoke`; it returns when the machine leaves that state |
| trouble stated by the collector | hazard of that kind, one for each indicator; a person closes it |
| state offline: it was missed, had a cadence, or was busy | algedonic `silence`; it returns when the machine speaks |
| waiting for a person after a job that is done | call `finished`; answered when the machine leaves that state |
| waiting for a person because the plate is not clear, or a job ended for that | call `plate_full`; likewise |
| waiting for a person in the middle of a job, with the machine's own words | call `waiting` or `run_out`; likewise |
| starved, or material emptied, in the middle of a job | call `run_out`; answered by new material or another state |
| job failed | call `failed`; answered by the next job |

Facts count in the order of the log; exact repetitions change nothing.
"""

from __future__ import annotations

from typing import Final

import msgspec

from collector.contract.codec import format_time
from collector.contract.event import JobEnded, JobStarted, Noted, Outcome, State, StateSeen, Trouble
from collector.contract.indicator import unit_of
from collector.contract.reading import Fact, Samples
from cyberfilter.alerts import own_words
from cyberfilter.alerts.lifecycle import Happening
from cyberfilter.alerts.signal import Begins, Ends, Signal
from cyberfilter.contract.alert import AlertClass

STATES_REMEMBERED: Final = 8
NEEDS: Final = ("finished", "plate_full", "waiting", "run_out")
"""What a machine that waits for a person asks for; leaving that state answers them all."""
BUSY: Final = frozenset({State.RUNNING, State.SETUP, State.HELD, State.FAULT})
"""States in which even the last will of a machine without a declared cadence matters."""


class Standing(msgspec.Struct):
    """Where a machine stands, in the order in which we heard it; `state` is never offline, `offline` says that.

    `hurts` is the kind of the hazard that its fault is, "" while there is none.
    """

    state: State = State.UNKNOWN
    hurts: str = ""
    heard_ts: float = 0.0
    offline: bool = False
    offline_ts: float = 0.0
    job: str | None = None
    ended_job: str | None = None
    done: bool = False
    file: str = ""
    seen: list[tuple[float, State]] = []


def watch(standing: Standing, facts: tuple[Fact, ...], *, cadence_s: float) -> list[Signal]:
    """Return what one batch's facts begin and end; `cadence_s` 0: its going offline means little (contract 2)."""
    signals: list[Signal] = []
    for fact in facts:
        if isinstance(fact, Samples):
            signals += _samples(standing, fact)
        elif isinstance(fact, StateSeen):
            signals += _state(standing, fact, cadence_s)
        elif isinstance(fact, JobStarted):
            signals += _started(standing, fact)
        elif isinstance(fact, JobEnded):
            signals += _ended(standing, fact)
        elif isinstance(fact, Noted):
            signals += _noted(standing, fact)
        elif isinstance(fact, Trouble):
            signals.append(_trouble(fact))
    return signals


def _trouble(trouble: Trouble) -> Begins:
    told: dict[str, float | str] = {"since": format_time(trouble.ts), "cause": trouble.why}
    what = trouble.kind
    if trouble.indicator is not None and trouble.value is not None and trouble.bound is not None:
        told |= {"indicator": trouble.indicator, "value": trouble.value, "bound": trouble.bound, "cause": ""}
        told["unit"] = unit_of(trouble.indicator)
        what = f"{trouble.kind}/{trouble.indicator}"
    return Begins(AlertClass.HAZARD, trouble.kind, what, trouble.ts, told)


def _noted(standing: Standing, word: Noted) -> list[Signal]:
    """Return what a person's word begins and ends: it is an answer, or says that a running machine has no material."""
    said = (word.event, word.body.get("change"))
    if said == ("plate", "cleared"):
        return [Ends(what, word.ts, Happening.ANSWER) for what in ("finished", "plate_full")]
    if said == ("material", "opened"):
        return [Ends("run_out", word.ts, Happening.ANSWER)]
    if said == ("material", "emptied") and standing.job is not None:
        spool = word.body.get("spool") or word.body.get("material") or ""
        return [_call("run_out", word.ts, standing, str(spool))]
    return []


def _call(kind: str, ts: float, standing: Standing, cause: str) -> Begins:
    told: dict[str, float | str] = {"since": format_time(ts), "cause": cause, "file": standing.file}
    return Begins(AlertClass.CALL, kind, kind, ts, told)


def _samples(standing: Standing, samples: Samples) -> list[Signal]:
    if not samples.times:
        return []
    newest = max(samples.times)
    standing.heard_ts = max(standing.heard_ts, newest)
    if not standing.offline or newest <= standing.offline_ts:
        return []
    standing.offline = False
    return [Ends("silence", newest, Happening.RETURN)]


def _state(standing: Standing, seen: StateSeen, cadence_s: float) -> list[Signal]:
    if seen.state is State.OFFLINE:
        return _lost(standing, seen, cadence_s)
    signals: list[Signal] = []
    if standing.offline:
        standing.offline = False
        signals.append(Ends("silence", seen.ts, Happening.RETURN))
    elif (seen.ts, seen.state) in standing.seen:
        return signals
    standing.seen = [*standing.seen, (seen.ts, seen.state)][-STATES_REMEMBERED:]
    before, standing.state = standing.state, seen.state
    if before is not seen.state:
        signals += _left(standing, before, seen)
        signals += _entered(standing, seen)
    elif seen.state is State.FAULT:
        signals += _hurts(standing, seen)
    elif seen.state is State.WAITING_PERSON and own_words.wait(seen.why) == own_words.PLATE_FULL:
        signals += _entered(standing, seen)
    return signals


def _lost(standing: Standing, seen: StateSeen, cadence_s: float) -> list[Signal]:
    if standing.offline:
        return []
    standing.offline, standing.offline_ts = True, seen.ts
    if not (seen.missed or cadence_s > 0 or standing.state in BUSY):
        return []
    silent_s = max(seen.ts - standing.heard_ts, 0.0) if standing.heard_ts else 0.0
    facts: dict[str, float | str] = {
        "since": format_time(standing.heard_ts or seen.ts),
        "seconds": round(silent_s, 1),
        "state": standing.state.value,
        "cause": seen.why or "",
    }
    return [Begins(AlertClass.ALGEDONIC, "silence", "silence", seen.ts, facts)]


def _left(standing: Standing, before: State, seen: StateSeen) -> list[Signal]:
    signals: list[Signal] = []
    if before is State.FAULT:
        signals.append(Ends(standing.hurts or "fault", seen.ts, Happening.RETURN))
        standing.hurts = ""
    if before is State.WAITING_PERSON:
        standing.done = False
        signals += [Ends(what, seen.ts, Happening.ANSWER) for what in NEEDS]
    elif before is State.STARVED or seen.state in {State.RUNNING, State.SETUP}:
        signals.append(Ends("run_out", seen.ts, Happening.ANSWER))
    if seen.state in {State.RUNNING, State.SETUP}:
        signals.append(Ends("failed", seen.ts, Happening.ANSWER))
    return signals


def _entered(standing: Standing, seen: StateSeen) -> list[Signal]:
    words, is_working = seen.why or "", standing.job is not None
    if seen.state is State.FAULT:
        return _hurts(standing, seen)
    if seen.state is State.STARVED and is_working:
        return [_call("run_out", seen.ts, standing, words)]
    if seen.state is State.WAITING_PERSON:
        need = own_words.wait(words)
        if need == own_words.PLATE_FULL and not is_working:
            return [_call(need, seen.ts, standing, words)]
        if standing.done:
            return [_call("finished", seen.ts, standing, words)]
        if is_working and words:
            return [_call(need if need == own_words.RUN_OUT else "waiting", seen.ts, standing, words)]
    if seen.state is State.IDLE:
        standing.done = False
    return []


def _hurts(standing: Standing, seen: StateSeen) -> list[Signal]:
    """Return the hazard that a fault is; where its words come later and say more, it takes the first one's place."""
    kind = own_words.danger(seen.why) or standing.hurts or "fault"
    if kind == standing.hurts:
        return []
    before, standing.hurts = standing.hurts, kind
    told: dict[str, float | str] = {"since": format_time(seen.ts), "cause": seen.why or "", "file": standing.file}
    begins = Begins(AlertClass.HAZARD, kind, kind, seen.ts, told)
    return [Ends(before, seen.ts, Happening.ANSWER), begins] if before else [begins]


def _started(standing: Standing, started: JobStarted) -> list[Signal]:
    if started.job in {standing.job, standing.ended_job}:
        return []
    standing.job, standing.done, standing.file = started.job, False, started.file or ""
    ts = started.ts if started.ts is not None else standing.heard_ts
    return [Ends(what, ts, Happening.ANSWER) for what in ("finished", "plate_full", "failed")]


def _ended(standing: Standing, ended: JobEnded) -> list[Signal]:
    if ended.job == standing.ended_job:
        return []
    standing.job, standing.ended_job, standing.done = None, ended.job, ended.outcome is Outcome.DONE
    standing.file = ended.file or standing.file
    ts = ended.ts if ended.ts is not None else standing.heard_ts
    told: dict[str, float | str] = {"since": format_time(ts), "file": standing.file, "cause": ended.cause or ""}
    if ended.duration_s is not None:
        told["seconds"] = round(ended.duration_s, 1)
    over: list[Signal] = [Ends(what, ts, Happening.ANSWER) for what in ("waiting", "run_out")]
    if ended.outcome is not Outcome.DONE and own_words.wait(ended.cause) == own_words.PLATE_FULL:
        return [*over, Begins(AlertClass.CALL, "plate_full", "plate_full", ts, told)]
    if ended.outcome is Outcome.FAILED:
        return [*over, Begins(AlertClass.CALL, "failed", "failed", ts, told)]
    if standing.done and standing.state is State.WAITING_PERSON:
        return [*over, Begins(AlertClass.CALL, "finished", "finished", ts, told)]
    return over
