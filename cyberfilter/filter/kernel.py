# SPDX-License-Identifier: AGPL-3.0-or-later
"""One update of every series: arrays in, arrays out. Harrison and Stevens' multi-process filter of class II.

Linear growth in four states (model.py); each of the four distributions after the last datum meets each of four states
of this one, sixteen likelihoods weigh them, and they are collapsed to four again. The axes are (state before, state
now, series); nothing here depends on how many series there are, or on their order.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cyberfilter.filter.collapse import Moments, collapse, over
from cyberfilter.filter.model import Floats, Profile
from cyberfilter.filter.tables import log_t_constant, normal_cdf, t_quantile

_JOINT_FLOOR: Final = 2.5e-13
"""Least probability of a history: a posterior that underflowed to 0 would divide 0 by 0 two steps later."""
Bools = NDArray[np.bool_]
_LOG_2_PI: Final = float(np.log(2 * np.pi))


class Model(NamedTuple):
    """A profile as arrays that fit (state before, state now, series); `noise_known`: the variance is not learned."""

    log_probability: Floats
    observation: Floats
    level: Floats
    slope: Floats
    noise_known: bool


class State(NamedTuple):
    """What is known of k series: moments and probability of each last state (4, k), and degrees of freedom n (k).

    `back` (4, 4, k) is the probability of the state before (first axis) given the last one (second); `s_least` (k)
    is what a learned noise variance never falls below, so that a constant series keeps a likelihood.
    """

    moments: Moments
    p: Floats
    back: Floats
    n: Floats
    s_least: Floats


class Readout(NamedTuple):
    """What one datum said, each (k) or (k, 4): the columns of the contract, on the scale of the filter.

    `mean`, `scale` and `half` are what had been expected of it (predict).
    """

    level: Floats
    slope: Floats
    p_slope_negative: Floats
    sigma: Floats
    log_evidence: Floats
    p: Floats
    one_back: Floats
    two_back: Floats
    mean: Floats
    scale: Floats
    half: Floats


def model_of(profile: Profile, *, noise_known: bool) -> Model:
    """Return the profile ready for the kernel; a probability of 0 becomes one that never wins."""
    probability, *multipliers = (
        np.array(row, dtype=np.float64).reshape(1, 4, 1)
        for row in (profile.probability, profile.observation, profile.level, profile.slope)
    )
    log_probability = np.log(np.maximum(probability, 1e-300))
    return Model(log_probability, multipliers[0], multipliers[1], multipliers[2], noise_known)


def predict(state: State, gap: Floats, nu: Floats, model: Model) -> tuple[Floats, Floats, Floats]:
    """Return mean, scale and half the 95 % band (k) of the next datum, if it is a steady one.

    The whole mixture would be two to three times as wide as what is normal; so the band is the steady component's,
    moment-matched over the four states before. `gap` in cadences; Student's quantile at ν degrees of freedom.
    """
    prior, q = _evolve(state.moments, gap, model)
    return _expected(prior.m0[:, 0], q[:, 0], state.p, nu, model)


def _expected(each: Floats, q: Floats, p: Floats, nu: Floats, model: Model) -> tuple[Floats, Floats, Floats]:
    mean = over(p * each)
    off = each - mean
    scale = np.sqrt(over(p * (q + off * off)))
    return mean, scale, scale * t_quantile(np.full_like(mean, np.inf) if model.noise_known else nu)


def _moved(c00: Floats, c01: Floats, c11: Floats, gap: Floats) -> Floats:
    return np.asarray(c00 + gap * (2.0 * c01 + gap * c11))


def advance(state: State, z: Floats, gap: Floats, nu: Floats, model: Model) -> tuple[State, Readout]:
    """Return the state after the datum z (k; NaN is missing), `gap` (k) cadences after the last one, and its readout.

    `nu` (k) is the discounted number of degrees of freedom. A missing datum lets every state evolve with likelihood 1:
    the probabilities become the profile's, n stays, and the evidence is not a number.
    """
    missing = np.isnan(z)
    gone = missing if missing.any() else None
    prior, q = _evolve(state.moments, gap, model)
    expected = _expected(prior.m0[:, 0], q[:, 0], state.p, nu, model)
    error = _unless(gone, z - prior.m0, 0.0)
    inverse = np.divide(1.0, q, out=q)
    ratio = error * error * inverse
    log_likelihood = _unless(gone, _log_likelihood(ratio, inverse, nu, model), 0.0)
    joint, log_total = _weigh(model.log_probability + np.log(state.p)[:, None] + log_likelihood)
    p = over(joint)
    one_back = over(joint, axis=1)
    weight = np.divide(joint, p, out=joint)
    posterior = _learn(prior, error, inverse, ratio, nu, gone, model)
    moments = collapse(posterior, weight, noise_known=model.noise_known)
    after = State(
        moments=moments._replace(s=np.maximum(moments.s, state.s_least)),
        p=p,
        back=weight,
        n=state.n if model.noise_known else _unless(gone, nu + 1.0, state.n),
        s_least=state.s_least,
    )
    constant = -0.5 * _LOG_2_PI if model.noise_known else log_t_constant(nu)
    log_evidence = _unless(gone, log_total + constant, np.nan)
    return after, _read(after, log_evidence, one_back, over(state.back * one_back, axis=1), expected)


def _unless(gone: Bools | None, figures: Floats, otherwise: Floats | float) -> Floats:
    """Return the figures, and something else where the datum is missing; None says that none is."""
    return figures if gone is None else np.where(gone, otherwise, figures)


def _evolve(before: Moments, gap: Floats, model: Model) -> tuple[Moments, Floats]:
    """Return the sixteen priors (4, 4, k) and the variances of their forecasts."""
    s = before.s[:, None]
    moved = s * gap
    slope = moved * model.slope
    a0 = (before.m0 + gap * before.m1)[:, None]
    r00 = moved * model.level
    r00 += _moved(before.c00, before.c01, before.c11, gap)[:, None]
    r00 += slope
    r01 = (before.c01 + gap * before.c11)[:, None] + slope
    slope += before.c11[:, None]
    r11 = slope
    prior = Moments(a0, before.m1[:, None], r00, r01, r11, s)
    q = s * model.observation
    q += r00
    return prior, q


def _log_likelihood(ratio: Floats, inverse: Floats, nu: Floats, model: Model) -> Floats:
    """Return the log density of each error (its square by its variance) but for the constant that all sixteen share."""
    found = np.log(inverse)
    found -= ratio if model.noise_known else (nu + 1.0) * np.log1p(ratio / nu)
    found *= 0.5
    return found


def _weigh(log_joint: Floats) -> tuple[Floats, Floats]:
    """Return the sixteen probabilities and the log of what they added up to."""
    peak = log_joint.max(axis=(0, 1))
    log_joint -= peak
    joint = np.exp(log_joint, out=log_joint)
    total = over(over(joint))
    joint /= total
    np.maximum(joint, _JOINT_FLOOR, out=joint)
    joint /= over(over(joint))
    return joint, peak + np.log(total)


def _learn(  # noqa: PLR0917 - the arrays of one step
    prior: Moments, error: Floats, inverse: Floats, ratio: Floats, nu: Floats, gone: Bools | None, model: Model
) -> Moments:
    """Return the sixteen posteriors; where the datum is missing, the priors. `inverse` and `ratio` are used up."""
    if gone is not None:
        inverse[:, :, gone] = 0.0
    left = _unless(gone, prior.s * model.observation * inverse, 1.0)
    surprise = ratio
    if not model.noise_known:
        surprise += nu
        surprise /= nu + 1.0
        surprise = _unless(gone, surprise, 1.0)
        left *= surprise
    c11 = prior.c01 * prior.c01
    c11 *= inverse
    np.maximum(np.subtract(prior.c11, c11, out=c11), 0.0, out=c11)
    inverse *= error
    m0, m1 = prior.c00 * inverse, prior.c01 * inverse
    m0 += prior.m0
    m1 += prior.m1
    c00, c01 = np.multiply(prior.c00, left, out=prior.c00), prior.c01 * left
    if model.noise_known:
        return Moments(m0, m1, c00, c01, c11, np.broadcast_to(prior.s, left.shape))
    c11 *= surprise
    surprise *= prior.s
    return Moments(m0, m1, c00, c01, c11, surprise)


def _read(
    after: State,
    log_evidence: Floats,
    one_back: Floats,
    two_back: Floats,
    expected: tuple[Floats, Floats, Floats],
) -> Readout:
    moments, p = after.moments, after.p
    falling = normal_cdf(-moments.m1 / np.sqrt(np.maximum(moments.c11, 1e-300)))
    return Readout(
        level=over(p * moments.m0),
        slope=over(p * moments.m1),
        p_slope_negative=over(p * falling),
        sigma=np.sqrt(over(p * moments.s)),
        log_evidence=log_evidence,
        p=p,
        one_back=one_back,
        two_back=two_back,
        mean=expected[0],
        scale=expected[1],
        half=expected[2],
    )
