# SPDX-License-Identifier: AGPL-3.0-or-later
"""Facts folded into index values, one machine at a time, by the machine's own clock.

A minute [t, t + 60) closes when the same machine's samples have passed t + 60 + WINDOW_S. So a resend after an outage
gives exactly the values of an undisturbed run; duplicates, and disorder within the window, change nothing; what is
older than the last closed minute is not judged. Where the sender numbers its readings, a gap holds the clock (`runs`).
Until then samples wait by minute; a closed minute is walked through
once, in order of time.

`offline` says that the link was lost, not what the machine did: a minute with samples was not offline.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from collector.contract.event import JobEnded, JobStarted, State, StateSeen
from collector.contract.reading import Batch, Fact, Samples
from cyberfilter.indices.catalogue import AVAILABILITY, ENERGY, HEATER_EFFORT, NOZZLE_DEVIATION, PACE
from cyberfilter.indices.minute import MINUTE_S, Heat, Row, Span, follow_target, mean, own_span, settled
from cyberfilter.indices.regimes import NO_JOB, keep
from cyberfilter.indices.runs import Runs, advance

AHEAD_S_MAX: Final = 300.0
"""How far ahead of its arrival a sample may be dated and still be judged."""
WINDOW_S: Final = 120
"""Two cadences of the minute indices: how long a minute waits for stragglers (first-decisions 7)."""
GAP_MINUTES_MAX: Final = 7 * 1440
"""A longer hole in a machine's samples is skipped rather than walked through."""
PACE_S: Final = 300
PACE_SPREAD_S_MIN: Final = 240.0
PACE_MOVE_S_MAX: Final = 30.0  # of the estimate, for a step where progress moves in stairs
HOUR_S: Final = 3600
HOUR_KNOWN_S_MIN: Final = HOUR_S / 2
PENDING_FACTS_MAX: Final = 4_096
"""States and jobs that wait for their minute; a machine without samples keeps the newest of them."""
INDICATORS: Final = (
    "nozzle_degc",
    "nozzle_target_degc",
    "heater_power_w",
    "power_w",
    "progress_ratio",
    "estimate_s",
)

T = TypeVar("T")


class Value(NamedTuple):
    """One value of an index: `ts` is the end of its bucket (Unix s); `regime` tells usual levels apart.

    Of heater effort it is the target, of energy the job's file: what a cut takes depends on what is cut.
    """

    name: str
    ts: float
    value: float
    regime: float = 0.0


class Pace(msgspec.Struct):
    """The five minutes under way: whether the gate is open, the first and last progress (Unix s, ratio).

    `stood`: it did not move between two samples; `step_s` is the most that a move was worth of the estimate.
    """

    open: bool = False
    first: tuple[float, float] | None = None
    last: tuple[float, float] | None = None
    stood: bool = False
    step_s: float = 0.0


class MachineFold(msgspec.Struct):
    """What is carried of a machine: open minutes, where it stood when the last one closed, files by their regime."""

    seen_until: float = 0.0
    runs: Runs = msgspec.field(default_factory=Runs)
    next_minute: int | None = None
    samples: dict[int, dict[float, dict[str, float]]] = {}
    states: list[tuple[float, State]] = []
    links: list[tuple[float, bool]] = []
    jobs_due: list[tuple[float, tuple[float | None, float]]] = []
    state: State | None = None
    state_ts: float = 0.0
    offline: bool = False
    link_ts: float = 0.0
    job_ts: float = 0.0
    target_degc: float | None = None
    target_since: float = 0.0
    estimate_s: float | None = None
    job_regime: float = NO_JOB
    files: dict[float, str] = {}
    pace: Pace = msgspec.field(default_factory=Pace)
    hour_known_s: float = 0.0
    hour_lost_s: float = 0.0
    late_count: int = 0


