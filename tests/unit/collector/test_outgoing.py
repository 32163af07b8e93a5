# SPDX-License-Identifier: AGPL-3.0-or-later
"""What is on its way to the broker."""

from __future__ import annotations

from collections.abc import Sequence

from collector.bus.fast import MID_OWN_MAX
from collector.bus.outbox import POSTINGS_MAX
from collector.bus.outgoing import FLIGHT_BYTES_MAX, ROOM_WAIT_S, Outgoing
from collector.contract.ports import Posting


class Carrier:
    """A connection that notes what it was given."""

    def __init__(self, window: int = 3) -> None:
        self.up = True
        self.window = window
        self.sent: list[tuple[int, bytes]] = []

    def publish_all(self, postings: Sequence[tuple[int, Posting]]) -> None:
        self.sent += [(number, posting.payload) for number, posting in postings]

    @property
    def said(self) -> list[bytes]:
        return [payload for _, payload in self.sent]


def on(carrier: Carrier) -> Outgoing:
    outgoing = Outgoing()
    outgoing.carry(carrier)
    return outgoing


def postings(*names: str) -> list[Posting]:
    return [Posting("t", name.encode()) for name in names]


def test_no_more_is_under_way_than_the_window_allows_and_the_rest_follows_in_order() -> None:
    outgoing = on(carrier := Carrier(window=3))
    outgoing.add_all(postings("1", "2", "3", "4", "5"))
    assert carrier.said == [b"1", b"2", b"3"]
    outgoing.acknowledged(carrier, [carrier.sent[0][0], carrier.sent[2][0]], 0)
    assert carrier.said == [b"1", b"2", b"3", b"4", b"5"]


def test_what_was_not_acknowledged_goes_first_by_the_next_carrier() -> None:
    outgoing = on(first := Carrier(window=3))
    outgoing.add_all(postings("1", "2", "3", "4"))
    outgoing.acknowledged(first, [first.sent[1][0]], 0)
    outgoing.carry(None)
    outgoing.add_all(postings("5"))
    outgoing.carry(second := Carrier(window=9))
    assert second.said == [b"1", b"3", b"4", b"5"]


def test_an_answer_to_an_earlier_carrier_means_nothing() -> None:
    outgoing = on(first := Carrier())
    outgoing.add_all(postings("1"))
    outgoing.carry(second := Carrier())
    outgoing.acknowledged(first, [number for number, _ in second.sent], 0)
    assert outgoing.is_busy
    outgoing.acknowledged(second, [number for number, _ in second.sent], 0)
    assert not outgoing.is_busy


def test_numbers_begin_anew_at_their_end_and_one_under_way_is_not_given_twice() -> None:
    outgoing = on(carrier := Carrier(window=2))
    outgoing.add_all(postings("stays"))
    for _ in range(MID_OWN_MAX + 5):
        outgoing.add_all(postings("goes"))
        outgoing.acknowledged(carrier, [carrier.sent[-1][0]], 0)
    numbers = [number for number, _ in carrier.sent]
    assert numbers.count(numbers[0]) == 1
    assert (min(numbers), max(numbers)) == (1, MID_OWN_MAX)


def test_large_postings_go_a_few_at_a_time() -> None:
    outgoing = on(carrier := Carrier(window=100))
    outgoing.add_all([Posting("t", b"x" * (FLIGHT_BYTES_MAX // 2))] * 3)
    assert len(carrier.sent) == 2
    outgoing.acknowledged(carrier, [carrier.sent[0][0]], 0)
    assert len(carrier.sent) == 3


def test_what_the_broker_refused_is_counted_and_not_sent_again() -> None:
    outgoing = on(carrier := Carrier())
    outgoing.add_all(postings("1"))
    outgoing.acknowledged(carrier, [carrier.sent[0][0]], 1)
    outgoing.carry(second := Carrier())
    assert (outgoing.refused_count, second.said) == (1, [])


def test_a_broker_that_takes_nothing_is_waited_for_once_a_call(monkeypatch) -> None:
    outgoing = on(Carrier(window=0))
    waits = []
    monkeypatch.setattr(outgoing._changed, "wait_for", lambda _true, seconds: waits.append(seconds) or False)
    outgoing.add_all([Posting("t", b"")] * (POSTINGS_MAX + 2))
    assert (waits, outgoing.dropped_count) == ([ROOM_WAIT_S], 2)
    outgoing.carry(None)
    outgoing.add_all([Posting("t", b"")])
    assert outgoing.dropped_count == 3
