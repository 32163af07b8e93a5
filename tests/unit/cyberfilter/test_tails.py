# SPDX-License-Identifier: AGPL-3.0-or-later
"""Tails: a stated rarity is the realised one, learned as values come, the same alone as in a batch."""

from __future__ import annotations

import numpy as np
import pytest

from cyberfilter.filter import tails


def unknown(count):
    own = np.empty((tails.HEIGHT, count))
    tails.fresh(own)
    return own


def sizes(family, rows, count):
    rng = np.random.default_rng(7)
    if family == "gauss":
        return np.abs(rng.normal(size=(rows, count)))
    if family == "t4":
        return np.abs(rng.standard_t(4, size=(rows, count)))
    return np.exp(0.8 * rng.normal(size=(rows, count)))


@pytest.mark.parametrize("family", ["gauss", "t4", "lognormal"])
def test_a_stated_rarity_is_the_realised_one(family):
    own = unknown(150)
    surprises = np.stack([tails.step(own, x) for x in sizes(family, 2500, 150)])[500:]
    for one_of in (50, 500, 2000):
        assert 0.5 < (surprises > np.log(one_of)).mean() * one_of < 2, one_of


def test_nothing_is_surprising_before_enough_is_known():
    own = unknown(1)
    for at in range(int(tails.VALUES_LEAST)):
        assert tails.step(own, np.array([float(at**3)]))[0] == 0


def test_the_larger_is_the_more_surprising():
    own = unknown(40)
    for x in sizes("gauss", 400, 40):
        tails.step(own, x)
    asked = [tails.step(own.copy(), np.full(40, x)) for x in (1.0, 2.5, 3.5, 5.0, 1e15)]
    assert (asked[0] == 0).all()
    assert (np.diff(asked[1:], axis=0) >= 0).all()
    assert (asked[-1] <= tails.SURPRISE_MAX).all()


def test_sizes_that_never_differ_surprise_nobody():
    own = unknown(2)
    for _ in range(500):
        said = tails.step(own, np.array([0.0, 3.0]))
    assert (said < np.log(500)).all()
    assert np.isfinite(own[: tails.BEFORE]).all()


def test_a_batch_is_its_singles_bit_for_bit():
    whole, alone = unknown(9), unknown(9)
    for x in sizes("t4", 300, 9):
        together = tails.step(whole, x)
        for one in range(9):
            some = alone[:, one : one + 1].copy()
            assert tails.step(some, x[one : one + 1])[0] == together[one]
            alone[:, one : one + 1] = some
    np.testing.assert_array_equal(whole, alone)


def taught(family, rows=2500):
    own = unknown(150)
    for x in sizes(family, rows, 150):
        tails.step(own, x)
    return tails.read(own)


@pytest.mark.parametrize("family", ["gauss", "t4", "lognormal"])
def test_a_taught_tail_states_the_realised_rate_from_the_first_value_on(family):
    own = unknown(150)
    tails.take_up(own, taught(family))
    surprises = np.stack([tails.step(own, x) for x in sizes(family, 200, 150)])
    for one_of in (50, 500):
        assert 0.5 < (surprises > np.log(one_of)).mean() * one_of < 2, one_of


def test_own_values_take_over_from_a_tail_that_was_none_of_theirs():
    own = unknown(150)
    tails.take_up(own, np.array([[2.0], [0.3], [0.45], [30.0]]))
    surprises = np.stack([tails.step(own, x) for x in sizes("lognormal", 3000, 150)])
    assert (surprises[:50] > np.log(500)).mean() * 500 > 4
    assert 0.5 < (surprises[-1000:] > np.log(500)).mean() * 500 < 2


def test_a_tail_that_knows_nothing_teaches_nothing():
    own, before = unknown(3), unknown(3)
    assert (tails.read(own) == 0).all()
    tails.take_up(own, tails.read(before))
    np.testing.assert_array_equal(own, before)
