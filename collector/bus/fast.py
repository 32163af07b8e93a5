# SPDX-License-Identifier: AGPL-3.0-or-later
"""A paho client that reads, acknowledges and publishes many messages at once (ADR 0019).

paho's own reader makes three calls of the system and a dozen objects for each message. This one takes in what the
socket has, up to RECEIVE_BYTES, and leaves everything but PUBLISH and PUBACK to paho. It needs paho's inside: where
one of NEEDED is missing, `lacking` says so, and the stock client with its public calls is used instead.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import cache
from itertools import cycle
from typing import Any, Final, NamedTuple

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MessageType, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.exception import MQTTException

from collector.bus.frames import MID_MAX, Malformed, Other, parse, puback_frames, publish_frames
from collector.contract.ports import Delivery, Posting

RECEIVE_BYTES: Final = 256 * 1024
"""What one call of the system may bring."""
MID_OWN_MAX: Final = 65_000
"""Message numbers up to here are ours, for PUBLISH; paho takes those above, for SUBSCRIBE and UNSUBSCRIBE."""
NEEDED: Final = (
    "_in_packet",
    "_last_bytes_received",
    "_mid_generate",
    "_msgtime_mutex",
    "_packet_handle",
    "_packet_queue",
    "_packet_read",
    "_protocol",
    "_sock_recv",
)
"""What we use of paho's inside; 2.1 and 2.2 have all of it."""
_LOG: Final = logging.getLogger(__name__)


class Intake(NamedTuple):
    """Where what was read goes, in the network thread: `base` plus a message's number is its token.

    `acknowledged` gets the numbers of PUBACKs and how many of these refuse their message; `failed` is called when
    one of the others, or paho, did not manage.
    """

    base: int
    now: Callable[[], float]
    deliver: Callable[[list[Delivery]], None]
    acknowledged: Callable[[Sequence[int], int], None]
    failed: Callable[[], None]


@cache
def lacking() -> tuple[str, ...]:
    """Return which of NEEDED the installed paho has not, and say so in the log, once."""
    stock = Client(CallbackAPIVersion.VERSION2)
    missing = tuple(name for name in NEEDED if not hasattr(stock, name))
    if missing:
        _LOG.warning("this paho-mqtt has no %s: messages are read one by one, which is slower", ", ".join(missing))
    return missing


class FastClient(Client):
    """The client; whatever goes wrong in `intake` ends the connection, so that the broker sends all of it again."""

    def __init__(self, intake: Intake, **settings: Any) -> None:
        super().__init__(CallbackAPIVersion.VERSION2, **settings)
        self.heard = time.monotonic(), intake.now()
        """When the network thread last had something from the broker: on the monotonic clock, and in plant time."""
        self._intake = intake
        self._is_five = self._protocol == MQTTProtocolVersion.MQTTv5
        self._pieces: list[bytes] = []
        self._held_bytes = 0
        self._wanted_bytes = 0
        self._numbers_of_paho = cycle(range(MID_OWN_MAX + 1, MID_MAX + 1))

    def acknowledge_all(self, mids: Sequence[int]) -> None:
        """Send the PUBACKs of these deliveries in one piece."""
        self._packet_queue(MessageType.PUBACK, puback_frames(mids), 0, 1)

    def publish_all(self, postings: Sequence[tuple[int, Posting]]) -> None:
        """Send PUBLISHes at QoS 1 in one piece; their numbers are 1 to MID_OWN_MAX."""
        self._packet_queue(MessageType.PUBLISH, publish_frames(postings, five=self._is_five), 0, 1)

    def _mid_generate(self) -> int:
        return next(self._numbers_of_paho)

    def _packet_read(self) -> MQTTErrorCode:
        """Read what there is; called by paho when the socket has something, also inside TLS."""
        try:
            fresh = self._sock_recv(RECEIVE_BYTES)
        except BlockingIOError:
            return MQTTErrorCode.MQTT_ERR_AGAIN
        except OSError:
            return MQTTErrorCode.MQTT_ERR_CONN_LOST
        if not fresh:
            return MQTTErrorCode.MQTT_ERR_CONN_LOST
        self._pieces.append(fresh)
        self._held_bytes += len(fresh)
        try:
            self.heard = time.monotonic(), self._intake.now()
            with self._msgtime_mutex:
                self._last_bytes_received = self.heard[0]
            if self._held_bytes < self._wanted_bytes:
                return MQTTErrorCode.MQTT_ERR_SUCCESS
            return self._take_in(b"".join(self._pieces), self.heard[1])
        except (Malformed, MQTTException) as error:
            _LOG.warning("the broker sent what is no MQTT: %s", error)
        except Exception:  # noqa: BLE001 - what escapes here would end the network thread (ingest.md 2.5)
            _LOG.exception("what came from the broker could not be taken")
            self._intake.failed()
        return MQTTErrorCode.MQTT_ERR_PROTOCOL

    def _take_in(self, buffer: bytes, stamp: float) -> MQTTErrorCode:
        """Hand on all frames that are complete, and keep the rest for the next time."""
        base, _, deliver, acknowledged, _ = self._intake
        begin = 0
        while True:
            found = parse(buffer, begin, five=self._is_five, stamp=stamp, base=base)
            begin = found.end
            if found.arrived:
                deliver(found.arrived)
            if found.acknowledged:
                acknowledged(found.acknowledged, found.refused_count)
            if found.other is None:
                break
            if code := self._pass_on(found.other):
                return code
        self._pieces = [buffer[begin:]] if begin < len(buffer) else []
        self._held_bytes = len(buffer) - begin
        self._wanted_bytes = found.wanted_bytes
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _pass_on(self, other: Other) -> MQTTErrorCode:
        """Let paho handle a frame as if it had read it itself."""
        self._in_packet = {
            "command": other.kind,
            "have_remaining": 1,
            "remaining_count": [],
            "remaining_mult": 1,
            "remaining_length": len(other.body),
            "packet": bytearray(other.body),
            "to_process": 0,
            "pos": 0,
        }
        return self._packet_handle()
