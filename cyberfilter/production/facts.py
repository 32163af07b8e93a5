# SPDX-License-Identifier: AGPL-3.0-or-later
"""What is kept of a machine for its production: minutes of its meter, its jobs, and the time in which it was heard.

A minute is a join: the same samples in any order and cut give the same minute, whatever came late.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from collector.contract.event import JobEnded, JobStarted, Noted, Outcome, PartCounted, State
from cyberfilter.production.spans import Span, union

MINUTE_S: Final = 60
STILL_RUNS: Final = 1e12
"""The end of a job that has not ended: later than any time."""
LINK_LOST_S: Final = 90.0
"""While the link is said to be lost, samples further apart than this, or than three cadences, tell nothing between."""
SILENCE_S: Final = 600.0
"""A machine that is said to be there, and that has a cadence, may be silent for so long, or for three cadences."""
DEVIATION: Final = "temperature_deviation_degc"
QUEUE: Final = "queue_jobs"
VOC: Final = "voc_ppb"
AVERAGED: Final = (DEVIATION, QUEUE, VOC)
"""What is averaged over a minute's samples."""
DENSITY_G_CM3: Final = {"abs": 1.04, "asa": 1.07, "pa": 1.14, "pc": 1.20, "petg": 1.27, "pla": 1.24, "tpu": 1.21}
"""Typical densities of filament (makers' data sheets); another material counts as PLA."""
DIAMETER_MM: Final = 1.75


class Meter(msgspec.Struct, array_like=True, gc=False):
    """The energy counter (kWh) within a minute: first and last reading with their times, least and most."""

    first_at: float
    first: float
    last_at: float
    last: float
    low: float
    high: float

    def read(self, ts: float, kwh: float) -> None:
        """Take a reading in."""
        if ts <= self.first_at:
            self.first_at, self.first = ts, kwh
        if ts >= self.last_at:
            self.last_at, self.last = ts, kwh
        self.low, self.high = min(self.low, kwh), max(self.high, kwh)

    def rise_kwh(self) -> float:
        """Return how much it rose within the minute: Σ max(0, ΔE), at most one reset in it."""
        if self.last >= self.high:
            return self.last - self.first
        return max(self.high - self.first, 0.0) + max(self.last - self.low, 0.0)


class Minute(msgspec.Struct, array_like=True, gc=False):
    """A minute in which a device was heard: when first and last, its meter, and sum and count of what is averaged."""

    first_at: float
    last_at: float
    meter: Meter | None = None
    means: dict[str, tuple[float, int]] = {}

    def hear(self, ts: float) -> None:
        """Note that the device spoke of this moment."""
        self.first_at, self.last_at = min(self.first_at, ts), max(self.last_at, ts)

    def average(self, name: str, value: float) -> None:
        """Take a value into the mean of this name."""
        total, count = self.means.get(name, (0.0, 0))
        self.means[name] = total + value, count + 1


class Curve(NamedTuple):
    """Energy that was used until a time: between two readings (Unix s) it rises evenly; kWh since the first."""

    times: Sequence[float]
    totals: Sequence[float]

    def used_kwh(self, start: float, end: float) -> float:
        """Return what was used in [start, end); nothing is known of before the first reading and after the last."""
        return self._until(end) - self._until(start)

    def read_s(self, start: float, end: float) -> float:
        """Return how much of [start, end) lies between readings (s)."""
        return max(min(end, self.times[-1]) - max(start, self.times[0]), 0.0)

    def _until(self, ts: float) -> float:
        n = bisect_right(self.times, ts)
        if n == 0:
            return 0.0
        if n == len(self.times):
            return self.totals[-1]
        share = (ts - self.times[n - 1]) / (self.times[n] - self.times[n - 1])
        return self.totals[n - 1] + share * (self.totals[n] - self.totals[n - 1])


class Job(msgspec.Struct):
    """What was said of a job; `at` is when the first word of it came (Unix s)."""

    at: float
    started: JobStarted | None = None
    ended: JobEnded | None = None

    @property
    def key(self) -> str:
        """The sender's id of the job."""
        return self.ended.job if self.ended else self.started.job if self.started else ""

    @property
    def start(self) -> float:
        """When it began, as far as anybody knows (Unix s)."""
        if self.ended is not None and self.ended.started_at is not None:
            return self.ended.started_at
        if self.started is not None and self.started.ts is not None:
            return self.started.ts
        if self.ended is not None and self.ended.ts is not None:
            return self.ended.ts - (self.ended.duration_s or 0.0)
        return self.at

    @property
    def end(self) -> float:
        """When it ended (Unix s); STILL_RUNS while it has not."""
        if self.ended is None:
            return STILL_RUNS
        return max(self.ended.ts if self.ended.ts is not None else self.at, self.start)

    @property
    def outcome(self) -> Outcome | None:
        """How it ended; None while it runs."""
        return self.ended.outcome if self.ended else None

    @property
    def file(self) -> str | None:
        """The name of what it makes."""
        return (self.ended.file if self.ended else None) or (self.started.file if self.started else None)

    @property
    def estimate_s(self) -> float | None:
        """How long it should take, as estimated before it began."""
        return (self.ended.estimate_s if self.ended else None) or (self.started.estimate_s if self.started else None)

    @property
    def total_s(self) -> float | None:
        """How long it took with everything, in the machine's own figures where it has some."""
        if self.ended is None:
            return None
        return self.ended.total_duration_s or self.ended.duration_s or (self.end - self.start) or None


class Facts(NamedTuple):
    """What is known of one device around a window; states and notes by time, minutes by their number."""

    device: str
    place: str
    cadence_s: float
    states: Sequence[tuple[float, State]]
    minutes: Mapping[int, Minute]
    jobs: Sequence[Job]
    parts: Sequence[PartCounted]
    notes: Sequence[Noted]


def curve(minutes: Mapping[int, Minute]) -> Curve | None:
    """Return what a counter says was used: Σ max(0, ΔE), so where it fell somebody reset it; None without readings."""
    times: list[float] = []
    totals: list[float] = []
    before: Meter | None = None
    for _, minute in sorted(minutes.items()):
        meter = minute.meter
        if meter is None:
            continue
        since = totals[-1] if totals else 0.0
        begun = since + (max(meter.first - before.last, 0.0) if before is not None else 0.0)
        times += [meter.first_at, meter.last_at]
        totals += [begun, begun + meter.rise_kwh()]
        before = meter
    return Curve(times, totals) if times else None


def heard(minutes: Iterable[Minute], patience_s: float, now: float) -> list[Span]:
    """Return the time in which a device was heard: silences longer than the patience are left out."""
    found: list[Span] = []
    since = until = float("-inf")
    for first_at, last_at in sorted([(minute.first_at, minute.last_at) for minute in minutes]):
        if first_at - until > patience_s:
            found.append((since, until))
            since = first_at
        until = last_at
    found = [*found[1:], (since, until)]
    if 0.0 <= now - until <= patience_s:
        found[-1] = found[-1][0], now
    return union(found)


def grams(length_mm: float, material: str) -> float:
    """Return the mass of filament: length × π·(d/2)² × density.

    >>> round(grams(1000.0, "pla"), 2)
    2.98
    """
    density = DENSITY_G_CM3.get(material, DENSITY_G_CM3["pla"])
    return length_mm * math.pi * (DIAMETER_MM / 2) ** 2 * density / 1000
