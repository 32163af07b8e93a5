# SPDX-License-Identifier: AGPL-3.0-or-later
"""What is remembered of a series: a home for every regime, and one for all of them until the regime's own is ripe."""

import math
import random

import pytest

from cyberfilter.alerts.home import Home
from cyberfilter.alerts.watched import REGIMES_MAX, Usual, Watch, accept, expects, home_of, usual_of
from cyberfilter.indices.catalogue import ENERGY, HEATER_EFFORT


def test_in_another_regime_the_filter_is_told_its_home_or_how_far_it_may_be() -> None:
    watch = Watch(homes={0.0: Home(240, 30.0, 0.25), 240.0: Home(240, 36.0, 0.25)}, regime=0.0)
    assert expects(HEATER_EFFORT, watch, 0.0) is None
    assert expects(HEATER_EFFORT, watch, 240.0) == (36.0, 0.5)
    mean, sd = expects(HEATER_EFFORT, watch, 260.0) or (0.0, 0.0)
    assert math.isnan(mean)
    assert sd == pytest.approx(6.0, rel=0.01)


def test_files_that_never_come_twice_have_a_home_together_with_their_differences_in_its_spread() -> None:
    rng, watch = random.Random(2), Watch()
    for job in range(40):
        level = rng.gauss(200.0, 10.0)
        for n in range(30):
            home = home_of(watch, float(job), 60.0 * (30 * job + n))
            all_together = Usual(watch.whole, watch.whole_clocks, watch.whole_outside)
            for usual in (Usual(home, watch.clocks, watch.outside), all_together):
                value = level + rng.gauss(0.0, 1.0)
                usual.note(ENERGY, value)
                usual.learn(ENERGY, value)
    assert not home.ripe
    assert usual_of(watch).home is watch.whole
    assert watch.whole.variance**0.5 == pytest.approx(10.0, rel=0.4)
    assert len(watch.homes) == REGIMES_MAX
    assert watch.regime_ts == 60.0 * 30 * 39


def test_the_home_of_a_known_regime_comes_before_that_of_all() -> None:
    watch = Watch(homes={7.0: Home(240, 30.0, 0.25)}, whole=Home(240, 40.0, 25.0), regime=7.0)
    assert usual_of(watch).home.mean == 30.0


def test_what_is_beyond_teaches_a_ripe_home_nothing() -> None:
    watch = Watch(whole=Home(240, 30.0, 0.25))
    usual = Usual(watch.whole, watch.whole_clocks, watch.whole_outside)
    assert not usual.learn(HEATER_EFFORT, 36.0)
    assert usual.learn(HEATER_EFFORT, 31.0)
    assert watch.whole.count == 241


def test_without_an_open_episode_there_is_nothing_to_accept() -> None:
    assert not accept(HEATER_EFFORT, Watch())
