# SPDX-License-Identifier: AGPL-3.0-or-later
"""The last values of a series in COUNT places of even width, in a ring; when they are full they may be made wider.

So the places reach back as far as need be in the same memory. The place that is being filled is not among those kept.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from cyberfilter.filter.model import HALF, ONE, Floats, fixed, is_all, is_any
from cyberfilter.filter.period import COUNT
from cyberfilter.filter.verdict import Bools

SUM, HEARD, PLACE, WIDTH, ORIGIN, KEPT = range(6)
"""Of the place that is being filled: sum and number of its values, and its number; how many cadences a place is wide;
the time of the first value of place 0, NaN before there was one; the first of the rows that hold the means."""
HEIGHT: Final = KEPT + COUNT
_ALL: Final = fixed(COUNT)
_WIDTH_MAX: Final = 64


def fresh(own: Floats) -> None:
    """Let the rows (HEIGHT, k) be those of series that have seen nothing."""
    own[:WIDTH], own[WIDTH], own[ORIGIN:] = 0.0, 1.0, np.nan


def keep(own: Floats, time_s: Floats, z: Floats, cadence_s: float) -> Bools:
    """Put the values (k; NaN is missing) into their places; return where all are full."""
    here, origin = ~np.isnan(z), own[ORIGIN]
    new = np.isnan(origin)
    if is_any(new):
        np.copyto(origin, time_s, where=here & new)
    place = np.floor(np.floor((time_s - origin) / cadence_s + HALF) / own[WIDTH])
    moved = here & (place > own[PLACE])
    if is_any(moved):
        _close(own, place, moved)
    total, heard = own[SUM], own[HEARD]
    if is_all(here):
        total += z
        heard += ONE
    else:
        np.add(total, z, out=total, where=here)
        heard += here
    return np.asarray(here & (own[PLACE] >= _ALL))


def _close(own: Floats, place: Floats, moved: Bools) -> None:
    """Write the mean of each place that is full; places that were skipped have none."""
    column = moved.nonzero()[0]
    heard, old = own[HEARD, column], own[PLACE, column]
    mean = np.where(heard > 0, own[SUM, column] / np.maximum(heard, 1.0), np.nan)
    own[KEPT + old.astype(np.int64) % COUNT, column] = mean
    skipped = place[column] - old - 1.0
    some = skipped > 0
    if is_any(some):
        kept = own[KEPT:, column[some]]
        after = (np.arange(COUNT)[:, None] - old[some].astype(np.int64) - 1) % COUNT
        kept[after < skipped[some]] = np.nan
        own[KEPT:, column[some]] = kept
    own[PLACE, column], own[SUM, column], own[HEARD, column] = place[column], 0.0, 0.0


def widen(own: Floats, cadence_s: float) -> None:
    """Merge neighbours, so that the places stand for twice the time; the widest begin anew."""
    places, _ = ordered(own)
    pairs = places.reshape(COUNT // 2, 2, -1)
    one, other = pairs[:, 0], pairs[:, 1]
    merged = np.where(np.isnan(one), other, np.where(np.isnan(other), one, 0.5 * (one + other)))
    own[KEPT:] = np.concatenate((merged, np.full_like(merged, np.nan)))
    own[ORIGIN] += (own[PLACE] - COUNT) * own[WIDTH] * cadence_s  # places that fell out
    own[WIDTH] *= 2.0
    own[PLACE] = COUNT / 2
    widest = own[WIDTH] > _WIDTH_MAX
    rest = own[:, widest]
    fresh(rest)
    own[:, widest] = rest


def ordered(own: Floats) -> tuple[Floats, Floats]:
    """Return what is kept, oldest first, and how many places each is back from the one that is being filled."""
    now = own[PLACE].astype(np.int64)
    back = np.broadcast_to(np.arange(COUNT, 0, -1)[:, None], (COUNT, len(now)))
    number = now - back
    places = np.take_along_axis(own[KEPT:], number % COUNT, axis=0)
    return np.where(number >= 0, places, np.nan), back.astype(np.float64)


def into(own: Floats, time_s: Floats, cadence_s: float) -> Floats:
    """Return how many cadences the place that is being filled has begun before this time."""
    tick = np.floor((time_s - own[ORIGIN]) / cadence_s + 0.5)
    return np.asarray(tick - own[PLACE] * own[WIDTH])
