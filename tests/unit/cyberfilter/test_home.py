# SPDX-License-Identifier: AGPL-3.0-or-later
"""A home is what is usual in one regime: ripe after some jobs, slow to follow, moved by a person's word."""

import random

import pytest

from cyberfilter.alerts.home import RIPE_ALONE_COUNT, RIPE_COUNT, RIPE_VISITS, Home
from cyberfilter.indices.catalogue import HEATER_EFFORT


def learned(count: int, visits: int = 1) -> Home:
    rng, home = random.Random(1), Home(visit_count=visits)
    for _ in range(count):
        home.learn(rng.gauss(30.0, 0.5))
    return home


def test_one_visit_ripens_slower_than_three() -> None:
    assert not learned(RIPE_COUNT, RIPE_VISITS - 1).ripe
    assert not learned(RIPE_COUNT - 1, RIPE_VISITS).ripe
    assert learned(RIPE_COUNT, RIPE_VISITS).ripe
    assert not learned(RIPE_ALONE_COUNT - 1).ripe
    assert learned(RIPE_ALONE_COUNT).ripe


def test_it_learns_mean_and_spread() -> None:
    home = learned(1_000)
    assert home.mean == pytest.approx(30.0, abs=0.1)
    assert home.variance**0.5 == pytest.approx(0.5, rel=0.1)


def test_one_value_far_out_moves_it_by_less_than_a_hundredth_of_a_spread() -> None:
    home = learned(1_000)
    before = home.mean
    home.learn(1e6)
    assert home.mean - before < 0.01 * 0.5


def test_a_small_spread_leaves_the_limit_to_what_matters() -> None:
    assert Home(240, 30.0, 0.25).limit(HEATER_EFFORT) == pytest.approx(3.0)
    assert Home(240, 30.0, 4.0).limit(HEATER_EFFORT) == pytest.approx(6.0)


def test_a_moved_home_stays_ripe() -> None:
    home = learned(1_000)
    home.move(7.0)
    assert home.mean == pytest.approx(37.0, abs=0.1)
    assert home.ripe
