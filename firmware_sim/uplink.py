# SPDX-License-Identifier: AGPL-3.0-or-later
"""Many MQTT connections in one thread, driven by one selector: nobody waits for anybody.

Every attempt is a fresh client without a session, so that what was under way belongs to the voice alone, which
sends it again. Opening a TCP connection may take up to `OPEN_S_MAX`; after a failure nobody tries until the pause
is over.
"""

from __future__ import annotations

import contextlib
import logging
import random
import selectors
import socket
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from firmware_sim.voices.voice import Publication

INFLIGHT_MAX: Final = 20
"""Messages of one device without the broker's acknowledgement."""
OPEN_S_MAX: Final = 1.0
KEEPALIVE_S: Final = 30
PAUSE_S_MIN: Final = 0.5
PAUSE_S_MAX: Final = 30.0
MISC_S: Final = 1.0
ATTEMPTS_PER_TURN: Final = 10
CLOSE_S_MAX: Final = 1.0
ROUND_S: Final = 0.25
"""How often every line is looked at; in between those alone whose caller was woken or had more to say than fitted."""
FEW: Final = 64
"""So many lines are all looked at in every turn."""
_LOG: Final = logging.getLogger(__name__)


class Caller(Protocol):
    """A device as the uplink sees it; real time is monotonic seconds. While it is not `reachable` it has no line."""

    @property
    def will(self) -> Publication:
        """Return what the broker shall say when the device is gone."""

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """Return what the device listens to."""

    @property
    def reachable(self) -> bool:
        """Tell whether the device has power and a network."""

    def connected(self, real_s: float) -> None:
        """Learn that the broker answers."""

    def received(self, topic: str, payload: bytes, real_s: float) -> None:
        """Hear a message."""

    def take(self, room: int, real_s: float) -> list[Publication]:
        """Return up to `room` publications that are due."""


class Line:
    """One device's connection: closed, opening, or up."""

    def __init__(self, caller: Caller, client_id: str, credentials: tuple[str, str] | None) -> None:
        self.caller = caller
        self.client_id = client_id
        self.credentials = credentials
        self.client: mqtt.Client | None = None
        self.will = Publication("", b"", 0, False)
        self.up = False
        self.due_at = 0.0
        self.failures = 0
        self.inflight: set[int] = set()

    def send(self, real_s: float) -> int:
        """Hand over what is due and fits; return how many messages that were."""
        client = self.client
        room = INFLIGHT_MAX - len(self.inflight)
        if client is None or not self.up or room <= 0 or client.want_write():
            return 0
        due = self.caller.take(room, real_s)
        for publication in due:
            told = client.publish(publication.topic, publication.payload, publication.qos, publication.retain)
            if publication.qos > 0:
                self.inflight.add(told.mid)
        return len(due)


