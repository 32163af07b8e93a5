# SPDX-License-Identifier: AGPL-3.0-or-later
"""What has arrived and waits to be taken: bounded, without ever making the network thread wait."""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

from collector.bus.link import Link
from collector.contract.ports import Delivery

LINGER_S: Final = 0.002
"""How long a reader that had to wait goes on collecting, so that a burst is taken together and not one by one."""


class Inbox:
    """Deliveries in the order of their arrival, at most `most`; thread-safe.

    The first delivery beyond the bound spills its link: all that link brings from then on is passed over, so that
    what the broker sends again later still comes in order.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: deque[Delivery] = deque()
        self._changed = threading.Condition()
        self._spilled: Link | None = None
        self._closed = False

    def __len__(self) -> int:
        return len(self._waiting)

    def offer(self, delivery: Delivery, link: Link) -> bool:
        """Keep a delivery, or return False for one that is passed over."""
        with self._changed:
            if self._spilled is link or len(self._waiting) >= self._most:
                self._spilled = link
                return False
            self._waiting.append(delivery)
            if len(self._waiting) == 1:
                self._changed.notify()
            return True

    def spilled(self) -> Link | None:
        """Return once the link that was spilled, when everything that waited before it has been taken."""
        with self._changed:
            if self._waiting:
                return None
            link, self._spilled = self._spilled, None
            return link

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
