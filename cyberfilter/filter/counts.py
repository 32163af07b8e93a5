# SPDX-License-Identifier: AGPL-3.0-or-later
"""What is counted, and yes or no, as the hypotheses meet it: a dynamic generalised linear model.

Level and slope are those of η, the logarithm of the rate (counts) or of the odds (binary). Before a datum η is known
as N(f, q); the conjugate distribution with that mean and variance learns from the datum in closed form, and mean and
variance of η afterwards go back to the state by linear Bayes (West & Harrison 1997, ch. 14). A count has no noise of
its own beside chance; the rows of the noise variance hold UNIT, which births and outliers are measured in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from cyberfilter.filter.gammas import digamma, inverse_beta, inverse_trigamma, stirling_error, trigamma
from cyberfilter.filter.model import Floats, Prior
from cyberfilter.filter.start import Begin, begin
from cyberfilter.filter.transform import TRANSFORMS, Transform
from cyberfilter.filter.weighing import C00, C01, C11, M0, M1, Model, Row, S, Weighed, over, share, weigh

UNIT: Final = 0.0225
"""What one noise variance of a profile is on the scale of η: small steps have a standard deviation of .37, large
ones of 1.5, which is a factor of 4.5."""
_KNOWN_LEAST: Final = 1e-13
_KNOWN_MOST: Final = 25.0
"""Variances of η beyond this say nothing more: a factor of e^5 either way."""
_LOG_RATE: Final = (-9.0, 36.0)
_LOG_ODDS: Final = (-9.0, 9.0)
"""Rarer than 1 in 8,000 is not told apart."""
_JEFFREYS: Final = 0.5
_SLOPE_SHARE: Final = 0.01
_LOG_2_PI: Final = float(np.log(2 * np.pi))
_OUTER: Final = 1.959963984540054
_ONE_SIDED: Final = 1.6448536269514722
_TAIL: Final = 0.025
_ALL_BUT: Final = 1e-15 - 1.0
_COUNT_SHIFT: Final = 3 / 8


class Told(NamedTuple):
    """What a datum tells of η: its log probability, by how much the mean moves, and the variance that is left."""

    log_p: Floats
    moved: Floats
    left: Floats


def count_told(y: Floats, f: Floats, q: Floats) -> Told:
    """Return what a count y says where ln rate is N(f, q): gamma(r, c) before, negative binomial, gamma(r+y, c+1).

    The probability is in the form that stays exact where r and y are huge (Loader 2000, as for the binomial).
    """
    r = inverse_trigamma(q)
    psi = digamma(r)
    scale = np.exp(f - psi)  # 1/c
    n = r + y
    off, some = y - r * scale, y > 0
    here = np.where(some, y, 1.0)
    peak = 0.5 * (np.log(r / (n * here)) - _LOG_2_PI) + (stirling_error(n) - stirling_error(r) - stirling_error(here))
    more, less = np.maximum(off / (n * scale), _ALL_BUT), np.maximum(-off / n, _ALL_BUT)
    log_p = np.where(some, peak - here * np.log1p(more), 0.0) - r * np.log1p(less)
    return Told(log_p, digamma(n) - psi - np.log1p(scale), trigamma(n))


def binary_told(y: Floats, f: Floats, q: Floats) -> Told:
    """Return what a yes (1) or no (0) says where the log odds are N(f, q): beta(r, s) before, beta(r+y, s+1-y) after.

    A value between counts as that share of a yes and the rest of a no.
    """
    r, s = inverse_beta(f, q)
    no = 1.0 - y
    log_p = y * np.log(r) + no * np.log(s) - np.log(r + s)
    return Told(log_p, y / r - no / s, q - y / (r * r) - no / (s * s))


def weigh_counts(h: Floats, y: Floats, row: Row, model: Model) -> Weighed:
    """Let each hypothesis (changed in place) learn from a count as a steady one and as an outlier.

    Counts that vary s_least times as much as chance are heard as so many fewer of those (quasi-likelihood).
    """
    share_of = 1.0 / row.s_least

    def told(heard: Floats, f: Floats, q: Floats) -> Told:
        return count_told(heard * share_of, f + np.log(share_of), q)

    weighed = _weigh(h, np.maximum(y, 0.0), model, told, _LOG_RATE)
    return weighed._replace(log_evidence=weighed.log_evidence + np.log(share_of))


def weigh_binary(h: Floats, y: Floats, row: Row, model: Model) -> Weighed:  # noqa: ARG001 - one signature
    """Let each hypothesis (changed in place) learn from a yes or no as a steady one and as an outlier."""
    return _weigh(h, np.clip(y, 0.0, 1.0), model, binary_told, _LOG_ODDS)


def _weigh(
    h: Floats, y: Floats, model: Model, told: Callable[[Floats, Floats, Floats], Told], ends: tuple[float, float]
) -> Weighed:
    """Weigh by the datum's probability; merge the two posteriors at once, matched in mean and covariance."""
    np.clip(h[M0], *ends, out=h[M0])
    np.clip(h[C00], _KNOWN_LEAST, _KNOWN_MOST, out=h[C00])
    bound = np.sqrt(h[C00] * h[C11])
    np.clip(h[C01], -bound, bound, out=h[C01])
    f, r00, r01 = h[M0], h[C00], h[C01]
    q = np.empty((2, *f.shape))
    q[0] = r00
    np.minimum(r00 + model.observation * h[S], _KNOWN_MOST, out=q[1])
    log_p, moved, left = told(y, f, q)
    log_odds = log_p[1] - log_p[0] + np.log(model.outlier / (1.0 - model.outlier))
    log_both = np.logaddexp(0.0, log_odds)
    w, log_total = share(h, log_p[0], log_both + np.log(1.0 - model.outlier))
    odd = np.exp(log_odds - log_both)
    part = np.stack((1.0 - odd, odd))
    gain = moved / q
    apart = gain[0] - gain[1]
    mean = part[0] * gain[0] + part[1] * gain[1]
    known = part * (1.0 - left / q) / q
    sure = known[0] + known[1] - part[0] * part[1] * apart * apart
    h[M0] += r00 * mean
    h[M1] += r01 * mean
    np.maximum(h[C11] - r01 * r01 * sure, 0.0, out=h[C11])
    r01 *= 1.0 - r00 * sure
    r00 *= 1.0 - r00 * sure
    return Weighed(over(w * odd), log_total, w)


