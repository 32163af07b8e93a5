# SPDX-License-Identifier: AGPL-3.0-or-later
"""How a heater, its sensor and the disturbances around them behave.

C·dT/dt = P − (h + f·c)·(T − Ta) and dTs/dt = k·(T − Ts), the model of Marlin's predictive control
(Configuration.h, MPC_*). The controller knows its own h and the commanded flow, and trims what it does not know.
Where a heater has settled, one step of any length lands on the same steady state as many short ones.
"""

from __future__ import annotations

import math
import random
from enum import StrEnum
from typing import Final, NamedTuple

STEP_S_MAX: Final = 1.0
"""Longest step of the plant's time while a heater is not settled."""
SAMPLE_S: Final = 5.0
"""How often a printer measures."""
SETTLED_DEGC: Final = 0.3
SETTLED_W: Final = 0.3
TRIM_RATE_K_S: Final = 0.15
"""The controller corrects its model only while the block is nearly still, so that heating up does not overshoot."""
FILAMENT_J_K_MM: Final = 0.0056
"""Heat that 1.75 mm PLA carries away (Marlin, FILAMENT_HEAT_CAPACITY_PERMM)."""
ROOM_DEGC: Final = 22.0
ROOM_SWING_DEGC: Final = 1.5


class HeaterSpec(NamedTuple):
    """Constants of a heater: electric power, heat capacity, losses with the fan off and on, sensor rate, control."""

    power_w: float
    heat_j_k: float
    loss_w_k: float
    loss_fan_w_k: float
    sensor_per_s: float
    pull_s: float


HOTEND: Final = HeaterSpec(40.0, 11.6, 0.068, 0.097, 0.22, 8.0)
BED: Final = HeaterSpec(150.0, 420.0, 1.1, 1.1, 0.12, 12.0)


def room_degc(ts: float) -> float:
    """Return the workshop's temperature: coolest at 3, warmest at 15 o'clock (UTC)."""
    return ROOM_DEGC + ROOM_SWING_DEGC * math.sin(2 * math.pi * (ts / 86_400 - 0.375))


class Broken(StrEnum):
    """How a heater can be broken: no heat, the sensor off the block, its wire open, its wire shorted."""

    DEAD = "dead"
    LOOSE = "loose"
    OPEN = "open"
    SHORT = "short"


OPEN_DEGC: Final = -15.0
SHORT_DEGC: Final = 450.0
"""What firmware reads of a thermistor whose wire is open or shorted (assumption)."""
LOOSE_PER_S: Final = 0.05
"""How fast a sensor beside the block cools (assumption)."""


