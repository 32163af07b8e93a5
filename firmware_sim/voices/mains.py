# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a plug measures at the mains: the printer's power with a supply's power factor, and the energy since ever."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from firmware_sim.machines.machine import Machine

VOLTAGE_V: Final = 230.0
SAG_V_PER_KW: Final = 3.0
"""How far a kilowatt pulls the voltage down (assumption)."""
FACTOR_MIN: Final = 0.55
FACTOR_MAX: Final = 0.98
FACTOR_FULL_W: Final = 150.0
"""A small supply's power factor grows with its load, up to here (assumption)."""


class Metered(NamedTuple):
    """One measurement; `energy_kwh` is monotone."""

    power_w: float
    energy_kwh: float
    voltage_v: float
    current_a: float
    factor: float

    @property
    def apparent_va(self) -> float:
        """Return voltage times current."""
        return self.power_w / self.factor

    @property
    def reactive_var(self) -> float:
        """Return what swings back and forth."""
        return math.sqrt(max(self.apparent_va**2 - self.power_w**2, 0.0))


def metered(machine: Machine) -> Metered:
    """Return what a plug measures now: itself, or the machine that it stands before."""
    sensed = dict(zip(machine.words, machine.sense(), strict=True))
    power_w = max(sensed["power_w"] or 0.0, 0.0)
    load = min(power_w / FACTOR_FULL_W, 1.0)
    factor = round(FACTOR_MIN + (FACTOR_MAX - FACTOR_MIN) * load, 2)
    voltage_v = VOLTAGE_V - SAG_V_PER_KW * power_w / 1000
    current_a = round(power_w / factor / voltage_v, 3)
    return Metered(power_w, sensed["energy_kwh"] or 0.0, round(voltage_v, 1), current_a, factor)
