# SPDX-License-Identifier: AGPL-3.0-or-later
"""Hypotheses in time and before a datum: carried on to it, weighed by it, taught by it. Arrays in, arrays out.

The axes are (field, hypothesis, series). Nothing here depends on how many series there are, or on their order; sums
over hypotheses are written as pairs, for `sum(axis)` gives one series other bits than a batch.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from cyberfilter.filter.kernel import Bools
from cyberfilter.filter.model import Floats, Profile

FIELDS: Final = ("m0", "m1", "c00", "c01", "c11", "s", "n", "weight", "born", "since", "kind", "base")
"""Level, slope, their covariance, noise variance and its degrees, log weight; at which count and time it was born, as
what, and what was before: the expected level, or the noise's standard deviation."""
M0, M1, C00, C01, C11, S, N, WEIGHT, BORN, SINCE, KIND, BASE = range(len(FIELDS))
MOVED_COUNT: Final = 5
"""The first fields: those that move with time."""
SMALL: Final = 0.06
"""A small step's variance as a share of a large one's."""
FAINT: Final = 0.02
"""A faint slope's variance as a share of a steep one's."""
_WIDEST: Final = 1e6
TINY: Final = 1e-300
_LOG_2_PI: Final = float(np.log(2 * np.pi))
# ln Γ(z+½) - ln Γ(z) - ½ ln z from z = 2 on (Stirling's series): the coefficients of z^-1, z^-3, z^-5, z^-7
_STIRLING: Final = (-1 / 8, 1 / 192, -1 / 640, 17 / 14336)


class Model(NamedTuple):
    """A profile for this filter: P(outlier), and `rates` a cadence of the families of births (births.py).

    An outlier's variance is `observation` times the noise's; a birth adds `level` and `slope` times it, by family.
    """

    outlier: Floats
    rates: Floats
    observation: Floats
    level: Floats
    slope: Floats
    noise_known: bool


class Row(NamedTuple):
    """What comes with a datum z (NaN is missing), each (k): its time, the gap in cadences, `reset` where it was long.

    `heard` values came before. `discount` is the share of the noise's degrees that is kept, `adaptivity` that of what
    is known of the level, `s_least` what a learned noise variance stays above: each series has its own.
    """

    z: Floats
    time: Floats
    gap: Floats
    reset: Bools
    heard: Floats
    discount: Floats
    adaptivity: Floats
    s_least: Floats


class Moved(NamedTuple):
    """Every hypothesis carried on to the next time: level and slope and their covariance, noise and degrees."""

    a0: Floats
    a1: Floats
    r00: Floats
    r01: Floats
    r11: Floats
    s: Floats
    n: Floats


def model_of(profile: Profile, *, noise_known: bool) -> Model:
    """Return the profile ready for this filter; a known noise does not change."""
    outlier, level, slope, noise = (-np.log1p(-rate) for rate in profile.hypotheses)
    rates = np.array([level / 2, level / 2, 2 * slope, 2 * slope, 0.0 if noise_known else 2 * noise])
    steps, slopes = np.array([SMALL, 1.0, 0.0, 0.0, 0.0]), np.array([0.0, 0.0, FAINT, 1.0, 0.0])
    return Model(
        outlier=np.clip(-np.expm1(-np.asarray(outlier)), TINY, None),
        rates=rates,
        observation=np.asarray(profile.observation[1]),
        level=profile.level[2] * steps,
        slope=profile.slope[3] * slopes,
        noise_known=noise_known,
    )


def over(x: Floats) -> Floats:
    """Return the sum over a first axis of any length, in pairs."""
    while len(x) > 1:
        half = len(x) // 2
        paired = x[:half] + x[half : 2 * half]
        if len(x) % 2:
            paired[0] += x[-1]
        x = paired
    return np.asarray(x[0])


