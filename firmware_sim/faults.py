# SPDX-License-Identifier: AGPL-3.0-or-later
"""The faults that can strike a machine: their names, their plans, how they grow; the catalogue has their rates."""

from __future__ import annotations

import random
from enum import StrEnum
from typing import Final, NamedTuple


class Kind(StrEnum):
    """The faults that a scenario can plan and a person can switch on."""

    HEATER_WEAK = "heater-weak"
    CLOG = "clog"
    SILENCE = "silence"
    HEATER_WEARS = "heater-wears"
    HEATER_DEAD = "heater-dead"
    THERMISTOR_OPEN = "thermistor-open"
    THERMISTOR_SHORT = "thermistor-short"
    THERMAL_RUNAWAY = "thermal-runaway"
    SPAGHETTI = "spaghetti"
    LAYER_SHIFT = "layer-shift"
    RUN_OUT = "run-out"
    TOOL_BREAK = "tool-break"
    ALARM = "alarm"
    DOOR = "door"
    FEED_HOLD = "feed-hold"
    LENS_DIRT = "lens-dirt"
    TUBE_LOSS = "tube-loss"
    AIR_ASSIST = "air-assist"
    CHILLER = "chiller"
    MISPICKS = "mispicks"
    NOZZLE_CLOG = "nozzle-clog"
    FEEDER_EMPTY = "feeder-empty"
    POWER_LOSS = "power-loss"
    WIFI_DROP = "wifi-drop"
    AGENT_CRASH = "agent-crash"
    CLOCK_SKEW = "clock-skew"
    DUPLICATES = "duplicates"
    REORDERING = "reordering"
    COUNTER_RESET = "counter-reset"
    UNKNOWN_WORD = "unknown-word"


class FaultPlan(NamedTuple):
    """One fault that will strike: `onset` in Unix s of the plant's time, `lasts_s` until it is gone.

    Where a repair ends it, `lasts_s` is how long the machine works on with it (a clog and spaghetti count printing
    time only), or how long the repair takes where it stops at once.
    """

    kind: str
    device: str
    place: str
    onset: float
    lasts_s: float


LOSS_GROWTH: Final = (0.35, 0.50)
"""Share by which heater-weak makes the loss h grow (assumption)."""
LOSS_RAMP_S: Final = (300.0, 600.0)
"""How long that growth takes (assumption)."""
WEAR_GROWTH: Final = 1.2
"""Share by which heater-wears has made the loss h grow at its end: more than the heater can feed (assumption)."""
CLOG_CAUSE: Final = "extrusion stopped: filament does not move"
POWER_CAUSE: Final = "power lost"
CANCEL_CAUSE: Final = "cancelled by a person"


def loss_ratio(plan: FaultPlan, now: float) -> float:
    """Return by what factor heater-weak has multiplied the loss at `now`; the same plan always does the same."""
    rng = random.Random(f"{plan.device}/{plan.onset:.3f}")  # noqa: S311 - a simulation
    growth = rng.uniform(*LOSS_GROWTH)
    ramp_s = rng.uniform(*LOSS_RAMP_S)
    return 1.0 + growth * min(max((now - plan.onset) / ramp_s, 0.0), 1.0)


def grown(plan: FaultPlan | None, now: float) -> float:
    """Return how far a fault that grows evenly over its time has come, 0..1; 0 without a fault."""
    if plan is None:
        return 0.0
    return min(max((now - plan.onset) / max(plan.lasts_s, 1.0), 0.0), 1.0)
