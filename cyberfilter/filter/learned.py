# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a series has learned, handed on: read from one, given to another that starts or runs. Arrays in, arrays out.

A series that has adopted starts at its first value, for its noise is known roughly and its level from that value; it
may speak at once, with the heavy tails of few degrees of freedom. Its own values take over as they come.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from collector.contract.errors import Refusal
from cyberfilter.filter import adaptivity, lent, score
from cyberfilter.filter.births import FREE, NOISE, START
from cyberfilter.filter.kernel import Bools
from cyberfilter.filter.model import Floats, Prior
from cyberfilter.filter.start import Begin, begin
from cyberfilter.filter.weighing import C00, C01, C11, KIND, M0, M1, TINY, WEIGHT, Model, N, S, over

HEIGHT: Final = 4
"""Rows of memory: the first fields of what was adopted; no degrees: nothing was."""
_NOISE, _DEGREES, _ADAPTIVITY, _ADAPTIVITY_SD = range(HEIGHT)
_SLOPE_SHARE: Final = 1e-3
"""The first slope's variance as a share of the noise's: a single value says nothing of it."""
_LOG_WIDTH: Final = np.log(np.gradient(-adaptivity.GRID, axis=0))
"""The grid is finer near 1: a prior counts each point for the stretch that it stands for."""
_SD_LEAST: Final = 0.02
"""No prior of the adaptivity is surer than the grid is fine."""


class Learned(NamedTuple):
    """What k series have learned, each (k), on the transformed scale; NaN before a series has started.

    `noise` is the estimate of the noise's variance and `degrees` what it is worth; `adaptivity` the share of what is
    known of the level that is kept from one cadence to the next, give or take `adaptivity_sd`. `behind` is how many
    values it comes from; of a family (pool.py) how many series.
    `outliers` is the share of values that lie far out, `tail` (k, score.TAUGHT) how rare is what alarms, `season`
    (k, lent.TAUGHT) the pattern that repeats itself; 0: nothing is known of it.
    """

    noise: Floats
    degrees: Floats
    adaptivity: Floats
    adaptivity_sd: Floats
    behind: Floats
    outliers: Floats = np.zeros(1)
    tail: Floats = np.zeros((1, score.TAUGHT))
    season: Floats = np.zeros((1, lent.TAUGHT))

    def later(self, cadences: Floats) -> Learned:
        """Return the same with the season's time by a clock that is so many cadences (k) ahead."""
        moved = np.broadcast_to(self.season, (len(cadences), lent.TAUGHT)).copy()
        moved[:, -1] += cadences
        return self._replace(season=moved)


def check(learned: Learned, count: int) -> Learned:
    """Return it with one column for each of `count` series (one column serves all); a Refusal names what cannot be."""
    try:
        shapes = ((count, *width) for width in (*((),) * 6, (score.TAUGHT,), (lent.TAUGHT,)))
        full = Learned(*(np.broadcast_to(part, shape) for part, shape in zip(learned, shapes, strict=True)))
    except ValueError:
        raise Refusal("wrong_shape", f"what was learned is not of one series, nor of {count}") from None
    for name, right in (
        ("noise", (full.noise > 0) & (full.noise < np.inf)),
        ("degrees", (full.degrees > 0) & (full.degrees < np.inf)),
        ("adaptivity", (full.adaptivity > 0) & (full.adaptivity <= 1)),
        ("adaptivity_sd", (full.adaptivity_sd >= 0) & (full.adaptivity_sd < np.inf)),
        ("outliers", (full.outliers >= 0) & (full.outliers < 1)),
    ):
        if not right.all():
            at = int(np.argmin(right))
            raise Refusal("bad_learned", f"{name} = {getattr(full, name)[at]:g} cannot be adopted (number {at})")
    return full


def read(h: Floats, grid: Floats, frozen: Floats, count: Floats) -> Learned:
    """Return what the hypotheses (fields, places, k) and the discounts (fields, discounts, k) have learned."""
    w, u = np.exp(h[WEIGHT]), np.exp(grid[WEIGHT] - grid[WEIGHT].max(axis=0))
    total = over(u)
    mean = over(u * adaptivity.GRID) / total
    spread = over(u * (adaptivity.GRID - mean) ** 2) / total
    return Learned(1.0 / over(w / h[S]), over(w * h[N]), frozen.copy(), np.sqrt(spread), count.copy())


