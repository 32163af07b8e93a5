# SPDX-License-Identifier: AGPL-3.0-or-later
"""One update of every series by the filter that keeps hypotheses: forty of "what changed, when" beside each other.

The model is the four-state one of kernel.py. There every step is collapsed to four distributions, so a step of two
sigma is forgotten before the evidence is in; here each birth of a change is followed by a Kalman filter of its own
until it is the lightest (the multi-process idea of Harrison & Stevens 1976, with the run lengths of Adams & MacKay
2007). weighing.py is what one datum does to a hypothesis, births.py who comes and who goes.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from cyberfilter.filter.births import FREE, LEVEL, RINGS, SLOPE, START, give_birth
from cyberfilter.filter.counts import OBSERVED, weigher
from cyberfilter.filter.kernel import Bools, State
from cyberfilter.filter.model import ONE, Floats, fixed, is_any
from cyberfilter.filter.tables import normal_cdf, t_quantile
from cyberfilter.filter.weighing import (
    BORN,
    C00,
    C11,
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
    evolve,
    mixture,
    over,
)

LOOK_BACK: Final = 100
"""A change this many values old is the base that newer ones are told from."""
YOUNG: Final = 8
"""In so few values nothing but a change moves a level far."""
WORTH: Final = 0.03
"""What a change was is read where it is more probable than this: less is never told (hypothesis_words.py)."""
_RINGS: Final = slice(0, FREE.start)
_WIDEST: Final = RINGS[LEVEL].stop
"""No ring is wider than the one of levels."""
_SORTS: Final = np.array([float(kind) for kind in RINGS])[:, None, None]
_NOTHING, _LEVEL, _LOOK_BACK, _WORTH = fixed(START), fixed(LEVEL), fixed(LOOK_BACK), fixed(WORTH)
_TINY: Final = fixed(TINY)
_MOVING: Final = slice(0, RINGS[SLOPE].stop)
FRESH: Final = 3
"""A change this many values old, or younger, may be what looked like an outlier two rows ago."""


class Found(NamedTuple):
    """What the datum said, each (k), on the scale of the filter.

    `p_fresh` is a change in the last FRESH values, `p_young` a step or slope in the last YOUNG, both 0 below WORTH.
    `mean`, `scale` and `half` are what had been expected of it (predict).

    `kind` is the likeliest sort of change, where that is worth a look (WORTH); `since`, `before` and `after` are its
    likeliest birth, what was then and what is now: the level, the slope or the noise's standard deviation; `doubt` is
    the standard deviation of their difference (of `after` for a slope), and `p_kind` the probability of that sort of
    change.
    """

    level: Floats
    slope: Floats
    p_slope_negative: Floats
    sigma: Floats
    log_evidence: Floats
    p_change: Floats
    p_kind: Floats
    p_fresh: Floats
    p_young: Floats
    p_outlier: Floats
    kind: Floats
    since: Floats
    before: Floats
    after: Floats
    doubt: Floats
    mean: Floats
    scale: Floats
    half: Floats


def degrees(state: State) -> Floats:
    """Return the degrees of freedom at the start; a known noise has no use for its infinite ones."""
    return np.where(np.isinf(state.n), 1.0, state.n)


def start(h: Floats, state: State) -> None:
    """Let the one hypothesis that nothing changed be all there is, from the classic filter's start."""
    begin(h, np.stack([field[0] for field in state.moments] + [degrees(state)]))


def begin(h: Floats, moments: Floats) -> None:
    """Let the one hypothesis that nothing changed be all there is, with these moments (7, k): the first fields."""
    h[:WEIGHT] = moments[:, None]
    h[WEIGHT], h[SINCE:], h[BORN] = -np.inf, 0.0, -np.inf
    h[WEIGHT, FREE.start] = 0.0


def moments(h: Floats) -> Floats:
    """Return mean and covariance, noise and degrees (N + 1, k) of the mixture; the noise's precisions are averaged."""
    mixed = mixture(np.ascontiguousarray(h))
    mixed.moments[S] = ONE / over(mixed.w / np.ascontiguousarray(h[S]))
    return mixed.moments


def predict(h: Floats, row: Row, model: Model) -> tuple[Floats, Floats, Floats]:
    """Return mean, scale and half the 95 % band (k) of a value at the row's time, if nothing changes and it is steady.

    The mixture of all hypotheses by their weights, with Student's quantile at their mean degrees of freedom.
    """
    return _expected(mixture(evolve(h.copy(), row, model)).moments, row, model)


def _expected(moments: Floats, row: Row, model: Model) -> tuple[Floats, Floats, Floats]:
    if model.observed:  # the third figure is by how much more counts vary than chance has it
        return moments[M0], np.sqrt(moments[C00]), row.s_least
    scale = np.sqrt(moments[C00] + moments[S])
    nu = np.full_like(scale, np.inf) if model.noise_known else row.discount * moments[N]
    return moments[M0], scale, scale * t_quantile(nu)


