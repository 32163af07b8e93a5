# SPDX-License-Identifier: AGPL-3.0-or-later
"""The four-state model: its profiles with their source, and the priors that it starts from."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from collector.contract.errors import Misconfigured

Floats = NDArray[np.float64]
STATES: Final = ("steady", "outlier", "level", "slope")
"""What can have happened at a datum, in the order of every axis of four."""
Pair = tuple[float, float]


def fixed(figure: float) -> Floats:
    """Return a number as an array of no axis: with few series, to make one of a Python number is half of a sum."""
    found = np.array(figure, dtype=np.float64)
    found.flags.writeable = False
    return found


ZERO: Final = fixed(0.0)
HALF: Final = fixed(0.5)
ONE: Final = fixed(1.0)

SIGMA_PER_MAD: Final = 1.4826
"""Standard deviation of Gaussian values in their median absolute deviation."""


def is_any(where: NDArray[np.bool_] | Floats) -> bool:
    """Tell whether any is true (not 0); NumPy's `any` takes three times as long for a few numbers."""
    return bool(np.count_nonzero(where))


def is_all(where: NDArray[np.bool_] | Floats) -> bool:
    """Tell whether all are true (not 0), as fast."""
    return bool(np.count_nonzero(where) == where.size)


class Profile(NamedTuple):
    """How often each state is met, and by how many noise variances it moves what it moves, in the order of STATES.

    `probability` is each datum's own, independent of the past; the noise of the observation is V·observation, the
    level moves by N(0, V·level), the slope by N(0, V·slope), where V is the variance of the noise. `hypotheses` is how
    probable an outlier and a change of level, slope and noise are at each datum to the filter that keeps hypotheses:
    it accumulates evidence, so a change may be rarer than to the one that forgets.
    """

    name: str
    source: str
    probability: tuple[float, float, float, float]
    observation: tuple[float, float, float, float] = (1.0, 101.0, 1.0, 1.0)
    level: tuple[float, float, float, float] = (0.0, 0.0, 100.0, 0.0)
    slope: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 1.0)
    hypotheses: tuple[float, float, float, float] = (0.01, 0.002, 0.0005, 0.0005)


_SHIPPED: Final = (
    Profile(
        name="hs1971",
        source="Harrison & Stevens (1971), Operational Research Quarterly 22(4), 341-362",
        probability=(0.900, 0.094, 0.003, 0.003),
        hypotheses=(0.094, 0.003, 0.003, 0.0),
    ),
    Profile(
        name="workshop",
        source="the multipliers of 1971 with rarer outliers and more frequent steps: more evidence on CP6, less error",
        probability=(0.955, 0.030, 0.010, 0.005),
    ),
)
PROFILES: Final = {profile.name: profile for profile in _SHIPPED}


class Prior(NamedTuple):
    """What is known before the first value, in the transformed scale; a part that is None is learned.

    `level` and `slope` are (mean, variance), the slope per cadence; `noise` is (estimate of the variance, its degrees
    of freedom), where infinite degrees say that the variance is known.
    """

    level: Pair | None = None
    slope: Pair | None = None
    noise: Pair | None = None


def check_prior(prior: Prior) -> Prior:
    """Return the prior unchanged; a Misconfigured names the part that cannot be one."""
    for name, pair in (("level", prior.level), ("slope", prior.slope)):
        if pair is not None and not (math.isfinite(pair[0]) and 0 <= pair[1] < math.inf):
            raise Misconfigured(
                f"prior {name} = {pair[0]:g},{pair[1]:g} is not a finite mean and a variance of 0 or more"
            )
    if prior.noise is not None and not (0 < prior.noise[0] < math.inf and prior.noise[1] > 0):
        variance, degrees = prior.noise
        raise Misconfigured(f"prior noise = {variance:g},{degrees:g} is not a variance and degrees of freedom above 0")
    return prior


def check_profile(profile: Profile) -> Profile:
    """Return the profile unchanged; a Misconfigured says which of its rows cannot be."""
    if min(profile.probability) < 0 or abs(math.fsum(profile.probability) - 1) > 1e-9:  # noqa: PLR2004 - rounding
        raise Misconfigured(f"profile {profile.name}: probability = {profile.probability} does not add up to 1")
    if not 0 <= min(profile.hypotheses) <= max(profile.hypotheses) < 1:
        raise Misconfigured(f"profile {profile.name}: hypotheses = {profile.hypotheses} are not all within 0 and 1")
    if min(profile.observation) <= 0 or min(*profile.level, *profile.slope) < 0:
        raise Misconfigured(f"profile {profile.name}: a multiplier is below 0, or one of observation is 0")
    return profile
