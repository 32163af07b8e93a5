# SPDX-License-Identifier: AGPL-3.0-or-later
"""Patterns that repeat themselves are found with their period; drifts, walks and correlated noise are none."""

from __future__ import annotations

import numpy as np
import pytest

from cyberfilter.filter.period import COUNT, pattern_of, waves
from cyberfilter.filter.weighing import over

AT = np.arange(COUNT)[:, None]


def noise(count, seed=6):
    return np.random.default_rng(seed).normal(size=(COUNT, count))


@pytest.mark.parametrize("period", [9, 12, 24, 60, 96, 110])
def test_a_wave_of_two_sigma_is_found_with_its_period(period):
    pattern = pattern_of(noise(50) + 2 * np.sin(2 * np.pi * AT / period))
    assert pattern.found.all()
    np.testing.assert_allclose(np.median(pattern.period), period, rtol=0.01)
    amplitude = np.hypot(*pattern.coefficients[:2])
    np.testing.assert_allclose(np.median(amplitude), 2, rtol=0.1)
    np.testing.assert_allclose(np.median(pattern.noise), 1, rtol=0.15)


def test_it_is_found_beside_a_trend_and_with_values_missing():
    values = noise(50) + 2 * np.sin(2 * np.pi * AT / 80) + 0.01 * AT
    values[np.random.default_rng(1).uniform(size=values.shape) < 0.1] = np.nan
    assert pattern_of(values).found.mean() >= 0.95


def test_two_humps_in_a_period_are_one_pattern():
    turn = 2 * np.pi * AT / 96
    pattern = pattern_of(noise(50) + 2.5 * np.sin(2 * turn) + 1.5 * np.sin(turn))
    assert pattern.found.all()
    np.testing.assert_allclose(np.median(pattern.period), 96, rtol=0.02)


def test_less_than_two_periods_are_not_enough():
    assert not pattern_of(noise(50) + 2 * np.sin(2 * np.pi * AT / 140)).found.any()


def _correlated(phi):
    values = noise(200)
    for at in range(1, COUNT):
        values[at] = phi * values[at - 1] + np.sqrt(1 - phi * phi) * values[at]
    return values


@pytest.mark.parametrize(
    "values",
    [
        noise(200),
        _correlated(0.3),
        _correlated(0.8),
        noise(200) + np.cumsum(0.05 * noise(200, 7), axis=0),
        np.cumsum(noise(200), axis=0),
        noise(200) + 0.02 * AT,
        noise(200) + 4.0 * (AT > 120),
        np.full((COUNT, 2), 3.0),
        np.full((COUNT, 2), np.nan),
    ],
    ids=["white", "ar3", "ar8", "wander", "walk", "trend", "step", "constant", "nothing"],
)
def test_what_does_not_repeat_itself_is_no_pattern(values):
    assert not pattern_of(values).found.any()


def test_waves_are_the_harmonics():
    turn = np.linspace(0, 7, 50)
    want = [part(order * turn) for order in (1, 2, 3) for part in (np.cos, np.sin)]
    np.testing.assert_allclose(waves(turn), want, atol=1e-12)


def test_a_batch_is_its_singles():
    values = noise(12) + np.where(np.arange(12) % 2, 2.0, 0.0) * np.sin(2 * np.pi * AT / 50)
    values[5, 3] = np.nan
    together = pattern_of(values)
    for series in range(12):
        for whole, one in zip(together, pattern_of(values[:, [series]]), strict=True):
            np.testing.assert_array_equal(whole[..., series], one[..., 0])
    assert over(together.found.astype(float)) == 6
