# SPDX-License-Identifier: AGPL-3.0-or-later
"""A historian as people ask it: what has been acknowledged is there, although few facts wait for each other."""

from __future__ import annotations

from collections.abc import Sequence

from collector.contract.limits import HISTORIAN_EVERY_S
from collector.contract.ports import Clock, Historian, IndexRow, ReadingColumn, ReadingRow, RefusedRow
from collector.drain import Drain


class FreshHistorian:
    """A Historian that lets the drain write first, where a question reaches into the last seconds.

    It waits a second at most, and not at all while the historian is away: then the answer is what is there.
    """

    def __init__(self, historian: Historian, drain: Drain, clock: Clock) -> None:
        self._historian, self._drain, self._clock = historian, drain, clock

    def write(self, rows: Sequence[ReadingRow | IndexRow | ReadingColumn]) -> Sequence[RefusedRow]:
        """Keep the rows; return those that can never be kept."""
        return self._historian.write(rows)

    def series(self, place: str, name: str, *, start: float, end: float, most: int) -> list[tuple[float, float]]:
        """Return samples, oldest first, the newest included."""
        self._freshen(end)
        return self._historian.series(place, name, start=start, end=end, most=most)

    def rolled(
        self, place: str, name: str, *, start: float, end: float, step_s: float, most: int
    ) -> list[tuple[float, float, float, float]]:
        """Return buckets, the newest samples included."""
        self._freshen(end)
        return self._historian.rolled(place, name, start=start, end=end, step_s=step_s, most=most)

    def tidy(self, now: float) -> int:
        """Roll up what is old enough."""
        return self._historian.tidy(now)

    def ready(self) -> str | None:
        """Return None where it can be used, else the reason why not."""
        return self._historian.ready()

    def close(self) -> None:
        """Let go of files and connections."""
        self._historian.close()

    def _freshen(self, end: float) -> None:
        if self._clock.real_s(self._clock.now() - end) <= 2 * HISTORIAN_EVERY_S:
            self._drain.hurry()
