# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a series' noise is like: its resolution, and its share of outliers."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from cyberfilter.filter import own_noise
from cyberfilter.filter.own_noise import FINEST, HEIGHT, MOVES_MIN, OUTLIERS


def met(values):
    """What the values (rows, k) taught."""
    own = np.full((HEIGHT, values.shape[1]), np.nan)
    own_noise.fresh(own)
    for before, value in pairwise(values):
        own_noise.meet(own, value, before)
    return own


def test_rounded_values_tell_their_resolution():
    rounded = np.round(np.random.default_rng(1).normal(size=(120, 50)) / 1.5) * 1.5
    own = met(rounded)
    np.testing.assert_allclose(own[FINEST], 1.5)
    np.testing.assert_allclose(own_noise.least_variance(own), 1.5**2 / (2 * np.pi))


def test_values_of_a_fine_scale_have_next_to_no_least_variance():
    own = met(np.random.default_rng(2).normal(size=(120, 50)))
    assert (own_noise.least_variance(own) < 0.002).all()


@pytest.mark.parametrize(("moves", "known"), [(MOVES_MIN - 1, False), (MOVES_MIN, True)])
def test_a_few_jumps_of_a_constant_series_are_no_resolution(moves, known):
    own = met(np.repeat(np.arange(moves + 1) % 2, 3)[:, None] * 5.0)
    assert (own_noise.least_variance(own) > 0).all() == known


def test_missing_values_and_the_last_bit_of_a_number_are_no_step():
    own = met(np.array([[0.3], [np.nan], [0.1 + 0.2], [0.3], [0.8], [np.nan], [0.2]]))
    assert own[FINEST, 0] == pytest.approx(0.5)


def test_the_share_of_outliers_rises_above_the_usual_where_there_are_more_and_never_below():
    own = np.zeros((HEIGHT, 3))
    own[OUTLIERS] = 0, 2.5, 25
    share = own_noise.outlier_share(own, np.full(3, 250.0), np.asarray(0.01))
    np.testing.assert_allclose(share, [0.01, 0.01, 0.01 + 22.5 / 265])
