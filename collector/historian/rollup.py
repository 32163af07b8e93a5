# SPDX-License-Identifier: AGPL-3.0-or-later
"""Samples rolled up into minutes and hours, and those into buckets (pure).

An hour's sum is the sum of its minutes' sums, a bucket's that of its hours or minutes, and every sum is rounded once:
the same samples give the same bits, in whatever order they came, and whether they were rolled up before or are now.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from heapq import merge as in_time_order
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple

from collector.historian import column

MINUTE_US: Final = 60_000_000
HOUR_US: Final = 3_600_000_000


class Tally(NamedTuple):
    """What is left of some samples."""

    samples: int
    total: float
    low: float
    high: float


Part = tuple[int, Tally]
"""Start in microseconds, and what began then."""


def split(times_us: Sequence[int], values: Sequence[float], step_us: int) -> list[Part]:
    """Return the tally of every minute that has samples, cut at multiples of the step; the times are sorted.

    >>> split([5, 19, 20], [1.0, 3.0, 5.0], 20)
    [(0, Tally(samples=2, total=4.0, low=1.0, high=3.0)), (20, Tally(samples=1, total=5.0, low=5.0, high=5.0))]
    """
    tallies: list[Part] = []
    first = 0
    while first < len(times_us):
        minute, step = times_us[first] // MINUTE_US * MINUTE_US, times_us[first] // step_us * step_us
        after = bisect_left(times_us, min(minute + MINUTE_US, step + step_us), first)
        part = values[first:after]
        tallies.append((max(minute, step), Tally(after - first, math.fsum(part), min(part), max(part))))
        first = after
    return tallies


def merge(tallies: Iterable[Tally]) -> Tally:
    """Return the tally of all their samples."""
    counts, totals, lows, highs = zip(*tallies, strict=True)
    return Tally(sum(counts), math.fsum(totals), min(lows), max(highs))


def coarsest(minutes: Sequence[Part], step_us: int) -> list[Part]:
    """Return minutes as hours where the step is made of hours, else as they are."""
    return list(_merged(minutes, HOUR_US)) if step_us % HOUR_US == 0 else list(minutes)


def buckets(series: Sequence[Iterable[Part]], step_us: int) -> Iterator[Part]:
    """Yield the buckets of several series whose parts are sorted and cut to the step (`split`, `coarsest`)."""
    return _merged(in_time_order(*series, key=itemgetter(0)), step_us)


def _merged(parts: Iterable[Part], step_us: int) -> Iterator[Part]:
    for start, group in groupby(parts, key=lambda part: part[0] // step_us * step_us):
        yield start, merge(tally for _, tally in group)


def pack_minutes(hour_us: int, minutes: Sequence[Part]) -> bytes:
    """Return the minutes of an hour in few bytes.

    >>> read_minutes(60_000_000, pack_minutes(60_000_000, [(120_000_000, Tally(2, 4.0, 1.0, 3.0))]))
    [(120000000, Tally(samples=2, total=4.0, low=1.0, high=3.0))]
    """
    starts = [(start - hour_us) // MINUTE_US for start, _ in minutes]
    return column.pack(starts, *zip(*(tally for _, tally in minutes), strict=True))


def read_minutes(hour_us: int, body: bytes) -> list[Part]:
    """Return the minutes that were packed, oldest first."""
    starts, *parts = column.unpack(body)
    tallies = map(Tally._make, zip(*parts, strict=True))
    return [(int(hour_us + start * MINUTE_US), tally) for start, tally in zip(starts, tallies, strict=True)]
