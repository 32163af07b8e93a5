# SPDX-License-Identifier: AGPL-3.0-or-later
"""The MQTT bus against a broker that misbehaves on purpose: a socket that speaks just enough MQTT 3.1.1."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import pytest

from collector.bus.link import Address
from collector.bus.mqtt import MqttBus
from collector.contract.errors import Misconfigured

WAIT_S = 10.0
CONNECT, PUBLISH, PUBACK, SUBSCRIBE, UNSUBSCRIBE, PING = 0x10, 0x30, 0x40, 0x80, 0xA0, 0xC0


class StillClock:
    def now(self) -> float:
        return 0.0

    def real_s(self, plant_s: float) -> float:
        return plant_s


def until(true: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < deadline_s, f"not within {WAIT_S} s: {what}"
        time.sleep(0.005)


def publish(topic: bytes, payload: bytes, mid: int) -> bytes:
    body = len(topic).to_bytes(2, "big") + topic + mid.to_bytes(2, "big") + payload
    return bytes([PUBLISH | 2, len(body)]) + body


class ScriptedBroker:
    """Answers CONNECT, SUBSCRIBE and pings unless `mute`; sends `greeting` after SUBSCRIBE; notes acknowledged mids."""

    def __init__(self, greeting: bytes = b"", *, connack: bytes = b"\x20\x02\x00\x00") -> None:
        self.mute = False
        self.acknowledged: list[list[int]] = []
        self._greeting = greeting
        self._connack = connack
        self._server = socket.create_server(("127.0.0.1", 0))
        self._plugs: list[socket.socket] = []
        self.address = Address("127.0.0.1", self._server.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.cut()

    def cut(self) -> None:
        for plug in self._plugs:
            with suppress(OSError):
                plug.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                plug, _ = self._server.accept()
                self._plugs.append(plug)
                threading.Thread(target=self._serve, args=(plug,), daemon=True).start()

    def _serve(self, plug: socket.socket) -> None:
        with plug, plug.makefile("rb") as stream, suppress(OSError):
            mids: list[int] = []
            while head := stream.read(2):
                body = stream.read(head[1])
                if head[0] & 0xF0 == CONNECT and body[6] == 5:
                    plug.sendall(b"\x20\x03\x00\x84\x00")
                elif head[0] & 0xF0 == PUBACK:
                    mids.append(int.from_bytes(body[:2], "big"))
                elif not self.mute:
                    plug.sendall(self._answer(head[0] & 0xF0, body, mids))

    def _answer(self, kind: int, body: bytes, mids: list[int]) -> bytes:
        if kind == CONNECT:
            self.acknowledged.append(mids)
            return self._connack
        if kind == SUBSCRIBE:
            return b"\x90\x03" + body[:2] + b"\x01" + self._greeting
        return {UNSUBSCRIBE: b"\xb0\x02" + body[:2], PING: b"\xd0\x00"}.get(kind, b"")


@pytest.fixture
def make() -> Iterator[Callable[..., tuple[ScriptedBroker, MqttBus]]]:
    opened: list[ScriptedBroker | MqttBus] = []

    def both(greeting: bytes = b"", **settings: object) -> tuple[ScriptedBroker, MqttBus]:
        broker = ScriptedBroker(greeting)
        opened.append(broker)
        opened.append(MqttBus(broker.address, "bus", StillClock(), persistent=True, **settings))
        return broker, opened[-1]

    yield both
    for one in reversed(opened):
        one.close()


def test_a_topic_that_is_not_utf8_is_delivered_readably_and_the_flow_goes_on(make):
    _, bus = make(publish(b"a/\xff\xfe", b"1", 1) + publish(b"a/b", b"2", 2))
    bus.subscribe(["#"])
    found = [bus.take(most=1, wait_s=WAIT_S)[0] for _ in range(2)]
    assert [(one.topic, one.payload) for one in found] == [(r"a/\xff\xfe", b"1"), ("a/b", b"2")]


def test_row_28_a_forgotten_session_is_counted_and_its_span_said_once(make):
    broker, bus = make()
    broker.cut()
    until(lambda: bus.links_count == 2, "bus is back")
    assert bus.sessions_lost == 1
    assert bus.take_lost_spans() == [(0.0, 0.0)]
    assert bus.take_lost_spans() == []


def test_a_lost_connection_is_back_within_seconds(make):
    broker, bus = make()
    start_s = time.monotonic()
    broker.cut()
    until(lambda: bus.links_count == 2, "bus is back")
    assert time.monotonic() - start_s < 2


def test_row_27_a_broker_that_falls_silent_is_said_and_left_for_a_new_connection(make):
    broker, bus = make(keepalive_s=1)
    broker.mute = True
    until(lambda: not bus.connected, "the silence is noticed")
    until(lambda: bus.trouble is not None, "the silence is said")
    broker.mute = False
    until(lambda: bus.links_count == 2, "bus is back")


def test_silence_of_a_broker_that_answers_is_no_reason_to_reconnect(make):
    _, bus = make(keepalive_s=1)
    time.sleep(2.5)
    assert (bus.connected, bus.links_count) == (True, 1)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_row_27_a_network_thread_that_dies_is_replaced(make, monkeypatch):
    def die(*_: object) -> None:
        monkeypatch.undo()
        raise SystemExit

    _, bus = make(publish(b"a", b"1", 1))
    monkeypatch.setattr(bus._inbox, "offer_all", die)
    bus.subscribe(["#"])
    until(lambda: bus.links_count == 2, "bus is rebuilt")
    assert [one.payload for one in bus.take(most=1, wait_s=WAIT_S)] == [b"1"]


def test_row_27_a_network_thread_that_hangs_is_replaced(make, monkeypatch):
    stuck = threading.Event()

    def hang(*_: object) -> int:
        monkeypatch.undo()
        stuck.wait(WAIT_S)
        return 0

    _, bus = make(publish(b"a", b"1", 1), keepalive_s=1)
    monkeypatch.setattr(bus._inbox, "offer_all", hang)
    bus.subscribe(["#"])
    until(lambda: bus.links_count == 2, "bus is rebuilt")
    stuck.set()
    assert [one.payload for one in bus.take(most=1, wait_s=WAIT_S)] == [b"1"]


def test_beyond_the_bound_nothing_is_acknowledged_and_the_rest_comes_by_a_new_connection(make):
    broker, bus = make(b"".join(publish(b"a", b"%d" % number, number) for number in range(1, 8)), queue_max=4)
    bus.subscribe(["#"])
    until(lambda: len(bus._inbox) == 4, "queue is full")
    found = bus.take(most=9, wait_s=WAIT_S)
    bus.acknowledge(found)
    again = bus.take(most=9, wait_s=WAIT_S)
    assert [one.payload for one in found] == [b"1", b"2", b"3", b"4"]
    assert again[0].payload == b"1"
    assert broker.acknowledged[0] == [1, 2, 3, 4]
    assert bus.links_count == 2


def test_at_the_bound_nothing_is_passed_over(make):
    _, bus = make(b"".join(publish(b"a", b"%d" % number, number) for number in range(1, 5)), queue_max=4)
    bus.subscribe(["#"])
    until(lambda: len(bus._inbox) == 4, "queue is full")
    assert len(bus.take(most=9, wait_s=WAIT_S)) == 4
    assert bus.take(most=9, wait_s=0.3) == []
    assert bus.links_count == 1


def test_acknowledgements_never_reach_a_later_connection(make):
    broker, bus = make(publish(b"a", b"1", 7))
    bus.subscribe(["#"])
    stale = bus.take(most=1, wait_s=WAIT_S)
    broker.cut()
    until(lambda: bus.links_count == 2, "bus is back")
    fresh = bus.take(most=1, wait_s=WAIT_S)
    bus.acknowledge(stale)
    assert broker.acknowledged[1] == []
    bus.acknowledge(fresh)
    until(lambda: broker.acknowledged[1] == [7], "the new one is acknowledged")


def test_row_26_an_exception_in_the_handler_is_counted_and_what_it_held_comes_again(make, monkeypatch, caplog):
    def break_once(*_: object) -> None:
        monkeypatch.undo()
        raise ZeroDivisionError

    _, bus = make(publish(b"a", b"1", 1) + publish(b"a", b"2", 2))
    monkeypatch.setattr(bus._inbox, "offer_all", break_once)
    bus.subscribe(["#"])
    until(lambda: bus.links_count == 2, "bus is back")
    assert [one.payload for one in bus.take(most=9, wait_s=WAIT_S)] == [b"1", b"2"]
    assert (bus.connected, bus.failures_count) == (True, 1)
    assert "could not be taken" in caplog.text


def test_bytes_that_are_no_mqtt_end_the_connection_and_nothing_else(make, caplog):
    _, bus = make(publish(b"a", b"1", 1) + b"\x32\x00")
    bus.subscribe(["#"])
    until(lambda: bus.links_count == 2, "bus is rebuilt")
    assert bus.failures_count == 0
    assert "no MQTT" in caplog.text


@pytest.mark.parametrize("code", [4, 5])
def test_refused_credentials_are_said_at_once(code):
    with (
        closing(ScriptedBroker(connack=bytes([0x20, 2, 0, code]))) as broker,
        pytest.raises(Misconfigured, match="refuses user 'mk4'"),
    ):
        MqttBus(broker.address._replace(username="mk4", password="pw"), "bus", StillClock(), persistent=True)
