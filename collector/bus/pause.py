# SPDX-License-Identifier: AGPL-3.0-or-later
"""How long to wait between two attempts to connect: longer each time, at random, so that not all come back at once."""

from __future__ import annotations

import random
import threading
from typing import Final

MAX_S: Final = 4.0
"""Longest wait; with link.CONNECT_TIMEOUT_S the bus is back within 10 s (ingest.md 6, row 1)."""
TAKEN_OVER_MAX_S: Final = 60.0
"""Longest wait after another connection has taken our client id: two that want it do not fight (row 23)."""
MIN_S: Final = 0.25
SETTLED_S: Final = 5.0
"""A link that lived longer, and longer than the longest wait, was fine: the next attempt comes soon."""


class Pause:
    """Waits between attempts, doubling from MIN_S (real seconds), until `closing` is set."""

    def __init__(self, closing: threading.Event) -> None:
        self._closing = closing
        self._longest_s = MIN_S

    def wait(self, lived_s: float = 0.0, *, longest_s: float = MAX_S) -> None:
        """Wait after a link that lived so long, at most `longest_s`."""
        is_settled = lived_s > max(SETTLED_S, longest_s)
        self._longest_s = MIN_S if is_settled else min(2 * self._longest_s, longest_s)
        self._closing.wait(self._longest_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, no secret
