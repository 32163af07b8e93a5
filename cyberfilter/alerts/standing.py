# SPDX-License-Identifier: AGPL-3.0-or-later
"""Hazards, calls and silence: made of facts at once, without the filter, without waiting.

| fact | signal |
|---|---|
| state fault | hazard `fault`; it returns when the machine itself reports another state |
| trouble stated by the collector | hazard of that kind; a person closes it |
| state offline, of a machine that should speak | algedonic `silence`; it returns when the machine speaks |
| waiting for a person after a job that is done | call `finished`; answered when the machine leaves that state |
| waiting for a person in the middle of a job, with the machine's own words | call `waiting`; likewise |
| job failed | call `failed`; answered by the next job |

Facts count in the order of the log; exact repetitions change nothing.
"""

from __future__ import annotations

from typing import Final

import msgspec

from collector.contract.codec import format_time
from collector.contract.event import JobEnded, JobStarted, Outcome, State, StateSeen, Trouble
from collector.contract.reading import Fact, Samples
from cyberfilter.alerts.lifecycle import Happening
from cyberfilter.alerts.signal import Begins, Ends, Signal
from cyberfilter.contract.alert import AlertClass

STATES_REMEMBERED: Final = 8
BUSY: Final = frozenset({State.RUNNING, State.SETUP, State.HELD, State.FAULT})
"""States in which even a machine without a declared cadence should speak."""


class Standing(msgspec.Struct):
    """Where a machine stands, in the order in which we heard it; `state` is never offline, `offline` says that."""

    state: State = State.UNKNOWN
    heard_ts: float = 0.0
    offline: bool = False
    offline_ts: float = 0.0
    job: str | None = None
    ended_job: str | None = None
    done: bool = False
    file: str = ""
    seen: list[tuple[float, State]] = []


def watch(standing: Standing, facts: tuple[Fact, ...], *, cadence_s: float) -> list[Signal]:
    """Return what one batch's facts begin and end; `cadence_s` 0: the machine's silence means little (contract 2)."""
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
        elif isinstance(fact, Trouble):
            told: dict[str, float | str] = {"since": format_time(fact.ts), "cause": fact.why}
            signals.append(Begins(AlertClass.HAZARD, fact.kind, fact.kind, fact.ts, told))
    return signals


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
    return signals


def _lost(standing: Standing, seen: StateSeen, cadence_s: float) -> list[Signal]:
    if standing.offline:
        return []
    standing.offline, standing.offline_ts = True, seen.ts
    if cadence_s <= 0 and standing.state not in BUSY:
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
        signals.append(Ends("fault", seen.ts, Happening.RETURN))
    if before is State.WAITING_PERSON:
        standing.done = False
        signals += [Ends(what, seen.ts, Happening.ANSWER) for what in ("finished", "waiting")]
    if seen.state in {State.RUNNING, State.SETUP}:
        signals.append(Ends("failed", seen.ts, Happening.ANSWER))
    return signals


def _entered(standing: Standing, seen: StateSeen) -> list[Signal]:
    told: dict[str, float | str] = {"since": format_time(seen.ts), "cause": seen.why or "", "file": standing.file}
    if seen.state is State.FAULT:
        return [Begins(AlertClass.HAZARD, "fault", "fault", seen.ts, told)]
    if seen.state is State.WAITING_PERSON and standing.done:
        return [Begins(AlertClass.CALL, "finished", "finished", seen.ts, told)]
    if seen.state is State.WAITING_PERSON and standing.job is not None and seen.why:
        return [Begins(AlertClass.CALL, "waiting", "waiting", seen.ts, told)]
    if seen.state is State.IDLE:
        standing.done = False
    return []


def _started(standing: Standing, started: JobStarted) -> list[Signal]:
    if started.job in {standing.job, standing.ended_job}:
        return []
    standing.job, standing.done, standing.file = started.job, False, started.file or ""
    ts = started.ts if started.ts is not None else standing.heard_ts
    return [Ends(what, ts, Happening.ANSWER) for what in ("finished", "failed")]


def _ended(standing: Standing, ended: JobEnded) -> list[Signal]:
    if ended.job == standing.ended_job:
        return []
    standing.job, standing.ended_job, standing.done = None, ended.job, ended.outcome is Outcome.DONE
    standing.file = ended.file or standing.file
    ts = ended.ts if ended.ts is not None else standing.heard_ts
    told: dict[str, float | str] = {"since": format_time(ts), "file": standing.file, "cause": ended.cause or ""}
    if ended.duration_s is not None:
        told["seconds"] = round(ended.duration_s, 1)
    if ended.outcome is Outcome.FAILED:
        return [Begins(AlertClass.CALL, "failed", "failed", ts, told)]
    if standing.done and standing.state is State.WAITING_PERSON:
        waited = Ends("waiting", ts, Happening.ANSWER)
        return [waited, Begins(AlertClass.CALL, "finished", "finished", ts, told)]
    return []
