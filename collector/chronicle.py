# SPDX-License-Identifier: AGPL-3.0-or-later
"""The chronicle: what happened, by kind, device and time, with the number of the last fact in it, in one SQLite file.

Write-ahead log with synchronous=FULL: what `keep` returned from is on disk, records and number together.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Final

from collector.contract.ports import Record
from collector.durable import Format, open_held, told, transaction

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS record (
    kind TEXT NOT NULL, device TEXT NOT NULL, key TEXT NOT NULL, start REAL NOT NULL, until REAL NOT NULL,
    body BLOB NOT NULL, UNIQUE (kind, device, key));
CREATE INDEX IF NOT EXISTS record_time ON record (kind, device, start, until);
CREATE INDEX IF NOT EXISTS record_until ON record (until);
CREATE TABLE IF NOT EXISTS progress (only INTEGER PRIMARY KEY CHECK (only = 1), n INTEGER NOT NULL);
"""
FORMAT: Final = Format("chronicle", 1, _TABLES)
_KEEP: Final = (
    "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (kind, device, key) DO UPDATE"
    " SET start = excluded.start, until = excluded.until, body = excluded.body"
)
_SET: Final = "INSERT INTO progress VALUES (1, ?) ON CONFLICT (only) DO UPDATE SET n = excluded.n"
_ALL: Final = "SELECT kind, device, key, start, until, body FROM record "
_FIND: Final = _ALL + "WHERE kind = ? AND device = ? AND start < ? AND (until >= ?) ORDER BY start, key"
_FORGET: Final = "DELETE FROM record WHERE rowid IN (SELECT rowid FROM record WHERE until < ? LIMIT ?)"


class SqliteChronicle:
    """A Chronicle in one file, which is made where there is none; its folder must be there, and one process holds it.

    A full disk, a locked or a damaged file are Unavailable: then nothing of the call was kept.
    """

    def __init__(self, path: Path, *, busy_s: float = 5.0) -> None:
        self._path = path
        self._lock = Lock()
        self._hold, self._connection = open_held(path, FORMAT, busy_s=busy_s)

    def keep(self, records: Sequence[Record], *, n: int | None = None) -> None:
        """Keep the records and the number in one transaction. Raises Unavailable: nothing was kept."""
        with self._lock, told(self._path, FORMAT), transaction(self._connection) as connection:
            connection.executemany(_KEEP, records)
            if n is not None:
                connection.execute(_SET, (n,))

    def n(self) -> int:
        """Return the number of the last fact that is in it, 0 before there is one."""
        with self._lock, told(self._path, FORMAT):
            row = self._connection.execute("SELECT n FROM progress").fetchone()
        return row[0] if row else 0

    def get(self, kind: str, device: str, key: str) -> Record | None:
        """Return the record of this name."""
        found = self._select(_ALL + "WHERE kind = ? AND device = ? AND key = ?", (kind, device, key))
        return found[0] if found else None

    def find(self, kind: str, device: str, *, start: float, end: float) -> list[Record]:
        """Return the records that touch [start, end), by start and key."""
        return self._select(_FIND, (kind, device, end, start))

    def newest(self, kind: str, device: str, *, before: float) -> Record | None:
        """Return the last record that started before this moment (Unix s)."""
        where = "WHERE kind = ? AND device = ? AND start < ? ORDER BY start DESC, key DESC LIMIT 1"
        found = self._select(_ALL + where, (kind, device, before))
        return found[0] if found else None

    def oldest(self, kind: str, device: str) -> Record | None:
        """Return the record that started first."""
        found = self._select(_ALL + "WHERE kind = ? AND device = ? ORDER BY start, key LIMIT 1", (kind, device))
        return found[0] if found else None

    def forget(self, before: float, *, most: int) -> int:
        """Let go of at most so many records that ended before this moment (Unix s); return how many went."""
        with self._lock, told(self._path, FORMAT), transaction(self._connection) as connection:
            return connection.execute(_FORGET, (before, most)).rowcount

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()
            self._hold.release()

    def _select(self, query: str, asked: tuple[object, ...]) -> list[Record]:
        with self._lock, told(self._path, FORMAT):
            return [Record(*row) for row in self._connection.execute(query, asked).fetchall()]


class MemoryChronicle:
    """A Chronicle of one process, the reference: gone with it."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, str, str], Record] = {}
        self._n = 0
        self._lock = Lock()

    def keep(self, records: Sequence[Record], *, n: int | None = None) -> None:
        """Keep the records and the number, both or neither."""
        with self._lock:
            self._records.update({(row.kind, row.device, row.key): row for row in records})
            self._n = self._n if n is None else n

    def n(self) -> int:
        """Return the number of the last fact that is in it, 0 before there is one."""
        return self._n

    def get(self, kind: str, device: str, key: str) -> Record | None:
        """Return the record of this name."""
        return self._records.get((kind, device, key))

    def find(self, kind: str, device: str, *, start: float, end: float) -> list[Record]:
        """Return the records that touch [start, end), by start and key."""
        return [row for row in self._of(kind, device) if row.start < end and row.end >= start]

    def newest(self, kind: str, device: str, *, before: float) -> Record | None:
        """Return the last record that started before this moment (Unix s)."""
        return next((row for row in reversed(self._of(kind, device)) if row.start < before), None)

    def oldest(self, kind: str, device: str) -> Record | None:
        """Return the record that started first."""
        return next(iter(self._of(kind, device)), None)

    def forget(self, before: float, *, most: int) -> int:
        """Let go of at most so many records that ended before this moment (Unix s); return how many went."""
        with self._lock:
            gone = [name for name, row in self._records.items() if row.end < before][:most]
            for name in gone:
                del self._records[name]
        return len(gone)

    def close(self) -> None:
        """Keep everything: a test may look at it afterwards."""

    def _of(self, kind: str, device: str) -> list[Record]:
        with self._lock:
            found = [row for row in self._records.values() if (row.kind, row.device) == (kind, device)]
        return sorted(found, key=lambda row: (row.start, row.key))