class Heater:
    """A heated block with its sensor; `power_w` is the power of the last step."""

    __slots__ = ("broken", "power_w", "sensed_degc", "spec", "target_degc", "temp_degc", "trim_w")

    def __init__(self, spec: HeaterSpec, temp_degc: float) -> None:
        self.spec = spec
        self.temp_degc = temp_degc
        self.sensed_degc = temp_degc
        self.target_degc = 0.0
        self.trim_w = 0.0
        self.power_w = 0.0
        self.broken: Broken | None = None

    def reached(self, within_degc: float = 1.0) -> bool:
        """Tell whether the sensor shows the target."""
        return self.target_degc > 0 and abs(self.sensed_degc - self.target_degc) < within_degc

    def advance(self, dt_s: float, *, room_degc: float, loss_w_k: float, flow_w_k: float, fed_w_k: float) -> None:
        """Move on by dt_s; loss and flow are what is true, `fed_w_k` what the controller believes of both."""
        if self.broken is not None:
            self._endure(self.broken, dt_s, room_degc, loss_w_k + flow_w_k)
            return
        if self.target_degc <= 0:
            self._cool(dt_s, room_degc, loss_w_k + flow_w_k)
            return
        needed_w = (loss_w_k + flow_w_k) * (self.target_degc - room_degc)
        fed_w = fed_w_k * (self.target_degc - ROOM_DEGC)
        gap_w = needed_w - fed_w - self.trim_w
        near = abs(self.temp_degc - self.target_degc) < SETTLED_DEGC
        if near and abs(gap_w) < SETTLED_W and needed_w < self.spec.power_w:
            self.trim_w += gap_w
            self.temp_degc = self.target_degc
            self.sensed_degc += (self.temp_degc - self.sensed_degc) * -math.expm1(-self.spec.sensor_per_s * dt_s)
            self.power_w = needed_w
            return
        count = max(1, math.ceil(dt_s / STEP_S_MAX))
        for _ in range(count):
            self._step(dt_s / count, room_degc, loss_w_k + flow_w_k, fed_w)

    def _step(self, dt_s: float, room_degc: float, drain_w_k: float, fed_w: float) -> None:
        spec = self.spec
        error_k = self.target_degc - self.temp_degc
        gain_w_k = spec.heat_j_k / spec.pull_s
        wanted_w = fed_w + self.trim_w + gain_w_k * error_k
        self.power_w = min(max(wanted_w, 0.0), spec.power_w)
        rate_k_s = (self.power_w - drain_w_k * (self.temp_degc - room_degc)) / spec.heat_j_k
        if abs(rate_k_s) < TRIM_RATE_K_S and self.power_w == wanted_w:
            self.trim_w += gain_w_k / (4 * spec.pull_s) * error_k * dt_s
        self.temp_degc += dt_s * rate_k_s
        self.sensed_degc += dt_s * spec.sensor_per_s * (self.temp_degc - self.sensed_degc)

    def _endure(self, broken: Broken, dt_s: float, room_degc: float, drain_w_k: float) -> None:
        """Move on with something broken: firmware that reads too little heats with all it has."""
        on = broken is Broken.LOOSE and self.target_degc > self.sensed_degc
        self.power_w = self.spec.power_w if on else 0.0
        self.trim_w = 0.0
        ends_degc = room_degc + self.power_w / drain_w_k
        self.temp_degc = ends_degc + (self.temp_degc - ends_degc) * math.exp(-drain_w_k * dt_s / self.spec.heat_j_k)
        if broken in {Broken.OPEN, Broken.SHORT}:
            self.sensed_degc = OPEN_DEGC if broken is Broken.OPEN else SHORT_DEGC
            return
        near, rate = (room_degc, LOOSE_PER_S) if broken is Broken.LOOSE else (self.temp_degc, self.spec.sensor_per_s)
        self.sensed_degc += (near - self.sensed_degc) * -math.expm1(-rate * dt_s)

    def mend(self) -> None:
        """Put the heater right; its sensor shows the block again."""
        if self.broken is not None:
            self.broken = None
            self.sensed_degc = self.temp_degc

    def _cool(self, dt_s: float, room_degc: float, drain_w_k: float) -> None:
        self.power_w = 0.0
        self.trim_w = 0.0
        self.temp_degc = room_degc + (self.temp_degc - room_degc) * math.exp(-drain_w_k * dt_s / self.spec.heat_j_k)
        self.sensed_degc += (self.temp_degc - self.sensed_degc) * -math.expm1(-self.spec.sensor_per_s * dt_s)


class Wander:
    """A slow random disturbance around 0 (Ornstein–Uhlenbeck), exact for any step.

    After a step of one sample `value` is the disturbance at its end; after a longer one it is the mean over the
    step's samples, drawn jointly with the end from their common normal distribution.
    """

    __slots__ = ("_end", "_plans", "_rng", "sd", "tau_s", "value")

    def __init__(self, rng: random.Random, *, sd: float, tau_s: float) -> None:
        self._rng = rng
        self.sd = sd
        self.tau_s = tau_s
        self._end = rng.gauss(0.0, sd)
        self.value = self._end
        self._plans: dict[float, tuple[float, float, float, float, float]] = {}

    def advance(self, dt_s: float) -> float:
        """Return the disturbance after dt_s (a mean over samples where dt_s is longer than one)."""
        plan = self._plans.get(dt_s) or self._plan(dt_s)
        keep, mean_keep, end_sd, mean_end, mean_own_sd = plan
        draw = self._rng.gauss(0.0, 1.0)
        before = self._end
        self._end = keep * before + end_sd * draw
        if dt_s <= SAMPLE_S:
            self.value = self._end
        else:
            self.value = mean_keep * before + mean_end * draw + mean_own_sd * self._rng.gauss(0.0, 1.0)
        return self.value

    def _plan(self, dt_s: float) -> tuple[float, float, float, float, float]:
        count = max(1, round(dt_s / SAMPLE_S))
        phi = math.exp(-dt_s / count / self.tau_s)
        shock_var = self.sd**2 * (1 - phi**2)
        # Shock i (0 oldest) reaches the end with phi^(count-1-i), the mean with the sum of what follows it.
        ends = [phi ** (count - 1 - i) for i in range(count)]
        means = [sum(phi**j for j in range(count - i)) / count for i in range(count)]
        end_sd = math.sqrt(shock_var * sum(e * e for e in ends))
        cov = shock_var * sum(e * m for e, m in zip(ends, means, strict=True))
        mean_end = cov / end_sd
        own_var = shock_var * sum(m * m for m in means) - mean_end**2
        plan = (
            phi**count,
            sum(phi ** (j + 1) for j in range(count)) / count,
            end_sd,
            mean_end,
            math.sqrt(max(own_var, 0.0)),
        )
        if len(self._plans) < 8:  # noqa: PLR2004 - a handful of step lengths repeat, odd ones are not worth keeping
            self._plans[dt_s] = plan
        return plan
