# SPDX-License-Identifier: AGPL-3.0-or-later
"""The history of a place whose devices stood elsewhere before: one series across their moves.

What was measured before a move was written under the former place, and stays there; the new place shows both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from collector.contract.ports import Historian, IndexRow, ReadingColumn, ReadingRow, RefusedRow
from collector.contract.tree import Plant


class Span(NamedTuple):
    """A part of a place's history: at `place`, from `start` to before `end` (Unix s)."""

    place: str
    start: float
    end: float


def spans_of(plant: Plant, place: str, *, start: float, end: float) -> list[Span]:
    """Return where the history of a place within [start, end) was written: under its own name, and before the moves.

    >>> from collector.contract.tree import Machine, Stay
    >>> plant = Plant({}, {"mk4": Machine("mk4", "hall/b", formerly=(Stay("hall/a", 50.0),))})
    >>> spans_of(plant, "hall/b", start=0.0, end=60.0)
    [Span(place='hall/b', start=0.0, end=60.0), Span(place='hall/a', start=0.0, end=50.0)]
    """
    found = [Span(place, start, end)]
    for machine in plant.machines.values():
        if machine.place != place:
            continue
        since = start
        for stay in machine.formerly:
            until = min(stay.until, end)
            if stay.place != place and since < until:
                found.append(Span(stay.place, since, until))
            since = max(since, stay.until)
    return list(dict.fromkeys(found))


class MovedHistorian:
    """A Historian whose places bring along what their devices measured elsewhere before.

    Where a bucket holds samples of both places, its mean is the mean of the two places' means.
    """

    def __init__(self, historian: Historian, plant: Callable[[], Plant]) -> None:
        self._historian, self._plant = historian, plant

    def write(self, rows: Sequence[ReadingRow | IndexRow | ReadingColumn]) -> Sequence[RefusedRow]:
        """Keep the rows; return those that can never be kept."""
        return self._historian.write(rows)

    def series(self, place: str, name: str, *, start: float, end: float, most: int) -> list[tuple[float, float]]:
        """Return samples, oldest first, those of former places included; at an equal time the present place counts."""
        found: dict[float, float] = {}
        for span in reversed(spans_of(self._plant(), place, start=start, end=end)):
            found.update(self._historian.series(span.place, name, start=span.start, end=span.end, most=most))
        return sorted(found.items())[: most + 1]

    def rolled(
        self, place: str, name: str, *, start: float, end: float, step_s: float, most: int
    ) -> list[tuple[float, float, float, float]]:
        """Return buckets, those of former places included."""
        found: dict[float, tuple[float, float, float, float]] = {}
        for span in spans_of(self._plant(), place, start=start, end=end):
            asked = {"start": span.start, "end": span.end, "step_s": step_s}
            for bucket in self._historian.rolled(span.place, name, **asked, most=most):
                at, low, mean, high = bucket
                known = found.get(at)
                found[at] = (
                    bucket if known is None else (at, min(low, known[1]), (mean + known[2]) / 2, max(high, known[3]))
                )
        return [found[at] for at in sorted(found)][: most + 1]

    def tidy(self, now: float) -> int:
        """Roll up what is old enough."""
        return self._historian.tidy(now)

    def ready(self) -> str | None:
        """Return None where it can be used, else the reason why not."""
        return self._historian.ready()

    def close(self) -> None:
        """Let go of files and connections."""
        self._historian.close()
