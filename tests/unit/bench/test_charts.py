# SPDX-License-Identifier: AGPL-3.0-or-later
"""The textbooks' detectors give what their formulas say, by the longest way round."""

from __future__ import annotations

import math

import numpy as np
import pytest
from charts import CHARTS, FLOORS, LOOK_BACK, bocpd, by_the_clock, cusum, ewma, glr, shewhart, xmr
from scipy import stats

WARM = 60
LENGTH = 130


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    found = np.random.default_rng(1).normal(size=(3, LENGTH))
    found[1, 90:] += 3.0
    return found


def test_glr_is_the_largest_ratio_of_likelihoods_over_all_times_of_change(rows: np.ndarray) -> None:
    at = 110
    row = rows[1, : at + 1] / rows[1, :WARM].std(ddof=1)

    def log_likelihood(part: np.ndarray) -> float:
        return float(stats.norm.logpdf(part, part.mean()).sum())

    ratios = [log_likelihood(row[:cut]) + log_likelihood(row[cut:]) - log_likelihood(row) for cut in range(1, at + 1)]
    assert glr(rows, WARM)[1, at] == pytest.approx(max(ratios), rel=1e-9)


def test_bocpd_is_the_sum_over_all_ways_to_cut_the_past(rows: np.ndarray) -> None:
    hazard, at = 1 / 50, LOOK_BACK + 9
    row = (rows[1] - rows[1, :WARM].mean()) / rows[1, :WARM].std(ddof=1)

    def log_evidence(start: int) -> list[float]:
        mean, kappa, alpha, beta, totals = 0.0, 0.1, 1.0, 1.0, [0.0]
        for value in row[start : at + 1]:
            width = 2 * beta * (kappa + 1) / kappa  # Student's t with 2 alpha degrees, by its density
            told = math.lgamma(alpha + 0.5) - math.lgamma(alpha) - 0.5 * math.log(math.pi * width)
            totals.append(totals[-1] + told - (alpha + 0.5) * math.log1p((value - mean) ** 2 / width))
            beta += kappa * (value - mean) ** 2 / (2 * (kappa + 1))
            mean, kappa, alpha = (kappa * mean + value) / (kappa + 1), kappa + 1, alpha + 0.5
        return totals

    told = [log_evidence(start) for start in range(at + 1)]
    # begun[s]: log P(a run begins at s, and the rows before it)
    begun = [0.0]
    for start in range(1, at + 2):
        ways = [
            begun[s] + told[s][start - s] + (start - s - 1) * np.log1p(-hazard) + np.log(hazard) for s in range(start)
        ]
        begun.append(float(np.logaddexp.reduce(ways)))
    whole = [begun[s] + told[s][at + 1 - s] + (at + 1 - s) * np.log1p(-hazard) for s in range(at + 1)]
    whole.append(begun[at + 1])
    young = np.logaddexp.reduce([w for s, w in enumerate(whole) if at + 1 - s < LOOK_BACK])
    old = np.logaddexp.reduce([w for s, w in enumerate(whole) if at + 1 - s >= LOOK_BACK])
    assert bocpd(rows[1:2], WARM, hazard)[0, at] == pytest.approx(young - old, rel=1e-8)


def test_cusum_goes_row_by_row(rows: np.ndarray) -> None:
    z = (rows[1] - rows[1, :WARM].mean()) / rows[1, :WARM].std(ddof=1)
    up = down = 0.0
    for value in z[WARM:]:
        up, down = max(up + value - 0.5, 0.0), max(down - value - 0.5, 0.0)
    assert cusum(rows, WARM)[1, -1] == pytest.approx(max(up, down))


def test_ewma_of_a_lasting_step_comes_to_its_size_in_deviations_of_the_mean() -> None:
    rows = np.random.default_rng(2).normal(size=(1, 160))
    rows[0, 100:] = rows[0, :100].mean() + 2 * rows[0, :100].std(ddof=1)
    assert ewma(rows, 100)[0, -1] == pytest.approx(2 * 3.0, rel=1e-5)


def test_xmr_takes_limits_from_the_hundred_rows_before() -> None:
    rows = np.random.default_rng(3).normal(size=(2, 140))
    past = rows[1, 39:139]
    spread = np.abs(np.diff(past)).mean() / 1.128
    assert xmr(rows, WARM)[1, 139] == pytest.approx(abs(rows[1, 139] - past.mean()) / spread)


def test_shewhart_is_a_distance_in_deviations_that_were_learned() -> None:
    rows = np.array([[-1.0, 1.0, -1.0, 1.0, 5.0]])
    assert shewhart(rows, 4)[0, 4] == pytest.approx(5.0 / rows[0, :4].std(ddof=1))


@pytest.mark.parametrize("name", CHARTS)
def test_no_detector_speaks_while_it_learns(name: str, rows: np.ndarray) -> None:
    assert (CHARTS[name](rows, WARM)[:, :WARM] == -np.inf).all()


def test_floors_know_nothing_of_the_values(rows: np.ndarray) -> None:
    assert [name for name, floor in FLOORS.items() if (floor(rows) != floor(rows * 7 + 1)).any()] == []


def test_clock_strikes_once_in_its_period() -> None:
    assert by_the_clock(np.zeros((4, 3000))).sum(axis=1).tolist() == [3, 3, 3, 3]
