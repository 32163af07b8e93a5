# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a bank said is kept row by row, whatever the lengths of the series."""

from __future__ import annotations

import numpy as np
import pytest
from ours import WORDS, hear, hear_cells


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(3, 30))


def test_series_that_ends_early_is_heard_until_then(rows: np.ndarray) -> None:
    short = rows.copy()
    short[1, 20:] = np.nan
    whole, cut = hear(rows, "classic"), hear(short, "classic")
    assert np.array_equal(whole.forecast_mean[1, :20], cut.forecast_mean[1, :20], equal_nan=True)
    assert np.isnan(cut.forecast_mean[1, 20:]).all()


def test_words_are_those_of_the_bank(rows: np.ndarray) -> None:
    told = hear(rows, "classic")  # it learns, so it never says more
    assert {WORDS[place] for place in np.unique(told.verdict)} <= {"steady", "unsure"}


def test_cells_of_several_lengths_are_heard_each_by_itself(rows: np.ndarray) -> None:
    cells = [rows, rows[:, :20], rows + 1]
    told = hear_cells(cells, "classic", lambda _: None)
    assert [one.p_change.shape for one in told] == [(3, 30), (3, 20), (3, 30)]
    assert np.array_equal(told[2].forecast_mean, hear(rows + 1, "classic").forecast_mean, equal_nan=True)


def test_log_odds_do_not_end_where_probabilities_do(rows: np.ndarray) -> None:
    told = hear(rows, "classic")
    assert np.isfinite(told.log_odds()).all()
