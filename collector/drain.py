# SPDX-License-Identifier: AGPL-3.0-or-later
"""From the fact log into the historian: downstream of the log, never a queue, retried until it is written.

One write at a time, with nothing of the log held meanwhile: a historian that hangs holds up no commit. What it
refuses for good goes to quarantine; where it is away, the wait doubles up to a minute, unless it says itself when to
come again.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final

from collector.contract.errors import Unavailable
from collector.contract.limits import HISTORIAN_BATCHES_AT_ONCE, HISTORIAN_EVERY_S, RETRY_S_MAX, SENDER_MEMORY_S
from collector.contract.ports import Clock, Historian, ReadingColumn, ReadingRow
from collector.contract.reading import Batch, Numbered, Samples, address
from collector.quarantine import keep_rows
from collector.readers import HISTORIAN, Dropped
from collector.spool import Spool

READER: Final = HISTORIAN
_BATCHES_MAX: Final = 2_000
_BYTES_MAX: Final = 4 * 1024**2
"""Encoded bytes of one write, so that memory stays flat while an outage is caught up with."""
_GLANCE_S: Final = 0.1
_RATE_SPAN_S: Final = 60.0
_PRUNE_EVERY_S: Final = 10.0
_TIDY_EVERY_S: Final = 60.0
_FORGET_EVERY_S: Final = 86_400.0
_RETRY_S: Final = 0.5
_WISH_S_MAX: Final = 3_600.0
"""Longest wish of a historian that is granted."""


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


def columns_of(batches: Iterable[Batch]) -> list[ReadingRow | ReadingColumn]:
    """Return the same samples as `rows_of`, those of one message and indicator together where there are several."""
    found: list[ReadingRow | ReadingColumn] = []
    for batch in batches:
        place, device = address(batch.device, batch.place), batch.device
        for fact in batch.facts:
            if not isinstance(fact, Samples):
                continue
            times = fact.times
            for name, column in fact.values.items():
                values = [value for value in column if value is not None]
                if len(values) != len(times):
                    kept = [ts for ts, value in zip(times, column, strict=True) if value is not None]
                    if kept:
                        found.append(ReadingColumn(place, device, name, kept, values))
                elif len(values) == 1:
                    found.append(ReadingRow(place, device, name, times[0], values[0]))
                elif values:
                    found.append(ReadingColumn(place, device, name, times, values))
    return found


class Drain:
    """Reads the log by number and writes to the historian. `turn` is called by one thread, the rest by any.

    Few facts wait for each other, at most `every_s` real seconds; `waits` says what the historian's trouble is.
    """

    def __init__(
        self,
        log: Spool,
        historian: Historian,
        clock: Clock,
        *,
        every_s: float = HISTORIAN_EVERY_S,
        note: Callable[[Dropped], None] = lambda _: None,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`note` is told of readers that the log has dropped."""
        self._log, self._historian, self._clock, self._note = log, historian, clock, note
        self._every_s, self._monotonic_s = every_s, monotonic_s
        self._next = log.readers().get(READER, 0) + 1
        self._began_s = monotonic_s()
        self._written_s = self._pruned_s = self._tidied_s = self._forgot_s = float("-inf")
        self._written: deque[tuple[float, int]] = deque()
        self._failures_count = 0
        self._hurried = threading.Event()
        self._news = threading.Condition()
        self.refused_count = 0
        self.waits: str | None = None
        log.passed(READER, self._next - 1)

    def turn(self, wait_s: float = 0.5) -> int:
        """Write the next batches; return how many. With `wait_s` = 0 nothing lingers.

        Raises Unavailable, which says when to come again, and then the same batches come again.
        """
        self._tend()
        lingers = wait_s > 0 and self._lingers(wait_s)
        try:
            count = 0 if lingers else self._write_next()
            self._tidy()
        except Unavailable as error:
            self._failures_count += 1
            self._tell(str(error))
            raise Unavailable(str(error), retry_after_s=self._retry_s(error)) from error
        if not lingers or self._next > self._log.last():
            self._failures_count = 0
            self._tell(None)
        return count

    def hurry(self, wait_s: float = 1.0) -> None:
        """Let what is in the log now be written at once; wait for it up to `wait_s`, unless the historian is away."""
        n = self._log.last()
        with self._news:
            if self._next <= n and self.waits is None:
                self._hurried.set()
                self._news.wait_for(lambda: self._next > n or self.waits is not None, timeout=wait_s)

    @property
    def rate_per_s(self) -> float:
        """Batches written a second, over the last minute."""
        now_s = self._monotonic_s()
        count = sum(count for at_s, count in list(self._written) if now_s - at_s <= _RATE_SPAN_S)
        return count / min(max(now_s - self._began_s, 1.0), _RATE_SPAN_S)

    def age_s(self, oldest_at: float | None) -> float:
        """Return for how long (plant's time) the oldest fact (the log's state knows it) has waited; 0 for none."""
        return 0.0 if oldest_at is None else max(self._clock.now() - oldest_at, 0.0)

    def _lingers(self, wait_s: float) -> bool:
        """Wait a little where few facts are there and the last write was not long ago; tell whether it did."""
        left_s = self._every_s - (self._monotonic_s() - self._written_s)
        waiting = self._log.last() - self._next + 1
        if waiting >= HISTORIAN_BATCHES_AT_ONCE or (waiting > 0 and (left_s <= 0 or self._hurried.is_set())):
            return False
        self._hurried.wait(min(wait_s, _GLANCE_S, left_s if waiting > 0 else _GLANCE_S))
        return True

    def _write_next(self) -> int:
        last = self._log.last()
        count = self._write(self._log.read_from(self._next, most=_BATCHES_MAX, bytes_max=_BYTES_MAX))
        if not count and last >= self._next:  # numbers that no fact has: a restore lifted them
            self._pass(last)
        return count

    def _write(self, numbered: Sequence[Numbered]) -> int:
        if not numbered:
            return 0
        rows = columns_of(batch for _, batch in numbered)
        refused = self._historian.write(rows) if rows else []
        if refused:
            keep_rows(self._log, refused, at=self._clock.now())
            self.refused_count += len(refused)
        self._pass(numbered[-1].n)
        self._written_s = now_s = self._monotonic_s()
        self._written.append((now_s, len(numbered)))
        while now_s - self._written[0][0] > _RATE_SPAN_S:
            self._written.popleft()
        return len(numbered)

    def _pass(self, n: int) -> None:
        self._log.passed(READER, n)
        self._next = n + 1

    def _tell(self, waits: str | None) -> None:
        with self._news:
            self.waits = waits
            if waits is not None or self._next > self._log.last():
                self._hurried.clear()
            self._news.notify_all()

    def _retry_s(self, error: Unavailable) -> float:
        if error.retry_after_s is not None:
            return min(max(error.retry_after_s, _GLANCE_S), _WISH_S_MAX)
        longest_s = min(_RETRY_S * 2.0 ** min(self._failures_count, 10), RETRY_S_MAX)
        return longest_s * random.uniform(0.5, 1.0)  # noqa: S311 - so that several don't come back together

    def _tend(self) -> None:
        """Keep the log small; where the disk does not let us, the commits say so, and draining goes on."""
        now_s = self._monotonic_s()
        with suppress(Unavailable):
            if now_s - self._pruned_s >= _PRUNE_EVERY_S:
                self._pruned_s = now_s
                self._log.prune()
            if now_s - self._forgot_s >= _FORGET_EVERY_S:
                self._forgot_s = now_s
                self._log.forget(self._clock.now() - SENDER_MEMORY_S)
        for dropped in self._log.take_dropped():
            self._note(dropped)

    def _tidy(self) -> None:
        """Let the historian roll up and forget, once a minute, and a step each turn while it has more to do."""
        now_s = self._monotonic_s()
        if now_s - self._tidied_s >= _TIDY_EVERY_S and not self._historian.tidy(self._clock.now()):
            self._tidied_s = now_s
