# SPDX-License-Identifier: AGPL-3.0-or-later
"""How long to wait between two attempts to connect: longer each time, at random, so that not all come back at once."""

from __future__ import annotations

import random
import threading
from typing import Final

MAX_S: Final = 4.0
"""Longest wait; with link.CONNECT_TIMEOUT_S the bus is back within 10 s (ingest.md 6, row 1)."""
MIN_S: Final = 0.25
SETTLED_S: Final = 5.0
"""A link that lived longer was fine: after its loss the first attempt comes soon."""


class Pause:
    """Waits between attempts, doubling from MIN_S to MAX_S (real seconds), until `closing` is set."""

    def __init__(self, closing: threading.Event) -> None:
        self._closing = closing
        self._longest_s = MIN_S

    def wait(self, lived_s: float = 0.0) -> None:
        """Wait after a link that lived so long."""
        self._longest_s = MIN_S if lived_s > SETTLED_S else min(2 * self._longest_s, MAX_S)
        self._closing.wait(self._longest_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, no secret
