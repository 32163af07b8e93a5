# SPDX-License-Identifier: AGPL-3.0-or-later
"""One alarm for one event: after it only what is more alarming than all of it so far counts.

Arrays in, arrays out: (HEIGHT, k), changed.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from cyberfilter.filter.model import ONE, ZERO, Floats, is_any

PEAK, LEFT = range(2)
HEIGHT: Final = 2
LENGTH: Final = 100.0
"""Values after which an event that did not grow is over."""


def fresh(own: Floats) -> None:
    """Let nothing have happened."""
    own[:] = 0.0


def step(own: Floats, surprise: Floats) -> Floats:
    """Return the surprises (k; 0 or more) that exceed their episode's peak, else 0; each of them is the new peak."""
    peak, left = own
    np.copyto(peak, ZERO, where=left <= ZERO)
    left -= ONE
    np.maximum(left, ZERO, out=left)
    if not is_any(surprise):
        return surprise
    grown = surprise > peak
    np.copyto(peak, surprise, where=grown)
    np.copyto(left, LENGTH, where=grown)
    return np.where(grown, surprise, 0.0)
