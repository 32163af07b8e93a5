# SPDX-License-Identifier: CC0-1.0
"""The floors that every score is printed beside: nothing at all, chance, an alarm clock, and Shewhart's three sigma."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence

from collector.contract.ports import IndexRow
from cyberfilter.backtest.faults import Alarm

QUIET_COUNT = 15
"""Values inside the limits after which a series can alarm again."""
DAY_S = 86_400.0
Key = tuple[str, str]


def chance(series: Sequence[Key], count: int, start: float, end: float, seed: int) -> list[Alarm]:
    """Return `count` alarms anywhere at any time."""
    rng = random.Random(f"chance/{seed}")
    return [Alarm(*rng.choice(series), rng.uniform(start, end), rng.choice(("step", "slope"))) for _ in range(count)]


def clock(series: Sequence[Key], start: float, end: float) -> list[Alarm]:
    """Return an alarm of every series once a day, at noon."""
    days = int((end - start) / DAY_S)
    return [Alarm(*key, start + DAY_S * (day + 0.5), "step") for key in series for day in range(days)]


class Shewhart:
    """Beyond three sigma of the history's level; again only after fifteen values within."""

    def __init__(self, scales: Mapping[Key, tuple[float, float]]) -> None:
        self._scales = scales
        self._quiet: dict[Key, int] = {}

    def alarms(self, rows: Iterable[IndexRow]) -> list[Alarm]:
        """Return the alarms of the next rows, in order of time for every series."""
        found = []
        for row in rows:
            key = (row.place, row.name)
            level, sigma = self._scales.get(key, (0.0, 0.0))
            if sigma <= 0:
                continue
            if abs(row.value - level) <= 3 * sigma:
                self._quiet[key] = self._quiet.get(key, QUIET_COUNT) + 1
            else:
                if self._quiet.get(key, QUIET_COUNT) >= QUIET_COUNT:
                    found.append(Alarm(row.place, row.name, row.ts + 120.0, "step"))
                self._quiet[key] = 0
        return found
