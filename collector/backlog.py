# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a reader has not passed yet: counted once, then kept up as rows come and go."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from collector.log_tables import counted, unpack

_SPAN: Final = (
    "SELECT first_n, last_n, messages, devices FROM facts"
    " WHERE last_n > ?1 AND last_n < ?2 + ?3 AND first_n <= ?2 ORDER BY last_n"
)
_ROW_BATCHES_MAX: Final = 1_000_000
"""More than a row ever holds: so the end of a span is found by the key."""


class Part(NamedTuple):
    """A stretch of the log: its messages by device, and all its batches, our own included."""

    messages: Mapping[str, int]
    batches: int


class Backlog:
    """The messages by device, and the batches, above a reader's position."""

    def __init__(self, parts: Iterable[Part]) -> None:
        self.messages: Counter[str] = Counter()
        self.batches = 0
        for part in parts:
            self.grow(part)

    def grow(self, part: Part) -> None:
        """Count what was written."""
        self.messages.update(part.messages)
        self.batches += part.batches

    def shrink(self, part: Part) -> None:
        """Count off what was passed; a device without messages leaves the table."""
        for device, count in part.messages.items():
            self.messages[device] -= count
            if not self.messages[device]:
                del self.messages[device]
        self.batches -= part.batches


def parts(db: sqlite3.Connection, after: int, through: int) -> Iterator[Part]:
    """Yield what lies in (after, through], row by row; of a row that it cuts only the batches inside."""
    for row in db.execute(_SPAN, (after, through, _ROW_BATCHES_MAX)):
        yield _part(db, row, after, through)


def _part(db: sqlite3.Connection, row: tuple[int, int, int, str], after: int, through: int) -> Part:
    first_n, last_n, messages, devices = row
    if first_n > after and last_n <= through:
        return Part(counted(devices), last_n - first_n + 1)
    (blob,) = db.execute("SELECT batches FROM facts WHERE last_n = ?", (last_n,)).fetchone()
    start = max(after + 1 - first_n, 0)
    inside = [batch.device for batch in unpack(blob)[start : through - first_n + 1]]
    return Part(Counter(inside[: max(messages - start, 0)]), len(inside))


def oldest_at(db: sqlite3.Connection, after: int) -> float | None:
    """Return the arrival (Unix s) of the oldest row that reaches beyond a number, or None."""
    row = db.execute("SELECT at FROM facts WHERE last_n > ? ORDER BY last_n LIMIT 1", (after,)).fetchone()
    return None if row is None else float(row[0])
