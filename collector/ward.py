# SPDX-License-Identifier: AGPL-3.0-or-later
"""Quarantine's bounds: in items and in bytes, and a quarter of each for one device.

So an offender can't push out the others. What has to go is the oldest, and it is counted.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Final, NamedTuple

from collector.contract.limits import QUARANTINE_BYTES_MAX, QUARANTINE_ITEMS_MAX, QUARANTINE_SHARES
from collector.turn import Quarantined

_ADD: Final = (
    "INSERT INTO quarantine (topic, device, reason, detail, at, payload, bytes, replayable)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_SIZES: Final = "SELECT device, count(*), sum(length(payload)) FROM quarantine GROUP BY device"
_OLDEST: Final = "SELECT id, device, length(payload) FROM quarantine ORDER BY id"
_OLDEST_OF: Final = "SELECT id, device, length(payload) FROM quarantine WHERE device = ? ORDER BY id"


class Size(NamedTuple):
    """How much is kept."""

    items: int = 0
    bytes: int = 0

    def plus(self, items: int, size_bytes: int) -> Size:
        """Return the size with so much more, or less."""
        return Size(self.items + items, self.bytes + size_bytes)

    def over(self, most: Size) -> Size | None:
        """Return by how much it is beyond a bound, or None."""
        over = self.plus(-most.items, -most.bytes)
        return over if over.items > 0 or over.bytes > 0 else None


BOUND: Final = Size(QUARANTINE_ITEMS_MAX, QUARANTINE_BYTES_MAX)


class Ward:
    """What quarantine keeps of each device. `keep` runs inside a transaction; where that fails, `reload`."""

    def __init__(self, db: sqlite3.Connection, bound: Size = BOUND) -> None:
        self._bound = bound
        self._share = Size(*(most // QUARANTINE_SHARES for most in bound))
        self._sizes: dict[str, Size] = {}
        self._all = Size()
        self.reload(db)

    def reload(self, db: sqlite3.Connection) -> None:
        """Count again what is on disk."""
        self._sizes = {device: Size(items, size or 0) for device, items, size in db.execute(_SIZES)}
        self._all = Size(sum(size.items for size in self._sizes.values()), sum(s.bytes for s in self._sizes.values()))

    def size(self) -> Size:
        """Return how much quarantine holds."""
        return self._all

    def keep(self, db: sqlite3.Connection, rows: Sequence[Quarantined]) -> Counter[str]:
        """Keep refused messages; return how many older ones of each device had to go."""
        dropped: Counter[str] = Counter()
        for row in rows:
            db.execute(_ADD, row)
            self._count(row.device, 1, len(row.payload))
            over = self._sizes[row.device].over(self._share)
            if over is not None:
                dropped += self._release(db, db.execute(_OLDEST_OF, (row.device,)), over)
            over = self._all.over(self._bound)
            if over is not None:
                dropped += self._release(db, db.execute(_OLDEST), over)
        return dropped

    def _release(self, db: sqlite3.Connection, oldest: Iterable[tuple[int, str, int]], over: Size) -> Counter[str]:
        left = over
        gone: list[tuple[int, str, int]] = []

        def wanted(row: tuple[int, str, int]) -> bool:
            nonlocal left
            short = left.items > 0 or left.bytes > 0
            left = left.plus(-1, -row[2])
            return short

        gone.extend(takewhile(wanted, oldest))
        db.executemany("DELETE FROM quarantine WHERE id = ?", [(row[0],) for row in gone])
        for _, device, size in gone:
            self._count(device, -1, -size)
        return Counter(device for _, device, _ in gone)

    def _count(self, device: str, items: int, size_bytes: int) -> None:
        self._sizes[device] = self._sizes.get(device, Size()).plus(items, size_bytes)
        self._all = self._all.plus(items, size_bytes)
