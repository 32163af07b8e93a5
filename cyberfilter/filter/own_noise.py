# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a series' noise is like, beyond its size: how coarse its values are, and how often one lies far out.

Both keep noise from being taken for a change. On coarse values the noise seems to vanish whenever a few neighbours are
equal; where tails are heavy every cluster of outliers looks like a louder noise.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from cyberfilter.filter.model import ZERO, Floats, fixed, is_all, is_any

FIELDS: Final = ("outliers", "finest", "moves")
"""Sum of P(outlier) while learning; the least step between neighbours, and how many steps there were."""
OUTLIERS, FINEST, MOVES = range(len(FIELDS))
HEIGHT: Final = len(FIELDS)
MOVES_MIN: Final = 20
"""So many steps tell a resolution; one jump of a constant series does not."""
_ENOUGH: Final = fixed(MOVES_MIN)
PRIOR_VALUES: Final = fixed(15.0)
"""The profile's share of outliers is worth this many values."""
_SAME: Final = 1e-9
_TWO_PI: Final = fixed(2 * np.pi)


def fresh(own: Floats) -> None:
    """Let nothing be known of these series (HEIGHT, k)."""
    own[:] = 0.0


def meet(own: Floats, z: Floats, z_before: Floats) -> None:
    """Let the values (k) and those of the row before teach the resolution; NaN is missing."""
    step = np.abs(z - z_before)
    if is_all(own[MOVES] >= _ENOUGH) and not is_any(step < own[FINEST]):
        return
    moved = step > _SAME * np.maximum(np.abs(z), np.abs(z_before))
    own[FINEST] = np.where(moved & ~((own[MOVES] > 0) & (own[FINEST] <= step)), step, own[FINEST])
    own[MOVES] = np.minimum(own[MOVES] + moved, MOVES_MIN)


def least_variance(own: Floats) -> Floats:
    """Return below which the variance (k) of the noise is not to fall; 0 where no resolution is known.

    A density times the resolution r is a probability, at most 1: a Normal's peak 1/√(2π·S) is 1/r at S = r²/2π.
    """
    return np.where(own[MOVES] < _ENOUGH, ZERO, own[FINEST] * own[FINEST] / _TWO_PI)


def outlier_share(own: Floats, seen: Floats, usual: Floats) -> Floats:
    """Return how probable an outlier is at a datum (k), after so many values of learning; never below the usual."""
    more = own[OUTLIERS] - seen * usual
    return np.asarray(usual + np.maximum(more, ZERO) / (PRIOR_VALUES + seen))


def take_up(own: Floats, share: Floats, usual: float) -> None:
    """Let the share of outliers among like series (k; 0: it is not known) be worth as much as the profile's is."""
    own[OUTLIERS] += np.where(share > usual, (share - usual) * PRIOR_VALUES, 0.0)
