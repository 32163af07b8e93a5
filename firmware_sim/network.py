# SPDX-License-Identifier: AGPL-3.0-or-later
"""A bad network between a voice and its uplink: drop, delay, duplicate, reorder, hang; the same again for a seed.

Pure but for the generator that it is given: it holds messages and says which may go on. What it dropped is counted
by topic, so that the truth can tell it. A clock that is wrong (skew) is the device's own: see `Weather.skew_s`.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

from firmware_sim.voices.voice import Publication

DELAY_S_MAX: Final = 3_600.0


class Weather(NamedTuple):
    """How bad a network is; ratios are shares of messages, times are the plant's seconds.

    `delay_s` is the mean of an exponential delay, `reorder_s` how long a message that is overtaken waits;
    `hangs_per_day` times a day nothing passes for `hang_s` on average, and then everything at once;
    `skew_s` is the standard deviation of the devices' clocks.
    """

    drop_ratio: float = 0.0
    duplicate_ratio: float = 0.0
    reorder_ratio: float = 0.0
    reorder_s: float = 20.0
    delay_s: float = 0.0
    hangs_per_day: float = 0.0
    hang_s: float = 30.0
    skew_s: float = 0.0


CLEAR: Final = Weather()


class Network:
    """What lies between one voice and its uplink."""

    def __init__(self, weather: Weather, rng: random.Random, *, start: float) -> None:
        self.weather = weather
        self.dropped: Counter[str] = Counter()
        self.duplicated_count = 0
        self.reordered_count = 0
        self._rng = rng
        self._waiting: list[tuple[float, int, Publication]] = []
        self._count = 0
        self._last_at = start
        self._hangs_until = start
        self._hangs_at = start
        self._plan_hang(start)

    @property
    def idle(self) -> bool:
        """Tell whether it lets everything pass at once."""
        bad = self.weather
        disturbed = bad.drop_ratio or bad.duplicate_ratio or bad.reorder_ratio or bad.delay_s or bad.hangs_per_day
        return not (self._waiting or disturbed)

    def put(self, publications: Sequence[Publication], now: float) -> None:
        """Take messages in at `now` (Unix s of the plant)."""
        draw, weather = self._rng.random, self.weather
        for publication in publications:
            if draw() < weather.drop_ratio:
                self.dropped[publication.topic] += 1
                continue
            late_s = min(self._rng.expovariate(1 / weather.delay_s), DELAY_S_MAX) if weather.delay_s > 0 else 0.0
            # A delayed message delays those behind it: TCP keeps the order, and only what is said so overtakes.
            self._last_at = max(now + late_s, self._last_at)
            at = self._last_at
            if draw() < weather.reorder_ratio:
                self.reordered_count += 1
                at += weather.reorder_s
            self._hold(at, publication)
            if draw() < weather.duplicate_ratio:
                self.duplicated_count += 1
                self._hold(at + late_s, publication)

    def due(self, room: int, now: float) -> list[Publication]:
        """Return up to `room` messages that arrive by `now`, none while the network hangs."""
        if self._hangs(now):
            return []
        out: list[Publication] = []
        while self._waiting and len(out) < room and self._waiting[0][0] <= now:
            out.append(heapq.heappop(self._waiting)[2])
        return out

    @property
    def waiting_count(self) -> int:
        """Return how many messages are under way."""
        return len(self._waiting)

    def _hold(self, at: float, publication: Publication) -> None:
        self._count += 1
        heapq.heappush(self._waiting, (at, self._count, publication))

    def _hangs(self, now: float) -> bool:
        while now >= self._hangs_at:
            self._hangs_until = self._hangs_at + self._rng.expovariate(1 / self.weather.hang_s)
            self._plan_hang(self._hangs_until)
        return now < self._hangs_until

    def _plan_hang(self, after: float) -> None:
        perday = self.weather.hangs_per_day
        self._hangs_at = after + self._rng.expovariate(perday / 86_400) if perday > 0 else float("inf")