class Uplink:
    """All lines to one broker; `turn` does what is due and waits at most `wait_s` for the network."""

    def __init__(
        self, host: str, port: int, *, seed: int | str = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._host = host
        self._port = port
        self._clock = clock
        self._rng = random.Random(f"uplink/{seed}")  # noqa: S311 - jitter
        self._selector = selectors.DefaultSelector()
        self._lines: list[Line] = []
        self._pause_until = 0.0
        self._failures = 0
        self._misc_at = 0.0
        self._round_at = 0.0
        self._wanting: set[Any] = set()
        self._armed: set[Any] = set()
        self._by_caller: dict[int, Line] = {}
        self._woken: dict[Line, None] = {}
        self.sent_count = 0

    def add(self, caller: Caller, *, client_id: str, credentials: tuple[str, str] | None) -> None:
        """Take a device on; it connects in one of the next turns."""
        line = Line(caller, client_id, credentials)
        self._lines.append(line)
        self._by_caller[id(caller)] = line

    def wake(self, caller: Caller) -> None:
        """Look at this device in the next turn: it may have something to say."""
        self._woken[self._by_caller[id(caller)]] = None

    @property
    def up_count(self) -> int:
        """Return how many devices are connected."""
        return sum(line.up for line in self._lines)

    def turn(self, wait_s: float) -> None:
        """Connect, send, receive: once, for all."""
        real_s = self._clock()
        self._open_due(real_s)
        for line in self._due_lines(real_s):
            if line.client is not None and not line.caller.reachable:
                self._drop(line)  # without a goodbye: the broker publishes the will
            self.sent_count += line.send(real_s)
        self._network(wait_s)
        if real_s >= self._misc_at:
            self._misc_at = real_s + MISC_S
            for line in self._lines:
                if line.client is not None:
                    line.client.loop_misc()

    def _due_lines(self, real_s: float) -> list[Line]:
        """Return whom to look at now: most of many devices have nothing to say in most turns."""
        woken, self._woken = self._woken, {}
        if len(self._lines) > FEW and real_s < self._round_at:
            return list(woken)
        self._round_at = real_s + ROUND_S
        return self._lines

    def close(self) -> None:
        """Say each device's will, wait at most a second until the broker has it, and disconnect."""
        for line in self._lines:
            if line.client is not None and line.up:
                will = line.will  # the one that was left with the broker: a Sparkplug will is of one session
                told = line.client.publish(will.topic, will.payload, will.qos, will.retain)
                line.inflight.add(told.mid)
        end = self._clock() + CLOSE_S_MAX
        while any(line.inflight for line in self._lines) and self._clock() < end:
            self._network(0.05)
        for line in self._lines:
            if line.client is not None and line.up:
                line.client.disconnect()
                line.client.loop_write()
            self._drop(line)
        self._selector.close()

    def _network(self, wait_s: float) -> None:
        self._arm()
        for key, events in self._selector.select(wait_s):
            client: mqtt.Client = key.data
            if events & selectors.EVENT_READ:
                client.loop_read()
            if events & selectors.EVENT_WRITE:
                client.loop_write()

    def _open_due(self, real_s: float) -> None:
        if real_s < self._pause_until:
            return
        due = [line for line in self._lines if line.client is None and real_s >= line.due_at and line.caller.reachable]
        for line in due[:ATTEMPTS_PER_TURN]:
            client = self._client(line)
            line.client = client
            try:
                client.connect(self._host, self._port, KEEPALIVE_S)
            except OSError as error:
                line.client = None
                self._failures += 1
                self._pause_until = real_s + self._pause_s(self._failures)
                if self._failures == 1:
                    _LOG.warning("broker %s:%d cannot be reached: %s", self._host, self._port, error)
                return
            self._failures = 0

    def _pause_s(self, failures: int) -> float:
        return min(PAUSE_S_MIN * 2.0 ** min(failures - 1, 10), PAUSE_S_MAX) * self._rng.uniform(0.5, 1.5)

    def _client(self, line: Line) -> mqtt.Client:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=line.client_id,
            clean_session=True,
            protocol=mqtt.MQTTv311,
            reconnect_on_failure=False,
        )
        client.connect_timeout = OPEN_S_MAX
        client.max_inflight_messages_set(INFLIGHT_MAX)
        if line.credentials is not None:
            client.username_pw_set(*line.credentials)
        will = line.will = line.caller.will
        client.will_set(will.topic, will.payload, will.qos, will.retain)

        def on_connect(_client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
            self._answered(line, reason)

        def on_message(_client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
            line.caller.received(message.topic, bytes(message.payload), self._clock())

        def on_publish(_client: mqtt.Client, _data: Any, mid: int, _reason: Any, _properties: Any) -> None:
            line.inflight.discard(mid)

        def on_disconnect(gone: mqtt.Client, _data: Any, _flags: Any, _reason: Any, _properties: Any) -> None:
            if line.client is gone:
                self._lost(line)

        client.on_connect = on_connect
        client.on_message = on_message
        client.on_publish = on_publish
        client.on_disconnect = on_disconnect
        client.on_socket_open = self._watch
        client.on_socket_close = self._unwatch
        client.on_socket_register_write = self._want_write
        client.on_socket_unregister_write = self._want_no_write
        return client

    def _answered(self, line: Line, reason: Any) -> None:
        if reason.is_failure:
            if line.failures == 0:
                _LOG.warning("broker refuses %s: %s", line.client_id, reason)
            return
        line.up = True
        line.failures = 0
        line.inflight.clear()
        assert line.client is not None
        if line.caller.subscriptions:
            line.client.subscribe([(topic, 1) for topic in line.caller.subscriptions])
        line.caller.connected(self._clock())

    def _lost(self, line: Line) -> None:
        line.client = None
        line.up = False
        line.inflight.clear()
        line.failures += 1
        line.due_at = self._clock() + self._pause_s(line.failures)

    def _drop(self, line: Line) -> None:
        client, line.client, line.up = line.client, None, False
        sock = client.socket() if client is not None else None
        if sock is not None:
            self._unwatch(client, None, sock)
            sock.close()

    def _watch(self, client: Any, _data: Any, sock: Any) -> None:
        # Small messages at once: with Nagle's rule a retained state waits for the ack of the reading before it.
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(sock, selectors.EVENT_READ, client)

    def _unwatch(self, client: Any, _data: Any, sock: Any) -> None:
        self._wanting.discard(client)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(sock)

    def _want_write(self, client: Any, _data: Any, _sock: Any) -> None:
        # paho says so before each write that it then does at once: only what is left at the next look matters.
        self._wanting.add(client)

    def _want_no_write(self, client: Any, _data: Any, _sock: Any) -> None:
        self._wanting.discard(client)

    def _arm(self) -> None:
        """Let the selector look for what the clients want now."""
        for client in self._wanting ^ self._armed:
            sock = client.socket()
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if client in self._wanting else 0)
            if sock is not None:
                with contextlib.suppress(KeyError, ValueError):
                    self._selector.modify(sock, events, client)
        self._armed = set(self._wanting)
