# SPDX-License-Identifier: AGPL-3.0-or-later
"""What most real machines do with what nobody takes: they forget it."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from firmware_sim.voices.voice import Publication, text

OUTBOX_MAX: Final = 400
"""Messages that wait for the network; beyond, the oldest is gone."""


class Outbox:
    """Publications of one device in their order, each given out once."""

    def __init__(self) -> None:
        self._due: deque[Publication] = deque(maxlen=OUTBOX_MAX)

    def say(self, topic: str, body: dict[str, Any] | bytes, *, qos: int = 0, retain: bool = False) -> None:
        """Queue a message; a dict becomes JSON."""
        payload = body if isinstance(body, bytes) else text(body)
        self._due.append(Publication(topic, payload, qos, retain))

    def clear(self) -> None:
        """Forget what was not sent."""
        self._due.clear()

    def take(self, room: int) -> list[Publication]:
        """Return up to `room` publications, oldest first."""
        return [self._due.popleft() for _ in range(min(room, len(self._due)))]
