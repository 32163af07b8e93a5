# SPDX-License-Identifier: AGPL-3.0-or-later
"""A commissioning finds the truth of simulated series, is statsmodels' own, and says so where it finds nothing."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from statsmodels.tsa.statespace.structural import UnobservedComponents

from collector.contract.errors import Refusal
from cyberfilter.outlook import calibrate
from cyberfilter.outlook.calibrate import CLEAN_MIN, adaptivity_of, clean, commission


def series(ratio=0.0, count=500, seed=1, noise=1.0):
    """A level that wanders by `ratio` of the noise a value, seen with noise."""
    rng = np.random.default_rng(seed)
    seen = noise * rng.normal(size=count)
    return 40 + seen + np.cumsum(noise * ratio * rng.normal(size=count))


def test_a_wandering_level_is_found_as_it_is():
    ratios = [np.sqrt(fit.level / fit.noise) for fit in (commission(series(0.1, seed=seed)) for seed in range(9))]
    assert 0.085 <= np.median(ratios) <= 0.126


def test_a_still_level_does_not_wander_and_its_noise_is_known():
    fits = [commission(series(seed=seed, noise=3.0)) for seed in range(5)]
    assert np.median([fit.adaptivity for fit in fits]) > 0.98
    assert np.median([fit.noise for fit in fits]) == pytest.approx(9.0, rel=0.1)


def test_the_fit_is_statsmodels_own():
    values = series(0.3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = UnobservedComponents(values, level="lldtrend")
        known = model.fit(method="lbfgs", disp=0)
    fit = commission(values)
    np.testing.assert_allclose([fit.noise, fit.level], known.params, rtol=0.02)
    assert fit.log_likelihood == pytest.approx(known.llf, abs=0.01)


def test_outliers_are_masked_and_do_not_inflate_the_noise():
    values, rng = series(), np.random.default_rng(2)
    struck = rng.random(500) < 0.03
    odd = commission(values + 8 * struck)
    assert odd.masked == pytest.approx(struck.sum(), abs=2)
    assert odd.noise == pytest.approx(commission(values).noise, rel=0.08)


def test_missing_values_and_a_trend_are_no_wandering():
    values = series() + 0.05 * np.arange(500)
    values[::7] = np.nan
    fit = commission(values)
    assert (fit.outcome, fit.clean) == ("fitted", 428)
    assert fit.adaptivity > 0.97


def test_of_a_series_with_a_step_the_longer_part_is_clean():
    values = series(count=1000)
    values[620:] += 4
    stretch, odd = clean(values)
    assert (len(stretch), odd.sum()) == (pytest.approx(620, abs=6), 0)
    fit = commission(values)
    assert fit.noise == pytest.approx(1.0, rel=0.15)
    assert fit.adaptivity > 0.95


def test_what_came_since_an_open_change_is_not_looked_at():
    values = series(count=600)
    changed = values.copy()
    changed[500:] *= 30
    assert commission(changed, before=500) == commission(values, before=500)


def test_too_few_clean_values_change_nothing():
    for values in (series(count=CLEAN_MIN - 1), np.full(500, 7.0), np.full(500, np.nan), np.array([])):
        fit = commission(values)
        assert (fit.outcome, fit.converged) == ("too_few", False)
        assert np.isnan(fit.noise)
    assert commission(series(count=CLEAN_MIN)).converged


def test_a_fit_that_does_not_converge_says_so(monkeypatch):
    monkeypatch.setattr(calibrate, "_ITERATIONS_MAX", 1)
    fit = commission(series(0.3))
    assert (fit.outcome, fit.converged, fit.clean) == ("not_converged", False, 500)
    assert np.isnan(fit.adaptivity)


def test_residuals_that_hang_together_are_told():
    still, moving = [], []
    for seed in range(3):
        noise = series(seed=seed) - 40
        hanging = noise.copy()
        for at in range(1, 500):
            hanging[at] += 0.3 * hanging[at - 1]
        still.append(commission(noise).autocorrelation)
        moving.append(commission(hanging).autocorrelation)
    assert abs(np.mean(still)) < 0.1
    assert np.mean(moving) > 0.15


def test_scale_and_shift_change_the_variances_alone():
    one, other = commission(series(0.2)), commission(1000 * series(0.2) - 5)
    assert other.noise == pytest.approx(1e6 * one.noise, rel=1e-4)
    assert other.adaptivity == pytest.approx(one.adaptivity, abs=1e-4)


@pytest.mark.parametrize(("ratio", "gain"), [(0.0, 0.0), (0.01, 0.0951), (0.25, 0.3904)])
def test_the_discount_has_the_gain_of_the_walk(ratio, gain):
    assert adaptivity_of(2.0, 2.0 * ratio) == pytest.approx(1 - gain, abs=1e-4)
    steady = 1 - adaptivity_of(2.0, 2.0 * ratio)
    assert steady**2 / (1 - steady) == pytest.approx(ratio)


def test_a_level_without_noise_wanders_as_fast_as_the_grid_allows():
    assert adaptivity_of(0.0, 1.0) == adaptivity_of(1.0, 100.0) == 0.5


def test_what_is_no_row_of_numbers_is_refused():
    for wrong in (np.ones((2, 3)), [1.0, np.inf]):
        with pytest.raises(Refusal, match="not one row of finite numbers"):
            commission(wrong)
