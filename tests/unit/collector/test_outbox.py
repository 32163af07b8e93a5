# SPDX-License-Identifier: AGPL-3.0-or-later
"""What waits to be published."""

from __future__ import annotations

from collector.bus.outbox import Outbox, Posting


def plain(name: str) -> Posting:
    return Posting("t", name.encode(), retain=False)


def retained(topic: str, value: str) -> Posting:
    return Posting(topic, value.encode(), retain=True)


def fill(outbox: Outbox, *postings: Posting, newest_only: bool = True) -> Outbox:
    for posting in postings:
        outbox.add(posting, newest_only=newest_only)
    return outbox


def drain(outbox: Outbox) -> list[bytes]:
    found = []
    while (posting := outbox.pop()) is not None:
        found.append(posting.payload)
    return found


def test_first_in_is_first_out() -> None:
    assert drain(fill(Outbox(), plain("1"), retained("a", "2"), plain("3"))) == [b"1", b"2", b"3"]


def test_a_retained_posting_takes_the_place_of_its_topics_older_one() -> None:
    assert drain(fill(Outbox(), retained("a", "1"), plain("2"), retained("a", "3"))) == [b"3", b"2"]


def test_while_connected_every_retained_posting_goes_out() -> None:
    outbox = fill(Outbox(), retained("a", "1"), retained("a", "2"), newest_only=False)
    assert drain(outbox) == [b"1", b"2"]


def test_at_the_bound_all_stay_and_one_more_costs_the_oldest_that_is_not_retained() -> None:
    outbox = fill(Outbox(most=3), retained("a", "1"), plain("2"), plain("3"))
    assert (len(outbox), outbox.dropped_count, outbox.full) == (3, 0, True)
    outbox.add(plain("4"), newest_only=True)
    assert outbox.dropped_count == 1
    assert drain(outbox) == [b"1", b"3", b"4"]


def test_where_all_are_retained_the_oldest_goes() -> None:
    outbox = fill(Outbox(most=2), retained("a", "1"), retained("b", "2"), retained("c", "3"))
    assert drain(outbox) == [b"2", b"3"]


def test_bytes_are_bounded_too_and_counted_down_again() -> None:
    outbox = Outbox(bytes_max=10)
    for _ in range(3):
        assert drain(fill(outbox, plain("12345"), plain("67890"))) == [b"12345", b"67890"]
    assert outbox.dropped_count == 0
    assert drain(fill(outbox, plain("12345"), plain("67890"), plain("x"))) == [b"67890", b"x"]


def test_what_comes_back_goes_first_unless_a_newer_retained_one_waits() -> None:
    outbox = fill(Outbox(), plain("5"), retained("a", "6"))
    outbox.put_back([plain("1"), retained("a", "2"), retained("b", "3"), plain("4")])
    assert drain(outbox) == [b"1", b"3", b"4", b"5", b"6"]


def test_dropping_after_a_return_still_takes_the_oldest() -> None:
    outbox = fill(Outbox(most=3), plain("3"))
    outbox.put_back([plain("1"), plain("2")])
    outbox.add(plain("4"), newest_only=True)
    assert drain(outbox) == [b"2", b"3", b"4"]
