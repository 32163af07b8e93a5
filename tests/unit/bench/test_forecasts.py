# SPDX-License-Identifier: AGPL-3.0-or-later
"""The CRPS is the integral that defines it, a band tells its degrees, and coverage counts what lies within."""

from __future__ import annotations

import numpy as np
import pytest
from forecasts import Predicted, coverage, crps, degrees, tail
from scipy import stats


def one(mean: float, scale: float, nu: float) -> Predicted:
    return Predicted(np.array([mean]), np.array([scale]), np.array([nu]))


@pytest.mark.parametrize("nu", [2.5, 7.0, 60.0, np.inf])
@pytest.mark.parametrize("value", [1.0, -4.0])
def test_crps_is_the_squared_distance_between_the_distributions(nu: float, value: float) -> None:
    z, away = (value - 1.5) / 2.0, np.concatenate(([0.0], np.geomspace(1e-6, 1e5, 20_001)))
    below, above = stats.t.cdf(z - away, nu) ** 2, stats.t.sf(z + away, nu) ** 2
    integral = np.trapezoid(below + above, away)
    assert crps(np.array([value]), one(1.5, 2.0, nu))[0] == pytest.approx(2.0 * integral, rel=2e-4)


@pytest.mark.parametrize("nu", [1.5, 4.0, 50.0, 500.0])
def test_band_tells_its_degrees_of_freedom(nu: float) -> None:
    high = 3.0 + 2.0 * stats.t.ppf(0.975, nu)
    assert degrees(np.array([3.0]), np.array([2.0]), np.array([high]))[0] == pytest.approx(nu, rel=0.01)


def test_coverage_of_what_was_drawn_is_what_was_promised() -> None:
    drawn = np.random.default_rng(1).standard_t(5, 20_000)
    told = Predicted(np.zeros(20_000), np.ones(20_000), np.full(20_000, 5.0))
    assert coverage(drawn, told).tolist() == pytest.approx([0.5, 0.8, 0.95], abs=0.01)


def test_tail_is_two_sided() -> None:
    assert tail(np.array([1.96]), one(0.0, 1.0, np.inf))[0] == pytest.approx(0.05, abs=1e-3)
