# SPDX-License-Identifier: AGPL-3.0-or-later
"""The usual level and spread of a series in one regime, learned from values that were not far out."""

from __future__ import annotations

import math
from typing import Final

import msgspec

from cyberfilter.indices.catalogue import Index

SPREADS: Final = 3.0
"""A value nearer to home than this many spreads is usual."""
RIPE_COUNT: Final = 60
RIPE_VISITS: Final = 3
"""A home can be left after so many values of so many visits: one job doesn't tell how jobs differ."""
RIPE_ALONE_COUNT: Final = 240
"""So many values are enough without: four hours of running for a minute index."""
MEMORY_COUNT: Final = 1_440
"""Memory of a home, in values: a day of running. It must not learn a fault that grows for hours as usual."""


class Home(msgspec.Struct):
    """What is usual in one regime: from how many values of how many visits it is known, its mean and variance.

    `drift` is how far the levels of all regimes had gone when this one was left.
    """

    count: int = 0
    mean: float = 0.0
    variance: float = 0.0
    visit_count: int = 0
    drift: float = 0.0

    @property
    def ripe(self) -> bool:
        """Tell whether enough is known to call a value unusual."""
        needed = RIPE_COUNT if self.visit_count >= RIPE_VISITS else RIPE_ALONE_COUNT
        return self.count >= needed

    def learn(self, value: float) -> None:
        """Move towards a value; once ripe, a single one moves it by at most three spreads' worth."""
        self.count += 1
        weight = max(1 / self.count, 1 / MEMORY_COUNT)
        delta = value - self.mean
        if self.count > RIPE_COUNT:
            bound = SPREADS * math.sqrt(self.variance)
            delta = min(max(delta, -bound), bound) if bound > 0 else delta
        self.mean += weight * delta
        self.variance = (1 - weight) * (self.variance + weight * delta * delta)

    def move(self, by: float) -> None:
        """Take a level so much higher as the usual one, and be ready to learn it better."""
        self.mean += by
        self.count = min(self.count, RIPE_ALONE_COUNT)

    def limit(self, row: Index) -> float:
        """Return how far from the mean a value has to be to be beyond."""
        return max(SPREADS * math.sqrt(self.variance), row.materiality.of(self.mean))
