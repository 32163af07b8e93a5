# SPDX-License-Identifier: AGPL-3.0-or-later
"""What has arrived and waits to be taken: bounded, without ever making the network thread wait."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import Final

from collector.contract.ports import Delivery

LINGER_S: Final = 0.002
"""How long a reader that had to wait goes on collecting, so that a burst is taken together and not one by one."""


class Inbox:
    """Deliveries in the order of their arrival, at most `most`; thread-safe. Links are told apart by rising numbers.

    The first delivery beyond the bound spills its link: all that link brings from then on is passed over, so that
    what the broker sends again later still comes in order.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: deque[Delivery] = deque()
        self._changed = threading.Condition()
        self._spilled = -1
        self._is_told = True
        self._closed = False

    def __len__(self) -> int:
        return len(self._waiting)

    def offer_all(self, deliveries: Sequence[Delivery], link: int) -> int:
        """Keep deliveries in their order, and return how many; those behind them are passed over."""
        with self._changed:
            if link <= self._spilled:
                return 0
            before = len(self._waiting)
            if before + len(deliveries) > self._most:
                deliveries = deliveries[: max(self._most - before, 0)]
                self._spilled = link
                self._is_told = False
            self._waiting.extend(deliveries)
            if not before:
                self._changed.notify()
            return len(deliveries)

    def spilled(self) -> int | None:
        """Return once the link that was spilled, when everything that waited before it has been taken."""
        with self._changed:
            if self._waiting or self._is_told:
                return None
            self._is_told = True
            return self._spilled

    def take(self, *, most: int, wait_s: float) -> list[Delivery]:
        """Take out up to `most` deliveries; wait at most `wait_s` for the first, and no longer once it is closed."""
        with self._changed:
            if not self._waiting:
                self._changed.wait_for(lambda: self._waiting or self._closed, wait_s)
                if self._waiting and most > 1:
                    self._changed.wait_for(lambda: len(self._waiting) >= most, LINGER_S)
            return [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]

    def close(self) -> None:
        """Let nobody wait any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