def evolve(h: Floats, row: Row, model: Model) -> Moved:
    """Return every hypothesis at the row's time. A level that wanders loses what is known of it at its own rate.

    After a long gap the level may be anywhere: a new shift is no step.
    """
    gap, s = row.gap, h[S]
    r01 = h[C01] + gap * h[C11]
    r00 = h[C00] + gap * (h[C01] + r01)
    if (row.adaptivity < 1).any():
        lost = np.exp(-gap * np.log(row.adaptivity))
        lost = np.minimum(lost, np.maximum(1.0, _WIDEST * s / np.maximum(r00, TINY)))
        r00, r01 = r00 * lost, r01 * np.sqrt(lost)
    if row.reset.any():
        r00 = r00 + np.where(row.reset, model.level[1], 0.0) * s
    return Moved(h[M0] + gap * h[M1], h[M1], r00, r01, h[C11], s, h[N])


def weigh(h: Floats, z: Floats, row: Row, model: Model) -> tuple[Floats, Floats]:
    """Let each hypothesis learn from the datum as a steady one and as an outlier; return P(outlier) and log evidence.

    The two posteriors are merged at once, matched in mean and covariance: with Q1, Q2 the forecast variances and
    q1, q2 their probabilities, the spread of the two means is q1·q2·(1/Q1 - 1/Q2)²·e² along the gain.
    """
    error, r00, r01, s = z - h[M0], h[C00].copy(), h[C01].copy(), h[S].copy()
    nu = row.discount * h[N]
    inverse1, inverse2 = 1.0 / (r00 + s), 1.0 / (r00 + model.observation * s)
    square = error * error
    log_steady, log_ratio = _log_densities(square, inverse1, inverse2, nu, model)
    log_odds = log_ratio + np.log(model.outlier / (1.0 - model.outlier))
    unlikelier = np.exp(-np.abs(log_odds))
    q2 = np.where(log_odds > 0, 1.0, unlikelier) / (1.0 + unlikelier)
    q1 = 1.0 - q2
    joint = h[WEIGHT] + log_steady + np.log(1.0 - model.outlier) + (np.maximum(log_odds, 0.0) + np.log1p(unlikelier))
    peak = joint.max(axis=0)
    w = np.exp(joint - peak)
    total = over(w)
    log_total = peak + np.log(total)
    h[WEIGHT] = joint - log_total
    part1, part2 = q1 * inverse1, q2 * inverse2
    gain = (part1 + part2) * error
    h[M0] += r00 * gain
    h[M1] += r01 * gain
    apart = inverse1 - inverse2
    spread = square * q1 * q2 * apart * apart
    if not model.noise_known:
        rho1, rho2 = (nu + square * inverse1) / (nu + 1.0), (nu + square * inverse2) / (nu + 1.0)
        h[S] = np.maximum(s / (q1 / rho1 + q2 / rho2), row.s_least)
        h[N] = nu + 1.0
        part1, part2 = rho1 * part1, rho2 * part2
        h[C11] *= q1 * rho1 + q2 * rho2
    left = s * (part1 + model.observation * part2) + r00 * spread
    h[C00], h[C01] = r00 * left, r01 * left
    h[C11] = np.maximum(h[C11] - r01 * r01 * (part1 + part2 - spread), 0.0)
    return over(w * q2) / total, log_total


def _log_densities(
    square: Floats, inverse1: Floats, inverse2: Floats, nu: Floats, model: Model
) -> tuple[Floats, Floats]:
    """Return the log density of the error if steady, and by how much more it is as an outlier."""
    ratio = inverse2 / inverse1
    if model.noise_known:
        steady = -0.5 * (_LOG_2_PI - np.log(inverse1) + square * inverse1)
        return steady, 0.5 * (np.log(ratio) + square * (inverse1 - inverse2))
    near, far = np.log1p(square * inverse1 / nu), np.log1p(square * inverse2 / nu)
    half = 0.5 * (nu + 1.0)
    z = 0.5 * nu
    lift = z * (z + 1.0) / ((z + 0.5) * (z + 1.5))
    lifted = 1.0 / (z + 2.0)
    series = np.zeros_like(z)
    for coefficient in reversed(_STIRLING):
        series = series * lifted * lifted + coefficient
    constant = 0.5 * np.log(lift * lift * inverse1 / (lifted * np.pi * nu)) + series * lifted
    return constant - half * near, 0.5 * np.log(ratio) + half * (near - far)
