# SPDX-License-Identifier: AGPL-3.0-or-later
"""The long run: a level that came slowly is far from usual, though each step of it was small."""

from __future__ import annotations

import numpy as np
import pytest

from cyberfilter.filter import rarity


def distances(means):
    own = np.empty((rarity.HEIGHT, 1))
    rarity.fresh(own)
    return np.array([rarity.step(own, np.array([mean]), np.array([1e-9]))[0] for mean in means])


def test_a_slow_rise_ends_far_from_the_long_run_in_either_direction():
    means = np.random.default_rng(1).normal(size=400)
    rise = np.concatenate([np.zeros(300), np.linspace(0, 8, 100)])
    up, down = distances(means + rise), distances(-means - rise)
    np.testing.assert_array_equal(up, down)
    assert np.nanmedian(up[:300]) < 1
    assert np.median(up[-30:]) > 2.5


def test_nothing_is_said_of_the_first_eight():
    told = distances(np.arange(12.0))
    assert np.isnan(told[:8]).all()
    assert not np.isnan(told[8:]).any()


def test_a_constant_is_never_far():
    assert np.nanmax(distances(np.full(50, 1e15))) == 0


@pytest.mark.parametrize(("square", "distance"), [(0.0, 0.0), (1.0, 0.995), (9.0, 2.877)])
def test_tamed_distances_are_themselves_where_they_are_small(square, distance):
    assert rarity.tame(np.array(square)) == pytest.approx(distance, abs=1e-3)


def test_tamed_distances_grow_slowly_where_they_are_absurd():
    assert rarity.tame(np.array(1e30)) < 60
