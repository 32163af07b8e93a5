# SPDX-License-Identifier: AGPL-3.0-or-later
"""The prototype's recipe: a learned tail keeps the rate it states, and an episode is told once."""

from __future__ import annotations

import numpy as np
import pytest
from recipe import EPISODE, LEARN, blocks, once, tail


@pytest.mark.parametrize("heavy", [False, True])
def test_learned_tail_keeps_its_rate_also_where_it_is_heavy(heavy: bool) -> None:
    rng = np.random.default_rng(1)
    drawn = np.abs(rng.standard_t(3, 30_000) if heavy else rng.normal(size=30_000))
    told = tail(drawn)[2000:]
    assert 0.5 <= (told < 1 / 500).mean() * 500 <= 2.0


def test_tail_knows_nothing_at_first() -> None:
    assert (tail(np.linspace(0, 1, LEARN)) == 1.0).all()


def test_tail_steps_over_what_is_missing() -> None:
    drawn = np.abs(np.random.default_rng(2).normal(size=400))
    holes = np.full(800, np.nan)
    holes[::2] = drawn
    assert np.array_equal(tail(holes)[::2], tail(drawn))


def test_blocks_are_means_of_whole_ones() -> None:
    assert blocks(np.arange(7.0), 3).tolist() == [1.0, 4.0]


def test_episode_is_told_once() -> None:
    score = np.zeros(3 * EPISODE)
    score[[10, 11, 20, 10 + EPISODE, 15 + 2 * EPISODE]] = [0.5, 0.4, 0.6, 0.55, 0.3]
    assert np.flatnonzero(once(score)).tolist() == [10, 20, 15 + 2 * EPISODE]
