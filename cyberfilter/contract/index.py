# SPDX-License-Identifier: AGPL-3.0-or-later
"""An index: Beer's triple of productivity, latency and performance, built on indicators, with its forecast."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Any, Literal, NamedTuple

import msgspec

from collector.contract.codec import format_time


class Verdict(StrEnum):
    """What the filter says of a value when it arrives (contract 5)."""

    STEADY = "steady"
    TRANSIENT = "transient"
    STEP = "step"
    SLOPE = "slope"
    NOISE = "noise"
    STUCK = "stuck"
    SEASON = "season"
    UNSURE = "unsure"
    MISSING = "missing"


class Change(NamedTuple):
    """What the filter believes has changed: what sort, since when (Unix s), by how much ± sd, how surely, from where.

    In the index's unit: of a step how far it went, of a slope the rise per value, of noise the rise of its standard
    deviation; `before` is the level (of noise the standard deviation) that it left. NaN is not known.
    """

    kind: str
    since: float
    size: float
    sd: float = math.nan
    p: float = math.nan
    before: float = math.nan


class Forecast(msgspec.Struct, frozen=True):
    """Where the next value is expected: the steady component's mean and 95 % band, in the index's unit."""

    at: float
    mean: float
    lo95: float
    hi95: float


class Triple(msgspec.Struct, frozen=True):
    """Productivity, latency and performance, each 0..1 (Beer, Brain of the Firm, ch. 11)."""

    productivity: float
    latency: float
    performance: float


class Revision(msgspec.Struct, frozen=True):
    """A capability that is proposed to the unit: the mean of `count` values in a row that were beyond the agreed one.

    The run lasted from `since` to `until` (Unix s).
    """

    capability: float
    since: float
    until: float
    count: int


class Learning(msgspec.Struct, frozen=True):
    """How many of its own values an index has learned from, and how many it needs.

    `source` says what it goes by until then: its own values alone, or what `like` like machines have learned.
    """

    have: int
    need: int
    source: Literal["own", "like machines"]
    like: int


class IndexValue(msgspec.Struct, frozen=True):
    """The newest value of an index; `at` in Unix s, `triple` None where there is no capability.

    `forecast` is for the next value; `expected` was the forecast for this one. `learning` is None once it has learned.
    `change` is what the filter has
    believed in since P > .5 (the operator's view); `clock_s` is the index's public clock: how long a block of running
    has to be for its mean to be worth an alert.
    """

    place: str
    index: str
    unit: str
    at: float
    actuality: float | None
    capability: float | None
    potentiality: float | None
    triple: Triple | None
    forecast: Forecast | None
    expected: Forecast | None
    verdict: Verdict
    potentiality_assumed: bool = False
    revision: Revision | None = None
    learning: Learning | None = None
    change: Change | None = None
    clock_s: float | None = None


def shown(value: IndexValue) -> dict[str, Any]:
    """Return the index as the API and the `index` topic give it (contract 6)."""
    triple = value.triple
    return {
        "place": value.place,
        "index": value.index,
        "unit": value.unit,
        "at": format_time(value.at),
        "actuality": value.actuality,
        "capability": value.capability,
        "potentiality": value.potentiality,
        "potentiality_assumed": value.potentiality_assumed,
        "productivity": triple.productivity if triple else None,
        "latency": triple.latency if triple else None,
        "performance": triple.performance if triple else None,
        "forecast": _band(value.forecast),
        "expected": _band(value.expected),
        "verdict": value.verdict.value,
        "revision": _revision(value.revision),
        "learning": _learning(value.learning),
        "change": _change(value.change),
        "clock_s": value.clock_s,
    }


def _revision(proposed: Revision | None) -> dict[str, Any] | None:
    if proposed is None:
        return None
    since, until = format_time(proposed.since), format_time(proposed.until)
    return {"capability": proposed.capability, "since": since, "until": until, "count": proposed.count}


def _learning(learning: Learning | None) -> dict[str, Any] | None:
    if learning is None:
        return None
    return {"have": learning.have, "need": learning.need, "from": learning.source, "like": learning.like}


def _band(forecast: Forecast | None) -> dict[str, Any] | None:
    if forecast is None:
        return None
    return {"at": format_time(forecast.at), "mean": forecast.mean, "lo95": forecast.lo95, "hi95": forecast.hi95}


def _change(change: Change | None) -> dict[str, Any] | None:
    if change is None:
        return None
    figures = {"size": change.size, "sd": change.sd, "probability": change.p, "before": change.before}
    told: dict[str, Any] = {name: figure if math.isfinite(figure) else None for name, figure in figures.items()}
    return {"kind": change.kind, "since": format_time(change.since) if math.isfinite(change.since) else None, **told}
