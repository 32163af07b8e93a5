# SPDX-License-Identifier: AGPL-3.0-or-later
"""Making room in the log's file: old rows go in bounded slices, and unused pages go back to the disk."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final, NamedTuple

SLICE_BYTES: Final = 2 * 1024**2
SLICE_ROWS: Final = 2_000
"""What one transaction deletes: a commit waits for no more."""
SPARE_BYTES_MAX: Final = 16 * 1024**2
"""Unused bytes that the file keeps, for the next outage."""
PAGES_BACK: Final = 4_096
"""Pages given back in one go."""
_OLDEST: Final = "SELECT first_n, last_n, bytes FROM facts WHERE last_n <= ? ORDER BY last_n LIMIT ?"


class Taken(NamedTuple):
    """Bytes of a file: in use, unused, and those by which it has still to grow for what stands in its log."""

    used: int
    spare: int
    owed: int


class Slice(NamedTuple):
    """The oldest rows that one transaction may delete: up to `last_n`, `batches` of them."""

    last_n: int
    batches: int


def taken(db: sqlite3.Connection, path: Path) -> Taken:
    """Return how much of the open file is in use."""
    page, pages, spare = (
        db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_size", "page_count", "freelist_count")
    )
    return Taken(page * (pages - spare), page * spare, max(page * pages - path.stat().st_size, 0))


def oldest(db: sqlite3.Connection, through: int) -> Slice:
    """Return what to delete next of the rows that end at or before a number; its batches are 0 where none does."""
    last, batches, size = 0, 0, 0
    for first_n, last_n, size_bytes in db.execute(_OLDEST, (through, SLICE_ROWS)):
        if batches and size + size_bytes > SLICE_BYTES:
            break
        last, batches, size = last_n, batches + last_n - first_n + 1, size + size_bytes
    return Slice(last, batches)


def give_back(db: sqlite3.Connection, path: Path) -> None:
    """Cut unused pages off the end of the file, a bounded number at a time."""
    if taken(db, path).spare > SPARE_BYTES_MAX:
        db.executescript(f"PRAGMA incremental_vacuum({PAGES_BACK})")
