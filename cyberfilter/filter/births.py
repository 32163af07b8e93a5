# SPDX-License-Identifier: AGPL-3.0-or-later
"""How hypotheses are born, protected and dropped: forty places, most of them rings of the young.

A birth starts from the moments of the whole mixture. Young ones are protected, for a drift needs a while to show.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cyberfilter.filter.kernel import Bools
from cyberfilter.filter.model import ONE, Floats, fixed, is_all
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
    Mixture,
    Model,
    N,
    Row,
    S,
    over,
)

Places = NDArray[np.int64] | slice

START, LEVEL, SLOPE, NOISE = range(4)
"""What a hypothesis says has changed; START: nothing."""


class Family(NamedTuple):
    """Hypotheses of one sort: a birth at each `every`-th value, each protected for `slot_count`·`every` values.

    `noise` is by what the variance of the noise is multiplied.
    """

    kind: int
    rate: int
    slot: int
    slot_count: int
    every: int
    phase: int
    noise: float = 1.0


FAMILIES: Final = (
    Family(LEVEL, rate=0, slot=0, slot_count=8, every=1, phase=0),  # a small step
    Family(LEVEL, rate=1, slot=8, slot_count=8, every=1, phase=0),  # a large one
    Family(SLOPE, rate=2, slot=16, slot_count=8, every=4, phase=0),  # a faint slope needs 32 values to show
    Family(SLOPE, rate=3, slot=24, slot_count=2, every=4, phase=2),  # a steep one 8
    Family(NOISE, rate=4, slot=26, slot_count=4, every=4, phase=1, noise=4.0),  # louder: twice the deviation
    Family(NOISE, rate=5, slot=30, slot_count=4, every=4, phase=3, noise=1 / 6),  # quieter
)
FREE: Final = slice(34, 40)
"""Places for those past their protection: the heaviest stay."""
COUNT: Final = FREE.stop
RINGS: Final = {LEVEL: slice(0, 16), SLOPE: slice(16, 26), NOISE: slice(26, 34)}
"""Where the young of each kind are: all of a ring are younger than it is long, or weigh nothing."""
_MANY: Final = 64
NOISE_DEGREES: Final = 5.0
"""Degrees of freedom of a noise that is born: so few that it soon finds its own variance."""
_KINDS: Final = np.array([float(each.kind) for each in FAMILIES])
_TINY: Final = fixed(TINY)


def give_birth(h: Floats, mixed: Mixture, row: Row, here: Bools, model: Model) -> None:
    """Write this row's births into their families' places; who was there moves to a free one, or is dropped.

    They start from the moments of the mixture, but from its mean precision instead of its mean variance.
    """
    births = _due(row.heard, here, model)
    if not births:
        return
    s = h[S, 0].copy() if model.noise_known else ONE / over(mixed.w / h[S])
    flat, weight = h.reshape(len(FIELDS), -1), h[WEIGHT]
    least, rate = np.full((len(births), len(s)), -np.inf), np.zeros((len(births), len(s)))
    first_free = np.arange(FREE.start * len(s), (FREE.start + 1) * len(s))
    for number, birth in enumerate(births):
        rate[number, birth.series] = model.rates[birth.family.rate]
        least[number, birth.series] = _make_room(flat, weight[FREE], first_free, birth)
    total, dropped = over(rate), over(np.exp(least))
    # changes come at their rates, whatever the gap: together they have 1 - exp(-rate·gap) of all weight
    lost = total * row.gap
    weight -= lost + np.log1p(-dropped)
    log_share = np.log(-np.expm1(-lost) / np.maximum(total, _TINY) + _TINY)
    born = _born(births, mixed.moments, s, log_share, row, model)
    for number, birth in enumerate(births):
        flat[:, birth.place] = born[:, number, birth.series]


class _Birth(NamedTuple):
    """A family whose turn it is: in which series, and in which places, numbered within a field."""

    family: Family
    series: Places
    place: Places


def _due(count: Floats, here: Bools, model: Model) -> list[_Birth]:
    """Return the births after so many values: a ring, in which the next slot is that of the oldest.

    Where all series are at the same count, as one alone is, whole rows are meant: slices are several times as fast.
    """
    k = len(count)
    if k and is_all(here) and (k == 1 or is_all(count == count[0])):
        heard = int(count[0])
        due = [each for each in FAMILIES if heard % each.every == each.phase and model.rates[each.rate] > 0]
        slots = [each.slot + heard // each.every % each.slot_count for each in due]
        return [
            _Birth(each, slice(None), slice(slot * k, (slot + 1) * k)) for each, slot in zip(due, slots, strict=True)
        ]
    births = []
    for each in FAMILIES:
        if model.rates[each.rate] == 0:
            continue
        series = np.flatnonzero(here & (count % each.every == each.phase))
        if len(series):
            slot = each.slot + (count[series] // each.every).astype(np.int64) % each.slot_count
            births.append(_Birth(each, series, slot * k + series))
    return births


def _make_room(flat: Floats, free: Floats, first: NDArray[np.int64], birth: _Birth) -> Floats:
    """Let each oldest of a ring take the place of the lightest free one, if it is heavier; return what is dropped.

    `free` are the weights of the free places, `first` the first free place of each series.
    """
    weight, worst = flat[WEIGHT], (first + lightest(free) * free.shape[1])[birth.series]
    theirs, ours = weight.take(worst), weight[birth.place]
    least = np.minimum(theirs, ours)
    stays = (ours > theirs).nonzero()[0]
    if stays.size:
        flat[:, worst[stays]] = flat[:, birth.place][:, stays]
    return np.asarray(least)


def lightest(weights: Floats) -> NDArray[np.int64]:
    """Return the first of the rows (any, k) that has the least; NumPy's argmin over the first axis is slow for many."""
    if weights.shape[1] < _MANY:
        return np.asarray(weights.argmin(axis=0))
    least, found = weights.min(axis=0), np.zeros(weights.shape[1], dtype=np.int64)
    for number in range(len(weights) - 1, 0, -1):
        np.copyto(found, number, where=weights[number] == least)
    found[weights[0] == least] = 0
    return found


def _born(  # noqa: PLR0917 - the rows of one step
    births: list[_Birth], moments: Floats, s: Floats, log_share: Floats, row: Row, model: Model
) -> Floats:
    """Return the hypotheses (fields, births, k) as they would be in any series; written only where they are due."""
    rate = [birth.family.rate for birth in births]
    level, slope, log_rate, kind = (
        figures.take(rate)[:, None] for figures in (model.level, model.slope, model.log_rates, _KINDS)
    )
    born = np.empty((len(FIELDS), len(births), len(s)))
    born[: N + 1] = moments[:, None]
    born[C00] += (level + slope) * s
    born[C01 : C11 + 1] += slope * s
    born[S], born[WEIGHT], born[BORN], born[SINCE] = s, log_rate + log_share, row.heard, row.time
    born[KIND], born[BASE] = kind, moments[M0]
    for number, (each, *_) in enumerate(births):
        if each.kind == SLOPE:
            born[BASE, number] = moments[M1]
        if each.kind == NOISE:
            born[S, number] = np.maximum(s * each.noise, row.s_least)
            born[N, number], born[BASE, number] = NOISE_DEGREES, np.sqrt(s)
    return born
