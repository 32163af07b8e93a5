# SPDX-License-Identifier: AGPL-3.0-or-later
"""What holds for any series, and how well the filter finds what it should (seeds fixed, many series at once)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyberfilter.filter import PROFILES, Bank, Prior, Verdicts

GIVEN = Prior(level=(0, 1), slope=(0, 0.01), noise=(1, 5))
VALUES = st.lists(st.floats(-1e15, 1e15) | st.just(float("nan")), min_size=1, max_size=25)


def run(values, **options):
    """The verdicts of values (series, rows), each column (rows, series …)."""
    count, rows = values.shape
    bank = Bank(count, filter="classic", **options)
    said = [bank.update(np.arange(count), np.full(count, float(at)), values[:, at]) for at in range(rows)]
    return Verdicts(*(np.stack(column) for column in zip(*said, strict=True)))


def noise(count, rows, seed):
    return np.random.default_rng(seed).normal(0, 1, (count, rows))


def first(found):
    """The row (from 1) in which each series is first found; beyond the end where it is not."""
    return np.where(found.any(axis=0), found.argmax(axis=0) + 1, len(found) + 1)


@given(VALUES, st.sampled_from(sorted(PROFILES)), st.sampled_from([None, GIVEN]))
@settings(max_examples=40, deadline=None)
def test_whatever_comes_probabilities_add_up_and_figures_are_finite(values, profile, prior):
    said = run(np.array([values]), profile=PROFILES[profile], prior=prior, commission=0)
    np.testing.assert_allclose(said.p.sum(axis=-1), 1, atol=1e-12)
    seen = np.cumsum(~np.isnan(said.y), axis=0) > 0
    for figures in (said.level, said.slope, said.sigma, said.p_slope_negative, said.p_change):
        assert np.isfinite(figures[seen]).all()
    assert (said.sigma[seen] > 0).all()
    known = said.forecast_mean[~np.isnan(said.forecast_mean)]
    assert np.isfinite(known).all()


@given(st.floats(-1e15, 1e15), st.sampled_from([None, GIVEN]))
@settings(max_examples=20, deadline=None)
def test_a_constant_series_is_never_not_a_number(value, prior):
    said = run(np.full((1, 60), value), prior=prior, commission=0)
    assert np.isfinite(said.level[8:]).all()
    assert (said.sigma > 0).all()
    assert (said.forecast_lo95[2:] <= said.forecast_hi95[2:]).all()


@pytest.mark.parametrize("power", [1000.0, 2.0**20, 2.0**-20])
def test_the_unit_does_not_matter(power):
    values = noise(50, 60, 1)
    values[:, 40:] += 6
    scaled = Prior(level=(0, power**2), slope=(0, 0.01 * power**2), noise=(power**2, 5))
    one, other = run(values, prior=GIVEN), run(values * power, prior=scaled)
    np.testing.assert_allclose(other.p, one.p, atol=1e-9)
    np.testing.assert_allclose(other.two_back, one.two_back, atol=1e-9)
    np.testing.assert_allclose(other.level, one.level * power, rtol=1e-9, atol=1e-9 * power)


def test_the_unit_does_not_matter_to_a_learned_prior_either():
    values = noise(50, 60, 2)
    one, other = run(values, commission=0), run(values * 1000, commission=0)
    np.testing.assert_allclose(other.p, one.p, atol=1e-9)


def test_up_and_down_are_alike():
    values = noise(50, 60, 3)
    up, down = run(values, prior=GIVEN), run(-values, prior=GIVEN)
    np.testing.assert_array_equal(down.p, up.p)
    np.testing.assert_allclose(down.p_slope_negative, 1 - up.p_slope_negative, atol=1e-9)


def test_a_run_of_missing_values_moves_the_level_along_the_slope():
    values = np.hstack([noise(20, 30, 4), np.full((20, 10), np.nan)])
    said = run(values, prior=Prior(level=(0, 1), slope=(0, 0.01), noise=(1, np.inf)))
    np.testing.assert_allclose(said.level[-1] - said.level[29], 10 * said.slope[29], atol=1e-9)
    assert (np.diff(said.forecast_sd[31:], axis=0) > 0).all()


def test_on_noise_hardly_any_step_or_slope_is_said():
    """At most 2 a 10,000 rows (and far fewer: §7.9 asks for that), after commissioning with the defaults."""
    said = run(noise(1000, 460, 5), commission=250)
    words = said.verdict[250:]
    assert words.size > 200_000
    assert np.isin(words, ["step", "slope"]).mean() <= 2e-4
    assert np.isin(said.verdict[:250], ["steady", "unsure"]).all()


def test_the_band_holds_what_is_normal_and_is_no_wider_than_five_sigma():
    values = noise(300, 400, 6)
    said = run(values)
    inside = (said.forecast_lo95 <= values.T) & (said.forecast_hi95 >= values.T)
    assert 0.925 <= inside[250:].mean() <= 0.97
    assert (said.forecast_hi95 - said.forecast_lo95)[250:].mean() <= 5


@pytest.mark.parametrize(("size", "share"), [(5, 0.85), (10, 0.99)])
def test_a_step_is_said_within_two_samples_with_its_time_and_size(size, share):
    values = noise(500, 263, 7)
    values[:, 260:] += size
    said = run(values)
    hit = said.verdict[262] == "step"
    assert (said.verdict[260:] == "step").any(axis=0).mean() >= share
    assert (said.change_since[262][hit] == 260).all()
    assert said.change_size[262][hit].mean() == pytest.approx(size, rel=0.1)


def test_a_spike_is_a_transient_and_hardly_ever_a_step():
    values = noise(500, 270, 8)
    values[:, 260] += 10
    said = run(values)
    assert (said.verdict[261] == "transient").mean() >= 0.97
    assert (said.verdict[260:] == "step").any(axis=0).mean() <= 0.01


@pytest.mark.parametrize(("drift", "median_rows"), [(0.5, 9), (0.25, 14)])
def test_a_drift_is_said_to_be_a_slope(drift, median_rows):
    values = noise(300, 290, 9)
    values[:, 260:] += drift * np.arange(1, 31)
    said = run(values)
    assert np.median(first(said.verdict[260:] == "slope")) <= median_rows


def test_a_ramp_of_an_index_is_said_to_be_a_slope():
    values = 0.1 + 0.03 * noise(500, 78, 10)
    values[:, 30:] += 0.01 * np.arange(1, 49)
    found = first(run(values, commission=0).verdict[30:] == "slope")
    assert (found <= 48).mean() >= 0.99
    assert np.median(found) <= 14
