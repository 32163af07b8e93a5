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

from cyberfilter.filter.births import FREE, LEVEL, NOISE, SLOPE, START, give_birth
from cyberfilter.filter.kernel import State
from cyberfilter.filter.model import Floats
from cyberfilter.filter.tables import normal_cdf, t_quantile
from cyberfilter.filter.weighing import (
    BASE,
    BORN,
    C11,
    KIND,
    M0,
    M1,
    MOVED_COUNT,
    SINCE,
    TINY,
    WEIGHT,
    Model,
    N,
    Row,
    S,
    evolve,
    over,
    weigh,
)

LOOK_BACK: Final = 100
"""A change this many values old is the base that newer ones are told from."""
FRESH: Final = 3
"""A change this many values old, or younger, may be what looked like an outlier two rows ago."""


class Found(NamedTuple):
    """What the datum said, each (k), on the scale of the filter; `p_fresh`: a change in the last FRESH values.

    `kind` is the likeliest sort of change, however unlikely; `since`, `before` and `after` are its likeliest birth,
    what was then and what is now: the level, the slope (`after` alone) or the noise's standard deviation.
    """

    level: Floats
    slope: Floats
    p_slope_negative: Floats
    sigma: Floats
    log_evidence: Floats
    p_change: Floats
    p_fresh: Floats
    p_outlier: Floats
    kind: Floats
    since: Floats
    before: Floats
    after: Floats


def degrees(state: State) -> Floats:
    """Return the degrees of freedom at the start; a known noise has no use for its infinite ones."""
    return np.where(np.isinf(state.n), 1.0, state.n)


def start(h: Floats, state: State) -> None:
    """Let the one hypothesis that nothing changed be all there is, from the classic filter's start."""
    moments = [field[0] for field in state.moments]
    h[: len(moments)] = np.stack(moments)[:, None]
    h[N], h[WEIGHT], h[SINCE:] = degrees(state), -np.inf, 0.0
    h[BORN] = -np.inf
    h[WEIGHT, FREE.start] = 0.0


def predict(h: Floats, row: Row, model: Model) -> tuple[Floats, Floats, Floats]:
    """Return mean, scale and half the 95 % band (k) of a value at the row's time, if nothing changes and it is steady.

    The mixture of all hypotheses by their weights, with Student's quantile at their mean degrees of freedom.
    """
    moved, w = evolve(h, row, model), np.exp(h[WEIGHT])
    mean = over(w * moved.a0)
    off = moved.a0 - mean
    scale = np.sqrt(over(w * (moved.r00 + moved.s + off * off)))
    nu = np.full_like(mean, np.inf) if model.noise_known else row.discount * over(w * moved.n)
    return mean, scale, scale * t_quantile(nu)


def advance(h: Floats, row: Row, model: Model) -> Found:
    """Let the hypotheses (fields, COUNT, k; changed in place) meet the datum; return what they say then.

    A missing datum lets them move on: nothing is born, nothing weighed, and the evidence is not a number.
    """
    gone = np.isnan(row.z)
    h[:MOVED_COUNT] = evolve(h, row, model)[:MOVED_COUNT]
    unmet = h[:, :, gone]
    give_birth(h, row, ~gone, model)
    p_outlier, log_evidence = weigh(h, np.where(gone, h[M0, 0], row.z), row, model)
    if gone.any():
        h[:, :, gone] = unmet
        p_outlier, log_evidence = np.where(gone, model.outlier, p_outlier), np.where(gone, np.nan, log_evidence)
    return _read(h, row, p_outlier, log_evidence)


def _read(h: Floats, row: Row, p_outlier: Floats, log_evidence: Floats) -> Found:
    w = np.exp(h[WEIGHT])
    recent = np.where(h[BORN] > row.heard - LOOK_BACK, w, 0.0)
    mass = np.stack([over(np.where(h[KIND] == kind, recent, 0.0)) for kind in (LEVEL, SLOPE, NOISE)])
    kind = mass.argmax(axis=0) + LEVEL
    likeliest = np.where(h[KIND] == kind, recent, -1.0).argmax(axis=0)
    one = h[:, likeliest, np.arange(h.shape[2])]
    fresh = np.where((h[BORN] > row.heard - FRESH) & (h[KIND] > START), w, 0.0)
    return Found(
        level=over(w * h[M0]),
        slope=over(w * h[M1]),
        p_slope_negative=over(w * normal_cdf(-h[M1] / np.sqrt(np.maximum(h[C11], TINY)))),
        sigma=np.sqrt(over(w * h[S])),
        log_evidence=log_evidence,
        p_change=np.minimum((mass[0] + mass[1]) + mass[2], 1.0),
        p_fresh=over(fresh),
        p_outlier=p_outlier,
        kind=kind.astype(np.float64),
        since=one[SINCE],
        before=one[BASE],
        after=np.where(kind == LEVEL, one[M0], np.where(kind == SLOPE, one[M1], np.sqrt(one[S]))),
    )
