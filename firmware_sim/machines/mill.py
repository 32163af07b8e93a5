# SPDX-License-Identifier: AGPL-3.0-or-later
"""A mill: the cut loads the spindle, the tool wears and at last breaks, people open the door and hold the feed."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Final

from collector.contract.event import State
from firmware_sim.faults import Kind
from firmware_sim.machines.machine import Sense
from firmware_sim.machines.station import Product, Station, Stop
from firmware_sim.physics import Wander

WEAR_PER_PART: Final = 0.005
"""Share by which each part raises the spindle's load (assumption)."""
LIFE_PARTS: Final = (110, 15)
"""Parts until a tool breaks: mean and standard deviation (assumption)."""
CHANGE_SHARE: Final = 0.85
"""Share of its life after which people change a tool between two jobs, nine times of ten (assumption)."""
CHANGED_SHARE: Final = 0.9
SPINDLE_W: Final = 2_200.0
STANDBY_W: Final = 180.0
AXES_W: Final = 160.0
LOAD_PCT: Final = (38.0, 52.0)
"""Load of a sharp tool, by machine (assumption)."""
RPM: Final = 12_000.0
FEED_MM_MIN: Final = 1_400.0
BROKEN_WHY: Final = "alarm: tool broken"
ALARM_WHY: Final = "alarm: axis following error"


class Mill(Station):
    """A three-axis mill on the plant's time."""

    words = (
        "spindle_load_pct", "spindle_rpm", "feed_mm_min", "progress_ratio", "power_w", "energy_kwh",
    )  # fmt: skip
    products: ClassVar = (
        Product("bearing-block.nc", 8, 420.0, 310.0),
        Product("clamp-plate.nc", 20, 190.0, 120.0),
        Product("gearbox-side.nc", 4, 900.0, 640.0),
    )
    repaired: ClassVar = frozenset({Kind.TOOL_BREAK, Kind.ALARM})

    def __init__(self, *args: Any, **known: Any) -> None:
        super().__init__(*args, **known)
        self._load_pct = self._rng.uniform(*LOAD_PCT)
        self._cut = Wander(self._rng, sd=0.05, tau_s=40.0)
        self._turns = False
        self._life_parts = math.inf
        self.load_pct = 0.0
        self.repair()
        self.cut_parts = int(self._rng.uniform(0.0, 0.6) * self._life_parts)

    def repair(self) -> None:
        """Put a sharp tool in."""
        self.cut_parts = 0
        self._life_parts = max(self._rng.gauss(*LIFE_PARTS), 60.0)

    def live(self, dt_s: float) -> float:
        """Return the power of spindle and axes; a held feed leaves the spindle turning without load."""
        cuts = self._cut.advance(dt_s) if self.works else 0.0
        self._turns = self.works or (self.state is State.HELD and Kind.DOOR not in self.ills)
        load = self._load_pct * (1 + WEAR_PER_PART * self.cut_parts) * (1 + cuts) if self.works else 0.0
        self.load_pct = max(load, 0.0) if self.works else 6.0 * self._turns
        return STANDBY_W + SPINDLE_W * self.load_pct / 100 + AXES_W * self.works

    def cycle_ratio(self) -> float:
        """Return 1: a worn tool cuts as fast, with more load."""
        return 1.0

    def part(self) -> str | None:
        """Wear the tool by a part; a very worn one now and then leaves a bad surface."""
        self.cut_parts += 1
        worn = self.cut_parts / self._life_parts
        return "bad surface" if self._rng.random() < 0.005 + 0.05 * max(worn - 0.8, 0.0) else None

    def stop(self) -> Stop | None:
        """Return what stops the axes: an alarm, a broken tool, an open door, a held feed."""
        if self.cut_parts >= self._life_parts:
            self.fall_ill(Kind.TOOL_BREAK)
        if Kind.TOOL_BREAK in self.ills:
            return Stop(State.FAULT, BROKEN_WHY)
        if Kind.ALARM in self.ills:
            return Stop(State.FAULT, ALARM_WHY)
        if Kind.DOOR in self.ills:
            return Stop(State.HELD, "door open")
        return Stop(State.HELD, "feed hold") if Kind.FEED_HOLD in self.ills else None

    def sense(self, count: int = 1) -> Sense:
        """Return the mean of `count` measurements, one for each of `words`."""
        gauss, root = self._rng.gauss, math.sqrt(count)
        load_pct = max(self.load_pct + gauss(0.0, 0.6 / root), 0.0) if self._turns else 0.0
        return (
            round(load_pct, 2),
            round(RPM + gauss(0.0, 15.0 / root)) if self._turns else 0.0,
            round(FEED_MM_MIN + gauss(0.0, 5.0 / root), 1) if self.works else 0.0,
            self.ratio,
            round(max(self.power_w + gauss(0.0, 3.0 / root), 0.0), 1),
            self.told_kwh,
        )

    def _when_idle(self, dt_s: float) -> Any:
        worn = self.now >= self._until and self.cut_parts > CHANGE_SHARE * self._life_parts
        if worn and self._rng.random() < CHANGED_SHARE:
            self.repair()
            self._until = self.now + self._rng.uniform(240.0, 600.0)
            return self._enter(State.MAINTENANCE, "tool change")
        return super()._when_idle(dt_s)