def advance(h: Floats, row: Row, model: Model) -> Found:
    """Let the hypotheses (fields, COUNT, k; changed in place) meet the datum; return what they say then.

    A missing datum lets them move on: nothing is born, nothing weighed, and the evidence is not a number.
    """
    gone = np.isnan(row.z)
    some_gone = is_any(gone)
    mixed = mixture(evolve(h, row, model))
    expected, z = _expected(mixed.moments, row, model), row.z
    if some_gone:
        unmet, z = h[:, :, gone], np.where(gone, mixed.moments[M0], z)
    give_birth(h, mixed, row, ~gone, model)
    p_outlier, log_evidence, w = weigher(model)(h, z, row, model)
    if some_gone:
        h[:, :, gone], w[:, gone] = unmet, np.exp(unmet[WEIGHT])
        p_outlier, log_evidence = np.where(gone, model.outlier, p_outlier), np.where(gone, np.nan, log_evidence)
    return _read(h, w, row, (p_outlier, log_evidence), expected, model)


class _Change(NamedTuple):
    """The likeliest change of each series (k), and how probable young ones are, as in Found."""

    p_fresh: Floats
    p_young: Floats
    kind: Floats
    since: Floats
    before: Floats
    after: Floats
    doubt: Floats


def _read(  # noqa: PLR0917 - all that a datum said
    h: Floats, w: Floats, row: Row, told: tuple[Floats, Floats], expected: tuple[Floats, Floats, Floats], model: Model
) -> Found:
    sort = h[KIND, FREE]
    free = w[FREE] * ((h[BORN, FREE] > row.heard - _LOOK_BACK) & (sort != _NOTHING))
    by_kind = np.zeros((len(RINGS), _WIDEST + len(free), len(row.z)))
    for part, ring in zip(by_kind, RINGS.values(), strict=True):
        part[: ring.stop - ring.start] = w[ring]
    np.multiply(free, sort == _SORTS, out=by_kind[:, _WIDEST:])
    mass = over(by_kind, axis=1)
    p_change = np.minimum((mass[0] + mass[1]) + mass[2], ONE)
    change = _change(h, w, free, mass, row, p_change > _WORTH, model)
    weighted = np.empty((4, *w.shape))
    np.multiply(w, h[: M1 + 1], out=weighted[:2])
    np.multiply(w, h[S], out=weighted[2])
    np.multiply(w, normal_cdf(-h[M1] / np.sqrt(np.maximum(h[C11], _TINY))), out=weighted[3])
    level, slope, variance, falling = over(weighted, axis=1).copy()  # what is told keeps no more alive than itself
    if model.observed:
        variance = row.s_least * OBSERVED[model.observed].noise(level)
    return Found(
        level=level,
        slope=slope,
        p_slope_negative=falling,
        sigma=np.sqrt(variance),
        log_evidence=told[1],
        p_change=p_change,
        p_kind=np.maximum.reduce(mass),
        p_fresh=change.p_fresh,
        p_young=change.p_young,
        p_outlier=told[0],
        kind=change.kind,
        since=change.since,
        before=change.before,
        after=change.after,
        doubt=change.doubt,
        mean=expected[0],
        scale=expected[1],
        half=expected[2],
    )


def _change(  # noqa: PLR0917 - all that a row is
    h: Floats, w: Floats, free: Floats, mass: Floats, row: Row, where: Bools, model: Model
) -> _Change:
    """Return the likeliest change where one is worth a look; elsewhere 0, the kind LEVEL, and the rest NaN."""
    series = where.nonzero()[0]
    if not series.size:
        nothing, unknown = np.zeros(len(where)), np.full(len(where), np.nan)
        return _Change(nothing, nothing, nothing + _LEVEL, unknown, unknown, unknown, unknown)
    found = _Change._make(
        (*np.zeros((2, len(where))), np.full(len(where), float(LEVEL)), *np.full((4, len(where)), np.nan))
    )
    # take, for what w[:, series] returns lies the other way round in memory, and sums would be of pairs
    recent = np.concatenate((w[_RINGS].take(series, axis=1), free.take(series, axis=1)))
    age, young = row.heard[series] - h[BORN, _RINGS].take(series, axis=1), recent[_RINGS]
    p_fresh, p_young = over(young * (age < FRESH)), over((young * (age < YOUNG))[_MOVING])
    kind = mass[:, series].argmax(axis=0) + LEVEL
    likeliest = np.where(h[KIND][:, series] == kind, recent, -1.0).argmax(axis=0)
    m0, m1, c00, _, c11, s, n, _, born, since, _, before = h[:, likeliest, series]
    if model.observed:
        s = row.s_least[series] * OBSERVED[model.observed].noise(before)
    # a level was known when the change came as well as so many values, or as its wandering, let it be
    known = s * np.maximum(1.0 - row.adaptivity[series], 1.0 / (np.maximum(born, 0.0) + 1.0))
    doubt = np.where(kind == LEVEL, c00 + known, np.where(kind == SLOPE, c11, s / (2.0 * n)))
    after = np.where(kind == LEVEL, m0, np.where(kind == SLOPE, m1, np.sqrt(s)))
    for whole, part in zip(found, (p_fresh, p_young, kind, since, before, after, np.sqrt(doubt)), strict=True):
        whole[series] = part
    return found
