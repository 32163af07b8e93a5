# SPDX-License-Identifier: AGPL-3.0-or-later
"""Whether an outlook is worth showing: what can be forecast passes, a random walk does not, and luck rarely does."""

from __future__ import annotations

import numpy as np
import pytest

from cyberfilter.outlook.horizon import fit, outlook
from cyberfilter.outlook.worth import Worth, refusal, worth

COUNT = 300
TIMES = 60.0 * np.arange(COUNT)


def past(values, horizon=30, season=None):
    return outlook(TIMES[: len(values)], values, horizon=horizon, cadence_s=60.0, season_period=season).worth


@pytest.mark.parametrize("seed", [1, 2])
def test_the_mean_of_noise_is_better_told_by_the_model_than_by_the_last_value(seed: int) -> None:
    found = past(5 + np.random.default_rng(seed).normal(0, 2, COUNT))
    assert found.better
    assert found.error < 0.5 * found.error_last
    assert 1.5 < found.error_last < 3.5


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_of_a_random_walk_the_last_value_is_as_good(seed: int) -> None:
    assert not past(np.cumsum(np.random.default_rng(seed).normal(0, 1, COUNT))).better


def test_a_season_must_beat_the_same_time_a_period_ago() -> None:
    turn = 10 * np.sin(2 * np.pi * np.arange(COUNT) / 24)
    found = past(turn + np.random.default_rng(4).normal(0, 2, COUNT), horizon=6, season=24)
    assert found.better
    assert found.p_season is not None
    assert found.error_season < found.error_last


def test_the_rivals_are_the_last_value_and_the_same_phases_a_period_ago() -> None:
    grid = np.arange(60.0) % 6
    fitted = fit(grid, None)
    found = worth(grid, 30, 3, 6, fitted.model, np.asarray(fitted.params))
    starts = np.arange(30, 58)
    truth = np.array([grid[at : at + 3].mean() for at in starts])
    assert found.origins == len(starts)
    assert found.error_season == 0.0
    assert found.error_last == pytest.approx(np.sqrt(np.mean((grid[starts - 1] - truth) ** 2)))
    assert not found.better


def test_the_model_speaks_of_each_origin_as_statsmodels_does() -> None:
    grid = np.cumsum(np.random.default_rng(5).normal(0, 0.3, 80)) + np.random.default_rng(6).normal(0, 1, 80)
    fitted = fit(grid[:40], None)
    whole = fit(grid[:40], None, whole=grid)
    found = worth(grid, 40, 5, None, whole.model, np.asarray(fitted.params))
    told = [fitted.apply(grid[:at]).get_forecast(5).predicted_mean.mean() for at in range(40, 76)]
    truth = [grid[at : at + 5].mean() for at in range(40, 76)]
    assert found.error == pytest.approx(np.sqrt(np.mean((np.array(told) - truth) ** 2)), rel=1e-6)


def test_a_gap_of_more_than_half_a_horizon_is_no_truth() -> None:
    values = np.random.default_rng(7).normal(0, 1, COUNT)
    gone = values.copy()
    gone[200:260] = np.nan
    assert past(gone).origins < past(values).origins


def test_too_few_forecasts_of_the_past_prove_nothing() -> None:
    assert past(np.random.default_rng(8).normal(0, 1, 40), horizon=18) == Worth(better=False, origins=3)


@pytest.mark.parametrize(("error", "said"), [(1.0, "that may be chance"), (2.5, "that is no better")])
def test_a_lead_that_may_be_chance_is_not_called_none(error: float, said: str) -> None:
    past = Worth(better=False, origins=10, error=error, error_last=3.0, error_season=2.0)
    assert refusal(past, 400, "a day").detail.endswith(f"as a day ago 2: {said}")
