# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the historian is owed is kept, tried again with growing waits, and bounded."""

from collector.contract.ports import IndexRow
from cyberfilter.owed import RETRY_S_MAX, ROWS_MAX, Owed


def rows(count: int) -> list[IndexRow]:
    return [IndexRow("commons/mk4", "pace_ratio", float(n), 1.0) for n in range(count)]


def test_rows_are_handed_over_once(workshop) -> None:
    owed = Owed(rows(3))
    owed.hand_over(workshop.historian, 0.0)
    owed.hand_over(workshop.historian, 1.0)
    assert (owed.rows, workshop.historian.written) == ([], rows(3))


def test_while_the_historian_is_away_they_wait_and_the_reason_is_told(workshop) -> None:
    owed, workshop.historian.away = Owed(rows(3)), True
    owed.hand_over(workshop.historian, 0.0)
    assert (len(owed.rows), owed.trouble) == (3, "historian is away")
    workshop.historian.away = False
    owed.hand_over(workshop.historian, RETRY_S_MAX)
    assert (owed.rows, owed.trouble) == ([], None)


def test_at_the_bound_all_wait_and_beyond_it_the_oldest_are_lost_and_counted() -> None:
    owed = Owed(())
    owed.add(rows(ROWS_MAX))
    assert (len(owed.rows), owed.lost_count) == (ROWS_MAX, 0)
    owed.add(rows(1))
    assert (len(owed.rows), owed.lost_count, owed.rows[0].ts) == (ROWS_MAX, 1, 1.0)
