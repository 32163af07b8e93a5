# SPDX-License-Identifier: AGPL-3.0-or-later
"""What an alert of the filter tells, by name: sort, since when, size ± sd, how sure, by which clock, against what."""

from __future__ import annotations

import math
from typing import NamedTuple

from collector.contract.codec import format_time
from cyberfilter.alerts.clocks import Beyond
from cyberfilter.alerts.home import Home
from cyberfilter.contract.index import Change, Verdict
from cyberfilter.indices.catalogue import Good, Index


class Departure(NamedTuple):
    """How a series has left its home: the sort of change, the block that shows it, and that block's limit.

    Block and limit are in units of `matters`, the smallest change worth an alert (in the index's unit); `clock_count`
    is the public clock in values.
    """

    sort: Verdict
    block: Beyond
    limit: float
    clock_count: int
    matters: float


class Seen(NamedTuple):
    """The value at which it was seen: its time (Unix s), itself, the filter's level, and P(something has changed)."""

    ts: float
    value: float
    level: float
    p_change: float


def facts_of(row: Index, home: Home, seen: Seen, change: Change | None, departure: Departure) -> dict[str, float | str]:
    """Return the figures of an alert, in the index's unit, those left out that are not known."""
    spread, sort = math.sqrt(home.variance), departure.sort
    is_noise = sort is Verdict.NOISE
    expected = spread if is_noise else home.mean
    level = departure.block.mean * departure.matters if is_noise else _level(home, seen, departure)
    band = departure.limit * departure.matters
    size = level - expected
    pleases = not is_noise and ((row.good is Good.HIGHER and size > 0) or (row.good is Good.LOWER and size < 0))
    since = change.since if change is not None and math.isfinite(change.since) else seen.ts
    facts: dict[str, float | str] = {
        "sign": "pleasure" if pleases else "pain",
        "change": sort.value,
        "unit": row.unit,
        "level": round(level, 4),
        "expected": round(expected, 4),
        "lo": round(expected - (0.0 if is_noise else band), 4),
        "hi": round(band if is_noise else expected + band, 4),
        "size": round(size, 4),
        "since": format_time(since),
        "clock_s": departure.clock_count * row.cadence_s,
        "block_s": departure.block.length * row.cadence_s,
        "learned": home.count,
    }
    known = {
        "size_ratio": size / abs(expected) if expected else math.nan,
        "sigma": abs(size) / spread if spread > 0 else math.nan,
        # Of a slope it is that of its rise a value, not of how far it has come.
        "sd": change.sd if change is not None and change.kind != Verdict.SLOPE else math.nan,
        "probability": seen.p_change,
        "before": change.before if change is not None else math.nan,
    }
    return facts | {name: round(figure, 4) for name, figure in known.items() if math.isfinite(figure)}


def _level(home: Home, seen: Seen, departure: Departure) -> float:
    """Return where the series stands: the filter's level where it agrees with the block, else the block's mean."""
    out = seen.level - home.mean
    agrees = math.isfinite(out) and out * departure.block.mean > 0 and abs(out) >= departure.matters
    return seen.level if agrees else home.mean + departure.block.mean * departure.matters
