# SPDX-License-Identifier: AGPL-3.0-or-later
"""The public clock: the shortest block of values whose mean noise alone moves too rarely to cost a person's trust.

Every value comes as its departure from what is usual, in units of the smallest change that matters. For blocks of
1, 3, 5, 15 and 60 values the spread of their means is learned from the series itself, so autocorrelation and jobs that
differ are in it. Noise exceeds q·spread more rarely than the budget allows (filter.md §2.4: B / (M·86400/Δ)), where q
is Student's quantile by the number of blocks, wider where the blocks have fat tails. A block that is longer is never
worse: its mean spreads no more than a shorter one's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Final, NamedTuple

import msgspec

RUNGS: Final = (1, 3, 5, 15, 60)
"""Lengths of blocks, in values."""
LONGEST_S: Final = 21_600.0
"""A block that lasts longer (s of running) is no clock for an alert."""
AT_FIRST_S: Final = 3_600.0
"""The public clock while the spread is not known yet: an hour of values."""
KNOWN_COUNT: Final = 60
"""Values after which it is."""
BUDGET_PER_S: Final = 1 / (50 * 7 * 86_400)
"""False alarms that are allowed: one a week of 50 machines, over all their indices."""
SERIES_A_MACHINE: Final = 5
MEMORY_COUNT: Final = 480
"""Blocks by which a spread is remembered."""
SPREADS_MAX: Final = 4.0
"""A block further out than this many spreads counts as so many, once there are enough to know: a single one, the first
of a fault perhaps, must not make the tail fat, and does not (4⁴ over MEMORY_COUNT is about _TAIL_MIN)."""
ENOUGH_COUNT: Final = 30
_EXPONENT_MAX: Final = 700.0
_TAIL_MIN: Final = 0.5
"""Excess kurtosis up to which blocks count as Gaussian: about what chance gives."""


class Rung(msgspec.Struct):
    """What is known of blocks of one length: the open one, how many there were, their 2nd and 4th moments about 0."""

    open_sum: float = 0.0
    open_count: int = 0
    count: int = 0
    square: float = 0.0
    fourth: float = 0.0

    def hear(self, departure: float, length: int) -> None:
        """Take one value in; a full block is learned from."""
        self.open_sum += departure
        self.open_count += 1
        if self.open_count < length:
            return
        mean, self.open_sum, self.open_count = self.open_sum / length, 0.0, 0
        if self.count > ENOUGH_COUNT:
            mean = math.copysign(min(abs(mean), SPREADS_MAX * math.sqrt(self.square)), mean)
        self.count += 1
        weight = max(1 / self.count, 1 / MEMORY_COUNT)
        self.square += weight * (mean**2 - self.square)
        self.fourth += weight * (mean**4 - self.fourth)

    def limit(self, z: float) -> float:
        """Return the mean that noise exceeds as rarely as a Gaussian exceeds z; infinite while it is not known."""
        degrees = min(self.count, MEMORY_COUNT) - 1.0
        if degrees < 1:
            return math.inf
        scale = math.sqrt(self.square)
        excess = self.fourth / self.square**2 - 3.0 if self.count > ENOUGH_COUNT and self.square > 0 else 0.0
        if excess > _TAIL_MIN:
            tail = 4.0 + 6.0 / excess  # a Student's t with so many degrees has this excess, and this variance
            scale *= math.sqrt((tail - 2.0) / tail)
            degrees = min(degrees, tail)
        return scale * student(z, degrees)


class Clocks(msgspec.Struct):
    """All rungs of a series, and its last departures."""

    rungs: list[Rung] = msgspec.field(default_factory=lambda: [Rung() for _ in RUNGS])
    recent: list[float] = []


class Beyond(NamedTuple):
    """A block that noise does not explain: its length in values, its mean departure, in units of what matters."""

    length: int
    mean: float


def note(clocks: Clocks, departure: float) -> None:
    """Take a departure as the newest; nothing is learned from it yet."""
    clocks.recent = [*clocks.recent, departure][-RUNGS[-1] :]


def learn(clocks: Clocks) -> None:
    """Learn from the newest departure how far noise goes."""
    for rung, length in zip(clocks.rungs, RUNGS, strict=True):
        rung.hear(clocks.recent[-1], length)


def limits(clocks: Clocks, cadence_s: float, often: float = 1.0) -> list[float]:
    """Return how far a mean of each rung has to be out to tell of more than noise, at least 1: what matters.

    Noise may go beyond so many times as `often` as the budget allows: something else has to agree then.
    """
    z = _z(cadence_s, often)
    found, least = [], math.inf
    for rung, length in zip(clocks.rungs, RUNGS, strict=True):
        if length * cadence_s > LONGEST_S:
            break
        least = min(least, rung.limit(z))
        found.append(max(least, 1.0))
    return found


def beyond(recent: Sequence[float], limits: Sequence[float]) -> Beyond | None:
    """Return the shortest block up to now that is beyond its limit."""
    for length, limit in zip(RUNGS, limits, strict=False):
        if len(recent) < length:
            return None
        mean = math.fsum(recent[-length:]) / length
        if abs(mean) >= limit:
            return Beyond(length, mean)
    return None


def public(clocks: Clocks, cadence_s: float) -> int:
    """Return the public clock in values: the shortest block in which noise alone stays below what matters."""
    usable = [length for length in RUNGS if length * cadence_s <= LONGEST_S]
    if clocks.rungs[0].count < KNOWN_COUNT:
        return next((length for length in usable if length * cadence_s >= AT_FIRST_S), usable[-1])
    quiet = (length for length, limit in zip(usable, limits(clocks, cadence_s), strict=True) if limit <= 1.0)
    return next(quiet, usable[-1])


def share(cadence_s: float) -> float:
    """Return one value's share of the budget: the false alarms that it may raise."""
    return BUDGET_PER_S * cadence_s / SERIES_A_MACHINE


def student(z: float, degrees: float) -> float:
    """Return Student's quantile that is as rare as the normal quantile z (Wallace 1959, turned round)."""
    factor = (8.0 * degrees + 3.0) / (8.0 * degrees + 1.0)
    exponent = (z * factor) ** 2 / degrees
    return math.sqrt(degrees * math.expm1(exponent)) if exponent < _EXPONENT_MAX else math.inf


def _z(cadence_s: float, often: float) -> float:
    """Return the two-sided quantile of one value's share of the budget, times `often`."""
    return -NormalDist().inv_cdf(often * share(cadence_s) / len(RUNGS) / 2)
