# SPDX-License-Identifier: AGPL-3.0-or-later
"""Hypotheses in time and before a datum: carried on to it, weighed by it, taught by it. Arrays in, arrays out.

The axes are (field, hypothesis, series). Nothing here depends on how many series there are, or on their order; sums
over hypotheses are written as pairs, for `sum(axis)` gives one series other bits than a batch.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from cyberfilter.filter import collapse
from cyberfilter.filter.kernel import Bools
from cyberfilter.filter.model import HALF, ONE, ZERO, Floats, Profile, fixed, is_all, is_any

FIELDS: Final = ("m0", "m1", "c00", "c01", "c11", "s", "n", "weight", "born", "since", "kind", "base")
"""Level, slope, their covariance, noise variance and its degrees, log weight; at which count and time it was born, as
what, and what was before: the expected level, the slope, or the noise's standard deviation."""
M0, M1, C00, C01, C11, S, N, WEIGHT, BORN, SINCE, KIND, BASE = range(len(FIELDS))
MOVED_COUNT: Final = 5
"""The first fields: those that move with time."""
SMALL: Final = 0.06
"""A small step's variance as a share of a large one's."""
FAINT: Final = 0.005
"""A faint slope's variance as a share of a steep one's."""
_FAINT_RATE: Final = 2.5
"""Faint slopes are born so many times as often as steep ones: for a small drift a step is a near explanation."""
_NOISE_RATE: Final = 1.5
"""How often a louder noise is born, and a quieter one, every fourth value: more find sd×2 no sooner, but cry wolf."""
CHANCE_RATE: Final = 3.0
"""How often steps of counts are born, so many times: chance has no heavy tails that look like steps."""
_WIDEST: Final = 1e6
_LOG_ODDS_MAX: Final = fixed(700.0)
"""The exponential of more overflows."""
TINY: Final = 1e-300
over: Final = collapse.over
_LOG_2_PI: Final = fixed(np.log(2 * np.pi))
# ln Γ(z+½) - ln Γ(z) - ½ ln z from z = 2 on (Stirling's series): the coefficients of z^-1, z^-3, z^-5, z^-7
_STIRLING: Final = tuple(fixed(each) for each in (-1 / 8, 1 / 192, -1 / 640, 17 / 14336))
_TWO: Final = fixed(2.0)
_FOUR: Final = fixed(4.0)


class Model(NamedTuple):
    """A profile for this filter: P(outlier), and `rates` a cadence of the families of births (births.py), their logs.

    An outlier's variance is `observation` times the noise's; a birth adds `level` and `slope` times it, by family.
    `observed` is counts or binary where that is what the data are (counts.py).
    """

    outlier: Floats
    rates: tuple[float, ...]
    log_rates: Floats
    observation: Floats
    level: Floats
    slope: Floats
    noise_known: bool
    observed: str = ""


class Row(NamedTuple):
    """What comes with a datum z (NaN is missing), each (k): its time, the gap in cadences, `reset` where it was long.

    `heard` values came before. `discount` is the share of the noise's degrees that is kept, `adaptivity` that of what
    is known of the level, `s_least` what a learned noise variance stays above (of counts: by
    how much more they vary than chance has it): each series has its own.
    """

    z: Floats
    time: Floats
    gap: Floats
    reset: Bools
    heard: Floats
    discount: Floats
    adaptivity: Floats
    s_least: Floats


class Mixture(NamedTuple):
    """The probabilities of all hypotheses, and their moments together: the fields from M0 to N, (N + 1, k)."""

    w: Floats
    moments: Floats


class Weighed(NamedTuple):
    """What a datum told, each (k): P(outlier) and log evidence; and the hypotheses' probabilities after it."""

    p_outlier: Floats
    log_evidence: Floats
    w: Floats


def model_of(profile: Profile, *, noise_known: bool, observed: str = "") -> Model:
    """Return the profile ready for this filter; a known noise does not change, and chance has none to learn."""
    noise_known = noise_known or bool(observed)
    outlier, level, slope, noise = (-np.log1p(-rate) for rate in profile.hypotheses)
    level *= CHANCE_RATE if observed else 1.0
    turned = 0.0 if noise_known else _NOISE_RATE * noise
    rates = np.array([level / 2, level / 2, _FAINT_RATE * slope, slope, turned, turned])
    steps, slopes = np.array([SMALL, 1.0, 0.0, 0.0, 0.0, 0.0]), np.array([0.0, 0.0, FAINT, 1.0, 0.0, 0.0])
    return Model(
        outlier=np.clip(-np.expm1(-np.asarray(outlier)), TINY, None),
        rates=tuple(rates.tolist()),
        log_rates=np.log(np.maximum(rates, TINY)),
        observation=np.asarray(profile.observation[1]),
        level=profile.level[2] * steps,
        slope=profile.slope[3] * slopes,
        noise_known=noise_known,
        observed=observed,
    )


def evolve(h: Floats, row: Row, model: Model) -> Floats:
    """Carry every hypothesis (changed in place) on to the row's time, and return them.

    A level that wanders loses what is known of it at its own rate. After a long gap the level may be anywhere: a new
    shift is no step.
    """
    gap, r00, r01 = row.gap, h[C00], h[C01]
    if is_all(gap == ONE):  # times one changes nothing
        moving = h[M0 : C00 + 1 : 2]  # the level and its variance
        moving += h[M1 : C01 + 1 : 2]
        r01 += h[C11]
        r00 += r01
    else:
        moved = r01 + gap * h[C11]
        r00 += gap * (r01 + moved)
        r01[:] = moved
        h[M0] += gap * h[M1]
    if is_any(row.adaptivity < ONE):
        lost = np.exp(-gap * np.log(row.adaptivity))
        most, wide = _WIDEST * h[S], r00 * lost
        if is_any(wide > most):
            lost = np.where(wide > most, np.maximum(1.0, most / np.maximum(r00, TINY)), lost)
        r00 *= lost
        r01 *= np.sqrt(lost)
    if is_any(row.reset):
        r00 += np.where(row.reset, model.level[1], 0.0) * h[S]
    return h