def keep(own: Floats, learned: Learned) -> None:
    """Remember (HEIGHT, k; changed in place) what was adopted."""
    own[:] = np.stack(learned[:HEIGHT])


def adopted(own: Floats) -> Bools:
    """Tell which series have adopted."""
    return np.asarray(own[_DEGREES] > 0)


def begun(own: Floats, kept: Floats, prior: Prior) -> Begin:
    """Return the start of series that have adopted and hold one value or more: its level theirs, its noise adopted."""
    found = begin(kept, prior, noise=own[_NOISE])
    slope = _SLOPE_SHARE * own[_NOISE] if prior.slope is None else found.slope_variance
    return found._replace(degrees=own[_DEGREES].copy(), slope_variance=slope)


def start(h: Floats, grid: Floats, own: Floats, alone: Bools, model: Model) -> Floats:
    """Let hypotheses and discounts, which have just begun, go by what was adopted; return the adaptivity (k).

    A first value that stands `alone` may itself be an outlier: then the level may be far from it.
    """
    first, second = FREE.start, FREE.start + 1
    h[:, second] = h[:, first]
    h[C00, second] *= model.observation
    share = np.where(alone, model.outlier, TINY)
    h[WEIGHT, first], h[WEIGHT, second] = np.log1p(-share), np.log(share)
    return _weigh(grid, own[_ADAPTIVITY], own[_ADAPTIVITY_SD])


def take_up(h: Floats, grid: Floats, learned: Learned, learning: Bools, most: float) -> Floats:
    """Let running series go by it: return the adaptivity (k), the rest is changed in place.

    The noise is pooled by degrees, at most `most` of them once a series has learned; each hypothesis keeps its
    share of it, and its level. The adaptivity of a series that is `learning` is its prior, else its value.
    """
    _forget_louder(h, learning)
    w = np.exp(h[WEIGHT])
    noise, degrees = 1.0 / over(w / h[S]), over(w * h[N])
    pooled = (degrees * noise + learned.degrees * learned.noise) / (degrees + learned.degrees)
    bound = np.where(learning, np.inf, most)
    for part in (h, grid):
        for field in (C00, C01, C11, S):
            part[field] *= pooled / noise
        part[N] = np.minimum(part[N] + learned.degrees, np.maximum(bound, part[N]))
    _still(h, pooled, learning)
    some = grid.copy()
    prior = _weigh(some, learned.adaptivity, learned.adaptivity_sd)
    grid[WEIGHT] = np.where(learning, some[WEIGHT], grid[WEIGHT])
    return np.where(learning, prior, learned.adaptivity)


def _forget_louder(h: Floats, learning: Bools) -> None:
    """Let a series that is `learning` forget that its noise has changed: it was judged by that of a few values."""
    h[WEIGHT] = np.where(learning & (h[KIND] == NOISE), np.log(TINY), h[WEIGHT])
    h[WEIGHT] -= np.log(over(np.exp(h[WEIGHT])))


def _still(h: Floats, noise: Floats, learning: Bools) -> None:
    """Let a series that is `learning` have the faint slope of one that starts from a family, where nothing changed.

    Its own start (start.py) allows a steep one, which then hides a step: a slope of 0 is observed with that variance.
    """
    told = np.where(learning & (h[KIND] == START), 1.0, 0.0) / (h[C11] + _SLOPE_SHARE * noise)
    shift0, shift1, slope = told * h[C01], told * h[C11], h[M1].copy()
    h[M0] -= shift0 * slope
    h[M1] -= shift1 * slope
    h[C00] -= shift0 * h[C01]
    h[C01] *= 1.0 - shift1
    h[C11] *= 1.0 - shift1


def _weigh(grid: Floats, centre: Floats, sd: Floats) -> Floats:
    """Let the discounts be as likely as a normal prior says, besides what they have met; return their mean (k)."""
    off = (adaptivity.GRID - centre) / np.maximum(sd, _SD_LEAST)
    grid[WEIGHT] += _LOG_WIDTH - 0.5 * off * off
    u = np.exp(grid[WEIGHT] - grid[WEIGHT].max(axis=0))
    return np.asarray(over(u * adaptivity.GRID) / over(u))
