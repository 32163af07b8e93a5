# SPDX-License-Identifier: AGPL-3.0-or-later
"""How far a block's mean is from the long run: what came so slowly that the filter has taken it for the level.

Mean and variance of all blocks so far, later of the last few hundred. Arrays in, arrays out: (HEIGHT, k), changed.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from cyberfilter.filter.model import Floats, fixed
from cyberfilter.filter.verdict import Bools

MEAN, VARIANCE, N = range(3)
HEIGHT: Final = 3
_LEAST: Final = 8.0
_MOST: Final = 400.0
"""Blocks that the long run is made of."""
_TAME: Final = fixed(50.0)
"""Degrees of freedom of the Student's t that distances are taken for, so that one of a thousand sigma is not all."""


def fresh(own: Floats) -> None:
    """Let nothing be known."""
    own[:] = 0.0


def speaks(own: Floats) -> Bools:
    """Return of which series (k) the long run is known."""
    return np.asarray(own[N] >= _LEAST)


def step(own: Floats, mean: Floats, noise_least: Floats) -> Floats:
    """Return how many standard deviations the blocks' means (k) are from those before, without sign; then learn them.

    NaN before there were eight. `noise_least` (k) is a variance that none is below.
    """
    n = own[N] + 1.0
    gain = 1.0 / np.minimum(n, _MOST)
    error = mean - own[MEAN]
    square = error * error
    distance = tame(square / np.maximum(own[VARIANCE], noise_least))
    own[MEAN] += gain * error
    own[VARIANCE] = (1.0 - gain) * (own[VARIANCE] + gain * square)
    own[N] = n
    return np.where(n > _LEAST, distance, np.nan)


def tame(square: Floats) -> Floats:
    """Return the distance of a squared one: as it is where it is small, growing ever slower where it is absurd."""
    return np.asarray(np.sqrt(_TAME * np.log1p(square / _TAME)))
