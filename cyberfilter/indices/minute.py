# SPDX-License-Identifier: AGPL-3.0-or-later
"""One minute of one machine: which state it was in, whether it was settled, and what the minute's means are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from collector.contract.event import State

MINUTE_S: Final = 60
SETTLE_S: Final = 120.0
"""A target has to stand this long before the nozzle counts as settled."""
SETTLED_DEGC_MAX: Final = 10.0
"""A sample further from its target than this is heating up, cooling down, or a hazard: not a deviation."""
TARGET_STEP_DEGC: Final = 0.5
"""A smaller change of the target is a rounding, not a change."""
SETTLED_SHARE_MIN: Final = 0.5
REGIME_DEGC: Final = 5.0
"""Targets within this width share one usual level of heater effort."""

LOST: Final = frozenset({State.FAULT, State.WAITING_PERSON})
"""States in which the machine's time is lost to the workshop."""

Row = Mapping[str, float]


class Span(NamedTuple):
    """How a minute was spent, by the machine's own word and by its link."""

    running: bool
    known_s: float
    lost_s: float
    offline_s: float


def own_span(state: State | None, changes: Sequence[tuple[float, State]], start: float) -> tuple[Span, State | None]:
    """Return the span of [start, start + 60) and the machine's state at its end; `changes` are in order of time.

    `lost_s` counts fault and waiting for a person; `offline_s` is left at 0.
    """
    if not changes:
        lost_s = float(MINUTE_S) if state in LOST else 0.0
        return Span(state is State.RUNNING, 0.0 if state is None else float(MINUTE_S), lost_s, 0.0), state
    running, known_s, lost_s, since = state is State.RUNNING, 0.0, 0.0, start
    for ts, following in (*changes, (start + MINUTE_S, state)):
        lasted = max(ts, since) - since
        if state is not None:
            known_s += lasted
        if state in LOST:
            lost_s += lasted
        since = max(ts, since)
        if ts < start + MINUTE_S:
            running = (running or ts <= start) and following is State.RUNNING
            state = following
    return Span(running, known_s, lost_s, 0.0), state


class Heat(NamedTuple):
    """The nozzle's target and since when it stands (Unix s)."""

    target_degc: float | None
    since: float


def follow_target(heat: Heat, rows: Sequence[tuple[float, Row]]) -> Heat:
    """Return the target after these samples, in order of time."""
    for ts, row in rows:
        found = row.get("nozzle_target_degc")
        if found is None:
            continue
        if heat.target_degc is None or abs(found - heat.target_degc) > TARGET_STEP_DEGC:
            heat = Heat(found, ts)
    return heat


class Settled(NamedTuple):
    """Means over a settled minute; None where there was no such sample."""

    deviation_degc: float | None
    effort_w: float | None
    regime: float


def settled(heat: Heat, rows: Sequence[tuple[float, Row]], start: float) -> Settled | None:
    """Return the means of a minute at whose start the target had stood for two minutes, or None: the gate is closed.

    `heat` is the target after the minute, so a change within it closes the gate.
    """
    target = heat.target_degc
    if target is None or target <= 0 or heat.since > start - SETTLE_S:
        return None
    deviations, efforts, apart = [], [], 0
    for _, row in rows:
        actual = row.get("nozzle_degc")
        if actual is not None and abs(actual - target) > SETTLED_DEGC_MAX:
            apart += 1
            continue
        if actual is not None:
            deviations.append(actual - target)
        if "heater_power_w" in row:
            efforts.append(row["heater_power_w"])
    if len(deviations) < SETTLED_SHARE_MIN * (len(deviations) + apart):
        return None
    return Settled(mean(deviations), mean(efforts), round(target / REGIME_DEGC) * REGIME_DEGC)


def mean(values: Sequence[float]) -> float | None:
    """Return the arithmetic mean, or None of nothing."""
    return sum(values) / len(values) if values else None