def take(fold: MachineFold, facts: tuple[Fact, ...], sent: tuple[str, int] | None = None) -> None:
    """Note the facts of one batch; `close` then gives the values of what they completed.

    `sent` is the sender's boot and number of the reading, where it numbers (contract 3).
    """
    newest = max((max(fact.times, default=0.0) for fact in facts if isinstance(fact, Samples)), default=0.0)
    complete = advance(fold.runs, *sent, newest) if sent is not None and newest else newest
    fold.seen_until = max(fold.seen_until, complete)
    for fact in facts:
        if isinstance(fact, Samples):
            _take_samples(fold, fact)
        elif isinstance(fact, StateSeen):
            _take_state(fold, fact)
        elif isinstance(fact, JobStarted) and fact.ts is not None:
            _wait(fold.jobs_due, (fact.ts, (fact.estimate_s, keep(fold.files, fact.file))))
        elif isinstance(fact, JobEnded) and fact.ts is not None:
            _wait(fold.jobs_due, (fact.ts, (None, NO_JOB)))


def believed(batch: Batch) -> tuple[Fact, ...]:
    """Return the facts without samples that are dated later than they arrived: one of them would end all judging.

    The historian has them at their own time; a clock may be AHEAD_S_MAX wrong.
    """
    return tuple(_until(fact, batch.at + AHEAD_S_MAX) if isinstance(fact, Samples) else fact for fact in batch.facts)


def _until(samples: Samples, end: float) -> Samples:
    if max(samples.times, default=0.0) <= end:
        return samples
    kept = [n for n, ts in enumerate(samples.times) if ts <= end]
    columns = {name: tuple(column[n] for n in kept) for name, column in samples.values.items()}
    return Samples(tuple(samples.times[n] for n in kept), columns, samples.assigned)


def _take_samples(fold: MachineFold, samples: Samples) -> None:
    columns = [(name, samples.values[name]) for name in INDICATORS if name in samples.values]
    closed_until = fold.next_minute if fold.next_minute is not None else -math.inf
    for position, ts in enumerate(samples.times):
        minute = math.floor(ts / MINUTE_S) * MINUTE_S
        if minute < closed_until:
            fold.late_count += 1
            continue
        row = fold.samples.setdefault(minute, {}).setdefault(ts, {})
        for name, cells in columns:
            cell = cells[position]
            if cell is not None:
                row[name] = cell


def _take_state(fold: MachineFold, seen: StateSeen) -> None:
    if seen.state is State.OFFLINE:
        _wait(fold.links, (seen.ts, True))
    else:
        _wait(fold.links, (seen.ts, False))
        _wait(fold.states, (seen.ts, seen.state))


def _wait(waiting: list[tuple[float, Any]], item: tuple[float, Any]) -> None:
    if item not in waiting:
        waiting.append(item)
    if len(waiting) > PENDING_FACTS_MAX:
        waiting.sort(key=_time)
        del waiting[0]


def _time(item: tuple[float, Any]) -> float:
    return item[0]


def _due(waiting: list[tuple[float, T]], end: float, done_until: float) -> tuple[list[tuple[float, T]], float]:
    """Take what happened before `end` out of the list, in order of time, without what was said already."""
    if not waiting:
        return [], done_until
    due = sorted((item for item in waiting if item[0] < end), key=_time)
    waiting[:] = [item for item in waiting if item[0] >= end]
    due = [item for item in due if item[0] > done_until]
    return due, due[-1][0] if due else done_until


def close(fold: MachineFold) -> list[Value]:
    """Return the values of all minutes that the machine's own samples have left far enough behind."""
    if not fold.samples:
        return []
    end = fold.seen_until - WINDOW_S
    values: list[Value] = []
    minute = min(fold.samples) if fold.next_minute is None else fold.next_minute
    while fold.samples and minute + MINUTE_S <= end:
        if minute not in fold.samples and min(fold.samples) - minute > GAP_MINUTES_MAX * MINUTE_S:
            minute = min(fold.samples)
            fold.pace, fold.hour_known_s, fold.hour_lost_s = Pace(), 0.0, 0.0
            continue
        _close_minute(fold, minute, values)
        minute += MINUTE_S
        fold.next_minute = minute
    return values


