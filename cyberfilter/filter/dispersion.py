# SPDX-License-Identifier: AGPL-3.0-or-later
"""By how much more counts vary than chance (Poisson) has it: learned from neighbours, whatever their rate."""

from __future__ import annotations

from typing import Final

import numpy as np

from cyberfilter.filter.kernel import Bools
from cyberfilter.filter.model import Floats

_SQUARES, _SEEN = range(2)
HEIGHT: Final = 2
"""Sum of squares over what chance has, and how many pairs of neighbours it is of."""
_PAIRS: Final = 20.0
"""Pairs of neighbours that "no more than chance" is worth."""
_SQUARE_MOST: Final = 16.0
"""One pair (a step) counts for so many usual ones at most."""
_SURE: Final = 1.6
"""More than chance is believed from so many standard deviations on."""


def vary(own: Floats, y: Floats, before: Floats, learning: Bools) -> None:
    """Let neighbours (k; NaN is missing) teach, while learning, by how much more the counts vary than chance has it.

    Of two counts of one rate with the sum n the difference's square is n on average, whatever the rate.
    """
    total, off = y + before, y - before
    here = learning & (total > 0)
    square = off * off / np.where(here, total, 1.0)
    most = _SQUARE_MOST * (_PAIRS + own[_SQUARES]) / (_PAIRS + own[_SEEN])
    own[_SQUARES] += np.where(here, np.minimum(square, most), 0.0)
    own[_SEEN] += here


def dispersion(own: Floats) -> Floats:
    """Return by how much more the counts (k) vary than chance has it: 1 unless that is sure."""
    found = (_PAIRS + own[_SQUARES]) / (_PAIRS + own[_SEEN])
    return np.where(found * (1.0 - _SURE * np.sqrt(2.0 / (_PAIRS + own[_SEEN]))) > 1.0, found, 1.0)
