# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the bus inside one process does beyond the promises of every bus."""

from __future__ import annotations

import threading

from collector.bus.local import LocalBroker, LocalBus


class StillClock:
    def now(self) -> float:
        return 0.0

    def real_s(self, plant_s: float) -> float:
        return plant_s


def bus(broker: LocalBroker, name: str, *, persistent: bool = True) -> LocalBus:
    return LocalBus(broker, name, StillClock(), persistent=persistent)


def test_a_session_holds_its_bound_and_what_comes_beyond_is_counted() -> None:
    broker = LocalBroker(queue_max=3)
    reader = bus(broker, "reader")
    reader.subscribe(["a"])
    for number in range(3):
        reader.publish("a", b"%d" % number)
    assert broker.dropped_count == 0
    reader.publish("a", b"3")
    assert broker.dropped_count == 1
    assert [one.payload for one in reader.take(most=9, wait_s=0)] == [b"0", b"1", b"2"]


def test_acknowledging_makes_room() -> None:
    broker = LocalBroker(queue_max=1)
    reader = bus(broker, "reader")
    reader.subscribe(["a"])
    for _ in range(3):
        reader.publish("a", b"x")
        reader.acknowledge(reader.take(most=1, wait_s=0))
    assert broker.dropped_count == 0


def test_a_second_bus_of_the_same_name_takes_over_what_the_first_has_not_acknowledged() -> None:
    broker = LocalBroker()
    first = bus(broker, "reader")
    first.subscribe(["a"])
    first.publish("a", b"x")
    stale = first.take(most=1, wait_s=0)
    second = bus(broker, "reader")
    first.acknowledge(stale)
    first.close()
    assert (first.connected, second.connected) == (False, True)
    assert [one.payload for one in second.take(most=1, wait_s=0)] == [b"x"]


def test_a_message_wakes_a_reader_that_waits() -> None:
    broker = LocalBroker()
    reader = bus(broker, "reader")
    reader.subscribe(["a"])
    found: list[bytes] = []
    waiting = threading.Thread(target=lambda: found.extend(one.payload for one in reader.take(most=1, wait_s=10)))
    waiting.start()
    bus(broker, "speaker", persistent=False).publish("a", b"x")
    waiting.join()
    assert found == [b"x"]


def test_overlapping_filters_deliver_once() -> None:
    reader = bus(LocalBroker(), "reader")
    reader.subscribe(["a/#", "a/b"])
    reader.publish("a/b", b"x")
    assert len(reader.take(most=9, wait_s=0)) == 1
