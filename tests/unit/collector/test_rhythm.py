# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a machine's own gaps teach: who is missed, after how long, and who never is."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from collector.contract.event import State
from collector.rhythm import GAP_S_MAX, HALF_LIFE_S, LEARNED_S_MIN, Rhythm, learn, silent_after_s

HOUR_S, DAY_S = 3_600.0, 86_400.0


def after(
    gaps: Iterable[float], state: State = State.RUNNING, before: Rhythm | None = None, *, told: bool = False
) -> Rhythm:
    now = before or Rhythm()
    for gap_s in gaps:
        now = learn(now, state, gap_s, told=told)
    return now


def days(count: int, *, off_s: float, weekend_s: float = 0.0) -> list[float]:
    """Return the gaps of days of messages each minute, with a night off, and a weekend off at the end of the week."""
    found: list[float] = []
    for day in range(count):
        night_s = max(off_s, weekend_s if day % 7 == 6 else 0.0)
        found += [60.0] * round((DAY_S - off_s) / 60) + ([night_s] if night_s else [])
    return found


def test_machine_that_works_is_missed_after_eight_hours_of_work_and_not_before() -> None:
    assert silent_after_s(after([60.0] * 479), State.RUNNING) is None
    assert silent_after_s(after([60.0] * 480), State.RUNNING) == LEARNED_S_MIN


def test_machine_with_long_gaps_is_missed_after_three_of_them_once_it_was_heard_for_three_hundred() -> None:
    assert silent_after_s(after([240.0] * 299), State.RUNNING) is None
    assert silent_after_s(after([240.0] * 300), State.RUNNING) == pytest.approx(720.0)


def test_machine_at_rest_is_never_missed() -> None:
    known = after([10.0] * 10_000)
    for state in set(State) - {State.RUNNING, State.SETUP}:
        assert silent_after_s(known, state) is None


def test_nights_at_rest_teach_nothing() -> None:
    known = after([10.0] * 10_000)
    assert silent_after_s(after([14 * HOUR_S], State.IDLE, known), State.RUNNING) == LEARNED_S_MIN


def test_machine_that_is_switched_off_while_it_says_running_is_told_once_at_most() -> None:
    known = after([10.0] * 3_000)
    assert silent_after_s(known, State.RUNNING) == LEARNED_S_MIN
    known = after([14 * HOUR_S], before=known, told=True)
    for _ in range(60):
        known = after([10.0] * 3_000, before=known)
        assert (silent_after_s(known, State.RUNNING) or 14 * HOUR_S) >= 14 * HOUR_S
        known = after([14 * HOUR_S], before=known)


def test_one_long_outage_does_not_deafen_us_for_long() -> None:
    known = after([3 * DAY_S], before=after([10.0] * 3_000), told=True)
    assert silent_after_s(after([10.0] * 40_000, before=known), State.RUNNING) == pytest.approx(3_600.0, rel=0.3)


def test_what_is_known_of_a_gap_fades() -> None:
    known = after([600.0, *[60.0] * round(HALF_LIFE_S / 60)])
    assert known.longest_s == pytest.approx(300.0, rel=0.01)


def test_machine_without_states_that_always_speaks_is_missed_after_two_weeks() -> None:
    assert silent_after_s(after(days(13, off_s=0.0), State.UNKNOWN), State.UNKNOWN) is None
    assert silent_after_s(after(days(14, off_s=0.0), State.UNKNOWN), State.UNKNOWN) == LEARNED_S_MIN


@pytest.mark.parametrize(("off_s", "weekend_s"), [(14 * HOUR_S, 62 * HOUR_S), (0.0, 48 * HOUR_S), (2 * HOUR_S, 0.0)])
def test_machine_without_states_that_is_switched_off_is_never_missed(off_s: float, weekend_s: float) -> None:
    known = Rhythm()
    for gap_s in days(70, off_s=off_s, weekend_s=weekend_s):
        assert silent_after_s(known, State.UNKNOWN) is None or gap_s < GAP_S_MAX
        known = learn(known, State.UNKNOWN, gap_s, told=False)


def test_first_own_state_makes_what_was_learned_before_it_nothing() -> None:
    known = learn(after(days(20, off_s=0.0), State.UNKNOWN), State.IDLE, 60.0, told=False)
    assert known == Rhythm(tells=True)
    assert silent_after_s(known, State.UNKNOWN) is None


def test_offline_by_its_last_will_teaches_nothing() -> None:
    known = after([10.0] * 3_000)
    assert learn(known, State.OFFLINE, 14 * HOUR_S, told=False) == known
