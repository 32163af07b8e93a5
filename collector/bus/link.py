# SPDX-License-Identifier: AGPL-3.0-or-later
"""One connection to a broker: a paho client of its own, from CONNECT to the loss of the socket.

Every connection gets a new client object, so an acknowledgement can never reach a later connection, and a network
thread that hangs or dies is left behind with it. The client is a FastClient; where paho's inside is not as that one
needs it, a stock client with public calls alone.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from collector.bus.answer import Answer, answer_of
from collector.bus.encrypt import encrypt
from collector.bus.fast import FastClient, Intake, lacking
from collector.bus.frames import MID_MAX, topic_text
from collector.contract.ports import Delivery, Posting

Version = MQTTProtocolVersion
"""The versions that we speak: `MQTTv5` and `MQTTv311`."""
RECEIVE_MAX: Final = 10_000
"""Unacknowledged deliveries that an MQTT 5 broker may send: half of the bus's queue, which so holds those of an
earlier connection beside those of this one."""
SESSION_EXPIRY_S: Final = 7 * 86_400
"""How long an MQTT 5 broker keeps the session of a client that stays away."""
CONNECT_TIMEOUT_S: Final = 3.0
"""For the TCP connection, and again for the broker's answer."""
WINDOW: Final = 1_000
"""Publishes under way at once, at most; the broker's own receive maximum counts where it is smaller."""
WINDOW_STOCK: Final = 100
"""The same for a stock client, which becomes slower with each that is under way (ingest.md 2.1)."""
TAKEN_OVER: Final = 0x8E
"""The reason with which an MQTT 5 broker cuts a client whose id another connection has taken (OASIS MQTT 5.0, 3.14)."""
_UNSPECIFIED: Final = 0x80
LEAVE_S: Final = 1.0
"""How long a connection may take to end in order."""
_LOG: Final = logging.getLogger(__name__)


class Address(NamedTuple):
    """Where a broker listens and who we are there; `ca_file` (PEM) asks for TLS, with a certificate of ours if given.

    `cert_file` and `key_file` (PEM) belong together; they work with a `ca_file` alone.
    """

    host: str
    port: int
    username: str = ""
    password: str = ""
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


class Session(NamedTuple):
    """Under which name a client is known, whether the broker keeps its queue while it is away, and its last will."""

    client_id: str
    persistent: bool
    will: Posting | None = None


class Owner:
    """What a link tells, in its network thread, so all of it must be quick; this one does not listen."""

    def now(self) -> float:
        """Return the plant's time in Unix seconds."""
        return 0.0

    def deliver(self, link: Link, deliveries: list[Delivery]) -> None:
        """Take what has arrived; a delivery's token is `link.base` plus its number, which is 0 for QoS 0."""

    def acknowledged(self, link: Link, numbers: Sequence[int], refused_count: int) -> None:
        """Forget these postings: the broker has them, but for so many that it refused."""

    def failed(self) -> None:
        """Count that something could not be taken; the link ends, and it comes again."""

    def wake(self) -> None:
        """Look at the link: it is up, or lost, or a stock client has something to tell."""


