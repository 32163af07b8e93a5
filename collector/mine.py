# SPDX-License-Identifier: AGPL-3.0-or-later
"""Whose events were whose, for that person alone: beside the log, never in it.

A person is a secret of their own; kept is its SHA-256, so the file names nobody, and without the secret nothing of it
can be told apart. Erased rows are overwritten in the file.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any, Final, NamedTuple

from collector.contract.codec import format_time
from collector.contract.errors import Misconfigured, Refusal
from collector.contract.limits import EVENTS_PER_PERSON_MAX, PEOPLES_EVENTS_MAX, PERSON_CHARS_MAX, PERSON_CHARS_MIN
from collector.contract.page import offset_of, page_of
from collector.durable import Format, open_file, told, transaction
from collector.private import OWNER

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS mine (
    n INTEGER PRIMARY KEY AUTOINCREMENT, person BLOB NOT NULL, id TEXT NOT NULL, ts REAL NOT NULL,
    device TEXT NOT NULL, event TEXT NOT NULL, UNIQUE (person, device, id));
"""
FORMAT: Final = Format("people's own events", 1, _TABLES)
_ADD: Final = "INSERT INTO mine (person, id, ts, device, event) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
_TRIM_ONE: Final = (
    "DELETE FROM mine WHERE person = ?1 AND n <="
    " (SELECT n FROM mine WHERE person = ?1 ORDER BY n DESC LIMIT 1 OFFSET ?2)"
)
_TRIM_ALL: Final = "DELETE FROM mine WHERE n <= (SELECT max(n) FROM mine) - ?"
_LISTED: Final = "SELECT id, ts, device, event FROM mine WHERE person = ? ORDER BY n DESC LIMIT ? OFFSET ?"


class Own(NamedTuple):
    """One event of a person: its id, when (Unix s), about which device or place, and what kind."""

    id: str
    ts: float
    device: str
    event: str


class Person(NamedTuple):
    """A person as far as anybody is told: the SHA-256 of their secret."""

    digest: bytes


def person(secret: str) -> Person:
    """Return whose secret this is; a Refusal `bad_person` for one that is too short to be secret, or too long."""
    if not PERSON_CHARS_MIN <= len(secret) <= PERSON_CHARS_MAX:
        bounds = f"{PERSON_CHARS_MIN}..{PERSON_CHARS_MAX}"
        raise Refusal("bad_person", f"X-Person has {len(secret)} characters, a secret has {bounds}")
    return Person(hashlib.sha256(secret.encode(errors="replace")).digest())


class Mine:
    """The file, readable by its owner alone. Any thread may call; a full disk or a locked file is Unavailable."""

    def __init__(self, path: Path) -> None:
        try:
            with suppress(FileExistsError):
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, OWNER))
        except OSError as error:
            raise Misconfigured(
                f"{path}: {error.strerror}; a file in an existing, writable folder would work"
            ) from None
        self._path, self._lock = path, Lock()
        self._db = open_file(path, FORMAT)
        self._db.execute("PRAGMA secure_delete = ON")

    def add(self, whose: Person, own: Own) -> None:
        """Remember an event for its person; the same one again changes nothing. Beyond the bounds the oldest go."""
        with self._lock, told(self._path, FORMAT), transaction(self._db) as db:
            db.execute(_ADD, (whose.digest, *own))
            db.execute(_TRIM_ONE, (whose.digest, EVENTS_PER_PERSON_MAX))
            db.execute(_TRIM_ALL, (PEOPLES_EVENTS_MAX,))

    def page(self, whose: Person, *, limit: int, cursor: str | None) -> dict[str, Any]:
        """Return a page of a person's own events, newest first."""
        skip = offset_of(cursor)
        with self._lock, told(self._path, FORMAT):
            rows = self._db.execute(_LISTED, (whose.digest, limit, skip)).fetchall()
            (total,) = self._db.execute("SELECT count(*) FROM mine WHERE person = ?", (whose.digest,)).fetchone()
        items = [
            {"id": name, "at": format_time(ts), "device": device, "event": event} for name, ts, device, event in rows
        ]
        return page_of(items, total=total, start=skip)

    def erase(self, whose: Person) -> int:
        """Forget all of a person's events; return how many there were. Nothing of them stays in the file."""
        with self._lock, told(self._path, FORMAT):
            with transaction(self._db) as db:
                count = db.execute("DELETE FROM mine WHERE person = ?", (whose.digest,)).rowcount
            with suppress(sqlite3.OperationalError):  # a reader of the file may hold its write-ahead log a while longer
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return count

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()
