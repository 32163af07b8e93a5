# SPDX-License-Identifier: AGPL-3.0-or-later
"""A file that keeps what it says: SQLite with a write-ahead log and synchronous=FULL, in one format and version.

The spool, the journal and the embedded historian are such files. What a transaction returned from is on disk.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from collector.contract.errors import Misconfigured, Unavailable

_NEVER: Final = frozenset({"SQLITE_CANTOPEN", "SQLITE_NOTADB", "SQLITE_READONLY", "SQLITE_CANTOPEN_ISDIR"})
"""Failures that trying again does not mend."""


class Format(NamedTuple):
    """What a kind of file is called in errors, its version, and the tables that make a new one."""

    name: str
    version: int
    tables: str


def open_file(path: Path, form: Format, *, busy_s: float = 5.0) -> sqlite3.Connection:
    """Return a connection in autocommit mode that threads may share under a lock; a new file gets its tables.

    Raises Misconfigured where the path can never be such a file, Unavailable where it can't be opened now.
    """
    try:
        with told(path, form):
            db = sqlite3.connect(path, timeout=busy_s, isolation_level=None, check_same_thread=False)
            try:
                _prepare(db, path, form)
            except BaseException:
                db.close()
                raise
    except Unavailable as error:
        cause = error.__cause__
        if isinstance(cause, sqlite3.Error) and cause.sqlite_errorname in _NEVER:
            raise Misconfigured(f"{error}; a file in an existing, writable folder would work") from error
        raise
    return db


def _prepare(db: sqlite3.Connection, path: Path, form: Format) -> None:
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    if version > form.version:
        raise Misconfigured(f"{form.name} {path}: its format is {version}, this program reads up to {form.version}")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA journal_size_limit = 67108864")
    if version < form.version:
        db.executescript(f"BEGIN IMMEDIATE; {form.tables} PRAGMA user_version = {form.version}; COMMIT;")


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Commit what was done in the block, or nothing of it."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


@contextmanager
def told(path: Path, form: Format) -> Iterator[None]:
    """Turn SQLite's own failures (disk full, locked, damaged) into Unavailable; wrong use of it stays an error."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if type(error) in {sqlite3.OperationalError, sqlite3.DatabaseError}:
            raise Unavailable(f"{form.name} {path}: {error}") from error
        raise
