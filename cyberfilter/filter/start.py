# SPDX-License-Identifier: AGPL-3.0-or-later
"""Where no prior says it: the first values of a series set its level and its noise, by medians.

The first eight values are kept. Until the eighth their median and spread are level and band; then the filter starts
from a wide prior around them. Medians, because a start-up's first values are often the odd ones.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from cyberfilter.filter.model import SIGMA_PER_MAD, Floats, Prior

START_COUNT: Final = 8
"""Values that are kept before the filter starts."""
START_DEGREES: Final = 4.0
"""What a noise variance from eight values is worth: Student's tails stay heavy until more is known."""
_SLOPE_SHARE: Final = 1 / 16
"""The first slope's variance as a share of the level's: the values may have come on a ramp of eight."""
_RESOLUTION: Final = 1e-6
"""The noise is at least this share of the level, where eight equal values show none."""
_VARIANCE_MIN: Final = 1e-60


class Begin(NamedTuple):
    """The prior of k series: means and variances of level and slope, estimate and degrees of the noise, each (k)."""

    level: Floats
    level_variance: Floats
    slope: Floats
    slope_variance: Floats
    noise: Floats
    degrees: Floats


def begin(kept: Floats, prior: Prior, noise: Floats | None = None) -> Begin:
    """Return what the kept values (START_COUNT, k) say, where the prior says nothing; at least one of each is there.

    The noise comes from the differences of neighbours, which neither a ramp nor one step in the values inflates;
    `noise` (k) is there where each series knows its own.
    """
    centre = _median(kept)
    spread = SIGMA_PER_MAD * _median(np.abs(kept - centre))
    if noise is not None:
        degrees = np.full_like(centre, START_DEGREES)
    elif prior.noise is None:
        noise, degrees = _noise(kept, centre), np.full_like(centre, START_DEGREES)
    else:
        noise, degrees = _both(prior.noise, centre)
    wide = np.maximum(noise, spread * spread)
    level, level_variance = (centre, wide) if prior.level is None else _both(prior.level, centre)
    slope, slope_variance = (0.0 * wide, _SLOPE_SHARE * wide) if prior.slope is None else _both(prior.slope, centre)
    return Begin(level, level_variance, slope, slope_variance, noise, degrees)


def _both(pair: tuple[float, float], like: Floats) -> tuple[Floats, Floats]:
    return np.full_like(like, pair[0]), np.full_like(like, pair[1])


def _noise(kept: Floats, centre: Floats) -> Floats:
    steps = np.abs(kept[1:] - kept[:-1])
    sigma = np.nan_to_num(SIGMA_PER_MAD * _median(steps), nan=0.0)
    largest = np.fmax.reduce(steps, axis=0, initial=0.0)
    # more than half of the neighbours may be equal on a coarse scale: then the largest step tells the resolution
    robust = np.where(sigma > 0, sigma * sigma / 2.0, largest * largest / 12.0)
    return np.maximum(np.maximum(robust, _RESOLUTION * _RESOLUTION * centre * centre), _VARIANCE_MIN)


def _median(rows: Floats) -> Floats:
    """Return the median of each column's numbers (NaN is none); NaN where there are none."""
    ordered = np.sort(rows, axis=0)
    count = (~np.isnan(rows)).sum(axis=0)
    low = np.take_along_axis(ordered, np.maximum(count - 1, 0)[None] // 2, axis=0)[0]
    high = np.take_along_axis(ordered, count[None] // 2, axis=0)[0]
    return np.asarray((low + high) / 2.0)
