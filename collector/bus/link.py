# SPDX-License-Identifier: AGPL-3.0-or-later
"""One connection to a broker: a paho client of its own, from CONNECT to the loss of the socket.

Every connection gets a new client object, so an acknowledgement can never reach a later connection, and a network
thread that hangs or dies is left behind with it. Only public calls of paho are used.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import Enum, auto
from pathlib import Path
from typing import Any, Final, NamedTuple

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

Version = MQTTProtocolVersion
"""The versions that we speak: `MQTTv5` and `MQTTv311`."""
Note = MQTTMessageInfo
"""What becomes of a publish: `is_published()` tells whether the broker acknowledged it."""
RECEIVE_MAX: Final = 10_000
"""Unacknowledged deliveries that an MQTT 5 broker may send: half of the bus's queue, which so holds those of an
earlier connection beside those of this one."""
SESSION_EXPIRY_S: Final = 7 * 86_400
"""How long an MQTT 5 broker keeps the session of a client that stays away."""
CONNECT_TIMEOUT_S: Final = 3.0
"""For the TCP connection, and again for the broker's answer."""
WINDOW: Final = 100
"""Publishes under way at once, at most; the broker's own receive maximum counts where it is smaller."""
LEAVE_S: Final = 1.0
"""How long a connection may take to end in order."""
_LOG: Final = logging.getLogger(__name__)


class Address(NamedTuple):
    """Where a broker listens and who we are there; `ca_file` (PEM) asks for TLS."""

    host: str
    port: int
    username: str = ""
    password: str = ""
    ca_file: Path | None = None


class Session(NamedTuple):
    """Under which name a client is known, and whether the broker keeps its queue while it is away."""

    client_id: str
    persistent: bool


class Incoming(NamedTuple):
    """A message as it came; `mid` is its number on this connection, for acknowledging where `qos` is not 0."""

    topic: str
    payload: bytes
    retained: bool
    mid: int
    qos: int


class Answer(Enum):
    """What a broker said to CONNECT."""

    ACCEPTED = auto()
    OTHER_VERSION = auto()
    UNWELCOME = auto()
    REFUSED = auto()
    SILENT = auto()


_ANSWERS: Final = {
    0: Answer.ACCEPTED,
    132: Answer.OTHER_VERSION,
    133: Answer.UNWELCOME,
    134: Answer.UNWELCOME,
    135: Answer.UNWELCOME,
}
"""By reason code: 132 unsupported version, 133 client id (nats-server takes no dot), 134 and 135 credentials.
Those of MQTT 3.1.1 are translated by paho; anything else is REFUSED."""


class Link:
    """A connection that lives once: `open`, use it while `up`, `leave` or `abandon`.

    `on_message` is called in the network thread with the link itself and must be quick; `wake` is called whenever
    the owner should look: connected, lost, something acknowledged by the broker.
    """

    def __init__(
        self,
        address: Address,
        session: Session,
        *,
        version: Version,
        keepalive_s: int,
        on_message: Callable[[Link, Incoming], None],
        wake: Callable[[], None],
    ) -> None:
        self.up = False
        self.session_present = False
        self.reason = "no answer"
        self.window = WINDOW
        self._answer = Answer.SILENT
        self._answered = threading.Event()
        self._ended = threading.Event()
        self._heard_s = time.monotonic()
        self._suback: tuple[threading.Event, list[ReasonCode]] = (threading.Event(), [])
        self._address = address
        self._version = version
        self._keepalive_s = keepalive_s
        self._persistent = session.persistent
        self._on_message = on_message
        self._wake = wake
        self._thread: threading.Thread | None = None
        self._client = self._build(session)

    def _build(self, session: Session) -> Client:
        five = self._version == Version.MQTTv5
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=session.client_id,
            clean_session=None if five else not session.persistent,
            protocol=self._version,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.suppress_exceptions = True
        client.connect_timeout = CONNECT_TIMEOUT_S
        if self._address.username:
            client.username_pw_set(self._address.username, self._address.password)
        if self._address.ca_file is not None:
            client.tls_set(ca_certs=str(self._address.ca_file))
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

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> Note | None:
        """Send at QoS 1; the note tells later whether it was acknowledged, None that the connection has gone."""
        note = self._client.publish(topic, payload, qos=1, retain=retain)
        return note if note.rc == MQTTErrorCode.MQTT_ERR_SUCCESS else None

    def acknowledge(self, mid: int) -> None:
        """Tell the broker that a QoS 1 delivery of this connection is safe."""
        self._client.ack(mid, 1)

    def stale_s(self) -> float:
        """Return how long nothing has been heard; infinite where the network thread has died."""
        if self._thread is not None and not self._thread.is_alive():
            return float("inf")
        return time.monotonic() - self._heard_s

    def beat(self) -> None:
        """Ask for a sign of life: the answer to an UNSUBSCRIBE of a filter that nobody has passes every layer."""
        self._client.unsubscribe("cybersyn-heartbeat/nobody")

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
        self.window = min(WINDOW, getattr(properties, "ReceiveMaximum", WINDOW))
        self._thread = threading.current_thread()
        self._heard_s = time.monotonic()
        self._answer = _ANSWERS.get(code.value, Answer.REFUSED)
        self.reason = str(code)
        self.session_present = flags.session_present
        self.up = self._answer is Answer.ACCEPTED
        self._answered.set()
        self._wake()

    def _disconnected(self, _client: Client, _userdata: object, _flags: object, code: ReasonCode, _p: object) -> None:
        if self.up:
            self.reason = str(code)
        self.up = False
        self._answered.set()
        self._ended.set()
        self._suback[0].set()
        self._wake()

    def _received(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        self._heard_s = time.monotonic()
        try:
            arrived = Incoming(_topic(message), bytes(message.payload), message.retain, message.mid, message.qos)
            self._on_message(self, arrived)
        except Exception:  # noqa: BLE001 - see below
            # What escapes here would end the network thread (ingest.md 2.5); unacknowledged, the message comes again.
            _LOG.exception("a message could not be taken")

    def _subscribed(self, _client: Client, _userdata: object, _mid: int, codes: list[ReasonCode], _p: object) -> None:
        self._heard_s = time.monotonic()
        self._suback[1].extend(codes)
        self._suback[0].set()

    def _heard(self, *_: object) -> None:
        self._heard_s = time.monotonic()
        self._wake()


def _topic(message: MQTTMessage) -> str:
    """Return the topic; bytes that are not UTF-8 stand as escapes, so that quarantine can show them."""
    try:
        return message.topic
    except UnicodeDecodeError as error:
        return bytes(error.object).decode(errors="backslashreplace")