def _close_minute(fold: MachineFold, start: int, values: list[Value]) -> None:
    end = start + MINUTE_S
    rows: list[tuple[float, Row]] = sorted(fold.samples.pop(start, {}).items())
    span = _span(fold, start, heard=bool(rows))
    regime, restarted = fold.job_regime, _jobs(fold, start)
    heat = follow_target(Heat(fold.target_degc, fold.target_since), rows)
    fold.target_degc, fold.target_since = heat
    for _, row in rows:
        fold.estimate_s = row.get("estimate_s", fold.estimate_s)
    if span.running and rows:
        _minute_values(heat, regime, rows, start, values)
    _pace(fold, span, rows, start, restarted=restarted, values=values)
    _availability(fold, span, end, values)


def _span(fold: MachineFold, start: int, *, heard: bool) -> Span:
    """Return how the minute was spent, and move the machine's state and link to its end."""
    end = float(start + MINUTE_S)
    changes, fold.state_ts = _due(fold.states, end, fold.state_ts)
    span, fold.state = own_span(fold.state, changes, start)
    links, fold.link_ts = _due(fold.links, end, fold.link_ts)
    offline_s, since = 0.0, float(start)
    for ts, offline in (*links, (end, fold.offline)):
        offline_s += max(ts, since) - since if fold.offline else 0.0
        since = max(ts, since)
        fold.offline = offline if ts < end else fold.offline
    if heard:
        fold.offline = fold.offline and bool(links)
        offline_s = 0.0
    return span._replace(offline_s=offline_s) if offline_s else span


def _jobs(fold: MachineFold, start: int) -> bool:
    """Tell whether a job began or ended within the minute, and note the newest job and estimate."""
    due, fold.job_ts = _due(fold.jobs_due, start + MINUTE_S, fold.job_ts)
    for _, (estimate_s, fold.job_regime) in due:
        fold.estimate_s = estimate_s if estimate_s is not None else fold.estimate_s
    return any(ts > start for ts, _ in due)


def _minute_values(
    heat: Heat, job_regime: float, rows: list[tuple[float, Row]], start: int, values: list[Value]
) -> None:
    end = float(start + MINUTE_S)
    found = settled(heat, rows, start)
    if found is not None and found.deviation_degc is not None:
        values.append(Value(NOZZLE_DEVIATION.name, end, found.deviation_degc))
    if found is not None and found.effort_w is not None:
        values.append(Value(HEATER_EFFORT.name, end, found.effort_w, found.regime))
    power_w = mean([row["power_w"] for _, row in rows if "power_w" in row])
    if power_w is not None:
        values.append(Value(ENERGY.name, end, power_w, job_regime))


def _pace(
    fold: MachineFold, span: Span, rows: list[tuple[float, Row]], start: int, *, restarted: bool, values: list[Value]
) -> None:
    if start % PACE_S == 0:
        fold.pace = Pace(open=True)
    pace = fold.pace
    pace.open = pace.open and span.running and not restarted
    if not pace.open:
        return
    for ts, row in rows:
        if "progress_ratio" in row:
            if pace.last is not None:
                rise = row["progress_ratio"] - pace.last[1]
                pace.stood, pace.step_s = pace.stood or rise == 0, max(pace.step_s, rise * (fold.estimate_s or 0.0))
            pace.last = (ts, row["progress_ratio"])
            pace.first = pace.first or pace.last
    end = start + MINUTE_S
    if end % PACE_S or pace.first is None or pace.last is None or not fold.estimate_s:
        return
    (first_ts, first), (last_ts, last) = pace.first, pace.last
    fine = not pace.stood or pace.step_s <= PACE_MOVE_S_MAX
    if fine and last_ts - first_ts >= PACE_SPREAD_S_MIN and last >= first:
        ratio = (last - first) * fold.estimate_s / (last_ts - first_ts)
        values.append(Value(PACE.name, float(end), ratio, fold.job_regime))


def _availability(fold: MachineFold, span: Span, end: int, values: list[Value]) -> None:
    fold.hour_known_s += max(span.known_s, span.offline_s)
    fold.hour_lost_s += min(max(span.lost_s, span.offline_s), MINUTE_S)
    if end % HOUR_S:
        return
    if fold.hour_known_s >= HOUR_KNOWN_S_MIN:
        ratio = 1.0 - min(fold.hour_lost_s / fold.hour_known_s, 1.0)
        values.append(Value(AVAILABILITY.name, float(end), ratio))
    fold.hour_known_s = fold.hour_lost_s = 0.0
