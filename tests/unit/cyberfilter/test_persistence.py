# SPDX-License-Identifier: AGPL-3.0-or-later
"""The second forecast: what stays is learned, the better forecast weighs more, one value in twenty is missed."""

from __future__ import annotations

import numpy as np
import pytest

from cyberfilter.filter import Bank
from cyberfilter.filter.hypothesis_rows import _ROW
from cyberfilter.filter.memory import AT
from cyberfilter.filter.persistence import HEIGHT, LAST, ODDS, SHARE, SINCE, WIDTH, expect, fresh, moved, step
from cyberfilter.filter.tables import t_quantile

JUDGED = ("level", "p_change", "change_kind", "change_before", "change_size", "score", "surprise", "verdict")


def autocorrelated(rows, count, share, seed=3):
    """Values (rows, count) of variance one, of which that share stays."""
    values = np.random.default_rng(seed).normal(size=(rows, count))
    for at in range(1, rows):
        values[at] = share * values[at - 1] + np.sqrt(1 - share * share) * values[at]
    return values


def learned(values, scale=1.0):
    """What is known after values (rows, k) that the filter expected to be 0 with that scale; means and halves."""
    count = values.shape[1]
    own, one = np.empty((HEIGHT, count)), np.ones(count)
    fresh(own)
    believed = (0.0 * one, scale * one, scale * t_quantile(1e9 * one))
    told = [step(own, believed, one, z) for z in values]
    return own, np.stack([part[0] for part in told]), np.stack([part[2] for part in told])


@pytest.mark.parametrize("share", [-0.5, 0.0, 0.6, 0.9])
def test_the_share_that_stays_and_the_width_of_the_rest_are_learned(share):
    own, _, _ = learned(autocorrelated(600, 100, share))
    assert np.median(own[SHARE]) == pytest.approx(share, abs=0.06)
    # Student's scale of eight degrees is by a tenth narrower than a Gaussian's deviation
    assert np.median(own[WIDTH]) == pytest.approx(np.log(1 - share * share) - 0.15, abs=0.15)


def test_where_nothing_stays_the_forecast_is_hardly_another():
    _, mean, half = learned(autocorrelated(600, 100, 0.0))
    assert np.sqrt(np.mean(mean[100:] ** 2)) < 0.1
    assert np.mean(half[100:]) == pytest.approx(2.0, abs=0.1)


def test_the_forecast_that_did_better_of_late_weighs_more():
    own, mean, _ = learned(autocorrelated(300, 100, 0.8))
    assert (own[ODDS] > 3).mean() > 0.9
    error = autocorrelated(300, 100, 0.8) - mean
    assert np.sqrt(np.mean(error[200:] ** 2)) < 1.05 * 0.6


@pytest.mark.parametrize("scale", [0.6, 1.0, 2.0])
@pytest.mark.parametrize("degrees", [3, 1000])
def test_one_value_in_twenty_is_missed_whatever_the_filter_thinks_of_noise_and_tails(scale, degrees):
    values = np.random.default_rng(4).standard_t(degrees, size=(1500, 50))
    _, mean, half = learned(values, scale)
    inside = np.abs(values - mean) <= half
    assert inside[300:].mean() == pytest.approx(0.95, abs=0.01)


def test_what_stays_fades_with_the_cadences_that_pass():
    own, one = np.empty((HEIGHT, 1)), np.ones(1)
    fresh(own)
    own[SHARE], own[LAST], own[ODDS] = 0.5, 8.0, 30.0
    believed = (0 * one, one, 2 * one)
    assert [expect(own, believed, gap * one)[0][0] for gap in (0.5, 1, 2, 4)] == pytest.approx([4, 4, 2, 0.5])
    step(own, believed, 1 * one, np.nan * one)
    assert expect(own, believed, 1 * one)[0][0] == pytest.approx(2)


def test_a_missing_value_teaches_nothing_and_one_before_the_filter_starts_neither():
    own, _, _ = learned(autocorrelated(50, 1, 0.6))
    kept, one = own.copy(), np.ones(1)
    step(own, (0 * one, one, 2 * one), one, np.nan * one)
    step(own, (np.nan * one, np.nan * one, np.nan * one), one, one)
    np.testing.assert_array_equal(np.delete(own, SINCE, axis=0), np.delete(kept, SINCE, axis=0))
    assert own[SINCE] == 2


def test_where_a_level_was_moved_the_filter_alone_says_where():
    own, _, _ = learned(autocorrelated(50, 1, 0.6))
    moved(own)
    assert expect(own, (np.full(1, 7.0), np.ones(1), np.ones(1)), np.ones(1))[0][0] == 7.0


@pytest.mark.parametrize("value", [1e15, -1e15])
@pytest.mark.parametrize("scale", [1e-30, 1e15])
def test_whatever_comes_stays_a_number(value, scale):
    rows = np.array([0.0, value, value, 0.0, value, -value] * 20)[:, None]
    own, mean, half = learned(rows, scale)
    assert np.isfinite(own).all()
    assert np.isfinite(mean).all()
    assert np.isfinite(half).all()


def test_what_is_judged_does_not_depend_on_what_the_second_forecast_has_learned():
    values = autocorrelated(420, 6, 0.8)
    values[300:, ::2] += 6
    values[350, 1] += 12
    bank, other = Bank(6), Bank(6)
    rng, index = np.random.default_rng(1), np.arange(6)
    differs = False
    for at, row in enumerate(values):
        one, two = (each.update(index, np.full(6, float(at)), row) for each in (bank, other))
        for name in JUDGED:
            np.testing.assert_array_equal(getattr(one, name), getattr(two, name), err_msg=name)
        differs |= at > 10 and bool((one.forecast_mean != two.forecast_mean).any())
        columns = other._columns.take(index)
        columns[_ROW["persistence"]][: SINCE + 1] = rng.uniform(0, 1, (HEIGHT, 6))
        other._columns.put(index, columns)
    assert differs


def test_autocorrelated_values_are_forecast_better_than_by_the_filter_alone():
    values, bank, index = autocorrelated(700, 30, 0.8), Bank(30), np.arange(30)
    told, alone = [], []
    for at, row in enumerate(values):
        told.append(np.abs(bank.update(index, np.full(30, float(at)), row).forecast_mean - row))
        alone.append(np.abs(bank._columns.row(AT["expected_1"], index) - row))
    assert np.mean(told[300:]) < 0.96 * np.mean(alone[300:])


def test_a_person_s_level_is_where_the_next_value_is_expected():
    values, bank, index = autocorrelated(300, 20, 0.9), Bank(20), np.arange(20)
    for at, row in enumerate(values):
        bank.update(index, np.full(20, float(at)), row)
    bank.intervene(index, "level", np.full(20, 50.0), np.full(20, 0.1))
    assert bank.forecast(index, np.full(20, 300.0)).mean == pytest.approx(50.0, abs=0.5)
