# SPDX-License-Identifier: AGPL-3.0-or-later
"""Places for the last values: a ring that grows wider where it is asked to."""

from __future__ import annotations

import numpy as np

from cyberfilter.filter import places
from cyberfilter.filter.period import COUNT


def fresh(count=1):
    own = np.empty((places.HEIGHT, count))
    places.fresh(own)
    return own


def fill(own, values, start=0, cadence_s=1.0):
    """Keep values of one series, a cadence apart; widen when all places are full. Returns how often that was."""
    wider = 0
    for at, value in enumerate(values, start=start):
        if places.keep(own, np.array([at * cadence_s + 5.0]), np.array([float(value)]), cadence_s)[0]:
            places.widen(own, cadence_s)
            wider += 1
    return wider


def test_values_stand_in_the_order_in_which_they_came_and_the_newest_is_not_among_them():
    own = fresh()
    fill(own, range(10))
    kept, back = places.ordered(own)
    assert kept[-9:, 0].tolist() == list(range(9))
    assert np.isnan(kept[:-9]).all()
    assert back[-1, 0] == 1


def test_full_places_are_merged_to_means_and_stand_for_twice_the_time():
    own = fresh()
    assert fill(own, range(COUNT + 1)) == 1
    kept, _ = places.ordered(own)
    assert own[places.WIDTH, 0] == 2
    assert kept[-COUNT // 2 :, 0].tolist() == [0.5 + 2 * pair for pair in range(COUNT // 2)]


def test_later_values_fill_the_wide_places():
    own = fresh()
    fill(own, range(COUNT + 5), cadence_s=60.0)
    kept, _ = places.ordered(own)
    assert kept[-2:, 0].tolist() == [COUNT + 0.5, COUNT + 2.5]
    assert places.into(own, np.array([(COUNT + 4) * 60.0 + 5.0]), 60.0)[0] == 0


def test_places_that_were_skipped_have_no_value():
    own = fresh()
    fill(own, [1, 2, 3])
    fill(own, [7, 8], start=6)
    kept, _ = places.ordered(own)
    np.testing.assert_array_equal(kept[-7:, 0], [1, 2, 3, np.nan, np.nan, np.nan, 7][-7:])


def test_a_missing_value_leaves_its_place_empty():
    own = fresh()
    fill(own, [1, np.nan, 3, 4])
    np.testing.assert_array_equal(places.ordered(own)[0][-3:, 0], [1, np.nan, 3])


def test_after_a_long_silence_nothing_old_is_left():
    own = fresh()
    fill(own, range(50))
    fill(own, [1, 2], start=100_000)
    assert np.isnan(places.ordered(own)[0][:-1]).all()
    assert places.into(own, np.array([100_001 + 5.0]), 1.0)[0] in {0, 1}


def test_the_widest_places_begin_anew():
    own = fresh()
    assert fill(own, np.zeros(64 * COUNT + 1)) == 7
    assert own[places.WIDTH, 0] == 1
    assert np.isnan(own[places.ORIGIN, 0])
