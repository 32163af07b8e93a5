# SPDX-License-Identifier: AGPL-3.0-or-later
"""Slower clocks: which block a value closes, what its mean is, and how far that is from the level."""

from __future__ import annotations

import numpy as np

from cyberfilter.filter import blocks


def unknown(count=1):
    own = np.empty((blocks.HEIGHT, count))
    blocks.fresh(own)
    return own


def one(own, value, tick):
    closing = blocks.step(own, *(np.array([float(x)]) for x in (value, tick, 1, 1e-6)))
    means, distances = np.full((2, blocks.COUNT, 1), np.nan) if closing is None else closing
    return means[:, 0], distances[:, 0]


def closed(own, value, tick):
    means = zip(blocks.LENGTHS, one(own, value, tick)[0], strict=True)
    return {length: mean for length, mean in means if not np.isnan(mean)}


def test_the_value_that_fills_a_block_closes_it_with_its_mean():
    own = unknown()
    told = [closed(own, tick, tick) for tick in range(48)]
    assert told[1] == {}
    assert told[2] == {3: 1.0}
    assert told[5] == {3: 4.0, 6: 2.5}
    assert told[47] == {3: 46.0, 6: 44.5, 12: 41.5, 24: 35.5, 48: 23.5}


def test_a_block_whose_last_value_is_missing_is_closed_by_the_next_value():
    own = unknown()
    for tick in (0, 1):
        assert closed(own, 10, tick) == {}
    assert closed(own, 99, 3) == {3: 10.0}


def test_a_block_that_is_not_half_full_says_nothing():
    own = unknown()
    assert closed(own, 10, 0) == {}
    assert closed(own, 10, 3) == {}
    assert closed(own, 10, 600) == {}
    assert closed(own, 10, 602) == {3: 10.0}


def test_a_shifted_mean_is_far_and_the_new_level_soon_near():
    own, rng = unknown(), np.random.default_rng(3)
    values = rng.normal(size=1200)
    values[600:] += 2
    far = np.array([one(own, value, tick)[1] for tick, value in enumerate(values)])
    twelve = far[11::12, blocks.LENGTHS.index(12)]
    assert np.isnan(twelve[:7]).all()
    assert np.abs(twelve[20:50]).max() < 4
    assert twelve[50] > 4.5
    assert twelve[55:].max() < 4


def test_only_closing_blocks_speak():
    own = unknown(4)
    z, tick, noise = np.zeros(4), np.array([0.0, 1.0, 2.0, 5.0]), np.ones(4)
    blocks.step(own, z, tick - 1, noise, noise)
    means, _ = blocks.step(own, z, tick, noise, noise)
    assert (~np.isnan(means)).sum(axis=0).tolist() == [0, 0, 1, 1]


def test_a_mean_is_as_much_finer_than_its_values_as_there_are_of_them():
    own = unknown()
    for tick in range(960):
        blocks.step(own, *(np.array([float(x)]) for x in (5, tick, 1e-9, 1)))
    noise = own[blocks.HEIGHT - 2 * blocks.COUNT :][: blocks.COUNT, 0]
    assert noise.tolist() == [1 / length**2 for length in blocks.LENGTHS]


def test_a_renewed_clock_learns_its_level_anew_and_keeps_its_open_block():
    own, rng = unknown(2), np.random.default_rng(4)
    for tick in range(400):
        both = np.repeat(rng.normal(size=1), 2)
        blocks.step(own, both, np.full(2, float(tick)), np.ones(2), np.full(2, 1e-6))
    before = own.copy()
    blocks.renew(own, np.array([True, False]))
    assert (own[:, 1] == before[:, 1]).all()
    means, distances = blocks.step(own, np.ones(2), np.full(2, 401.0), np.ones(2), np.full(2, 1e-6))
    assert (means[0, 0], np.isnan(distances[0, 0])) == (means[0, 1], True)
    assert np.isfinite(distances[0, 1])