class Scored(NamedTuple):
    """A datum for the score, on a scale on which chance is even: value, what was expected, its scale, the noise."""

    z: Floats
    mean: Floats
    scale: Floats
    noise: Floats


class Observed(NamedTuple):
    """An observation model: the link as a transform, and functions of k series.

    `begin` of first values; `forecast` (mean, sd, low, high) of mean and scale of η and the dispersion; `noise`, the
    variance that one datum has on the scale of η, by its level; `scored` of a datum and what its forecast came from;
    `dispersed`: they may vary more than chance has it.
    """

    link: Transform
    begin: Callable[[Floats, Prior], Begin]
    forecast: Callable[[Floats, Floats, Floats], tuple[Floats, Floats, Floats, Floats]]
    noise: Callable[[Floats], Floats]
    scored: Callable[[Floats, Floats, Floats, Floats], Scored]
    dispersed: bool
    weigh: Callable[[Floats, Floats, Row, Model], Weighed]


def _begin(level: Floats, variance: Floats, prior: Prior) -> Begin:
    unit = np.full_like(level, UNIT)
    slope, spread = np.zeros_like(level), _SLOPE_SHARE * np.minimum(variance, unit)
    if prior.level is not None:
        level, variance = np.full_like(level, prior.level[0]), np.full_like(level, prior.level[1])
    if prior.slope is not None:
        slope, spread = np.full_like(level, prior.slope[0]), np.full_like(level, prior.slope[1])
    return Begin(level, variance, slope, spread, unit, np.full_like(level, np.inf))


def _sum(kept: Floats) -> tuple[Floats, Floats]:
    here = ~np.isnan(kept)
    return over(np.where(here, kept, 0.0)), over(here.astype(np.float64))


def begin_counts(kept: Floats, prior: Prior) -> Begin:
    """Return what the first values (START_COUNT, k) say of the rate, by Jeffreys' prior."""
    total, count = _sum(kept)
    r = total + _JEFFREYS
    return _begin(digamma(r) - np.log(np.maximum(count, 1.0)), trigamma(r), prior)


def begin_binary(kept: Floats, prior: Prior) -> Begin:
    """Return what the first values (START_COUNT, k) say of the odds, by Jeffreys' prior."""
    total, count = _sum(kept)
    yes, no = total + _JEFFREYS, count - total + _JEFFREYS
    return _begin(digamma(yes) - digamma(no), trigamma(yes) + trigamma(no), prior)


def begin_of(observed: Observed | None, kept: Floats, prior: Prior) -> Begin:
    """Return what the first values (START_COUNT, k) say to that observation model, or as real numbers."""
    return observed.begin(kept, prior) if observed else begin(kept, prior)


def _usable(mean: Floats, scale: Floats, ends: tuple[float, float]) -> tuple[Floats, Floats]:
    return np.clip(mean, *ends), np.clip(scale * scale, _KNOWN_LEAST, _KNOWN_MOST)


