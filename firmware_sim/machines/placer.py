# SPDX-License-Identifier: AGPL-3.0-or-later
"""A pick-and-place machine: feeders that mispick, a vacuum that weakens, reels that run empty."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Final

from collector.contract.event import State
from firmware_sim.faults import Kind
from firmware_sim.machines.machine import Sense
from firmware_sim.machines.people import repairs_s
from firmware_sim.machines.station import Product, Station, Stop
from firmware_sim.physics import Wander

RATE_PER_H: Final = 3_600.0
"""Placements an hour when all is well."""
MISPICK: Final = (0.001, 0.01)
"""Share of picks that fail, by machine (assumption)."""
MISPICKS_TIMES: Final = 10.0
CLOGGED_SHARE: Final = 0.15
"""Picks that fail with a clogged nozzle (assumption)."""
REEL_COUNT: Final = 4_000
VACUUM_KPA: Final = -62.0
CLOGGED_KPA: Final = 34.0
"""What a clogged nozzle takes of the vacuum (assumption)."""
STANDBY_W: Final = 120.0
WORK_W: Final = 210.0
CLOGGED_WHY: Final = "nozzle blocked: vacuum too weak"
EMPTY_WHY: Final = "feeder empty"


class Placer(Station):
    """A pick-and-place machine on the plant's time; its parts are boards."""

    words = (
        "placements_per_h", "mispick_pct", "discard_count", "feeder_left_count", "vacuum_kpa", "progress_ratio",
        "power_w", "energy_kwh",
    )  # fmt: skip
    products: ClassVar = (
        Product("sensor-node.pos", 30, 84.0, 9.0),
        Product("motor-driver.pos", 16, 156.0, 31.0),
        Product("display-board.pos", 12, 240.0, 44.0),
    )
    repaired: ClassVar = frozenset({Kind.NOZZLE_CLOG})

    def __init__(self, *args: Any, **known: Any) -> None:
        super().__init__(*args, **known)
        self._mispick = self._rng.uniform(*MISPICK)
        self._pace = Wander(self._rng, sd=0.03, tau_s=30.0)
        self._leak = Wander(self._rng, sd=0.8, tau_s=120.0)
        self.left = REEL_COUNT * self._rng.uniform(0.3, 1.0)
        self.discards = 0.0
        self._refilled_at = math.inf
        self._rate_per_h = 0.0

    def live(self, dt_s: float) -> float:
        """Pick and place; what is discarded is gone from the reel too. Return the electric power in W."""
        if self.ills.get(Kind.FEEDER_EMPTY) is not None:
            self.left = 0.0
        elif self.left <= 0.0:
            self._refill()
        if not self.works:
            self._rate_per_h = 0.0
            return STANDBY_W
        self._leak.advance(dt_s)
        picks = RATE_PER_H / 3600 * dt_s * (1.0 + self._pace.advance(dt_s))
        failed = picks * self.failing
        spread = math.sqrt(failed * (1.0 - self.failing))
        failed = min(max(failed + self._rng.gauss(0.0, spread), 0.0), picks)
        self.discards += failed
        self.left = max(self.left - picks, 0.0)
        self._rate_per_h = (picks - failed) / dt_s * 3600
        return STANDBY_W + WORK_W

    def _refill(self) -> None:
        if self._refilled_at == math.inf:
            self._refilled_at = self.now + repairs_s(self._rng) / 3
        elif self.now >= self._refilled_at:
            self.left, self._refilled_at = float(REEL_COUNT), math.inf

    @property
    def failing(self) -> float:
        """Return the share of picks that fail now."""
        if Kind.NOZZLE_CLOG in self.ills:
            return CLOGGED_SHARE
        return self._mispick * (MISPICKS_TIMES if Kind.MISPICKS in self.ills else 1.0)

    def cycle_ratio(self) -> float:
        """Return how much longer a board takes: a pick that failed is done again."""
        return 1.0 / (1.0 - self.failing)

    def part(self) -> str | None:
        """Return why a board is scrap: more of them where picks fail."""
        return "component missing" if self._rng.random() < 0.004 + 0.3 * self.failing else None

    def stop(self) -> Stop | None:
        """Return what stops it: an empty feeder starves it, a nozzle that is clogged for long is a fault."""
        if self.left <= 0.0:
            return Stop(State.STARVED, EMPTY_WHY)
        clog = self.ills.get(Kind.NOZZLE_CLOG)
        over = clog is not None and self.now >= clog.onset + clog.lasts_s
        return Stop(State.FAULT, CLOGGED_WHY) if over else None

    def repair(self) -> None:
        """Do nothing beyond the repair: a clean nozzle picks as before."""

    def ease(self, kind: str) -> Any:
        """Take a fault away; with an empty reel that is a new one."""
        if kind == Kind.FEEDER_EMPTY:
            self.left, self._refilled_at = float(REEL_COUNT), math.inf
        return super().ease(kind)

    def sense(self, count: int = 1) -> Sense:
        """Return the mean of `count` measurements, one for each of `words`."""
        gauss, root = self._rng.gauss, math.sqrt(count)
        taken_kpa = CLOGGED_KPA if Kind.NOZZLE_CLOG in self.ills else 0.0
        vacuum_kpa = VACUUM_KPA + taken_kpa + self._leak.value if self.works else 0.0
        return (
            round(self._rate_per_h, 1),
            round(100 * self.failing, 3) if self.works else None,
            float(int(self.discards)),
            float(int(self.left)),
            round(vacuum_kpa + gauss(0.0, 0.4 / root), 2) if self.works else 0.0,
            self.ratio,
            round(max(self.power_w + gauss(0.0, 2.0 / root), 0.0), 1),
            self.told_kwh,
        )
