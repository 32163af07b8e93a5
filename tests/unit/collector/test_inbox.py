# SPDX-License-Identifier: AGPL-3.0-or-later
"""What has arrived and waits to be taken."""

from __future__ import annotations

from collector.bus.inbox import Inbox
from collector.contract.ports import Delivery


def some(*numbers: int) -> list[Delivery]:
    return [Delivery("t", b"", False, 0.0, number) for number in numbers]


def tokens(inbox: Inbox, most: int = 99) -> list[object]:
    return [one.token for one in inbox.take(most=most, wait_s=0)]


def test_deliveries_come_out_in_order_and_no_more_than_asked_for() -> None:
    inbox = Inbox(9)
    assert (inbox.offer_all(some(1, 2), 1), inbox.offer_all(some(3), 1)) == (2, 1)
    assert (tokens(inbox, 2), tokens(inbox), tokens(inbox)) == ([1, 2], [3], [])


def test_at_the_bound_nothing_is_passed_over_and_beyond_it_the_rest_of_that_link() -> None:
    inbox = Inbox(3)
    assert inbox.offer_all(some(1, 2, 3), 1) == 3
    assert (tokens(inbox), inbox.spilled()) == ([1, 2, 3], None)
    assert inbox.offer_all(some(4, 5, 6, 7), 1) == 3
    assert tokens(inbox) == [4, 5, 6]
    assert inbox.offer_all(some(8), 1) == 0


def test_a_spilled_link_is_named_once_when_all_before_it_is_taken_and_stays_shut() -> None:
    inbox = Inbox(1)
    inbox.offer_all(some(1, 2), 1)
    assert inbox.spilled() is None
    tokens(inbox)
    assert (inbox.spilled(), inbox.spilled()) == (1, None)
    assert (inbox.offer_all(some(3), 1), inbox.offer_all(some(2), 2)) == (0, 1)
