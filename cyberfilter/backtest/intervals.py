# SPDX-License-Identifier: AGPL-3.0-or-later
"""How sure a count or a share is: 95 % intervals, exact for counts, Wilson's for shares."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

SURE: Final = 0.95
_Z: Final = 1.959963984540054
_HALVINGS: Final = 60


class Interval(NamedTuple):
    """A figure and the interval around it; NaN where nothing was counted."""

    value: float
    lo: float
    hi: float

    def times(self, factor: float) -> Interval:
        """Return the interval in another unit."""
        return Interval(self.value * factor, self.lo * factor, self.hi * factor)


def poisson(count: int, exposure: float = 1.0) -> Interval:
    """Return the rate per unit of `exposure` with its exact 95 % interval (Garwood 1936, Biometrika 28, p. 437).

    The lower end is the mean at which as many or more have a chance of 2.5 %, the upper one that of as few or fewer.

    >>> [round(end, 3) for end in poisson(1)]
    [1.0, 0.025, 5.572]
    """
    assert count >= 0
    assert exposure > 0
    tail = (1.0 - SURE) / 2.0
    lo = _mean_where(count - 1, 1.0 - tail) if count else 0.0
    return Interval(float(count), lo, _mean_where(count, tail)).times(1.0 / exposure)


def _mean_where(count: int, chance: float) -> float:
    """Return the mean of the Poisson distribution that gives at most `count` with that chance, by halving."""
    wide = 6.0 * math.sqrt(count) + 20.0
    low, high = max(count - wide, 0.0), count + wide
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if _at_most(count, middle) > chance else (low, middle)
    return (low + high) / 2.0


def _at_most(count: int, mean: float) -> float:
    """Return the chance of at most `count` events where `mean` are expected, from the last term down."""
    term = math.exp(count * math.log(mean) - mean - math.lgamma(count + 1.0))
    total = term
    for k in range(count, 0, -1):
        term *= k / mean
        total += term
        if term < total * 1e-17:
            break
    return total


def share(count: int, of: int) -> Interval:
    """Return a share with its 95 % interval (Wilson 1927, JASA 22, p. 209); NaN of nothing.

    >>> [round(end, 3) for end in share(9, 10)]
    [0.9, 0.596, 0.982]
    """
    if of == 0:
        return Interval(math.nan, math.nan, math.nan)
    p, z2 = count / of, _Z * _Z
    centre = (p + z2 / (2 * of)) / (1 + z2 / of)
    half = _Z * math.sqrt(p * (1 - p) / of + z2 / (4 * of * of)) / (1 + z2 / of)
    return Interval(p, max(centre - half, 0.0), min(centre + half, 1.0))
