# SPDX-License-Identifier: AGPL-3.0-or-later
"""What every bus promises, whatever is behind it."""

from __future__ import annotations

import time
from contextlib import closing

import pytest

from collector.contract.errors import Refusal
from collector.contract.ports import Bus, Delivery, Posting

WAIT_S = 10.0
"""Redelivery by the embedded broker takes its ack_wait of 5 s."""
QUIET_S = 0.2


def receive(bus: Bus, count: int, *, acknowledge: bool = True) -> list[Delivery]:
    """Take until there are `count`, or WAIT_S have passed; what comes shortly after is returned too."""
    found: list[Delivery] = []
    deadline_s = time.monotonic() + WAIT_S
    while len(found) < count and time.monotonic() < deadline_s:
        found += bus.take(most=100, wait_s=WAIT_S)
    found += bus.take(most=100, wait_s=QUIET_S)
    if acknowledge:
        bus.acknowledge(found)
    return found


def flow(bus: Bus, count: int, before: list[bytes] | None = None) -> list[bytes]:
    """Take and acknowledge as a service does, until there are `count` different payloads, or WAIT_S have passed."""
    found = before or []
    deadline_s = time.monotonic() + WAIT_S
    while len(set(found)) < count and time.monotonic() < deadline_s:
        taken = bus.take(most=500, wait_s=1.0)
        bus.acknowledge(taken)
        found += payloads(taken)
    return found


def payloads(deliveries: list[Delivery]) -> list[bytes]:
    return [delivery.payload for delivery in deliveries]


def say(site, *messages: tuple[str, bytes], retain: bool = False) -> None:
    """Publish from a client that comes and goes."""
    with closing(site.bus("speaker", persistent=False)) as speaker:
        for topic, payload in messages:
            speaker.publish(topic, payload, retain=retain)


def test_messages_arrive_once_in_order_with_topic_and_plant_time(site):
    reader = site.bus("reader")
    reader.subscribe(["plant/#"])
    wanted = [b"%d" % number for number in range(300)]
    say(site, *[("plant/mk4", payload) for payload in wanted])
    found = receive(reader, 300)
    assert payloads(found) == wanted
    assert {(one.topic, one.retained, one.at) for one in found} == {("plant/mk4", False, 5.0)}


def test_take_returns_at_most_what_was_asked_for_and_nothing_after_the_wait(site):
    reader = site.bus("reader")
    reader.subscribe(["plant/#"])
    assert reader.take(most=5, wait_s=0.01) == []
    say(site, *[("plant/a", b"x")] * 7)
    assert len(receive(reader, 7)) == 7
    say(site, *[("plant/a", b"x")] * 7)
    assert len(reader.take(most=1, wait_s=WAIT_S)) == 1


def test_what_was_not_acknowledged_comes_again_and_the_rest_does_not(site):
    with closing(site.bus("reader")) as reader:
        reader.subscribe(["plant/#"])
        say(site, *[("plant/a", b"%d" % number) for number in range(4)])
        reader.acknowledge(receive(reader, 4, acknowledge=False)[:2])
    assert payloads(receive(site.bus("reader"), 2)) == [b"2", b"3"]


def test_a_persistent_session_fills_while_its_reader_is_away(site):
    with closing(site.bus("reader")) as reader:
        reader.subscribe(["plant/#"])
    say(site, ("plant/a", b"1"), ("plant/a", b"2"))
    assert payloads(receive(site.bus("reader"), 2)) == [b"1", b"2"]


def test_a_session_that_is_not_persistent_starts_empty(site):
    with closing(site.bus("reader", persistent=False)) as reader:
        reader.subscribe(["plant/#"])
    say(site, ("plant/a", b"1"))
    reader = site.bus("reader", persistent=False)
    reader.subscribe(["plant/#"])
    assert reader.take(most=5, wait_s=QUIET_S) == []


def test_retained_message_is_live_to_those_who_listen_and_old_to_those_who_come_later(site):
    early = site.bus("early")
    early.subscribe(["plant/#"])
    say(site, ("plant/state", b"old"), ("plant/state", b"new"), retain=True)
    late = site.bus("late")
    late.subscribe(["plant/#"])
    assert [(one.payload, one.retained) for one in receive(early, 2)] == [(b"old", False), (b"new", False)]
    assert [(one.payload, one.retained) for one in receive(late, 1)] == [(b"new", True)]


def test_empty_retained_payload_clears_the_topic(site):
    say(site, ("plant/state", b"running"), ("plant/state", b""), retain=True)
    reader = site.bus("reader")
    reader.subscribe(["plant/#"])
    assert reader.take(most=5, wait_s=QUIET_S) == []


def test_only_topics_that_match_a_filter_arrive(site):
    reader = site.bus("reader")
    reader.subscribe(["plant/+/reading", "cell/#"])
    said = ["plant/a/reading", "plant/a/state", "plant/a/b/reading", "cell", "cell/x/y", "other"]
    say(site, *[(topic, b"x") for topic in said])
    assert sorted(one.topic for one in receive(reader, 3)) == ["cell", "cell/x/y", "plant/a/reading"]


def test_filter_that_is_given_up_brings_nothing_and_the_others_go_on(site):
    reader = site.bus("reader")
    reader.subscribe(["plant/a", "plant/b"])
    reader.unsubscribe(["plant/a"])
    say(site, ("plant/a", b"1"), ("plant/b", b"2"))
    assert [one.topic for one in receive(reader, 1)] == ["plant/b"]
    assert reader.take(most=5, wait_s=QUIET_S) == []


