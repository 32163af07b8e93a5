# SPDX-License-Identifier: AGPL-3.0-or-later
"""A file that keeps what it says: SQLite with a write-ahead log and synchronous=FULL, in one format and version.

The spool, the journal and the embedded historian are such files. What a transaction returned from is on disk.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from collector.contract.errors import Misconfigured, Unavailable
from collector.migrate import Format, Step, create, migrate

__all__ = ["Format", "Hold", "Step", "open_file", "open_held", "open_reader", "told", "transaction"]
_NEVER: Final = frozenset({"SQLITE_CANTOPEN", "SQLITE_NOTADB", "SQLITE_READONLY", "SQLITE_CANTOPEN_ISDIR"})
"""Failures that trying again does not mend."""


def open_file(path: Path, form: Format, *, busy_s: float = 5.0) -> sqlite3.Connection:
    """Return a connection in autocommit mode that threads may share under a lock; a new file gets its tables.

    A file of an older version is brought to this one, with a copy kept beside it. Raises Misconfigured where the
    path can never be such a file, Unavailable where it can't be opened now.
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


def open_held(path: Path, form: Format, *, busy_s: float = 5.0) -> tuple[Hold, sqlite3.Connection]:
    """Return the hold on a file that one process has, and a connection as of `open_file`, whose errors it raises."""
    hold = Hold(path)
    try:
        return hold, open_file(path, form, busy_s=busy_s)
    except BaseException:
        hold.release()
        raise


def open_reader(path: Path, form: Format, *, busy_s: float = 5.0) -> sqlite3.Connection:
    """Return a second connection to an open file, which sees every commit and can't write."""
    with told(path, form):
        db = sqlite3.connect(path, timeout=busy_s, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA query_only = ON")
    return db


def _prepare(db: sqlite3.Connection, path: Path, form: Format) -> None:
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    if version > form.version:
        raise Misconfigured(f"{form.name} {path}: its format is {version}, this program reads up to {form.version}")
    if form.shrinks and version < form.version:
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA journal_size_limit = 67108864")
    if version == 0:
        create(db, form)
    elif version < form.version:
        migrate(db, path, form)


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


class Hold:
    """One process's claim on a file, as `NAME.lock` beside it; the system drops it when the process ends, however."""

    def __init__(self, path: Path) -> None:
        """Claim the file. Raises Misconfigured where another process, or this one, has claimed it."""
        beside = path.with_name(path.name + ".lock")
        try:
            self._handle = os.open(beside, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise Misconfigured(f"{path}: {error}; a file in an existing, writable folder would work") from None
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self._handle, 20, 0).decode(errors="replace").strip()
            os.close(self._handle)
            who = f"process {holder}" if holder else "another process"
            raise Misconfigured(f"{path} is in use by {who}: stop that first, or name another data folder") from None
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Let others claim it."""
        with suppress(OSError):
            os.close(self._handle)
            self._handle = -1


def is_held(path: Path) -> bool:
    """Tell whether a process has claimed the file now."""
    beside = path.with_name(path.name + ".lock")
    if not beside.exists():
        return False
    with beside.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False
