# SPDX-License-Identifier: AGPL-3.0-or-later
"""The log's rows as readers see them: through a connection of their own, which holds up no commit."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from collector.contract.reading import Batch, Numbered
from collector.durable import open_reader, told
from collector.log_tables import FORMAT, unpack

_AFTER: Final = "SELECT last_n, first_n, bytes, batches FROM facts WHERE last_n >= ? ORDER BY last_n"


class Shelf:
    """What is on disk, to look at. Safe to share between threads: one looks at a time."""

    def __init__(self, path: Path) -> None:
        """Open an existing log."""
        self._path = path
        self._lock = threading.Lock()
        self._db = open_reader(path, FORMAT, busy_s=10.0)
        self._decoded: tuple[int, list[Batch]] = (0, [])

    @contextmanager
    def looking(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection."""
        with self._lock, told(self._path, FORMAT):
            yield self._db

    def read(self, n: int, most: int, bytes_max: int | None) -> list[Numbered]:
        """Return up to `most` batches with numbers >= n in order: of encoded bytes at most so many, but always one."""
        rows: list[tuple[int, bytes]] = []
        count = size = 0
        with self.looking() as db:
            for last_n, first_n, size_bytes, blob in db.execute(_AFTER, (n,)):
                if count >= most or (rows and bytes_max is not None and size + size_bytes > bytes_max):
                    break
                rows.append((first_n, blob))
                count += last_n - max(first_n, n) + 1
                size += size_bytes
        found: list[Numbered] = []
        for first_n, blob in rows:
            start = max(n - first_n, 0)
            batches = self._unpacked(first_n, blob)[start : start + most - len(found)]
            found += [Numbered(number, batch) for number, batch in enumerate(batches, first_n + start)]
        return found

    def _unpacked(self, first_n: int, blob: bytes) -> list[Batch]:
        """Return a row's batches; the last row is remembered, because a reader may stop in its middle."""
        known, batches = self._decoded
        if known != first_n:
            batches = unpack(blob)
            self._decoded = (first_n, batches)
        return batches

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()
