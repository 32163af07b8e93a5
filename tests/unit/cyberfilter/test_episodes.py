# SPDX-License-Identifier: AGPL-3.0-or-later
"""Episodes: one alarm for one event."""

from __future__ import annotations

import numpy as np

from cyberfilter.filter import episodes


def told(surprises):
    own = np.empty((episodes.HEIGHT, 1))
    episodes.fresh(own)
    return [float(episodes.step(own, np.array([float(x)]))[0]) for x in surprises]


def test_only_what_exceeds_the_peak_is_told_again():
    assert told([0, 5, 4, 5, 6, 6, 0, 7]) == [0, 5, 0, 0, 6, 0, 0, 7]


def test_an_event_is_over_after_a_hundred_values_without_a_new_peak():
    length = int(episodes.LENGTH)
    assert told([5] + [0] * (length - 1) + [4])[-1] == 0
    assert told([5] + [0] * length + [4])[-1] == 4


def test_a_new_peak_makes_the_episode_longer():
    length = int(episodes.LENGTH)
    assert told([5] + [0] * (length - 10) + [6] + [0] * (length - 10) + [5.5])[-1] == 0
