# SPDX-License-Identifier: AGPL-3.0-or-later
"""The filter that keeps hypotheses: what holds for any series, and that it finds what classic misses (seeds fixed)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyberfilter.filter import PROFILES, Bank, Prior, Verdicts

GIVEN = Prior(level=(0, 1), slope=(0, 0.01), noise=(1, 5))
VALUES = st.lists(st.floats(-1e15, 1e15) | st.just(float("nan")), min_size=1, max_size=40)


def run(values, **options):
    """The verdicts of values (series, rows), each column (rows, series …)."""
    count, rows = values.shape
    bank = Bank(count, **({"filter": "hypotheses"} | options))
    said = [bank.update(np.arange(count), np.full(count, float(at)), values[:, at]) for at in range(rows)]
    return Verdicts(*(np.stack(column) for column in zip(*said, strict=True)))


def noise(count, rows, seed):
    return np.random.default_rng(seed).normal(0, 1, (count, rows))


def first(found):
    """The row (from 1) in which each series is first found; beyond the end where it is not."""
    return np.where(found.any(axis=0), found.argmax(axis=0) + 1, len(found) + 1)


@given(VALUES, st.sampled_from(sorted(PROFILES)), st.sampled_from([None, GIVEN]), st.sampled_from([0, 12]))
@settings(max_examples=40, deadline=None)
def test_whatever_comes_figures_are_finite_and_probabilities_are_some(values, profile, prior, commission):
    said = run(np.array([values]), profile=PROFILES[profile], prior=prior, commission=commission)
    seen = np.cumsum(~np.isnan(said.y), axis=0) > 0
    for figures in (said.level, said.slope, said.sigma, said.p_slope_negative, said.p_change, said.p_outlier):
        assert np.isfinite(figures[seen]).all()
    for probability in (said.p_change, said.p_outlier, said.p_slope_negative):
        assert ((probability[seen] >= -1e-12) & (probability[seen] <= 1 + 1e-12)).all()
    assert (said.sigma[seen] > 0).all()
    told = ~np.isnan(said.y) & (np.cumsum(~np.isnan(said.y), axis=0) > 8 * (prior is None))
    assert np.isfinite(said.log_evidence[told]).all()


@given(st.floats(-1e15, 1e15), st.sampled_from([None, GIVEN]))
@settings(max_examples=20, deadline=None)
def test_a_constant_series_is_never_not_a_number(value, prior):
    said = run(np.full((1, 80), value), prior=prior, commission=20)
    assert np.isfinite(said.level[8:]).all()
    assert (said.sigma > 0).all()
    assert (said.forecast_lo95[2:] <= said.forecast_hi95[2:]).all()


@pytest.mark.parametrize(("scale", "shift"), [(1000.0, 0.0), (2.0**20, 0.0), (2.0**-20, 0.0), (1.0, 64.0)])
def test_neither_unit_nor_zero_matters(scale, shift):
    values = noise(50, 90, 1)
    values[:, 60:] += 4
    moved = Prior(level=(shift, scale**2), slope=(0, 0.01 * scale**2), noise=(scale**2, 5))
    one, other = run(values, prior=GIVEN), run(values * scale + shift, prior=moved)
    np.testing.assert_allclose(other.p_change, one.p_change, atol=1e-9)
    np.testing.assert_allclose(other.p_outlier, one.p_outlier, atol=1e-9)
    np.testing.assert_allclose(other.level, one.level * scale + shift, rtol=1e-9, atol=1e-9 * scale)
    np.testing.assert_array_equal(other.change_kind, one.change_kind)


def test_up_and_down_are_alike():
    values = noise(50, 90, 3)
    values[:, 60:] += 4
    up, down = run(values, commission=30), run(-values, commission=30)
    np.testing.assert_allclose(down.p_change, up.p_change, atol=1e-9)
    np.testing.assert_allclose(down.p_slope_negative, 1 - up.p_slope_negative, atol=1e-9)


@pytest.mark.parametrize(("size", "share", "rows"), [(2, 0.97, 7), (3, 0.99, 3), (5, 0.99, 2)])
def test_a_step_is_said_soon_in_the_rows_and_share_that_the_prototype_had(size, share, rows):
    values = noise(200, 290, 7)
    values[:, 260:] += size
    said = run(values)
    found = first(said.verdict[260:] == "step")
    assert (found <= 30).mean() >= share
    assert np.median(found) <= rows
    assert np.median(np.abs(said.change_since[-1] - 260)) <= 1


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_a_step_is_found_no_later_than_by_classic(size):
    values = noise(200, 290, 11)
    values[:, 260:] += size
    ours = first(run(values).verdict[260:] == "step")
    theirs = first(run(values, filter="classic").verdict[260:] == "step")
    assert np.median(ours) <= np.median(theirs)
    assert (ours <= 30).mean() >= (theirs <= 30).mean()
    if size <= 3:
        assert (ours <= 30).mean() >= (theirs <= 30).mean() + 0.2


def test_on_noise_hardly_any_change_is_said():
    """Half an alarm in 1,000 rows at P > .9, one at P > .5, after commissioning with the defaults."""
    said = run(noise(200, 500, 5))
    for threshold, most in ((0.9, 0.5), (0.5, 1.0)):
        alarm = said.p_change[255:] > threshold
        assert 1000 * (alarm[1:] & ~alarm[:-1]).sum() / alarm.size <= most


def test_a_spike_is_a_transient_and_hardly_ever_a_change():
    values = noise(200, 280, 8)
    values[:, 260] += 10
    said = run(values)
    assert (said.verdict[262] == "transient").mean() >= 0.97
    assert (said.p_change[260:] > 0.5).any(axis=0).mean() <= 0.05


@pytest.mark.parametrize(("drift", "median_rows"), [(0.05, 36), (0.1, 23), (0.3, 10)])
def test_a_drift_is_found(drift, median_rows):
    values = noise(200, 320, 9)
    values[:, 260:] += drift * np.arange(1, 61)
    found = first(run(values).p_change[260:] > 0.9)
    assert np.median(found) <= median_rows


@pytest.mark.parametrize(("factor", "median_rows"), [(1 / 3, 23), (3.0, 9)])
def test_a_noise_that_changes_is_named(factor, median_rows):
    values = noise(200, 300, 10)
    values[:, 260:] *= factor
    said = run(values)
    assert np.median(first(said.p_change[260:] > 0.9)) <= median_rows
    assert (said.change_kind[-1] == "noise").mean() >= 0.9


@pytest.mark.parametrize("flat", [0.0, 1.0, 6.0])
def test_a_flat_line_is_a_stuck_sensor_within_ten_rows_and_hardly_anything_else(flat):
    values = noise(200, 300, 10)
    values[:, 260:] = flat
    said = run(values)
    assert (first(said.verdict[260:] == "stuck") <= 10).all()
    assert (said.verdict[270:] == "stuck").all()
    assert (said.change_since[-1] == 260).all()


def test_the_band_holds_what_is_normal():
    values = noise(200, 450, 6)
    said = run(values)
    inside = (said.forecast_lo95 <= values.T) & (said.forecast_hi95 >= values.T)
    assert 0.93 <= inside[250:].mean() <= 0.97
