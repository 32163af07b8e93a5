# SPDX-License-Identifier: AGPL-3.0-or-later
"""A gap in a sender's numbers is waited for, but not for ever."""

from cyberfilter.indices.runs import AHEAD_MAX, GAP_S_MAX, Runs, advance


def last(*sent: tuple[str, int, float]) -> float:
    runs, found = Runs(), 0.0
    for boot, seq, newest in sent:
        found = advance(runs, boot, seq, newest)
    return found


def test_without_gaps_it_is_complete_up_to_the_newest() -> None:
    assert last(("a", 0, 60.0), ("a", 1, 120.0)) == 120.0


def test_before_a_gap_it_stands_and_behind_it_goes_on() -> None:
    assert last(("a", 0, 60.0), ("a", 2, 180.0)) == 60.0
    assert last(("a", 0, 60.0), ("a", 2, 180.0), ("a", 1, 120.0)) == 180.0


def test_at_the_bound_it_still_waits_and_beyond_the_gap_is_lost() -> None:
    assert last(("a", 0, 60.0), ("a", 2, 60.0 + GAP_S_MAX)) == 60.0
    assert last(("a", 0, 60.0), ("a", 2, 61.0 + GAP_S_MAX)) == 61.0 + GAP_S_MAX


def test_what_is_remembered_beyond_a_gap_is_bounded() -> None:
    many = [("a", seq, 60.0 + seq / 100) for seq in range(2, AHEAD_MAX + 2)]
    assert last(("a", 0, 60.0), *many) == 60.0
    assert last(("a", 0, 60.0), *many, ("a", AHEAD_MAX + 2, 101.0)) == 101.0


def test_a_sender_that_started_again_closes_what_was_open() -> None:
    assert last(("a", 0, 60.0), ("a", 2, 180.0), ("b", 0, 200.0)) == 200.0


def test_a_duplicate_changes_nothing() -> None:
    assert last(("a", 0, 60.0), ("a", 1, 120.0), ("a", 0, 60.0)) == 120.0
