# SPDX-License-Identifier: AGPL-3.0-or-later
"""Runs the loops of the parts in threads, watches them, and stops them in order."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from collector.contract.errors import Unavailable

_LOG = logging.getLogger("cybersyn")
_BACKOFF_S_MAX = 30.0


@dataclass
class Loop:
    """One part's loop: `turn` is called for ever; `last_turn_s` is monotonic, for health."""

    name: str
    turn: Callable[[], object]
    last_turn_s: float = field(default_factory=time.monotonic)
    failure: str | None = None


class Supervisor:
    """Threads that call turns until told to stop. An Unavailable is waited out; our own mistake stops the loop."""

    def __init__(self, broke: Callable[[], None]) -> None:
        """`broke` is called when a loop breaks down: whoever runs us should end, and be started again."""
        self._broke = broke
        self.broken = False
        self._stop = threading.Event()
        self._loops: list[Loop] = []
        self._threads: list[threading.Thread] = []

    def run(self, name: str, turn: Callable[[], object]) -> None:
        """Start a loop."""
        loop = Loop(name, turn)
        thread = threading.Thread(target=self._drive, args=(loop,), name=name, daemon=True)
        self._loops.append(loop)
        self._threads.append(thread)
        thread.start()

    def _drive(self, loop: Loop) -> None:
        wait_s = 0.5
        while not self._stop.is_set():
            try:
                loop.turn()
                loop.failure, wait_s = None, 0.5
            except Unavailable as error:
                if loop.failure is None:
                    _LOG.warning("%s waits: %s", loop.name, error)
                loop.failure = str(error)
                self._stop.wait(error.retry_after_s or wait_s)
                wait_s = min(wait_s * 2, _BACKOFF_S_MAX)
            except Exception:  # noqa: BLE001 - the other loops go on, and health tells
                loop.failure = "it broke down; see the log"
                _LOG.exception("%s broke down", loop.name)
                self.broken = True
                self._broke()
                return
            loop.last_turn_s = time.monotonic()

    def reason(self, stuck_after_s: float = 30.0) -> str | None:
        """Return None while every loop turns, else which does not, and why."""
        for loop in self._loops:
            if loop.failure is not None:
                return f"{loop.name}: {loop.failure}"
            if time.monotonic() - loop.last_turn_s > stuck_after_s:
                return f"{loop.name}: no turn for {time.monotonic() - loop.last_turn_s:.0f} s"
        return None

    def stop(self) -> None:
        """End all loops, the newest first, and wait for each."""
        self._stop.set()
        for thread in reversed(self._threads):
            thread.join(timeout=15)
