# SPDX-License-Identifier: AGPL-3.0-or-later
"""A connection as Sparkplug wants it: no session, QoS 0, and a death certificate of its own for every connection."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from collector.bus.encrypt import encrypt
from collector.bus.link import Address
from collector.contract.ports import Posting

KEEPALIVE_S: Final = 10
RETRY_S_MIN: Final = 1
RETRY_S_MAX: Final = 30
"""Pauses between two attempts to connect."""
HEARD_MAX: Final = 100
"""Commands that wait to be taken; beyond, the oldest is forgotten."""


class Heard(NamedTuple):
    """A command that came for us."""

    topic: str
    payload: bytes


class EdgeLink:
    """Connects in the background, again and again; `number` counts the attempts, each with the will of its number."""

    def __init__(
        self,
        address: Address,
        client_id: str,
        *,
        filters: Sequence[str],
        will: Callable[[int], Posting],
        number: int,
    ) -> None:
        self._filters, self._will, self._number = list(filters), will, number - 1
        self._up: int | None = None
        self._heard: deque[Heard] = deque(maxlen=HEARD_MAX)
        self._client = client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=True)
        client.suppress_exceptions = True
        client.reconnect_delay_set(RETRY_S_MIN, RETRY_S_MAX)
        if address.username:
            client.username_pw_set(address.username, address.password)
        if address.ca_file is not None:
            encrypt(client, address.ca_file, address.cert_file, address.key_file)
        client.on_pre_connect = self._begin
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_subscribe = self._subscribed
        client.on_message = self._received
        client.connect_async(address.host, address.port, keepalive=KEEPALIVE_S)
        client.loop_start()

    @property
    def up(self) -> int | None:
        """Return the number of the connection that stands and has its subscriptions, None while there is none."""
        return self._up

    @property
    def number(self) -> int:
        """Return the number of the newest attempt."""
        return self._number

    def send(self, number: int, postings: Sequence[Posting]) -> None:
        """Publish on the connection of that number, at QoS 0, in this order; on a later one a birth says it."""
        for posting in postings:
            if self._up != number:
                return
            self._client.publish(posting.topic, posting.payload, qos=0, retain=posting.retain)

    def take(self) -> list[Heard]:
        """Return the commands that came since the last time."""
        return [self._heard.popleft() for _ in range(len(self._heard))]

    def close(self) -> None:
        """Say our own death, as a departing node must, and leave."""
        if self._up is not None:
            posting = self._will(self._up)
            self._client.publish(posting.topic, posting.payload, qos=1)
        self._client.disconnect()
        self._client.loop_stop()

    def _begin(self, client: Client, _userdata: object) -> None:
        """Give the attempt that begins its number and its will."""
        self._number += 1
        posting = self._will(self._number)
        client.will_set(posting.topic, posting.payload, qos=1, retain=False)

    def _connected(self, client: Client, _u: object, _f: ConnectFlags, code: ReasonCode, _p: Properties | None) -> None:
        if not code.is_failure:
            client.subscribe([(wanted, 1) for wanted in self._filters])

    def _subscribed(self, _c: Client, _u: object, _mid: int, _codes: list[ReasonCode], _p: Properties | None) -> None:
        self._up = self._number

    def _disconnected(
        self, _c: Client, _u: object, _f: DisconnectFlags, _code: ReasonCode, _p: Properties | None
    ) -> None:
        self._up = None

    def _received(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        self._heard.append(Heard(message.topic, bytes(message.payload)))
