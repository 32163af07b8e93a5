# SPDX-License-Identifier: AGPL-3.0-or-later
"""The numbered fact log on disk: what has a number survives a kill; nothing is acknowledged before it has one.

SQLite, WAL, synchronous=FULL (ADR 0001): one transaction a turn holds the facts, the senders' records, the
devices' decoder states, the account and the quarantine, so that they agree whatever dies, whenever.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from collector.contract.codec import decode_batch, encode_batch
from collector.contract.limits import QUARANTINE_ITEMS_MAX
from collector.contract.reading import Batch, Numbered
from collector.durable import Format, open_file, told, transaction
from collector.job_book import keep_jobs
from collector.order import Boot
from collector.turn import Turn

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS facts (n INTEGER PRIMARY KEY AUTOINCREMENT, device TEXT NOT NULL, batch BLOB NOT NULL,
  is_message INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS readers (name TEXT PRIMARY KEY, n INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS boots (device TEXT, boot TEXT, record BLOB NOT NULL,
  PRIMARY KEY (device, boot)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS devices (device TEXT PRIMARY KEY, record BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS events (device TEXT, id TEXT, at REAL NOT NULL, PRIMARY KEY (device, id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS events_by_time ON events (device, at);
CREATE TABLE IF NOT EXISTS counts (device TEXT, word TEXT, count INTEGER NOT NULL,
  PRIMARY KEY (device, word)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS jobs (device TEXT, job TEXT, place TEXT, started_at REAL, ended_at REAL,
  last_at REAL NOT NULL, record BLOB NOT NULL, PRIMARY KEY (device, job)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS quarantine (id INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT, device TEXT, reason TEXT,
  detail TEXT, at REAL, payload BLOB, bytes INTEGER, replayable INTEGER, replayed_at REAL);
"""
FORMAT: Final = Format("spool", 1, _TABLES)
_RECENT_MAX: Final = 2_000


