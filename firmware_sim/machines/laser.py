# SPDX-License-Identifier: AGPL-3.0-or-later
"""A laser cutter: a tube that ages, a lens that gets dirty, water that cools it, and air that keeps the cut clean.

The cut needs the same energy a metre whatever the lens lets through: the tube is set higher, and where it can give
no more the cut goes slower.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Final

from collector.contract.event import State
from firmware_sim.faults import Kind
from firmware_sim.machines.machine import Sense
from firmware_sim.machines.station import Product, Station, Stop
from firmware_sim.physics import Wander, room_degc

TUBE_W: Final = 80.0
CUT_W: Final = 46.0
"""Power that the usual cut needs behind a clean lens (assumption)."""
SPEED_MM_S: Final = 20.0
TUBE_SHARE: Final = 0.12
"""Optical over electrical power of a CO2 tube (assumption)."""
STANDBY_W: Final = 90.0
CHILLER_W: Final = 350.0
DIRT_PER_PART: Final = 0.0008
DIRT_CLEANED: Final = 0.12
"""Share that the lens holds back, a part more, and when people clean it between two jobs (assumption)."""
DIRT_GROWTH: Final = 0.45
TUBE_FALL: Final = 0.50
"""What lens-dirt and tube-loss have taken at their end (assumption)."""
WATER_DEGC: Final = 20.0
WATER_TAU_S: Final = 240.0
WATER_RISE_K_S: Final = 0.02
"""Warming by a tube at full power without a chiller: 580 W into 7 l of water (assumption)."""
UNCUT_SHARE: Final = 0.008
"""Parts that are not cut through (assumption)."""
INTERLOCK_DEGC: Final = 30.0
AIR_KPA: Final = 150.0
INTERLOCK_WHY: Final = "interlock: cooling water too warm"


class Laser(Station):
    """A CO2 laser cutter on the plant's time."""

    words = (
        "tube_power_w", "tube_set_pct", "energy_j_m", "air_assist_kpa", "chiller_degc", "progress_ratio", "power_w",
        "energy_kwh",
    )  # fmt: skip
    products: ClassVar = (
        Product("drone-frame.lbrn", 24, 95.0, 38.0),
        Product("sign-letters.lbrn", 60, 42.0, 12.0),
        Product("enclosure-panel.lbrn", 16, 160.0, 85.0),
    )
    repaired: ClassVar = frozenset({Kind.CHILLER})
    setup_s: ClassVar = (60.0, 180.0)

    def __init__(self, *args: Any, **known: Any) -> None:
        super().__init__(*args, **known)
        self._tube = Wander(self._rng, sd=0.015, tau_s=60.0)
        self._dirt = self._rng.uniform(0.0, DIRT_CLEANED / 2)
        self.water_degc = WATER_DEGC
        self._tube_w = self._set = 0.0
        self._slow = 1.0

    def live(self, dt_s: float) -> float:
        """Return the electric power of tube, chiller and the rest."""
        clear = 1.0 - min(self._dirt + DIRT_GROWTH * self.grown(Kind.LENS_DIRT), 0.8)
        most_w = TUBE_W * (1.0 - TUBE_FALL * self.grown(Kind.TUBE_LOSS))
        wanted_w = CUT_W / clear
        self._slow = max(wanted_w / most_w, 1.0)
        self._set = min(wanted_w / most_w, 1.0) if self.works else 0.0
        self._tube_w = most_w * self._set * (1.0 + self._tube.advance(dt_s)) if self.works else 0.0
        self._cool(dt_s)
        chiller_w = CHILLER_W if Kind.CHILLER not in self.ills and self.state is not State.IDLE else 0.0
        return STANDBY_W + chiller_w + self._tube_w / TUBE_SHARE

    def _cool(self, dt_s: float) -> None:
        if Kind.CHILLER in self.ills:
            self.water_degc += WATER_RISE_K_S * dt_s * self._tube_w / TUBE_W
            return
        rests_degc = room_degc(self.now) if self.state is State.IDLE else WATER_DEGC + 2.0 * self._tube_w / TUBE_W
        self.water_degc += (rests_degc - self.water_degc) * -math.expm1(-dt_s / WATER_TAU_S)

    def cycle_ratio(self) -> float:
        """Return how much slower the cut must go where the tube gives too little."""
        return self._slow

    def part(self) -> str | None:
        """Dirty the lens by a part, more without air; parts cut without air are charred."""
        blown = Kind.AIR_ASSIST not in self.ills
        self._dirt += DIRT_PER_PART * (1.0 if blown else 8.0)
        if not blown:
            return "charred edges"
        return "not cut through" if self._rng.random() < UNCUT_SHARE else None

    def stop(self) -> Stop | None:
        """Return the interlock where the water is too warm."""
        return Stop(State.FAULT, INTERLOCK_WHY) if self.water_degc >= INTERLOCK_DEGC else None

    def repair(self) -> None:
        """Put cold water in, as a repaired chiller does."""
        self.water_degc = min(self.water_degc, WATER_DEGC + 2.0)

    def ease(self, kind: str) -> Any:
        """Take a fault away; who cleans the lens cleans all of it."""
        if kind == Kind.LENS_DIRT:
            self._dirt = 0.0
        return super().ease(kind)

    def sense(self, count: int = 1) -> Sense:
        """Return the mean of `count` measurements, one for each of `words`."""
        gauss, root = self._rng.gauss, math.sqrt(count)
        tube_w = max(self._tube_w + gauss(0.0, 0.3 / root), 0.0) if self.works else 0.0
        air_kpa = AIR_KPA * (0.1 if Kind.AIR_ASSIST in self.ills else 1.0) if self.works else 0.0
        return (
            round(tube_w, 2),
            round(100 * self._set, 2),
            round(tube_w * self._slow / SPEED_MM_S * 1000, 1) if self.works else None,
            round(max(air_kpa + gauss(0.0, 1.0 / root), 0.0), 1),
            round(self.water_degc + gauss(0.0, 0.05 / root), 2),
            self.ratio,
            round(max(self.power_w + gauss(0.0, 3.0 / root), 0.0), 1),
            self.told_kwh,
        )

    def _when_idle(self, dt_s: float) -> Any:
        if self._dirt > DIRT_CLEANED and self.now >= self._until:
            self._dirt = 0.0
            self._until = self.now + self._rng.uniform(180.0, 420.0)
            return self._enter(State.MAINTENANCE, "lens cleaning")
        return super()._when_idle(dt_s)
