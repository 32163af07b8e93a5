# SPDX-License-Identifier: AGPL-3.0-or-later
"""Forecasts against values: right ones are called right, narrow ones narrow, and a random walk scores 1."""

from __future__ import annotations

import numpy as np
import pytest

from collector.contract.ports import IndexRow
from cyberfilter.backtest.forecasts import calibration, crps

COUNT = 4_000
Z = 1.959963984540054


def rows(values: np.ndarray, mean: np.ndarray | float, sd: float) -> list[IndexRow]:
    means = np.broadcast_to(mean, values.shape)
    return [
        IndexRow("a/1", "energy_w", float(n), float(v), float(m - Z * sd), float(m + Z * sd))
        for n, (v, m) in enumerate(zip(values, means, strict=True))
    ]


def test_right_forecasts_cover_what_they_say_and_their_pit_is_flat() -> None:
    noise = np.random.default_rng(1).normal(5.0, 2.0, COUNT)
    (row,) = calibration(rows(noise, 5.0, 2.0))
    assert row.cover == pytest.approx((0.5, 0.8, 0.95), abs=0.02)
    assert row.pit == pytest.approx([0.1] * 10, abs=0.02)
    assert row.crps_ratio == pytest.approx(1 / np.sqrt(2), abs=0.02)


def test_bands_that_are_too_narrow_cover_too_little() -> None:
    noise = np.random.default_rng(1).normal(5.0, 2.0, COUNT)
    (row,) = calibration(rows(noise, 5.0, 1.0))
    assert row.cover[2] == pytest.approx(0.673, abs=0.02)
    assert row.pit[0] + row.pit[9] > 0.4


def test_a_random_walk_as_forecast_scores_one() -> None:
    walk = np.cumsum(np.random.default_rng(2).normal(0.0, 3.0, COUNT))
    (row,) = calibration(rows(walk, np.concatenate(([0.0], walk[:-1])), 3.0))
    assert row.crps_ratio == pytest.approx(1.0, abs=0.01)


def test_within_a_band_that_ends_where_the_scale_does_nothing_is_known() -> None:
    values = [1.0 if n % 3 else 0.8 for n in range(200)]
    told = [IndexRow("a/1", "availability_ratio", float(n), v, 0.7, 1.0) for n, v in enumerate(values)]
    (row,) = calibration(told)
    assert row.cover[2] == 1.0
    assert np.isnan([*row.cover[:2], *row.pit, row.crps_ratio]).all()


def test_rows_without_a_band_are_no_forecast() -> None:
    assert calibration([IndexRow("a/1", "energy_w", float(n), float(n % 3)) for n in range(100)]) == []


def test_the_order_of_rows_does_not_matter() -> None:
    told = rows(np.random.default_rng(3).normal(0.0, 1.0, 200), 0.0, 1.0)
    assert calibration(told) == calibration(told[::-1])


def test_the_score_of_a_sure_forecast_is_its_error() -> None:
    assert crps(np.array([3.0]), np.array([1.0]), np.array([1e-9]))[0] == pytest.approx(2.0)
