# SPDX-License-Identifier: AGPL-3.0-or-later
"""Intervals around counts and shares: the published values, and what they promise."""

from __future__ import annotations

import math

import pytest

from cyberfilter.backtest.intervals import poisson, share


@pytest.mark.parametrize(
    ("count", "lo", "hi"),
    [(0, 0.0, 3.689), (1, 0.0253, 5.572), (2, 0.2422, 7.225), (5, 1.623, 11.668), (10, 4.795, 18.39)],
)
def test_the_interval_of_a_count_is_the_published_one(count: int, lo: float, hi: float) -> None:
    found = poisson(count)
    assert (found.lo, found.hi) == (pytest.approx(lo, abs=5e-4), pytest.approx(hi, abs=5e-3))


def test_a_rate_is_told_by_its_exposure() -> None:
    once, twenty = poisson(7), poisson(7, 20.0)
    assert twenty == pytest.approx([end / 20 for end in once])


def test_a_large_count_has_nearly_the_normal_interval() -> None:
    found = poisson(2_500)
    assert found.hi - found.lo == pytest.approx(2 * 1.96 * 50, rel=0.01)


def test_a_share_of_nothing_is_not_known() -> None:
    assert all(math.isnan(end) for end in share(0, 0))


def test_a_share_stays_within_bounds() -> None:
    assert share(0, 10).lo == 0.0
    assert share(10, 10).hi == pytest.approx(1.0)
    assert share(10, 10).hi <= 1.0
    assert share(10, 10).lo == pytest.approx(0.7225, abs=1e-3)
