# SPDX-License-Identifier: CC0-1.0
"""How the benchmark's faults show: which index, which shape, which direction; and one of them under way."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import NamedTuple

from firmware_sim.faults import Kind

SIZE = (1.0, 10.0)
"""Sigma of the index, drawn evenly in the logarithm."""
FIELDS = {
    "heater_effort_w": "heater_power_w",
    "energy_w": "power_w",
    "nozzle_deviation_degc": "nozzle_degc",
    "pace_ratio": "progress_ratio",
}


class Effect(NamedTuple):
    """How a fault shows: in which index, in which shape and direction (0: either), after which ramp."""

    index: str
    shape: str
    sign: int
    ramp_s: tuple[float, float] = (0.0, 0.0)


EFFECTS = {
    Kind.HEATER_WEAK: Effect("heater_effort_w", "step", 1, (300.0, 600.0)),
    Kind.HEATER_WEARS: Effect("heater_effort_w", "slope", 1),
    Kind.CLOG: Effect("heater_effort_w", "step", -1),
    Kind.LENS_DIRT: Effect("energy_w", "slope", 1),
    Kind.TUBE_LOSS: Effect("energy_w", "slope", 1),
    Kind.CHILLER: Effect("energy_w", "step", -1),
    Kind.MISPICKS: Effect("pace_ratio", "step", -1),
    Kind.NOZZLE_CLOG: Effect("pace_ratio", "step", -1),
}
SENSORS = (("sensor-noise", "noise", 400.0), ("sensor-stuck", "stuck", 400.0), ("sensor-spike", "transient", 100.0))
"""Faults of sensors, which the catalogue does not have: kind, shape, hours between two on one machine (assumption)."""
SENSOR_LASTS_S = (3_600.0, 14_400.0)


@dataclass
class Overlay:
    """One fault that is laid over a machine's measurements; it counts the machine's running time."""

    kind: str
    effect: Effect
    at: float
    lasts_s: float
    size_sigma: float
    ramp_s: float
    rng: random.Random
    onset: float = 0.0
    end: float = 0.0
    ran_s: float = 0.0
    held: float | None = None
    touches: tuple[str, ...] = ()

    def share(self) -> float:
        """Return how much of the size is there after the time that it ran."""
        if self.effect.shape == "slope":
            return min(self.ran_s / self.lasts_s, 1.0)
        return min(self.ran_s / self.ramp_s, 1.0) if self.ramp_s else 1.0