def forecast_counts(mean: Floats, scale: Floats, dispersion: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return mean, standard deviation and 95 % band (k) of the next count, where ln rate has this mean and scale.

    The quantiles of the negative binomial are those of the shifted gamma distribution with its first three moments, to
    the next count (Wilson & Hilferty 1931). Where no event is a usual count, all that may be missed is above the band.
    """
    f, q = _usable(mean, scale, _LOG_RATE)
    r = inverse_trigamma(q)
    once = np.exp(f - digamma(r)) / dispersion
    centre = dispersion * r * once
    variance = dispersion * centre * (1.0 + once)
    mass = 2.0 * variance / (dispersion * (1.0 + 2.0 * once))  # the gamma distribution's mean, by the skewness
    shape = mass * mass / variance
    one_sided = -r * np.log1p(once) > np.log(_TAIL)
    z = np.stack((np.full_like(r, -_OUTER), np.where(one_sided, _ONE_SIDED, _OUTER)))
    low, high = np.ceil(_gamma_quantile(mass, shape, z) + (centre - mass - 0.5))
    low = np.where(one_sided, 0.0, np.clip(low, 0.0, centre))
    return centre, np.sqrt(variance), low, np.maximum(high, centre)


def _gamma_quantile(mean: Floats, shape: Floats, z: Floats) -> Floats:
    root = np.maximum(1.0 - 1.0 / (9.0 * shape) + z / (3.0 * np.sqrt(shape)), 0.0)
    return np.asarray(mean * root * root * root)


def forecast_binary(  # the dispersion is 1
    mean: Floats, scale: Floats, _: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the probability of a yes, its standard deviation and the band (k): what is rarer than 5 % is outside."""
    r, s = inverse_beta(*_usable(mean, scale, _LOG_ODDS))
    p = r / (r + s)
    rare = 2.0 * _TAIL
    return p, np.sqrt(p * (1.0 - p)), np.where(1.0 - p < rare, p, 0.0), np.where(p < rare, p, 1.0)


def noise_counts(level: Floats) -> Floats:
    """Return the variance that a single count has on the scale of η."""
    return np.exp(-np.clip(level, *_LOG_RATE))


def noise_binary(level: Floats) -> Floats:
    """Return the variance that a single yes or no has on the scale of η."""
    return np.asarray(1.0 / _LOGIT.stretch(level))


def scored_counts(y: Floats, mean: Floats, scale: Floats, dispersion: Floats) -> Scored:
    """Return a count on Anscombe's scale."""
    stable = TRANSFORMS["counts"]
    expected, sd, _, _ = forecast_counts(mean, scale, dispersion)
    root = np.sqrt(expected + _COUNT_SHIFT)
    off = sd / root
    noise = np.exp(np.clip(mean, *_LOG_RATE))
    return Scored(
        stable.forward(y), 2.0 * root - 0.25 * off * off / root, off, dispersion * noise / (noise + _COUNT_SHIFT)
    )


def scored_binary(y: Floats, mean: Floats, scale: Floats, dispersion: Floats) -> Scored:
    """Return a yes or no as it is."""
    p, sd, _, _ = forecast_binary(mean, scale, dispersion)
    return Scored(TRANSFORMS["binary"].forward(y), p, sd, sd * sd)


def _log(x: Floats) -> Floats:
    return np.clip(np.log(np.maximum(x, np.exp(_LOG_RATE[0]))), *_LOG_RATE)


def _exp(z: Floats) -> Floats:
    return np.exp(np.clip(z, *_LOG_RATE))


def _log_odds(x: Floats) -> Floats:
    p = np.clip(x, _odds_back(np.array(_LOG_ODDS[0])), _odds_back(np.array(_LOG_ODDS[1])))
    return np.asarray(np.log(p / (1.0 - p)))


def _odds_back(z: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(z, *_LOG_ODDS))))


def _odds_stretch(z: Floats) -> Floats:
    p = _odds_back(z)
    return np.asarray(p * (1.0 - p))


_LOG: Final = Transform("counts", 0.0, np.inf, 0.0, _log, _exp, _exp)
_LOGIT: Final = Transform("binary", 0.0, 1.0, 0.0, _log_odds, _odds_back, _odds_stretch)
OBSERVED: Final = {
    "counts": Observed(_LOG, begin_counts, forecast_counts, noise_counts, scored_counts, True, weigh_counts),
    "binary": Observed(_LOGIT, begin_binary, forecast_binary, noise_binary, scored_binary, False, weigh_binary),
}
"""What the hypotheses filter makes of these transforms; the classic one stays with transform.TRANSFORMS."""


def weigher(model: Model) -> Callable[[Floats, Floats, Row, Model], Weighed]:
    """Return what weighs the model's hypotheses by a datum: that of its observation model, else of real numbers."""
    return OBSERVED[model.observed].weigh if model.observed else weigh