def test_filters_add_up(site):
    reader = site.bus("reader")
    reader.subscribe(["plant/a"])
    reader.subscribe(["plant/b"])
    say(site, ("plant/a", b"1"), ("plant/b", b"2"))
    assert sorted(payloads(receive(reader, 2))) == [b"1", b"2"]


def test_what_is_published_while_the_broker_is_away_arrives_later(site, wait_until):
    bus = site.bus("both")
    bus.subscribe(["plant/#"])
    site.stop()
    wait_until(lambda: not bus.connected, "bus notices")
    for number in range(5):
        bus.publish("plant/a", b"%d" % number)
    site.start()
    assert payloads(receive(bus, 5)) == [b"0", b"1", b"2", b"3", b"4"]


def test_of_a_retained_topic_only_the_newest_is_published_after_an_outage(site, wait_until):
    bus = site.bus("both")
    bus.subscribe(["plant/#"])
    site.stop()
    wait_until(lambda: not bus.connected, "bus notices")
    for number in range(5):
        bus.publish("plant/state", b"%d" % number, retain=True)
    site.start()
    assert set(payloads(receive(bus, 1))) == {b"4"}


def test_queue_and_retained_messages_survive_a_killed_broker(site):
    with closing(site.bus("reader")) as reader:
        reader.subscribe(["plant/#"])
    say(site, ("plant/state", b"kept-state"), retain=True)
    say(site, *[("plant/a", b"kept-%d" % number) for number in range(50)])
    site.kill(last=b"kept-49")
    site.start()
    assert payloads(receive(site.bus("reader"), 51)) == [b"kept-state"] + [b"kept-%d" % n for n in range(50)]
    late = site.bus("late")
    late.subscribe(["plant/state"])
    assert payloads(receive(late, 1)) == [b"kept-state"]


def test_a_connected_reader_goes_on_after_a_killed_broker(site, wait_until):
    reader = site.bus("reader")
    reader.subscribe(["plant/#"])
    say(site, ("plant/a", b"before"))
    assert payloads(receive(reader, 1)) == [b"before"]
    site.kill(last=b"reader")
    wait_until(lambda: not reader.connected, "bus notices")
    site.start()
    wait_until(lambda: reader.connected, "bus is back")
    say(site, ("plant/a", b"after"))
    assert b"after" in payloads(receive(reader, 1))


def test_row_01_a_restart_in_mid_stream_loses_nothing_and_the_bus_is_back_within_10_s(site, wait_until):
    bus = site.bus("both")
    bus.subscribe(["plant/#"])
    wanted = [b"%d" % number for number in range(2_000)]
    postings = [Posting("plant/a", payload) for payload in wanted]
    bus.publish_all(postings[:1_000])
    found = flow(bus, 100)
    site.stop()
    wait_until(lambda: not bus.connected, "bus notices")
    bus.publish_all(postings[1_000:])
    site.start()
    start_s = time.monotonic()
    wait_until(lambda: bus.connected, "bus is back")
    assert time.monotonic() - start_s < 10
    assert list(dict.fromkeys(flow(bus, 2_000, found))) == wanted


def test_postings_published_together_arrive_in_order_and_the_impossible_ones_are_counted(site):
    bus = site.bus("both")
    bus.subscribe(["plant/#"])
    wanted = [b"%d" % number for number in range(3_000)]
    postings = [Posting("plant/a", payload) for payload in wanted]
    assert bus.publish_all([Posting("a b", b"x"), *postings, Posting("#", b"x")]) == 2
    assert flow(bus, 3_000) == wanted


def test_acknowledging_a_delivery_of_an_earlier_connection_does_nothing(site, wait_until):
    reader = site.bus("reader")
    reader.subscribe(["plant/#"])
    say(site, ("plant/a", b"seen"))
    stale = receive(reader, 1, acknowledge=False)
    site.stop()
    wait_until(lambda: not reader.connected, "bus notices")
    site.start()
    wait_until(lambda: reader.connected, "bus is back")
    reader.acknowledge(stale)
    assert payloads(receive(reader, 1)) == [b"seen"]


@pytest.mark.parametrize("topic", ["plant//a", "/plant", "plant/", "plant/ñandú/💡", "plant/a.b:c", "plant/$x@y"])
def test_unusual_topics_arrive_as_they_are_and_the_flow_goes_on(site, topic):
    reader = site.bus("reader")
    reader.subscribe(["#"])
    say(site, (topic, b"1"), ("plant/a", b"2"))
    assert [(one.topic, one.payload) for one in receive(reader, 2)] == [(topic, b"1"), ("plant/a", b"2")]


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("", b""),
        ("a b", b""),
        ("a/+", b""),
        ("#", b""),
        ("a\0", b""),
        ("x" * 1025, b""),
        ("\ud800", b""),
        ("a", b"x" * 1_000_001),
    ],
)
def test_what_a_broker_would_cut_us_for_is_refused_before(site, topic, payload):
    bus = site.bus("both")
    with pytest.raises(Refusal):
        bus.publish(topic, payload)
    assert bus.connected


def test_the_largest_allowed_payload_passes(site):
    reader = site.bus("reader")
    reader.subscribe(["plant/#"])
    say(site, ("plant/a", b"x" * 1_000_000))
    assert payloads(receive(reader, 1)) == [b"x" * 1_000_000]


def test_a_bus_that_is_closed_twice_stays_closed(site):
    bus = site.bus("reader")
    bus.close()
    bus.close()
    assert not bus.connected
    assert bus.take(most=1, wait_s=0) == []
