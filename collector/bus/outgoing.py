# SPDX-License-Identifier: AGPL-3.0-or-later
"""Postings on their way to the broker: waiting, or sent and not acknowledged yet; none is lost with a connection."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final, Protocol

from collector.bus.fast import MID_OWN_MAX
from collector.bus.outbox import Outbox
from collector.contract.ports import Posting

ROOM_WAIT_S: Final = 5.0
"""How long a call waits for room behind a broker that takes nothing, before the oldest postings are dropped."""
FLIGHT_BYTES_MAX: Final = 4 * 1024 * 1024
"""Payloads under way at once, so that what is written in one piece stays small; a single one may be larger."""


class Carrier(Protocol):
    """A connection as far as it carries postings."""

    up: bool
    window: int

    def publish_all(self, postings: Sequence[tuple[int, Posting]]) -> None:
        """Send each under its number."""


class Outgoing:
    """Sends as much as the carrier's window allows, in order, and again by the next carrier what stayed unanswered.

    Thread-safe. `dropped_count` counts what was published while the outbox was full, `refused_count` what an MQTT 5
    broker took note of and refused.
    """

    def __init__(self) -> None:
        self.refused_count = 0
        self._outbox = Outbox()
        self._flight: dict[int, Posting] = {}
        self._flight_bytes = 0
        self._number = 0
        self._carrier: Carrier | None = None
        self._changed = threading.Condition()

    @property
    def dropped_count(self) -> int:
        """Count what no room was left for."""
        return self._outbox.dropped_count

    @property
    def is_busy(self) -> bool:
        """Tell whether something has not been acknowledged yet."""
        return bool(self._outbox or self._flight)

    def add_all(self, postings: Sequence[Posting]) -> None:
        """Send postings or keep them; waits for room while a carrier works and makes some within ROOM_WAIT_S."""
        with self._changed:
            is_patient = True
            for posting in postings:
                if self._outbox.full and is_patient:
                    self._send()
                    is_patient = self._changed.wait_for(self._has_room, ROOM_WAIT_S)
                self._outbox.add(posting, newest_only=not self._is_carried())
            self._send()

    def carry(self, carrier: Carrier | None) -> None:
        """Send by this carrier from now on, first what the one before left unanswered; None: there is none."""
        with self._changed:
            self._outbox.put_back(list(self._flight.values()))
            self._flight.clear()
            self._flight_bytes = 0
            self._carrier = carrier
            self._send()
            self._changed.notify_all()

    def acknowledged(self, carrier: Carrier, numbers: Sequence[int], refused_count: int) -> None:
        """Forget postings that the broker has, and send the next."""
        with self._changed:
            if carrier is not self._carrier:
                return
            self.refused_count += refused_count
            for number in numbers:
                if (posting := self._flight.pop(number, None)) is not None:
                    self._flight_bytes -= len(posting.payload)
            self._send()
            self._changed.notify_all()

    def _has_room(self) -> bool:
        return not (self._outbox.full and self._is_carried())

    def _is_carried(self) -> bool:
        return self._carrier is not None and self._carrier.up

    def _send(self) -> None:
        carrier = self._carrier
        if carrier is None or not carrier.up:
            return
        flight, bytes_under_way, number = self._flight, self._flight_bytes, self._number
        batch: list[tuple[int, Posting]] = []
        while len(flight) < carrier.window and bytes_under_way < FLIGHT_BYTES_MAX:
            posting = self._outbox.pop()
            if posting is None:
                break
            number = number % MID_OWN_MAX + 1
            while number in flight:
                number = number % MID_OWN_MAX + 1
            flight[number] = posting
            bytes_under_way += len(posting.payload)
            batch.append((number, posting))
        self._flight_bytes, self._number = bytes_under_way, number
        if batch:
            carrier.publish_all(batch)