class Spool:
    """A FactLog in one file, with everything that must be true together with it. Safe to share between threads."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._grown = threading.Condition(self._lock)
        self._path = path
        self._db = open_file(path, FORMAT, busy_s=10.0)
        self._readers = dict(self._db.execute("SELECT name, n FROM readers"))
        row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'facts'").fetchone()
        self._last = int(row[0]) if row else 0
        self._recent: deque[Numbered] = deque(maxlen=_RECENT_MAX)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Hold the file for one transaction; a full disk or a locked file is Unavailable, and nothing is kept."""
        with self._lock, told(self._path, FORMAT), transaction(self._db) as db:
            yield db

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Hold the file for looking something up."""
        with self._lock:
            yield self._db

    def commit(self, turn: Turn) -> list[Numbered]:
        """Keep the turn, and return its batches with their numbers; they are on disk. Raises Unavailable."""
        numbered: list[Numbered] = []
        with self._grown:
            with self.writing() as db:
                for batch, is_message in _facts_of(turn):
                    cursor = db.execute(
                        "INSERT INTO facts (device, batch, is_message) VALUES (?, ?, ?)",
                        (batch.device, encode_batch(batch), is_message),
                    )
                    numbered.append(Numbered(int(cursor.lastrowid or 0), batch))
                _keep_senders(db, turn)
                _keep_quarantine(db, turn)
                keep_jobs(db, [*turn.batches, *turn.made])
            if numbered:
                self._last = numbered[-1].n
                self._recent.extend(numbered)
                self._grown.notify_all()
        return numbered

    def read_from(self, n: int, *, most: int, wait_s: float = 0.0) -> Sequence[Numbered]:
        """Return batches with numbers >= n in order; where there are none yet, wait up to `wait_s` real seconds."""
        with self._grown:
            if self._last < n and wait_s > 0:
                self._grown.wait_for(lambda: self._last >= n, timeout=wait_s)
            if self._last < n:
                return []
            if self._recent and self._recent[0].n <= n:
                return [row for row in self._recent if row.n >= n][:most]
            rows = self._db.execute("SELECT n, batch FROM facts WHERE n >= ? ORDER BY n LIMIT ?", (n, most)).fetchall()
        return [Numbered(number, decode_batch(blob)) for number, blob in rows]

    def last(self) -> int:
        """Return the newest number, 0 before there is one."""
        return self._last

    def passed(self, reader: str, n: int) -> None:
        """Note that this reader needs nothing up to and including n."""
        with self._lock:
            if self._readers.get(reader, -1) >= n:
                return
            with self.writing() as db:
                db.execute("INSERT OR REPLACE INTO readers VALUES (?, ?)", (reader, n))
            self._readers[reader] = n

    def readers(self) -> dict[str, int]:
        """Return how far each reader has come."""
        with self._lock:
            return dict(self._readers)

    def prune(self) -> int:
        """Let go of the facts that every known reader has passed; return how many went."""
        with self._lock:
            if not self._readers:
                return 0
            with self.writing() as db:
                return db.execute("DELETE FROM facts WHERE n <= ?", (min(self._readers.values()),)).rowcount

    def boots(self) -> dict[tuple[str, str], Boot]:
        """Return the records of all senders."""
        with self._lock:
            rows = self._db.execute("SELECT device, boot, record FROM boots").fetchall()
        return {(device, boot): msgspec.msgpack.decode(blob, type=Boot) for device, boot, blob in rows}

    def devices(self) -> dict[str, bytes]:
        """Return the stored record of every device that was ever heard."""
        with self._lock:
            return dict(self._db.execute("SELECT device, record FROM devices"))

    def event_known(self, device: str, event: str) -> bool:
        """Tell whether this device's event is on disk."""
        with self._lock:
            found = self._db.execute("SELECT 1 FROM events WHERE device = ? AND id = ?", (device, event)).fetchone()
        return found is not None

    def events(self, device: str, most: int) -> list[str]:
        """Return the ids of the device's newest events, oldest first."""
        with self._lock:
            rows = self._db.execute(
                "SELECT id FROM events WHERE device = ? ORDER BY at DESC LIMIT ?", (device, most)
            ).fetchall()
        return [row[0] for row in reversed(rows)]

    def counts(self) -> dict[tuple[str, str], int]:
        """Return the account's counts by (device, word)."""
        with self._lock:
            return {(device, word): n for device, word, n in self._db.execute("SELECT * FROM counts")}

    def pending(self, reader: str) -> dict[str, int]:
        """Return how many messages of each device this reader has not passed yet."""
        with self._lock:
            rows = self._db.execute(
                "SELECT device, count(*) FROM facts WHERE n > ? AND is_message GROUP BY device",
                (self._readers.get(reader, 0),),
            ).fetchall()
        return dict(rows)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()


def _facts_of(turn: Turn) -> Iterator[tuple[Batch, bool]]:
    for batch in turn.batches:
        yield batch, True
    for batch in turn.made:
        yield batch, False


def _keep_senders(db: sqlite3.Connection, turn: Turn) -> None:
    boots = [(device, boot, msgspec.msgpack.encode(record)) for (device, boot), record in turn.boots.items()]
    db.executemany("INSERT OR REPLACE INTO boots VALUES (?, ?, ?)", boots)
    db.executemany("INSERT OR REPLACE INTO devices VALUES (?, ?)", list(turn.devices.items()))
    events = [(device, event, at) for (device, event), at in turn.events.items()]
    db.executemany("INSERT OR IGNORE INTO events VALUES (?, ?, ?)", events)
    counts = [(device, word, n) for (device, word), n in turn.counts.items()]
    db.executemany(
        "INSERT INTO counts VALUES (?, ?, ?) ON CONFLICT (device, word) DO UPDATE SET count = count + excluded.count",
        counts,
    )


def _keep_quarantine(db: sqlite3.Connection, turn: Turn) -> None:
    if not turn.quarantined:
        return
    db.executemany(
        "INSERT INTO quarantine (topic, device, reason, detail, at, payload, bytes, replayable)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        turn.quarantined,
    )
    db.execute("DELETE FROM quarantine WHERE id <= (SELECT max(id) FROM quarantine) - ?", (QUARANTINE_ITEMS_MAX,))
