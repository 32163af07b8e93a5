# SPDX-License-Identifier: AGPL-3.0-or-later
"""An older file becomes one of this version: step by step, in one transaction, with a copy kept beside it.

Whatever dies during it, the file is of the old version, whole, or of the new one, whole.
"""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from collector.contract.errors import Misconfigured

_LOG: Final = logging.getLogger("cybersyn")
SPACE_FACTOR: Final = 3
"""Free space that a migration asks for, in sizes of the file: the copy, the write-ahead log, and the new rows."""
_COPY_PAGES: Final = 4_096


class Step(NamedTuple):
    """What makes a file of version `to` of one of the version before; it runs inside a transaction."""

    to: int
    apply: Callable[[sqlite3.Connection], None]


class Format(NamedTuple):
    """What a kind of file is called in errors, its version, the tables that make a new one, and the way from older.

    `tables` are `CREATE … IF NOT EXISTS` without triggers; after the steps they add what is merely new. `shrinks`
    makes a file that gives pages back to the disk (PRAGMA incremental_vacuum).
    """

    name: str
    version: int
    tables: str
    steps: tuple[Step, ...] = ()
    shrinks: bool = False


def create(db: sqlite3.Connection, form: Format) -> None:
    """Give a new file its tables; one that another process made meanwhile stays as it is."""
    db.execute("BEGIN IMMEDIATE")
    if _version(db) == 0:
        _finish(db, form)
    db.execute("COMMIT")


def migrate(db: sqlite3.Connection, path: Path, form: Format) -> None:
    """Bring the file to the form's version; the old one stays beside it as `NAME.vN.bak`.

    Raises Misconfigured where the disk has no room for both: nothing was changed then.
    """
    found = _version(db)
    _check_room(path, form)
    _copy(db, path.with_name(f"{path.name}.v{found}.bak"))
    _LOG.warning("%s %s: from format %d to %d; the old one is kept as .v%d.bak", form.name, path, found, form.version,
                 found)  # fmt: skip
    db.execute("BEGIN IMMEDIATE")
    try:
        for step in form.steps:
            if _version(db) < step.to:
                step.apply(db)
                db.execute(f"PRAGMA user_version = {step.to}")
        _finish(db, form)
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")
    if form.shrinks:
        db.execute("VACUUM")


def _finish(db: sqlite3.Connection, form: Format) -> None:
    for statement in statements(form.tables):
        db.execute(statement)
    db.execute(f"PRAGMA user_version = {form.version}")


def statements(script: str) -> Iterator[str]:
    """Yield the statements of a script that has no triggers.

    >>> list(statements("CREATE TABLE a (b); CREATE TABLE c (d);"))
    ['CREATE TABLE a (b)', 'CREATE TABLE c (d)']
    """
    return (part.strip() for part in script.split(";") if part.strip())


def _version(db: sqlite3.Connection) -> int:
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    return version


def _check_room(path: Path, form: Format) -> None:
    wanted = SPACE_FACTOR * path.stat().st_size
    free = shutil.disk_usage(path.parent).free
    if free < wanted:
        raise Misconfigured(
            f"{form.name} {path}: bringing it to format {form.version} needs {wanted} free bytes beside it, "
            f"there are {free}"
        )


def _copy(db: sqlite3.Connection, beside: Path) -> None:
    """Write the copy, whole or not at all; one that an interrupted start left is written anew."""
    fresh = beside.with_name(beside.name + ".new")
    fresh.unlink(missing_ok=True)
    with closing(sqlite3.connect(fresh)) as copy:
        db.backup(copy, pages=_COPY_PAGES)
    with fresh.open("rb") as file:
        os.fsync(file.fileno())
    fresh.replace(beside)
