# SPDX-License-Identifier: AGPL-3.0-or-later
"""Index rows that the historian has not taken yet: kept, tried again with growing waits, bounded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from collector.contract.errors import Unavailable
from collector.contract.ports import Historian, IndexRow

ROWS_MAX: Final = 20_000
"""Rows that wait; beyond, the oldest are lost, and counted."""
RETRY_S_FIRST: Final = 1.0
RETRY_S_MAX: Final = 30.0
"""First and longest real wait before the historian is tried again."""


class Owed:
    """The rows in their order. One thread adds and hands over; `rows` may be read by any."""

    def __init__(self, rows: Iterable[IndexRow]) -> None:
        self.rows: list[IndexRow] = list(rows)
        self.lost_count = 0
        self.refused_count = 0
        self.trouble: str | None = None
        self._retry_s = RETRY_S_FIRST
        self._retry_at = 0.0

    def add(self, rows: Iterable[IndexRow]) -> None:
        """Note rows; where too many wait, the oldest go."""
        kept = [*self.rows, *rows]
        self.lost_count += max(len(kept) - ROWS_MAX, 0)
        self.rows = kept[-ROWS_MAX:]

    def hand_over(self, historian: Historian, monotonic_s: float) -> None:
        """Write what waits, unless the historian was away a moment ago; `trouble` says why it still waits."""
        if not self.rows or monotonic_s < self._retry_at:
            return
        rows = self.rows
        try:
            refused = historian.write(rows)
        except Unavailable as error:
            self.trouble = str(error)
            self._retry_at = monotonic_s + (error.retry_after_s or self._retry_s)
            self._retry_s = min(2 * self._retry_s, RETRY_S_MAX)
            return
        self.trouble, self._retry_s = None, RETRY_S_FIRST
        self.refused_count += len(refused)
        self.rows = self.rows[len(rows) :]
