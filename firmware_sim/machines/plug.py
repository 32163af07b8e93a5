# SPDX-License-Identifier: AGPL-3.0-or-later
"""A metering plug: it knows the power of the machine behind it, and nothing else."""

from __future__ import annotations

import random
from typing import Final

from collector.contract.event import State, StateSeen
from firmware_sim.faults import POWER_CAUSE, FaultPlan, Kind
from firmware_sim.machines.machine import Machine, Sense
from firmware_sim.truth import Happening

OWN_W: Final = 1.0


class Plug:
    """A plug on the plant's time that meters `load`; above `runs_w` it calls it running, as plugs let people set."""

    words = ("power_w", "energy_kwh")

    def __init__(self, load: Machine, *, runs_w: float, seed: int | str, start: float, energy_kwh: float = 0.0) -> None:
        self.now = start
        self.state = State.IDLE
        self.why: str | None = None
        self.energy_kwh = energy_kwh
        self.meter_zero_kwh = 0.0
        self.power_w = 0.0
        self._load = load
        self._runs_w = runs_w
        self._metered_kwh = load.energy_kwh
        self._rng = random.Random(f"plug/{seed}")  # noqa: S311 - a simulation
        self._ills: set[str] = set()

    def begin(self, *, warm_share: float) -> list[Happening]:
        """Say what is there at the first moment."""
        del warm_share
        return [StateSeen(self.now, self.state)]

    def advance(self, to: float) -> list[Happening]:
        """Meter what the load has used since the last look, which is all that a counter knows."""
        dt_s = to - self.now
        self.now = to
        used_kwh = self._load.energy_kwh - self._metered_kwh
        self._metered_kwh = self._load.energy_kwh
        if dt_s <= 0 or self.state is State.OFFLINE:
            return []
        self.energy_kwh += used_kwh + OWN_W * dt_s / 3.6e6
        self.power_w = self._load.power_w + OWN_W
        state = State.RUNNING if self.power_w > self._runs_w else State.IDLE
        return self._enter(state) if state is not self.state else []

    def sense(self, count: int = 1) -> Sense:
        """Return power and counter as the plug rounds them."""
        del count
        power_w = max(self.power_w * (1.0 + self._rng.gauss(0.0, 0.002)), 0.0)
        return (round(power_w, 1), round(self.energy_kwh - self.meter_zero_kwh, 5))

    def strike(self, plan: FaultPlan) -> list[Happening]:
        """Let a fault begin."""
        self._ills.add(plan.kind)
        if plan.kind != Kind.POWER_LOSS:
            return []
        self.power_w = 0.0
        return self._enter(State.OFFLINE, POWER_CAUSE)

    def ease(self, kind: str) -> list[Happening]:
        """Take a fault away."""
        self._ills.discard(kind)
        return self._enter(State.IDLE) if kind == Kind.POWER_LOSS else []

    def suffers(self, kind: str) -> bool:
        """Tell whether that fault is there."""
        return kind in self._ills

    def _enter(self, state: State, why: str | None = None) -> list[Happening]:
        self.state, self.why = state, why
        return [StateSeen(self.now, state, why)]
