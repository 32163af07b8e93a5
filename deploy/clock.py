# SPDX-License-Identifier: AGPL-3.0-or-later
"""The plant's clock: the system's, or in the demo one that starts in the past and ends at the present."""

from __future__ import annotations

import time


class SystemClock:
    """A Clock that is the machine's own."""

    def now(self) -> float:
        """Return the time in Unix seconds."""
        return time.time()

    def real_s(self, plant_s: float) -> float:
        """Return the same: a second of the plant is a second."""
        return plant_s


class DemoClock:
    """A Clock that runs `speed` times as fast from a start in the past, and at speed 1 once it is at the present.

    It never stamps the future (first-decisions 4). Steps of the host's clock do not move it.
    """

    def __init__(self, *, start: float, speed: float) -> None:
        """Stand at `start` (Unix s) until `begin`."""
        self.start = start
        self._speed = speed
        self._begun: tuple[float, float] | None = None

    def begin(self) -> None:
        """Let it run from now on."""
        self._begun = time.monotonic(), time.time()

    def now(self) -> float:
        """Return the plant's time in Unix seconds."""
        if self._begun is None:
            return self.start
        began_s, present = self._begun
        elapsed_s = time.monotonic() - began_s
        return min(self.start + elapsed_s * self._speed, present + elapsed_s)

    def real_s(self, plant_s: float) -> float:
        """Return how many real seconds that takes at the speed of now."""
        return plant_s / self.speed

    @property
    def speed(self) -> float:
        """Return the speed of now: 1 once the present is reached."""
        return 1.0 if self.arrived else self._speed

    @property
    def arrived(self) -> bool:
        """Tell whether the plant's time is the present."""
        if self._begun is None:
            return False
        began_s, present = self._begun
        elapsed_s = time.monotonic() - began_s
        return self.start + elapsed_s * self._speed >= present + elapsed_s


class FileClock:
    """A Clock that stands still until it is set: a recording's own time."""

    def __init__(self, now: float = 0.0) -> None:
        self._now = now

    def now(self) -> float:
        """Return the time that was set last."""
        return self._now

    def real_s(self, plant_s: float) -> float:
        """Return no time at all: nobody waits on a recording."""
        return plant_s * 0.0

    def set(self, now: float) -> None:
        """Move to this time; it never goes back."""
        self._now = max(self._now, now)
