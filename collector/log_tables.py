# SPDX-License-Identifier: AGPL-3.0-or-later
"""The fact log's tables: one row holds the batches of a turn, packed; and how an older file becomes this one.

A row stands for the numbers `first_n` to `last_n`; the first `messages` of its batches came as messages, counted by
device in `devices` (JSON); `at` is the arrival of the first (Unix s); `batches` is a MessagePack list.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from collector.contract.codec import decode_batch
from collector.contract.errors import Unavailable
from collector.contract.limits import BATCH_MESSAGES_MAX, LOG_ROW_BYTES_MAX
from collector.contract.reading import Batch
from collector.migrate import Format, Step, statements

_FACTS: Final = """
CREATE TABLE IF NOT EXISTS facts (last_n INTEGER PRIMARY KEY AUTOINCREMENT, first_n INTEGER NOT NULL,
  messages INTEGER NOT NULL, at REAL NOT NULL, bytes INTEGER NOT NULL, devices TEXT NOT NULL, batches BLOB NOT NULL);
"""
TABLES: Final = (
    _FACTS
    + """
CREATE TABLE IF NOT EXISTS readers (name TEXT PRIMARY KEY, n INTEGER NOT NULL, silent_s REAL NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS boots (device TEXT, boot TEXT, record BLOB NOT NULL,
  PRIMARY KEY (device, boot)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS devices (device TEXT PRIMARY KEY, record BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS indicators (device TEXT, name TEXT, PRIMARY KEY (device, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (device TEXT, id TEXT, at REAL NOT NULL, PRIMARY KEY (device, id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS events_by_time ON events (device, at);
CREATE INDEX IF NOT EXISTS events_by_age ON events (at);
CREATE TABLE IF NOT EXISTS counts (device TEXT, word TEXT, count INTEGER NOT NULL,
  PRIMARY KEY (device, word)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS jobs (device TEXT, job TEXT, place TEXT, started_at REAL, ended_at REAL,
  last_at REAL NOT NULL, record BLOB NOT NULL, PRIMARY KEY (device, job)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS quarantine (id INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT, device TEXT, reason TEXT,
  detail TEXT, at REAL, payload BLOB, bytes INTEGER, replayable INTEGER, replayed_at REAL);
CREATE INDEX IF NOT EXISTS quarantine_by_device ON quarantine (device, id);
"""
)
INSERT: Final = "INSERT INTO facts VALUES (?, ?, ?, ?, ?, ?, ?)"
_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(list[Batch])
_COUNTS: Final = msgspec.json.Decoder(dict[str, int])


class Packed(NamedTuple):
    """A row before it has numbers."""

    batches: Sequence[Batch]
    messages: int
    blob: bytes
    by_device: dict[str, int]

    def numbered(self, first_n: int) -> tuple[int, int, int, float, int, str, bytes]:
        """Return the row as INSERT wants it."""
        last_n, told = first_n + len(self.batches) - 1, msgspec.json.encode(self.by_device).decode()
        return (last_n, first_n, self.messages, self.batches[0].at, len(self.blob), told, self.blob)


def pack(messages: Sequence[Batch], made: Sequence[Batch] = ()) -> list[Packed]:
    """Return rows of the batches in order, those that came as messages first; each row has a bounded size."""
    batches = [*messages, *made]
    if not batches:
        return []
    blob = _ENCODER.encode(batches)
    if len(blob) > LOG_ROW_BYTES_MAX and len(batches) > 1:
        middle = len(batches) // 2
        cut = min(middle, len(messages))
        return [*pack(messages[:cut], batches[cut:middle]), *_rest(messages, batches, middle)]
    return [Packed(batches, len(messages), blob, dict(Counter(batch.device for batch in messages)))]


def _rest(messages: Sequence[Batch], batches: Sequence[Batch], middle: int) -> list[Packed]:
    left = messages[middle:]
    return pack(left, batches[middle + len(left) :])


def unpack(blob: bytes) -> list[Batch]:
    """Return a row's batches; Unavailable where the file is damaged."""
    try:
        return _DECODER.decode(blob)
    except msgspec.DecodeError as error:
        raise Unavailable(f"a row of the fact log is damaged: {error}") from None


def counted(devices: str) -> dict[str, int]:
    """Return how many messages of each device a row holds."""
    return _COUNTS.decode(devices)


def _pack_rows(db: sqlite3.Connection) -> None:
    """From one row a batch (format 1) to one row a turn; numbers and their end stay as they were."""
    db.execute("ALTER TABLE facts RENAME TO facts_1")
    for statement in statements(_FACTS):
        db.execute(statement)
    for first_n, rows in _runs(db.execute("SELECT n, batch, is_message FROM facts_1 ORDER BY n")):
        n = first_n
        batches = [decode_batch(blob) for _, blob, _ in rows]
        came = sum(is_message for _, _, is_message in rows)
        for packed in pack(batches[:came], batches[came:]):
            db.execute(INSERT, packed.numbered(n))
            n += len(packed.batches)
    db.execute("DELETE FROM sqlite_sequence WHERE name = 'facts'")
    db.execute("UPDATE sqlite_sequence SET name = 'facts' WHERE name = 'facts_1'")
    db.execute("DROP TABLE facts_1")
    db.execute("ALTER TABLE readers ADD COLUMN silent_s REAL NOT NULL DEFAULT 0")


_Row = tuple[int, bytes, int]


def _runs(rows: Iterable[_Row]) -> Iterable[tuple[int, list[_Row]]]:
    """Yield what fits in one row: numbers without a hole, messages before what we made ourselves."""
    run: list[_Row] = []
    for row in rows:
        breaks = run and (row[0] != run[-1][0] + 1 or (row[2] and not run[-1][2]) or len(run) >= BATCH_MESSAGES_MAX)
        if breaks:
            yield run[0][0], run
            run = []
        run.append(row)
    if run:
        yield run[0][0], run


FORMAT: Final = Format("spool", 3, TABLES, (Step(2, _pack_rows),), shrinks=True)
