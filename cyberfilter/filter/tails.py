# SPDX-License-Identifier: AGPL-3.0-or-later
"""How rare a figure is among its own kind: peaks over a threshold, learned as they come, in nine numbers a series.

The threshold follows the .95 quantile (Robbins & Monro 1951, with the steps that are best where the density is known);
what is above it is a generalised Pareto distribution, fitted by probability-weighted moments (Hosking & Wallis 1987,
Technometrics 29, eq. 6). They need the mean excess, and the mean of the smaller of two excesses: each new one is
compared with the four before, so nothing is sorted and nothing kept. Arrays in, arrays out: (HEIGHT, k), changed.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from cyberfilter.filter.kernel import Bools
from cyberfilter.filter.model import ONE, Floats, fixed, is_any

_BEFORE: Final = 4
U, N, OVER, MEAN, SMALLER, BEFORE = range(6)
"""Threshold; values met; how many were over it; their mean; the mean of the smaller of two; the last few of them."""
HEIGHT: Final[int] = BEFORE + _BEFORE
TAUGHT: Final = 4
"""What a tail hands on: threshold, mean excess, the smaller of two by the mean one, how many exceedances know it."""
VALUES_LEAST: Final = 60.0
"""Before it has met so many values a series is never surprised."""
SURPRISE_MAX: Final = 34.0
"""-ln p is never more: 1 - p is a float below 1."""
_SHARE: Final = 0.05
_UP, _DOWN = fixed(1.0 - _SHARE), fixed(-_SHARE)
_VALUES_MAX: Final = fixed(4000.0)
"""How many values are remembered: older ones fade."""
_SHAPE_MIN, _SHAPE_MAX = -0.2, 0.5
_SHAPE_START, _SHAPE_WORTH = 0.1, 8.0
"""A shape that few exceedances know is drawn to this one, which is worth so many: few say little of the rare."""
_START: Final = (1.645, 0.5)
"""Threshold and mean excess of a size that nothing is known of, in standard deviations: worth one value over it.

The tenth of a Gaussian's, not its twentieth: the threshold rises nineteen times as fast as it falls."""
_TINY: Final = fixed(1e-300)
_KNOWN: Final = fixed(VALUES_LEAST + 1.0 / _SHARE)


def fresh(own: Floats) -> None:
    """Let the tails know nothing: one exceedance of a Gaussian one, soon forgotten."""
    threshold, excess = _START
    own[U], own[N], own[OVER] = threshold, 1.0 / _SHARE, 1.0
    own[MEAN], own[SMALLER], own[BEFORE:] = threshold + excess, threshold + excess / 2.0, np.nan


def knows(own: Floats) -> Bools:
    """Return whose tails (k) have met enough to be surprised."""
    return np.asarray(own[N] >= _KNOWN)


def read(own: Floats) -> Floats:
    """Return what the tails (k) hand on (TAUGHT, k); nothing but 0 where they do not know enough."""
    excess = np.maximum(own[MEAN] - own[U], _TINY)
    taught = np.stack((own[U], excess, np.clip((own[SMALLER] - own[U]) / excess, 0.0, 1.0), own[OVER]))
    return np.where(knows(own), taught, 0.0)


def take_up(own: Floats, given: Floats) -> None:
    """Let tails go by what others hand on, worth as many exceedances as it says, besides what they know themselves."""
    u, excess, ratio, worth = given
    share = worth / (own[OVER] + worth)
    for row, told in ((U, u), (MEAN, u + excess), (SMALLER, u + ratio * excess)):
        own[row] += share * (told - own[row])
    own[N] += worth / _SHARE
    own[OVER] += worth


def step(own: Floats, x: Floats) -> Floats:
    """Return -ln P(one as large comes) for the sizes x (k), 0 where it is not in the upper twentieth; then learn them.

    A fit to n values is trustworthy to about 1/n (README: what is realised).
    """
    u, n = own[U], own[N]
    over = x > u
    excess, surprise, which = np.maximum(own[MEAN] - u, _TINY), np.zeros(len(x)), over.nonzero()[0]
    if which.size:
        some = own[:, which]
        surprise[which] = np.where(knows(some), _surprise(some, x[which]), 0.0)
        _learn(some, x[which])
        own[:, which] = some
    old = n >= _VALUES_MAX
    if is_any(old):
        own[N : OVER + 1] *= np.where(old, 1.0 - 1.0 / _VALUES_MAX, 1.0)
    n += ONE
    off = _DOWN
    if which.size:
        own[OVER] += over
        off = np.where(over, _UP, _DOWN)
    # the density at the threshold is about share / mean excess
    u += excess * off / (_SHARE * n)
    return surprise


def _surprise(own: Floats, x: Floats) -> Floats:
    """Return -ln of the rate of exceedances times the distribution's tail beyond x."""
    mean, smaller = own[MEAN] - own[U], np.maximum(own[SMALLER] - own[U], 0.0)
    apart = mean - smaller
    flat = apart <= 1e-9 * np.abs(mean)
    shape = np.where(flat, _SHAPE_MIN, np.clip(2.0 - mean / np.where(flat, 1.0, apart), _SHAPE_MIN, _SHAPE_MAX))
    shape = (own[OVER] * shape + _SHAPE_WORTH * _SHAPE_START) / (own[OVER] + _SHAPE_WORTH)
    shape = np.where(np.abs(shape) < 1e-6, 1e-6, shape)  # noqa: PLR2004 - the exponential is the limit
    scale = np.maximum(mean * (1.0 - shape), _TINY)
    grown = np.maximum(shape * ((x - own[U]) / scale), -1.0 + 1e-15)
    rate = np.minimum(own[OVER] / own[N], 1.0)
    return np.asarray(np.minimum(np.log1p(grown) / shape - np.log(rate), SURPRISE_MAX))


def _learn(own: Floats, x: Floats) -> None:
    gain = 2.0 / (own[OVER] + 2.0)  # the later weigh more: the threshold was not yet where it is
    before = own[BEFORE:]
    there = ~np.isnan(before)
    least = np.where(there, np.minimum(before, x), 0.0)
    count = (1.0 * there[0] + there[1]) + (1.0 * there[2] + there[3])
    smaller = ((least[0] + least[1]) + (least[2] + least[3])) / np.maximum(count, 1.0)
    own[MEAN] += gain * (x - own[MEAN])
    own[SMALLER] += np.where(count > 0, gain * (smaller - own[SMALLER]), 0.0)
    own[BEFORE + 1 :] = own[BEFORE:-1].copy()
    own[BEFORE] = x