def mixture(h: Floats) -> Mixture:
    """Return what all hypotheses say together, before a datum."""
    w = np.exp(h[WEIGHT])
    weighted = w * h[: N + 1]
    moments = over(weighted, axis=1)
    off = h[: M1 + 1] - moments[: M1 + 1, None]
    far, spread = w * off, weighted[:3]
    np.multiply(far[M0], off, out=spread[:2])
    np.multiply(far[M1], off[M1], out=spread[2])
    moments[C00 : C11 + 1] += over(spread, axis=1)
    return Mixture(w, moments)


def weigh(h: Floats, z: Floats, row: Row, model: Model) -> Weighed:  # tidy: one datum's arithmetic, all of a piece
    """Let each hypothesis (changed in place) learn from the datum as a steady one and as an outlier.

    The two posteriors are merged at once, matched in mean and covariance: with Q1, Q2 the forecast variances and
    q1, q2 their probabilities, the spread of the two means is q1·q2·(1/Q1 - 1/Q2)²·e² along the gain. A first axis of
    two is (steady, outlier).
    """
    mean, shared, c11, s = h[: M1 + 1], h[C00 : C01 + 1], h[C11], h[S]  # `shared`: the covariances with the level
    error, (r00, r01) = z - mean[0], shared
    inverse = np.empty((2, *error.shape))
    np.add(r00, s, out=inverse[0])
    np.add(r00, model.observation * s, out=inverse[1])
    np.divide(ONE, inverse, out=inverse)
    square = error * error
    far = square * inverse
    if model.noise_known:
        log_steady, log_odds = _log_normal(far, inverse)
    else:
        nu = row.discount * h[N]
        more = nu + ONE
        far += nu
        log_steady, log_odds = _log_student(far, inverse, nu, more)
    steady = ONE - model.outlier
    log_odds += np.log(model.outlier / steady)
    q = np.empty_like(inverse)
    odds = np.exp(np.minimum(log_odds, _LOG_ODDS_MAX))
    np.divide(ONE, odds + ONE, out=q[0])
    np.multiply(odds, q[0], out=q[1])
    told, log_total = share(h, log_steady, np.maximum(log_odds, -np.log(q[0])) + np.log(steady))
    part = q * inverse
    gain = part[0] + part[1]
    gain *= error
    mean += shared * gain
    apart = inverse[0] - inverse[1]
    apart *= error
    spread = q[0] * q[1] * apart
    spread *= apart
    left = s.copy()
    if not model.noise_known:
        far /= more  # by how much the datum was more than was expected
        part *= far
        found = q * far
        c11 *= found[0] + found[1]
        np.multiply(q, far[::-1], out=found)
        s *= far[0]
        s *= far[1]
        s /= found[0] + found[1]
        np.maximum(s, row.s_least, out=s)
        h[N] = more
    left *= part[0] + model.observation * part[1]
    left += r00 * spread
    lost = r01 * r01
    lost *= part[0] + part[1] - spread
    c11 -= lost
    np.maximum(c11, ZERO, out=c11)
    shared *= left
    return Weighed(over(told * q[1]), log_total, told)


def share(h: Floats, log_steady: Floats, log_both: Floats) -> tuple[Floats, Floats]:
    """Weigh the hypotheses by how likely the datum was to each; return their probabilities and the log evidence."""
    joint = log_steady
    joint += log_both
    joint += h[WEIGHT]
    peak = joint.max(axis=0)
    w = np.exp(joint - peak)
    total = over(w)
    log_total = peak + np.log(total)
    np.subtract(joint, log_total, out=h[WEIGHT])
    w /= total
    return w, log_total


def _log_normal(far: Floats, inverse: Floats) -> tuple[Floats, Floats]:
    """Return the log density of the error if steady, and by how much more it is as an outlier: a known noise."""
    steady = -HALF * (_LOG_2_PI - np.log(inverse[0]) + far[0])
    return steady, HALF * (np.log(inverse[1] / inverse[0]) + (far[0] - far[1]))


def _log_student(far: Floats, inverse: Floats, nu: Floats, more: Floats) -> tuple[Floats, Floats]:
    """Return the same for a learned noise; `far` is ν + e²/Q, `more` ν + 1. The constant is Γ's by Stirling's series.

    ln Γ(z+½) - ln Γ(z) is taken at z + 2, where the series is exact enough, and z = ν/2 is reached by two recurrences.
    """
    half = HALF * more
    upper = more + ONE
    upper /= more * (more + _TWO)
    upper *= upper
    four = nu + _FOUR
    lifted = _TWO / four
    square = lifted * lifted
    series = _STIRLING[3] * square
    for coefficient in _STIRLING[2:0:-1]:
        series += coefficient
        series *= square
    series += _STIRLING[0]
    series *= lifted
    four *= upper
    four *= inverse[0]
    four *= nu
    steady = np.log(four)
    steady -= _LOG_2_PI
    steady *= HALF
    steady += series
    steady -= half * np.log(far[0] / nu)
    half *= np.log(far[0] / far[1])
    half += HALF * np.log(inverse[1] / inverse[0])
    return steady, half