class Link:
    """A connection that lives once: `open`, use it while `up`, `leave` or `abandon`; `number` tells it from others."""

    def __init__(
        self, address: Address, session: Session, owner: Owner, *, version: Version, keepalive_s: int, number: int = 0
    ) -> None:
        self.up = False
        self.session_present = False
        self.taken_over = False
        self.cut = False
        """Whether the broker ended it without a word."""
        self.reason = "no answer"
        self.window = WINDOW
        self.base = number * (MID_MAX + 1)
        self._answer = Answer.SILENT
        self._answered = threading.Event()
        self._ended = threading.Event()
        self._heard_s, self._heard_at = time.monotonic(), owner.now()
        self._suback: tuple[threading.Event, list[ReasonCode]] = (threading.Event(), [])
        self._notes: deque[tuple[MQTTMessageInfo, int]] = deque()
        self._address = address
        self._version = version
        self._keepalive_s = keepalive_s
        self._persistent = session.persistent
        self._owner = owner
        self._thread: threading.Thread | None = None
        self._client = self._build(session)

    def _build(self, session: Session) -> Client:
        five = self._version == Version.MQTTv5
        settings: dict[str, Any] = {
            "client_id": session.client_id,
            "clean_session": None if five else not session.persistent,
            "protocol": self._version,
            "reconnect_on_failure": False,
            "manual_ack": True,
        }
        if lacking():
            client = Client(CallbackAPIVersion.VERSION2, **settings)
        else:
            owner = self._owner
            intake = Intake(
                self.base, owner.now, partial(owner.deliver, self), partial(owner.acknowledged, self), owner.failed
            )
            client = FastClient(intake, **settings)
        client.suppress_exceptions = True
        client.connect_timeout = CONNECT_TIMEOUT_S
        if self._address.username:
            client.username_pw_set(self._address.username, self._address.password)
        if self._address.ca_file is not None:
            encrypt(client, self._address.ca_file, self._address.cert_file, self._address.key_file)
        if session.will is not None:
            client.will_set(session.will.topic, session.will.payload, qos=1, retain=session.will.retain)
        client.max_inflight_messages_set(0)
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_message = self._received
        client.on_subscribe = self._subscribed
        client.on_publish = self._heard
        client.on_unsubscribe = self._heard
        return client

    def open(self) -> Answer:
        """Connect and return the broker's answer; SILENT where there is none within the time limits."""
        extra: dict[str, Any] = {}
        if self._version == Version.MQTTv5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.ReceiveMaximum = RECEIVE_MAX
            properties.SessionExpiryInterval = SESSION_EXPIRY_S if self._persistent else 0
            extra = {"clean_start": not self._persistent, "properties": properties}
        try:
            self._client.connect(self._address.host, self._address.port, keepalive=self._keepalive_s, **extra)
        except OSError as error:
            self.reason = str(error)
            return Answer.SILENT
        self._client.loop_start()
        self._answered.wait(CONNECT_TIMEOUT_S)
        return self._answer

    def subscribe(self, filters: Sequence[str], *, wait_s: float) -> list[str]:
        """Ask for filters at QoS 1, wait for the answer, and return those that the broker refused."""
        done, codes = self._suback = threading.Event(), []
        self._client.subscribe([(wanted, 1) for wanted in filters])
        if not done.wait(wait_s):
            return []
        return [wanted for wanted, code in zip(filters, codes, strict=False) if code.is_failure]

    def publish_all(self, postings: Sequence[tuple[int, Posting]]) -> None:
        """Send at QoS 1, each under its number; the owner hears when the broker has it."""
        if isinstance(self._client, FastClient):
            self._client.publish_all(postings)
            return
        for number, (topic, payload, retain) in postings:
            self._notes.append((self._client.publish(topic, payload, qos=1, retain=retain), number))

    def look(self) -> None:
        """Tell the owner what a stock client's broker has acknowledged; a FastClient has told already."""
        numbers = []
        while self._notes and self._notes[0][0].is_published():
            numbers.append(self._notes.popleft()[1])
        if numbers:
            self._owner.acknowledged(self, numbers, 0)

    def acknowledge(self, numbers: Sequence[int]) -> None:
        """Tell the broker that QoS 1 deliveries of this connection are safe."""
        if isinstance(self._client, FastClient):
            self._client.acknowledge_all(numbers)
            return
        for number in numbers:
            self._client.ack(number, 1)

    def stale_s(self) -> float:
        """Return how long nothing has been heard; infinite where the network thread has died."""
        if self._thread is not None and not self._thread.is_alive():
            return float("inf")
        return time.monotonic() - self._last_heard()[0]

    def heard_at(self) -> float:
        """Return when something was heard last, in the plant's time."""
        return self._last_heard()[1]

    def unsubscribe(self, filters: Sequence[str]) -> None:
        """Ask for these filters no more; the answer is a sign of life that passes every layer."""
        self._client.unsubscribe(list(filters))

    def depart(self) -> None:
        """Say goodbye behind everything that waits to be sent, acknowledgements included, and return at once."""
        self._client.disconnect()

    def leave(self) -> None:
        """Say goodbye and wait a moment for the end."""
        self.depart()
        self._ended.wait(LEAVE_S)
        self.abandon()

    def abandon(self) -> None:
        """Cut the connection without waiting; a network thread that still works ends by itself."""
        self.up = False
        plug = self._client.socket()
        if isinstance(plug, socket.socket):
            with suppress(OSError):
                plug.shutdown(socket.SHUT_RDWR)

    def _connected(
        self, _client: Client, _userdata: object, flags: ConnectFlags, code: ReasonCode, properties: Properties | None
    ) -> None:
        most = WINDOW if isinstance(self._client, FastClient) else WINDOW_STOCK
        self.window = min(most, getattr(properties, "ReceiveMaximum", most))
        self._thread = threading.current_thread()
        self._note_heard()
        self._answer = answer_of(code.value)
        self.reason = str(code)
        self.session_present = flags.session_present
        self.up = self._answer is Answer.ACCEPTED
        self._answered.set()
        self._owner.wake()

    def _disconnected(
        self, _client: Client, _userdata: object, flags: DisconnectFlags, code: ReasonCode, _p: object
    ) -> None:
        if self.up:
            self.reason = str(code)
            self.taken_over = code.value == TAKEN_OVER
            self.cut = code.value == _UNSPECIFIED and not flags.is_disconnect_packet_from_server
        self.up = False
        self._answered.set()
        self._ended.set()
        self._suback[0].set()
        self._owner.wake()

    def _last_heard(self) -> tuple[float, float]:
        return self._client.heard if isinstance(self._client, FastClient) else (self._heard_s, self._heard_at)

    def _note_heard(self) -> None:
        self._heard_s, self._heard_at = time.monotonic(), self._owner.now()

    def _received(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        """Take one message from a stock client."""
        try:
            self._note_heard()
            token = self.base + (message.mid if message.qos else 0)
            payload = bytes(message.payload)
            self._owner.deliver(self, [Delivery(_topic(message), payload, message.retain, self._heard_at, token)])
        except Exception:  # noqa: BLE001 - what escapes here would end the network thread (ingest.md 2.5)
            _LOG.exception("what came from the broker could not be taken")
            self._owner.failed()
            self.abandon()

    def _subscribed(self, _client: Client, _userdata: object, _mid: int, codes: list[ReasonCode], _p: object) -> None:
        self._note_heard()
        self._suback[1].extend(codes)
        self._suback[0].set()

    def _heard(self, *_: object) -> None:
        self._note_heard()
        self._owner.wake()


def _topic(message: MQTTMessage) -> str:
    try:
        return message.topic
    except UnicodeDecodeError as error:
        return topic_text(bytes(error.object))
