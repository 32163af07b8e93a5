# SPDX-License-Identifier: AGPL-3.0-or-later
"""How fast a level wanders of its own accord: learned from a series' first values, then frozen.

Seven filters with one discount of the level each run beside each other, and the evidence weighs them. Afterwards the
discount stays: a filter that goes on adapting explains a part of every fault by having become more adaptive.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from cyberfilter.filter.counts import weigher
from cyberfilter.filter.hypotheses import degrees
from cyberfilter.filter.kernel import State
from cyberfilter.filter.model import Floats
from cyberfilter.filter.weighing import (
    C00,
    C01,
    C11,
    CHANCE_RATE,
    M0,
    M1,
    MOVED_COUNT,
    TINY,
    WEIGHT,
    Model,
    Row,
    S,
    evolve,
    over,
)

DISCOUNTS: Final = np.array([1.0, 0.98, 0.95, 0.9, 0.8, 0.65, 0.5])
"""Share of what is known of the level that is kept from one cadence to the next."""
STILL_ODDS: Final = 4.0
"""By how much likelier a level that stays is at first than any one that wanders: 250 values hardly tell .98 from 1, and
each hundredth less costs small steps."""
_CHANCE_ODDS: Final = 3.0
"""By so much more where counts are rare: many of them say nothing of it."""
FIELD_COUNT: Final = WEIGHT + 1
GRID: Final = DISCOUNTS[:, None]
_PRIOR: Final = np.where(GRID < 1, 0.0, np.log(STILL_ODDS))


def start(grid: Floats, state: State) -> None:
    """Let each discount (fields, discounts, k) start where the classic filter does, as likely as STILL_ODDS has it."""
    moments = [field[0] for field in state.moments]
    grid[: len(moments)] = np.stack(moments)[:, None]
    grid[len(moments)] = degrees(state)
    grid[WEIGHT] = _PRIOR


def learn(grid: Floats, row: Row, model: Model) -> Floats:
    """Let the discounts (changed in place) meet the datum; return their mean by evidence (k).

    Each takes the datum as steady, an outlier or a large step, and merges the three at once.
    """
    gone = np.isnan(row.z)
    grid[:MOVED_COUNT] = evolve(grid, row._replace(adaptivity=GRID), model)[:MOVED_COUNT]
    unmet = grid[:, :, gone]
    rate = 2.0 * model.rates[1] * row.gap / (CHANCE_RATE if model.observed else 1.0)
    step = grid.copy()
    step[C00] += model.level[1] * step[S]
    step[WEIGHT] += np.log(np.maximum(-np.expm1(-rate), TINY))
    grid[WEIGHT] -= rate
    both = np.concatenate((grid, step), axis=1)
    weigher(model)(both, np.where(gone, grid[M0, 0], row.z), row, model)
    grid[:] = _merged(both[:, : len(GRID)], both[:, len(GRID) :], noise_known=model.noise_known)
    grid[:, :, gone] = unmet
    w = np.exp(grid[WEIGHT])
    if model.observed:
        w[0] *= _CHANCE_ODDS
    return np.asarray(over(w * GRID) / over(w))


def _merged(stay: Floats, step: Floats, *, noise_known: bool) -> Floats:
    """Return the two as one, matched in mean, covariance and precision of the noise."""
    weight = np.logaddexp(stay[WEIGHT], step[WEIGHT])
    u, v = np.exp(stay[WEIGHT] - weight), np.exp(step[WEIGHT] - weight)
    merged = np.empty_like(stay)
    merged[:WEIGHT] = u * stay[:WEIGHT] + v * step[:WEIGHT]
    d0, d1, uv = stay[M0] - step[M0], stay[M1] - step[M1], u * v
    merged[C00] += uv * d0 * d0
    merged[C01] += uv * d0 * d1
    merged[C11] += uv * d1 * d1
    merged[S] = stay[S] if noise_known else 1.0 / (u / stay[S] + v / step[S])
    merged[WEIGHT] = weight
    return merged
