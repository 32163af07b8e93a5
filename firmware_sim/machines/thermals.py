# SPDX-License-Identifier: AGPL-3.0-or-later
"""A printer's heat: two heaters, what disturbs them, the power they take, and the firmware that watches them."""

from __future__ import annotations

import random
from typing import Final

from firmware_sim import physics
from firmware_sim.faults import WEAR_GROWTH, FaultPlan, Kind, grown, loss_ratio
from firmware_sim.machines.build import Build
from firmware_sim.physics import BED, HOTEND, Broken, Heater, Wander

ERROR_KS_MAX: Final = 120.0
HYSTERESIS_K: Final = 5.0
GAIN_K: Final = 2.0
GAIN_S: Final = 20.0
"""Klipper's verify_heater: degrees · seconds below target less hysteresis, and what heating up must gain in time."""
MINTEMP: Final = "MINTEMP triggered, system stopped! Heater_ID: 0"
MAXTEMP: Final = "MAXTEMP triggered, system stopped! Heater_ID: 0"
RUNAWAY: Final = "Thermal Runaway, system stopped! Heater_ID: 0"
HEATING_FAILED: Final = "Heating failed, system stopped! Heater_ID: 0"
MAX_DEGC: Final = 300.0
BREAKS: Final = {
    Kind.HEATER_DEAD: Broken.DEAD,
    Kind.THERMISTOR_OPEN: Broken.OPEN,
    Kind.THERMISTOR_SHORT: Broken.SHORT,
    Kind.THERMAL_RUNAWAY: Broken.LOOSE,
}
"""What each of these faults breaks of the hotend."""


class Thermals:
    """Hotend and bed of one printer, drawn from its generator; `power_w` is the whole machine's of the last step."""

    def __init__(self, built: Build, rng: random.Random, start: float) -> None:
        self.built = built
        self.hotend = Heater(HOTEND, physics.room_degc(start))
        self.bed = Heater(BED, physics.room_degc(start))
        self.flow = Wander(rng, sd=0.09, tau_s=90.0)
        self.draught = Wander(rng, sd=0.12, tau_s=60.0)
        self.axes = Wander(rng, sd=2.0, tau_s=60.0)
        self.power_w = built.standby_w
        self._held = False
        self._short_ks = 0.0
        self._gained: tuple[float, float] | None = None

    def settle(self, now: float) -> None:
        """Put both heaters at their targets, trimmed to the room and the load as if they had run for long."""
        room = physics.room_degc(now)
        above = (self.hotend, HOTEND.loss_fan_w_k * self.built.loss_ratio, HOTEND.loss_fan_w_k)
        for heater, true_w_k, fed_w_k in (above, (self.bed, BED.loss_w_k, BED.loss_w_k)):
            target = heater.temp_degc = heater.sensed_degc = heater.target_degc
            heater.trim_w = true_w_k * (target - room) - fed_w_k * (target - physics.ROOM_DEGC)
            heater.power_w = true_w_k * (target - room)

    def advance(self, dt_s: float, now: float, *, flow_w_k: float | None, ills: dict[str, FaultPlan]) -> None:
        """Move on by dt_s with these faults; `flow_w_k` is the usual flow's, None where nothing is printed."""
        room = physics.room_degc(now)
        # What disturbs a cold or resting machine is not measured, so it need not be drawn.
        wander = self.flow.advance(dt_s) if flow_w_k is not None else 0.0
        if self.hotend.target_degc > 0:
            self.draught.advance(dt_s)
        base_w_k = HOTEND.loss_fan_w_k if flow_w_k is not None else HOTEND.loss_w_k
        loss_w_k = base_w_k * self.built.loss_ratio * (_loss(ills, now) if ills else 1.0)
        fed_flow_w_k = (flow_w_k or 0.0) * max(1.0 + wander, 0.0)
        true_flow_w_k = 0.0 if Kind.CLOG in ills else fed_flow_w_k
        fed_w_k = base_w_k + fed_flow_w_k
        self.hotend.advance(dt_s, room_degc=room, loss_w_k=loss_w_k, flow_w_k=true_flow_w_k, fed_w_k=fed_w_k)
        self.bed.advance(dt_s, room_degc=room, loss_w_k=BED.loss_w_k, flow_w_k=0.0, fed_w_k=BED.loss_w_k)
        axes_w = self.built.motors_w + self.axes.advance(dt_s) if flow_w_k is not None else 0.0
        self.power_w = self.built.standby_w + axes_w + self.hotend.power_w + self.bed.power_w

    def protect(self, dt_s: float, now: float) -> str | None:
        """Return the firmware's words where it must stop the machine, else None."""
        hotend = self.hotend
        sensed, target = hotend.sensed_degc, hotend.target_degc
        if sensed < 0:
            return MINTEMP
        if sensed > MAX_DEGC:
            return MAXTEMP
        if target <= 0:
            self.watch()
            return None
        if sensed >= target - HYSTERESIS_K:
            self._held, self._short_ks = True, 0.0
            return None
        if self._held:
            self._short_ks += dt_s * (target - HYSTERESIS_K - sensed)
            return RUNAWAY if self._short_ks > ERROR_KS_MAX else None
        if self._gained is None or sensed >= self._gained[1] + GAIN_K:
            self._gained = (now, sensed)
        return HEATING_FAILED if now - self._gained[0] > GAIN_S else None

    def watch(self) -> None:
        """Begin to watch anew: a hotend at its target must hold it, another one must gain on it."""
        self._held, self._short_ks, self._gained = self.hotend.reached(HYSTERESIS_K), 0.0, None


def _loss(ills: dict[str, FaultPlan], now: float) -> float:
    """Return the factor by which faults have multiplied the hotend's loss."""
    weak = ills.get(Kind.HEATER_WEAK)
    ratio = loss_ratio(weak, now) if weak is not None else 1.0
    return ratio * (1.0 + WEAR_GROWTH * grown(ills.get(Kind.HEATER_WEARS), now))
