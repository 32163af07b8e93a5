# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a Mosquitto writes into its log, heard: over its own topics, or from its file."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final

from collector.contract.ports import Bus
from collector.violations import Violation, of_mosquitto

TOPICS: Final = ("$SYS/broker/log/N", "$SYS/broker/log/E", "$SYS/broker/log/W")
"""Notices, errors, warnings; a broker without `log_dest topic` says nothing there."""
_LINES_MAX: Final = 1_000
_LOOK_S: Final = 0.5
_READ_BYTES: Final = 256 * 1024

Hear = Callable[[Violation], None]


class LogTopics:
    """The log as messages on a connection of its own: refused passwords and takeovers, no refused publishes."""

    def __init__(self, bus: Bus, hear: Hear) -> None:
        self._bus = bus
        self._hear = hear
        bus.subscribe(TOPICS)

    def turn(self) -> int:
        """Hear what has come, waiting a little; return how many violations there were."""
        lines = self._bus.take(most=_LINES_MAX, wait_s=_LOOK_S)
        found = [v for line in lines if (v := of_mosquitto(line.payload.decode(errors="replace"))) is not None]
        self._bus.acknowledge(lines)
        for violation in found:
            self._hear(violation)
        return len(found)


class LogFile:
    """The log as a file that grows, and that may be replaced; with `log_type debug` refused publishes stand in it.

    What stood there before the start is passed over.
    """

    def __init__(self, path: Path, hear: Hear) -> None:
        self._path = path
        self._hear = hear
        self._file: IO[bytes] | None = None
        self._rest = b""
        self._idle = threading.Event()
        self._open(at_end=True)

    def turn(self) -> int:
        """Hear what has been written since, waiting a little where that is nothing; return how many violations."""
        if self._replaced():
            self.close()
            self._open(at_end=False)
        fresh = b"" if self._file is None else self._file.read(_READ_BYTES)
        if not fresh:
            self._idle.wait(_LOOK_S)
            return 0
        *lines, rest = (self._rest + fresh).split(b"\n")
        self._rest = rest[-_READ_BYTES:]
        found = [v for line in lines if (v := of_mosquitto(line.decode(errors="replace"))) is not None]
        for violation in found:
            self._hear(violation)
        return len(found)

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self._rest = b""

    def _open(self, *, at_end: bool) -> None:
        try:
            self._file = self._path.open("rb")
        except OSError:
            return  # not there yet: it is looked for again
        if at_end:
            self._file.seek(0, 2)

    def _replaced(self) -> bool:
        if self._file is None:
            return True
        try:
            there, ours = self._path.stat(), os.fstat(self._file.fileno())
        except OSError:
            return False
        return there.st_ino != ours.st_ino or there.st_size < self._file.tell()
