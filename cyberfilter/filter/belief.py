# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the hypotheses of one series say together: what may have changed, since when, by how much, how surely.

Forty hypotheses are too many to read. Those of one sort that were born within two values of the heaviest are one
belief; what is older than LOOK_BACK values is the base that nothing has changed since. Probabilities add up to 1.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cyberfilter.filter.births import LEVEL, NOISE, SLOPE, START
from cyberfilter.filter.hypotheses import LOOK_BACK, YOUNG
from cyberfilter.filter.model import Floats
from cyberfilter.filter.transform import Transform
from cyberfilter.filter.weighing import BASE, BORN, C00, C11, KIND, M0, M1, SINCE, TINY, WEIGHT, N, S

APART: Final = 2
"""Births of one sort at most so many values apart tell of the same change."""
NAMES: Final = {START: "none", LEVEL: "step", SLOPE: "slope", NOISE: "noise"}
OTHER: Final = "other"
"""What is left where there are more beliefs than were asked for."""


class Belief(NamedTuple):
    """One of the things that may be so, in the value's own unit; NaN where it does not apply.

    `kind` is none, step, slope, noise or other; `since` is the series' own time (s). `size` is how far a step went, a
    slope's rise a cadence, or by how much the noise's standard deviation grew, give or take `sd`; `before` is what was
    left: the level, the slope, or that deviation. `level` and `sigma` are level and noise now, if it is so.
    """

    kind: str
    since: float
    probability: float
    size: float
    sd: float
    before: float
    level: float
    sigma: float


def changed(h: Floats, last: float) -> tuple[float, float]:
    """Return P(a change in the last LOOK_BACK values), and of a step or slope in the last YOUNG; h (fields, COUNT).

    `last` is how many values had been heard before the last one.
    """
    w, recent = _weights(h), _recent(h, last)
    return float(w[recent].sum()), float(w[recent & (h[BORN] > last - YOUNG) & (h[KIND] != NOISE)].sum())


def beliefs(h: Floats, last: float, transform: Transform, p_change: float, most: int = 5) -> list[Belief]:
    """Return what the hypotheses say where P(a change) is `p_change`, the likeliest first, `most` at most.

    The last of them, `other`, has the rest where there are more.
    """
    w, recent = _weights(h), _recent(h, last)
    p = float(w[recent].sum())
    w *= np.where(recent, p_change / max(p, TINY), (1.0 - p_change) / max(1.0 - p, TINY))
    found = [_none(h, w, ~recent, transform)] if w[~recent].sum() > 0 else []
    left = np.where(recent, w, 0.0)
    while left.max() > 0:
        heaviest = int(left.argmax())
        together = (left > 0) & (h[KIND] == h[KIND, heaviest]) & (np.abs(h[BORN] - h[BORN, heaviest]) <= APART)
        found.append(_change(h, left, together, heaviest, transform))
        left[together] = 0.0
    found.sort(key=lambda belief: -belief.probability)
    if len(found) <= most:
        return found
    rest, nan = found[most - 1 :], float("nan")
    share = float(sum(belief.probability for belief in rest))
    level, sigma = (sum(b.probability * getattr(b, name) for b in rest) / share for name in ("level", "sigma"))
    return [*found[: most - 1], Belief(OTHER, nan, share, nan, nan, nan, level, sigma)]


def _weights(h: Floats) -> Floats:
    w = np.exp(h[WEIGHT] - h[WEIGHT].max())
    return np.asarray(w / w.sum())


def _recent(h: Floats, last: float) -> NDArray[np.bool_]:
    return np.asarray((h[KIND] != START) & (h[BORN] > last - LOOK_BACK))


def _none(h: Floats, w: Floats, those: NDArray[np.bool_], transform: Transform) -> Belief:
    level, sigma, stretch = _stand(h, np.where(those, w, 0.0), transform)
    nan = float("nan")
    return Belief(NAMES[START], nan, float(w[those].sum()), nan, nan, nan, level, sigma * stretch)


def _change(h: Floats, w: Floats, those: NDArray[np.bool_], heaviest: int, transform: Transform) -> Belief:
    part = np.where(those, w, 0.0)
    level, sigma, stretch = _stand(h, part, transform)
    kind = int(h[KIND, heaviest])
    now = {LEVEL: h[M0], SLOPE: h[M1], NOISE: np.sqrt(h[S])}[kind]
    doubt = {LEVEL: h[C00], SLOPE: h[C11], NOISE: h[S] / (2 * np.maximum(h[N], 1.0))}[kind]
    after, before = _mean(part, now), _mean(part, h[BASE])
    sd = float(np.sqrt(max(_mean(part, doubt + (now - after) ** 2), TINY)))
    if kind == LEVEL:
        before = _back(transform, before)
        size = level - before
    else:
        before *= stretch
        size = (after if kind == SLOPE else after - before / stretch) * stretch
    since, total = float(h[SINCE, heaviest]), float(part.sum())
    return Belief(NAMES[kind], since, total, size, sd * stretch, before, level, sigma * stretch)


def _stand(h: Floats, w: Floats, transform: Transform) -> tuple[float, float, float]:
    """Return the level in the value's unit, the noise's deviation on the filter's scale, and the stretch there."""
    level = _mean(w, h[M0])
    stretch = float(transform.stretch(np.array([level]))[0])
    return _back(transform, level), float(np.sqrt(_mean(w, h[S]))), max(stretch, TINY)


def _back(transform: Transform, level: float) -> float:
    return float(transform.back(np.array([level]))[0])


def _mean(w: Floats, figure: Floats) -> float:
    return float((w * figure).sum() / max(float(w.sum()), TINY))
