# SPDX-License-Identifier: AGPL-3.0-or-later
"""Alarms are counted as episodes, thresholds keep their rate, and a delay counts from the change's own row."""

from __future__ import annotations

import numpy as np
import pytest
from judging import QUIET, Cell, episodes, first, found, threshold


def alarms(length: int, *places: int) -> np.ndarray:
    told = np.zeros((1, length), dtype=bool)
    told[0, list(places)] = True
    return told


def test_alarms_that_follow_soon_are_one_episode() -> None:
    assert episodes(alarms(1000, 100, 100 + QUIET, 100 + 2 * QUIET)) == 1.0


def test_alarm_after_the_quiet_is_another_episode() -> None:
    assert episodes(alarms(1000, 100, 101 + QUIET)) == 2.0


def test_threshold_keeps_the_rate_and_wastes_none_of_it() -> None:
    noise = np.random.default_rng(1).normal(size=(100, 1000))
    limit = threshold(noise)
    assert 0.95 <= episodes(noise > limit) <= 1.0
    assert episodes(noise > limit - 0.05) > 1.0


def test_delay_of_an_alarm_in_the_change_s_own_row_is_none() -> None:
    assert found(alarms(400, 300, 305), 300) == Cell(1.0, 0.0, 1)


def test_alarm_before_the_change_finds_nothing() -> None:
    assert found(alarms(400, 200), 300).found == 0.0


def test_run_that_is_alarmed_at_the_onset_is_left_out() -> None:
    both = np.concatenate((alarms(400, 295), alarms(400, 310)))
    assert found(both, 300) == Cell(1.0, 10.0, 1)


def test_alarm_that_comes_too_late_is_not_found() -> None:
    assert found(alarms(450, 400), 300).found == 0.0


@pytest.mark.parametrize(("places", "row"), [((310,), 310), ((), -1), ((200, 320), 320)])
def test_first_alarm_is_looked_for_from_the_onset_on(places: tuple[int, ...], row: int) -> None:
    assert first(alarms(450, *places), 300).tolist() == [row]
