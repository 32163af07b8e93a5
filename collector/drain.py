# SPDX-License-Identifier: AGPL-3.0-or-later
"""From the fact log into the historian: downstream of the log, never a queue, retried until it is written."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from collector.contract.ports import Clock, Historian, ReadingRow
from collector.contract.reading import Batch, Numbered, Samples, address
from collector.quarantine import keep_rows
from collector.spool import Spool

READER = "historian"
_BATCHES_MAX = 2_000
_PRUNE_EVERY_S = 10.0


def rows_of(batches: Iterable[Batch]) -> list[ReadingRow]:
    """Return the samples of the batches as the historian keeps them; a None is no sample."""
    return [
        ReadingRow(address(batch.device, batch.place), batch.device, name, ts, value)
        for batch in batches
        for fact in batch.facts
        if isinstance(fact, Samples)
        for name, column in fact.values.items()
        for ts, value in zip(fact.times, column, strict=True)
        if value is not None
    ]


class Drain:
    """Reads the log by number and writes to the historian; what it refuses for good goes to quarantine."""

    def __init__(self, log: Spool, historian: Historian, clock: Clock) -> None:
        self._log = log
        self._historian = historian
        self._clock = clock
        self._next = log.readers().get(READER, 0) + 1
        self._pruned_at_s = time.monotonic()
        self.refused_count = 0
        log.passed(READER, self._next - 1)

    def turn(self, wait_s: float = 0.5) -> int:
        """Write the next batches; return how many. Raises Unavailable, and then the same come again."""
        numbered = self._log.read_from(self._next, most=_BATCHES_MAX, wait_s=wait_s)
        if numbered:
            self._write(numbered)
        if time.monotonic() - self._pruned_at_s >= _PRUNE_EVERY_S:
            self._pruned_at_s = time.monotonic()
            self._log.prune()
        return len(numbered)

    def _write(self, numbered: Sequence[Numbered]) -> None:
        rows = rows_of(batch for _, batch in numbered)
        refused = self._historian.write(rows) if rows else []
        if refused:
            self.refused_count += len(refused)
            keep_rows(self._log, refused, at=self._clock.now())
        self._next = numbered[-1].n + 1
        self._log.passed(READER, numbered[-1].n)
