# SPDX-License-Identifier: AGPL-3.0-or-later
"""The journal: the append-only record of events, and the state that they came from, in one SQLite file.

Write-ahead log with synchronous=FULL: what `append` returned from is on disk, entries and checkpoint together.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Final

from collector.contract.ports import Checkpoint, Entry
from collector.durable import Format, open_held, told, transaction

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS entry (
    n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, ts REAL NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL,
    body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS checkpoint (
    only INTEGER PRIMARY KEY CHECK (only = 1), n INTEGER NOT NULL, state BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS said (only INTEGER PRIMARY KEY CHECK (only = 1), n INTEGER NOT NULL);
"""
FORMAT: Final = Format("journal", 1, _TABLES)
_ADD: Final = "INSERT INTO entry (id, ts, kind, subject, body) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"
_SET: Final = (
    "INSERT INTO checkpoint VALUES (1, ?, ?) ON CONFLICT (only) DO UPDATE SET n = excluded.n, state = excluded.state"
)
_SAID: Final = "INSERT INTO said VALUES (1, ?) ON CONFLICT (only) DO UPDATE SET n = excluded.n"


class SqliteJournal:
    """A Journal in one file, which is made where there is none; its folder must be there, and one process holds it.

    A full disk, a file that another process holds for longer than `busy_s`, or a damaged one are Unavailable: then
    nothing of the call was kept.
    """

    def __init__(self, path: Path, *, busy_s: float = 5.0) -> None:
        self._path = path
        self._lock = Lock()
        self._hold, self._connection = open_held(path, FORMAT, busy_s=busy_s)

    def append(
        self, entries: Sequence[Entry], *, said: int | None = None, checkpoint: Checkpoint | None = None
    ) -> None:
        """Keep entries (those whose id is there already are passed over) and what is given, in one transaction."""
        rows = [(entry.id, entry.ts, entry.kind, entry.subject, to_json(entry.body)) for entry in entries]
        with self._lock, told(self._path, FORMAT), transaction(self._connection) as connection:
            connection.executemany(_ADD, rows)
            if said is not None:
                connection.execute(_SAID, (said,))
            if checkpoint is not None:
                connection.execute(_SET, checkpoint)

    def entries(self) -> list[Entry]:
        """Return all entries in the order in which they were kept."""
        with self._lock, told(self._path, FORMAT):
            rows = self._connection.execute("SELECT id, ts, kind, subject, body FROM entry ORDER BY n").fetchall()
        return [Entry(name, ts, kind, subject, json.loads(body)) for name, ts, kind, subject, body in rows]

    def said(self) -> int:
        """Return the number of the last fact whose events are kept, 0 before there is one."""
        with self._lock, told(self._path, FORMAT):
            row = self._connection.execute("SELECT n FROM said").fetchone()
        return 0 if row is None else int(row[0])

    def checkpoint(self) -> Checkpoint | None:
        """Return the newest checkpoint."""
        with self._lock, told(self._path, FORMAT):
            row = self._connection.execute("SELECT n, state FROM checkpoint").fetchone()
        return None if row is None else Checkpoint(*row)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()
            self._hold.release()


class MemoryJournal:
    """A Journal of one process, the reference: gone with it."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[Entry, str]] = {}
        self._checkpoint: Checkpoint | None = None
        self._said = 0
        self._lock = Lock()

    def append(
        self, entries: Sequence[Entry], *, said: int | None = None, checkpoint: Checkpoint | None = None
    ) -> None:
        """Keep entries (those whose id is there already are passed over) and what is given, all or nothing."""
        texts = [to_json(entry.body) for entry in entries]
        with self._lock:
            for entry, text in zip(entries, texts, strict=True):
                self._entries.setdefault(entry.id, (entry, text))
            self._said = self._said if said is None else said
            self._checkpoint = checkpoint or self._checkpoint

    def entries(self) -> list[Entry]:
        """Return all entries in the order in which they were kept."""
        with self._lock:
            return [entry._replace(body=json.loads(text)) for entry, text in self._entries.values()]

    def said(self) -> int:
        """Return the number of the last fact whose events are kept, 0 before there is one."""
        return self._said

    def checkpoint(self) -> Checkpoint | None:
        """Return the newest checkpoint."""
        return self._checkpoint

    def close(self) -> None:
        """Keep everything: a test may look at it afterwards."""


def to_json(body: dict[str, object]) -> str:
    """Return an entry's body as JSON text; a NaN, or what JSON has no word for, is our own mistake and raises.

    >>> to_json({"index": "pace", "value": 0.1})
    '{"index":"pace","value":0.1}'
    """
    return json.dumps(body, allow_nan=False, separators=(",", ":"))
