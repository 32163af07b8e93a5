# SPDX-License-Identifier: AGPL-3.0-or-later
"""The newest facts in memory: a reader that keeps up reads them without touching the disk or decoding anything."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Final

from collector.contract.reading import Numbered

BYTES_MAX: Final = 4 * 1024**2
"""Of encoded batches; as objects they take about five times as much."""
BATCHES_MAX: Final = 10_000


class Recent:
    """Numbers without a hole up to the newest, bounded in batches and in bytes."""

    def __init__(self) -> None:
        self._rows: deque[tuple[int, int]] = deque()
        self._batches: deque[Numbered] = deque()
        self._bytes = 0

    def add(self, numbered: Sequence[Numbered], size_bytes: int) -> None:
        """Take a row's batches; the oldest rows go where it gets too much."""
        self._batches.extend(numbered)
        self._rows.append((len(numbered), size_bytes))
        self._bytes += size_bytes
        while self._bytes > BYTES_MAX or len(self._batches) > BATCHES_MAX:
            count, size = self._rows.popleft()
            self._bytes -= size
            for _ in range(count):
                self._batches.popleft()

    def since(self, n: int, most: int) -> list[Numbered] | None:
        """Return up to `most` with numbers >= n in order, or None where they begin before what is remembered."""
        if not self._batches or self._batches[0].n > n:
            return None
        wanted = self._batches[-1].n - n + 1
        if wanted <= 0:
            return []
        if wanted <= len(self._batches) // 2:
            found = list(islice(reversed(self._batches), wanted))
            found.reverse()
            return found[:most]
        start = len(self._batches) - wanted
        return list(islice(self._batches, start, min(start + most, len(self._batches))))
