# SPDX-License-Identifier: AGPL-3.0-or-later
"""How hypotheses are born, protected and dropped: forty places, most of them rings of the young.

A birth starts from the moments of the whole mixture. Young ones are protected, for a drift needs a while to show.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cyberfilter.filter.kernel import Bools
from cyberfilter.filter.model import Floats
from cyberfilter.filter.weighing import (
    BASE,
    BORN,
    C00,
    C01,
    C11,
    FIELDS,
    KIND,
    M0,
    M1,
    SINCE,
    TINY,
    WEIGHT,
    Model,
    N,
    Row,
    S,
    over,
)

START, LEVEL, SLOPE, NOISE = range(4)
"""What a hypothesis says has changed; START: nothing."""


class Family(NamedTuple):
    """Hypotheses of one sort: a birth at each `every`-th value, each protected for `slot_count`·`every` values."""

    kind: int
    rate: int
    slot: int
    slot_count: int
    every: int
    phase: int


FAMILIES: Final = (
    Family(LEVEL, rate=0, slot=0, slot_count=8, every=1, phase=0),  # a small step
    Family(LEVEL, rate=1, slot=8, slot_count=8, every=1, phase=0),  # a large one
    Family(SLOPE, rate=2, slot=16, slot_count=8, every=4, phase=0),  # a faint slope needs 32 values to show
    Family(SLOPE, rate=3, slot=24, slot_count=2, every=4, phase=2),  # a steep one 8
    Family(NOISE, rate=4, slot=26, slot_count=4, every=4, phase=1),  # louder and quieter in turn
)
FREE: Final = slice(30, 40)
"""Places for those past their protection: the heaviest stay."""
COUNT: Final = FREE.stop
NOISE_FACTOR: Final = 6.0
"""By how much the noise variance of a birth is larger or smaller, with so few degrees that it soon finds its own."""
NOISE_DEGREES: Final = 4.0


def give_birth(h: Floats, row: Row, here: Bools, model: Model) -> None:
    """Write this row's births into their families' places; who was there moves to a free one, or is dropped."""
    w = np.exp(h[WEIGHT])
    a0, a1 = over(w * h[M0]), over(w * h[M1])
    d0, d1 = h[M0] - a0, h[M1] - a1
    v00, v01, v11 = over(w * (h[C00] + d0 * d0)), over(w * (h[C01] + d0 * d1)), over(w * (h[C11] + d1 * d1))
    s = h[S, 0] if model.noise_known else 1.0 / over(w / h[S])
    mixture = np.stack((a0, a1, v00, v01, v11, s, over(w * h[N])))
    due = [here & (row.heard % each.every == each.phase) & (model.rates[each.rate] > 0) for each in FAMILIES]
    rates = [np.where(is_due, model.rates[each.rate], 0.0) for each, is_due in zip(FAMILIES, due, strict=True)]
    total = ((rates[0] + rates[1]) + (rates[2] + rates[3])) + rates[4]
    dropped = np.zeros_like(total)
    for each, is_due in zip(FAMILIES, due, strict=True):
        if is_due.any():
            _make_room(h, dropped, each, row.heard, is_due)
    # changes come at their rates, whatever the gap: together they have 1 - exp(-rate·gap) of all weight
    h[WEIGHT] -= total * row.gap + np.log1p(-dropped)
    log_share = np.log(-np.expm1(-total * row.gap) / np.maximum(total, TINY) + TINY)
    for each, rate, is_due in zip(FAMILIES, rates, due, strict=True):
        if is_due.any():
            _write(h, mixture, np.log(np.maximum(rate, TINY)) + log_share, each, row, is_due, model)


def _places(each: Family, count: Floats, due: Bools) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return slot and series of each birth: a ring, in which the next place is that of the oldest."""
    series = np.flatnonzero(due)
    return each.slot + (count[series] // each.every).astype(np.int64) % each.slot_count, series


def _make_room(h: Floats, dropped: Floats, each: Family, count: Floats, due: Bools) -> None:
    """Let each oldest of a ring take the place of the lightest free one, if it is heavier; note what is dropped."""
    slot, series = _places(each, count, due)
    free = h[WEIGHT, FREE]
    worst = FREE.start + free.argmin(axis=0)[series]
    stays = h[WEIGHT, slot, series] > h[WEIGHT, worst, series]
    loser = np.where(stays, worst, slot)
    dropped[series] += np.exp(h[WEIGHT, loser, series])
    slot, worst, series = slot[stays], worst[stays], series[stays]
    h[:, worst, series] = h[:, slot, series]


def _write(h: Floats, mixture: Floats, log_weight: Floats, each: Family, row: Row, due: Bools, model: Model) -> None:  # noqa: PLR0917
    slot, series = _places(each, row.heard, due)
    born = np.empty((len(FIELDS), len(series)))
    born[: len(mixture)] = mixture[:, series]
    s, slope = born[S].copy(), model.slope[each.rate]
    born[C00] += (model.level[each.rate] + slope) * s
    born[C01] += slope * s
    born[C11] += slope * s
    born[WEIGHT], born[BORN], born[SINCE] = log_weight[series], row.heard[series], row.time[series]
    born[KIND], born[BASE] = each.kind, born[M0]
    if each.kind == NOISE:
        louder = row.heard[series] // each.every % 2 == 0
        born[S] = np.maximum(np.where(louder, s * NOISE_FACTOR, s / NOISE_FACTOR), row.s_least[series])
        born[N], born[BASE] = NOISE_DEGREES, np.sqrt(s)
    h[:, slot, series] = born
