# SPDX-License-Identifier: AGPL-3.0-or-later
"""Who reads the log and how far each has come: the log keeps what one of them has still to read.

A reader's silence counts in seconds of our own running time: neither a step of the host's clock nor a week in
which we were switched off makes anybody silent.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

HISTORIAN: Final = "historian"
ESSENTIAL: Final = frozenset({HISTORIAN, "cyberfilter", "production"})
"""Readers that are never dropped: without them the log means nothing."""
EVERY_S: Final = 10.0
"""How far they have come is written with a commit, but only so often: reading again does no harm."""


class Dropped(NamedTuple):
    """A reader that holds the log back no longer; it had passed n."""

    name: str
    n: int
    why: str


class Readers:
    """Positions and silences, in memory; `rows` are what must be on disk before anything is deleted."""

    def __init__(self, rows: Iterable[tuple[str, int, float]], now_s: float) -> None:
        found = list(rows)
        self.positions = {name: n for name, n, _ in found}
        self._silent_s = {name: silent_s for name, _, silent_s in found}
        self._counted_at_s = self._kept_at_s = now_s
        self.changed = False

    def passed(self, name: str, n: int) -> int | None:
        """Note that it asked and has passed n; return where it was before, None where it was not before n."""
        self._silent_s[name] = 0.0
        before = self.positions.get(name, -1)
        if before >= n:
            return None
        self.positions[name] = n
        self.changed = True
        return max(before, 0)

    def count_silence(self, now_s: float) -> None:
        """Let the time since the last call count as silence; `now_s` is monotonic."""
        span_s, self._counted_at_s = now_s - self._counted_at_s, now_s
        for name in self._silent_s:
            self._silent_s[name] += span_s

    def rows(self) -> list[tuple[str, int, float]]:
        """Return all readers as the file keeps them."""
        return [(name, n, self._silent_s.get(name, 0.0)) for name, n in self.positions.items()]

    def due(self, now_s: float) -> bool:
        """Tell whether they should be written with the next commit."""
        return self.changed and now_s - self._kept_at_s >= EVERY_S

    def kept(self, now_s: float) -> None:
        """Note that they are on disk as they are."""
        self.changed, self._kept_at_s = False, now_s

    def through(self) -> int:
        """Return up to where all have passed; 0 while nobody is known."""
        return min(self.positions.values(), default=0)

    def drop_silent(self, silent_s_max: float) -> list[Dropped]:
        """Drop those that have not asked for so long."""
        found = [name for name, silent_s in self._silent_s.items() if silent_s > silent_s_max]
        return [
            self._drop(name, f"it has not asked for {self._silent_s[name] / 86_400:.1f} days")
            for name in found
            if name not in ESSENTIAL
        ]

    def drop_lagging(self, why: str) -> list[Dropped]:
        """Drop those that alone hold back facts which every essential reader has passed."""
        essential = [n for name, n in self.positions.items() if name in ESSENTIAL]
        if not essential:
            return []
        found = [name for name, n in self.positions.items() if name not in ESSENTIAL and n < min(essential)]
        return [self._drop(name, why) for name in found]

    def _drop(self, name: str, why: str) -> Dropped:
        self._silent_s.pop(name, None)
        self.changed = True
        return Dropped(name, self.positions.pop(name), why)
