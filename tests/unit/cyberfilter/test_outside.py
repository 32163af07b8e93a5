# SPDX-License-Identifier: AGPL-3.0-or-later
"""A run of values beyond what is usual for one is rare or a habit, by what the series itself has shown."""

from cyberfilter.alerts.outside import RUN_LEAST, Outside

MINUTE_S = 60.0
OFTEN = 100.0


def heard(departures: list[float]) -> Outside:
    """Return what is known after these departures, of which one of 1 is beyond."""
    outside = Outside()
    for departure in departures:
        outside.note(departure, 1.0)
        outside.learn()
    return outside


def after(outside: Outside, run: list[float]) -> bool:
    """Tell whether the run that ends with these departures is rare."""
    for departure in run:
        outside.note(departure, 1.0)
    return outside.is_rare(MINUTE_S, OFTEN)


def test_three_in_a_row_are_rare_where_none_ever_was_beyond_and_two_are_not() -> None:
    assert after(heard([0.2] * 500), [2.0] * RUN_LEAST)
    assert not after(heard([0.2] * 500), [2.0] * (RUN_LEAST - 1))


def test_three_in_a_row_are_nothing_where_such_runs_are_a_habit() -> None:
    habit = [*[0.2] * 17, 2.0, 2.0, 2.0]
    assert not after(heard(habit * 25 + [0.2] * 5), [2.0] * RUN_LEAST)
    assert after(heard(habit * 25 + [0.2] * 5), [2.0] * 40)


def test_a_habit_is_forgotten_and_a_fresh_one_is_learned() -> None:
    outside = heard([0.2, 2.0, 2.0, 2.0] * 100)
    assert not after(outside, [2.0] * RUN_LEAST)
    outside = heard([0.2, 2.0, 2.0, 2.0] * 100 + [0.2] * 8_000)
    assert after(outside, [2.0] * RUN_LEAST)


def test_both_sides_in_turn_are_no_run() -> None:
    assert not after(heard([0.2] * 500), [2.0, -2.0, 2.0, -2.0])


def test_a_run_counts_from_its_first_value() -> None:
    outside = heard([0.2] * 500)
    assert not after(outside, [2.0, 2.0, 0.5, 2.0])
    assert (outside.run_count, outside.side) == (1, 1.0)
