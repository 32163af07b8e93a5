# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a count comes to until a day: weekdays count, today's own are taken off, too little is refused."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from collector.contract.errors import Refusal
from cyberfilter.outlook.sums import sum_ahead

WEEK = np.array([12.0, 14, 13, 12, 15, 2, 0])


def days(weeks: int, seed: int, spread: float = 1.5) -> list[float]:
    noise = np.random.default_rng(seed).normal(0, spread, 7 * weeks)
    return np.maximum(np.tile(WEEK, weeks) + noise, 0.0).tolist()


def test_a_working_week_comes_to_its_sum_with_its_interval() -> None:
    found = sum_ahead(days(8, 2), 0.0, 5)
    assert found.lo < WEEK[:5].sum() < found.hi
    assert found.hi - found.lo < 20
    assert (found.model, found.n, found.level) == ("local level with a season of 7", 56, 0.8)


def test_the_interval_holds_about_its_level() -> None:
    hits = []
    for seed in range(8):
        known = days(9, 100 + seed)
        with contextlib.suppress(Refusal):
            found = sum_ahead(known[:56], 0.0, 4)
            hits.append(found.lo <= sum(known[56:60]) <= found.hi)
    assert len(hits) >= 4
    assert 0.5 <= np.mean(hits) <= 1.0


def test_what_came_today_is_no_longer_ahead() -> None:
    whole, rest = sum_ahead(days(8, 2), 0.0, 1), sum_ahead(days(8, 2), 9.0, 1)
    assert rest.mean == pytest.approx(whole.mean - 9.0, abs=0.5)
    assert sum_ahead(days(8, 2), 99.0, 1).hi == 0.0


def test_a_count_never_falls_below_nought() -> None:
    found = sum_ahead(days(8, 3), 0.0, 7)
    assert 0.0 <= found.lo <= found.mean <= found.hi


def test_where_every_day_is_the_same_there_is_nothing_to_guess() -> None:
    found = sum_ahead([4.0] * 20, 1.0, 3)
    assert (found.lo, found.mean, found.hi) == (11.0, 11.0, 11.0)


def test_a_walk_is_no_guide() -> None:
    walk = 500 + np.cumsum(np.random.default_rng(4).normal(0, 5, 56))
    with pytest.raises(Refusal, match="no better"):
        sum_ahead(walk.tolist(), 0.0, 3)


@pytest.mark.parametrize(("known", "ahead", "reason"), [(13, 3, "too_few"), (56, 0, "bad_horizon"), (56, 32, "bad_h")])
def test_too_little_and_too_far_is_refused(known: int, ahead: int, reason: str) -> None:
    with pytest.raises(Refusal, match=reason):
        sum_ahead(days(8, 5)[:known], 0.0, ahead)
