# SPDX-License-Identifier: AGPL-3.0-or-later
"""A family's prior: what like series have learned, as the prior of one more of them.

The noise variances of a family are taken as draws of a scaled inverse chi-squared distribution, whose two parameters
come from the mean and the variance of their logarithms (Smyth 2004, Statistical Applications in Genetics and Molecular
Biology 3(1), article 3, section 6.2). Differently from there one odd machine is drawn in to the others, and a small
family is taken to be more various than it looks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from collector.contract.errors import Refusal
from cyberfilter.filter import tails
from cyberfilter.filter.learned import Learned
from cyberfilter.filter.model import SIGMA_PER_MAD, Floats
from cyberfilter.filter.period import turned_by

VARIETY: Final = 0.5
"""Variance of the logarithm of the noise's variance among like series of which nothing is known: sigma within ×2."""
VARIETY_OF_EXCESS: Final = 0.1
"""The same of the logarithm of the mean excess of what is alarming."""
VARIETY_WORTH: Final = 1.0
"""How many series that guess counts for."""
ADAPTIVITY_SD: Final = 0.1
"""The same for the adaptivity: its deviation among like series."""
SEASON_LEAST: Final = 2
SEASON_SHARE: Final = 0.75
"""So many series, and this share of those that could have found it, have to have the same season."""
SEASON_PERIODS: Final = 4.4
"""Who has heard so many periods has found what there was (season.py: twice 2.2, while places are made wider)."""
SEASON_APART: Final = 0.05
SEASON_ODD: Final = 0.25
"""It is the same where its period is within this share of the middle one, and no more of its square is beside that."""
_FAR: Final = 2.5
"""So many robust deviations from the median a series is drawn in."""
_SHIFT: Final = 6
"""Stirling's series are exact to 1e-9 from here on."""
_ROUNDS: Final = 200


def pool(learned: Learned) -> Learned:
    """Return the family's prior as one column; series that have learned nothing yet (NaN) do not count.

    Raises Refusal `no_family` where none has. What else is learned of a series joins as a field of `Learned` and a
    rule here: what of the family one more series should begin with.
    """
    here = np.isfinite(learned.noise) & (learned.noise > 0) & (learned.degrees > 0)
    count = int(here.sum())
    if not count:
        raise Refusal("no_family", f"none of {len(here)} like series has learned anything yet")
    noise, degrees = _noise(learned.noise[here], learned.degrees[here])
    kept = learned.adaptivity[here]
    centre, spread = _centre_and_variance(kept, np.zeros(count), ADAPTIVITY_SD**2)
    one = Learned(*(np.array([part]) for part in (noise, degrees, centre, np.sqrt(spread), float(count))))
    known = Learned(*(np.broadcast_to(part, (len(here), *part.shape[1:]))[here] for part in learned))
    return one._replace(
        outliers=np.array([np.median(known.outliers)]),
        tail=_tail(known.tail)[None],
        season=_season(known.season, known.behind)[None],
    )


def _tail(taught: Floats) -> Floats:
    """Return the tails of a further series: medians, worth as many exceedances as the mean excess is known by."""
    parts = taught.reshape(len(taught), tails.TAUGHT, -1)
    pooled = np.zeros(parts.shape[1:])
    for part in range(pooled.shape[1]):
        some = parts[parts[:, -1, part] > 0, :, part]
        if len(some):
            threshold, excess, ratio, exceedances = some.T
            # the later of m exceedances weigh more: their mean varies by 2/m
            centre, variance = _centre_and_variance(np.log(excess), 2.0 / exceedances, VARIETY_OF_EXCESS)
            pooled[:, part] = np.median(threshold), np.exp(centre), np.median(ratio), 1.0 / variance
    return pooled.reshape(-1)


def _season(taught: Floats, behind: Floats) -> Floats:
    """Return the pattern that a further series begins with; 0 where too few of the family have the same one.

    Whoever has one votes, and whoever had the time to find it; the middle one is the family's where most are near it.
    """
    nothing = np.zeros(taught.shape[1])
    some, at = taught[taught[:, 0] > 0], taught[:, -1].max(initial=-np.inf, where=taught[:, 0] > 0)
    if not len(some):
        return nothing
    period = float(np.median(some[:, 0]))
    able = (taught[:, 0] == 0) & (behind >= SEASON_PERIODS * period)
    turned = turned_by(some[:, 1:-1].T, 2.0 * np.pi * (at - some[:, -1]) / some[:, 0])
    off = turned - np.median(turned, axis=1)[:, None]
    squares = (turned * turned).sum(axis=0)
    same = (np.abs(some[:, 0] - period) <= SEASON_APART * period) & ((off * off).sum(axis=0) <= SEASON_ODD * squares)
    if same.sum() < max(SEASON_SHARE * (len(some) + able.sum()), SEASON_LEAST):
        return nothing
    alike = np.sort(turned[:, same], axis=1)  # sums then do not depend on who comes first
    return np.array([np.median(some[same, 0]), *alike.mean(axis=1), at])


def _noise(noise: Floats, degrees: Floats) -> tuple[float, float]:
    """Return estimate and degrees of freedom of a further series' noise variance."""
    half = degrees / 2.0
    logs = np.log(noise) + np.log(half) - digamma(half)
    centre, variance = _centre_and_variance(logs, trigamma(half), VARIETY)
    prior = _inverse_trigamma(variance)
    return float(np.exp(centre + digamma(prior) - np.log(prior))), float(2.0 * prior)


def _centre_and_variance(values: Floats, error: Floats, guess: float) -> tuple[float, float]:
    """Return the median, and the variance of one more value about it: between the series, and of the median itself.

    `error` is each value's own variance as an estimate, `guess` the variance between series before any is known.
    """
    values = np.sort(values)  # sums then do not depend on who comes first
    centre, noise = float(np.median(values)), float(np.sort(error).mean())
    far = _FAR * max(SIGMA_PER_MAD * float(np.median(np.abs(values - centre))), np.sqrt(noise))
    drawn = np.clip(values - centre, -far, far)
    between = max(float((drawn * drawn).sum()) - len(values) * noise, 0.0)
    worth = len(values) - 1.0
    variety = (VARIETY_WORTH * guess + between) / (VARIETY_WORTH + worth)
    return centre, variety * (1.0 + 1.0 / len(values)) + noise / len(values)


def digamma(x: Floats | float) -> Floats:
    """Return the derivative of ln Γ, for x > 0."""
    return _shifted(x, lambda z: np.log(z) - (1 / 2 + (1 / 12 - (1 / 120 - 1 / (252 * z * z)) / (z * z)) / z) / z, 1)


def trigamma(x: Floats | float) -> Floats:
    """Return the second derivative of ln Γ, for x > 0."""
    return _shifted(x, lambda z: (1 + (1 / 2 + (1 / 6 - (1 / 30 - 1 / (42 * z * z)) / (z * z)) / z) / z) / z, 2)


def _shifted(x: Floats | float, series: Callable[[Floats], Floats], power: int) -> Floats:
    z = np.asarray(x, dtype=np.float64)
    below = sum(1.0 / (z + k) ** power for k in range(_SHIFT))
    return np.asarray(series(z + _SHIFT) + (below if power == 2 else -below))  # noqa: PLR2004 - the second derivative


def _inverse_trigamma(variance: float) -> float:
    """Return x with trigamma(x) = variance: 1 / trigamma is nearly a straight line of slope 1."""
    x = 0.5 + 1.0 / variance
    for _ in range(_ROUNDS):
        x += 1.0 / variance - 1.0 / float(trigamma(x))
    return x
