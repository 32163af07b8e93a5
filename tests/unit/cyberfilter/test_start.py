# SPDX-License-Identifier: AGPL-3.0-or-later
"""Without a prior the first values set level and noise, and odd ones among them do not."""

from __future__ import annotations

import numpy as np
import pytest

from cyberfilter.filter.model import Prior
from cyberfilter.filter.start import START_COUNT, begin

VALUES = np.array([10.1, 9.9, 10.2, 9.8, 10.0, 10.1, 9.9, 10.0])[:, None]


def test_level_and_noise_are_those_of_the_values():
    begun = begin(VALUES, Prior())
    assert begun.level[0] == pytest.approx(10.0)
    assert 0.05 < np.sqrt(begun.noise[0]) < 0.3
    assert begun.slope[0] == 0


def test_one_odd_value_changes_little():
    odd = VALUES.copy()
    odd[3] = 500.0
    assert begin(odd, Prior()).level[0] == pytest.approx(10.05)
    assert begin(odd, Prior()).noise[0] < 4 * begin(VALUES, Prior()).noise[0]


def test_a_ramp_widens_the_level_and_not_the_noise():
    ramp = VALUES + np.arange(START_COUNT)[:, None]
    assert begin(ramp, Prior()).noise[0] < 2
    assert begin(ramp, Prior()).level_variance[0] > 4


@pytest.mark.parametrize("level", [0.0, 5.0])
def test_equal_values_still_have_a_noise(level):
    assert begin(np.full((START_COUNT, 1), level), Prior()).noise[0] > 0


def test_what_the_prior_says_is_not_learned():
    begun = begin(VALUES, Prior(level=(7, 2), noise=(3, 9)))
    assert (begun.level[0], begun.level_variance[0], begun.noise[0], begun.degrees[0]) == (7, 2, 3, 9)


def test_missing_places_do_not_count():
    few = np.vstack([VALUES[:3], np.full((START_COUNT - 3, 1), np.nan)])
    assert begin(few, Prior()).level[0] == pytest.approx(10.1)
