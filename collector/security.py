# SPDX-License-Identifier: AGPL-3.0-or-later
"""The record of what was refused at the door."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from collector.violations import Violation, Watchman

KEPT_MAX: Final = 200
"""The newest that are shown."""


class Record:
    """What the broker and our own door refused: the newest are kept, and what is worth it is noted as an event."""

    def __init__(self, note: Callable[[str, dict[str, Any]], None]) -> None:
        self._note = note
        self._watchman = Watchman()
        self._lock = threading.Lock()
        self._newest: deque[Violation] = deque(maxlen=KEPT_MAX)

    def hear(self, violation: Violation) -> None:
        """Take one; any thread may call."""
        with self._lock:
            self._newest.append(violation)
            event = self._watchman.event_of(violation, time.monotonic())
        if event is not None:
            self._note(event.event, dict(event.body))

    def newest(self) -> Sequence[Violation]:
        """Return the newest, oldest first."""
        with self._lock:
            return list(self._newest)
