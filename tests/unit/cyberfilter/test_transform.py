# SPDX-License-Identifier: AGPL-3.0-or-later
"""Transforms go there and back, and their bands keep their order at the ends of the scale."""

from __future__ import annotations

import numpy as np
import pytest

from cyberfilter.filter.transform import TRANSFORMS, band_back

WITHIN = {
    "none": np.linspace(-1e6, 1e6, 101),
    "arcsine": np.linspace(0, 1, 101),
    "minutes": np.linspace(0, 1, 101),
    "log": np.geomspace(1e-9, 1e9, 101),
    "sqrt": np.linspace(0, 1e6, 101),
    "counts": np.arange(0.0, 1e6, 9999),
    "binary": np.linspace(0, 1, 11),
}


def test_the_four_of_the_contract_ship_and_three_for_what_is_counted():
    assert set(TRANSFORMS) == set(WITHIN)


@pytest.mark.parametrize("name", WITHIN)
def test_back_undoes_forward(name):
    transform, x = TRANSFORMS[name], WITHIN[name]
    np.testing.assert_allclose(transform.back(transform.forward(x)), x, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", WITHIN)
def test_stretch_is_the_derivative_of_back(name):
    transform, z, small = TRANSFORMS[name], np.linspace(0.1, 1.4, 14) + (1.2 if name == "counts" else 0.0), 1e-6
    if name == "binary":
        z = z[z < 1 - small]
    rise = (transform.back(z + small) - transform.back(z - small)) / (2 * small)
    np.testing.assert_allclose(transform.stretch(z), rise, rtol=1e-6)


@pytest.mark.parametrize("name", WITHIN)
@pytest.mark.parametrize("mean", [-2.0, 0.0, 0.1, 1.5, 2.0])
def test_a_band_beyond_the_scale_stays_in_order_and_in_range(name, mean):
    transform = TRANSFORMS[name]
    back, low, high = band_back(transform, np.array([mean]), np.array([1.0]))
    assert low <= back <= high
    assert transform.low <= low
    assert high <= transform.high


def test_arcsine_evens_the_spread_of_ratios():
    rng = np.random.default_rng(3)
    spreads = [TRANSFORMS["arcsine"].forward(rng.beta(40 * m, 40 * (1 - m), 40_000)).std() for m in (0.5, 0.8, 0.95)]
    assert max(spreads) / min(spreads) < 1.05


def test_band_of_a_ratio_expected_beyond_one_ends_at_one_and_keeps_its_width() -> None:
    mean, low, high = band_back(TRANSFORMS["arcsine"], np.array([2.0]), np.array([0.3]))
    assert (mean[0], high[0]) == (1.0, 1.0)
    assert low[0] == pytest.approx(np.sin(np.pi / 2 - 0.3) ** 2)


@pytest.mark.parametrize("mean", [4, 10, 100, 1e6])
def test_counts_have_variance_one_on_their_scale(mean):
    counted = np.random.default_rng(2).poisson(mean, 40_000).astype(float)
    assert TRANSFORMS["counts"].forward(counted).var() == pytest.approx(1, abs=0.06)
