# SPDX-License-Identifier: AGPL-3.0-or-later
"""A named story with a seed: which machines stand where, and which faults strike when."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Final, NamedTuple

from firmware_sim.catalogue import CATALOGUE, ROWS, draw_lasts_s
from firmware_sim.faults import FaultPlan, Kind
from firmware_sim.network import CLEAR, Weather
from firmware_sim.physics import SAMPLE_S

MACHINES_MAX: Final = 5_000
NATIVE_CADENCE_S: Final = 60.0
"""A native machine says something at least this often, at any speed of the clock."""
_FIRST_S: Final = (12 * 60.0, 25 * 60.0)
_NEXT_S: Final = (25 * 60.0, 40 * 60.0)
_QUIET_END_S: Final = 20 * 60.0
_LONG_RUN_S: Final = 40 * 60.0
_COVER_AFTER_S: Final = 35 * 60.0
_IN_TURN: Final = (Kind.HEATER_WEAK, Kind.CLOG, Kind.SILENCE)


class MachineSpec(NamedTuple):
    """A machine of a scenario; `prefix` is the topic under which a foreign voice speaks, without a slash at its end.

    `cadence_s` is how often it says something when all is well, 0: it may fall silent; `kind` what it is, `circuit`
    what feeds it; a plug `meters` another device.
    """

    device: str
    place: str
    voice: str
    prefix: str | None
    seed: int
    cadence_s: float
    kind: str = "printer"
    circuit: str | None = None
    meters: str | None = None
    sample_s: float = SAMPLE_S


class Strike(NamedTuple):
    """A line of a scenario's timeline: `target` is a device or a circuit, `at_s` counts from the start."""

    kind: str
    target: str
    at_s: float
    lasts_s: float


class Scenario(NamedTuple):
    """Machines and the seed from which everything else is drawn.

    `rests`: people are away at night and at weekends; `rates` multiplies the catalogue's rates (0: none strike by
    themselves); `takes_turns`: `plan_faults` puts faults on the machines in turn, as the demo wants it.
    """

    name: str
    seed: int
    machines: tuple[MachineSpec, ...]
    about: str = ""
    units: Mapping[str, str] = {}
    rests: bool = False
    timeline: tuple[Strike, ...] = ()
    rates: float = 0.0
    takes_turns: bool = False
    weather: Weather = CLEAR


def timeline(scenario: Scenario, start: float) -> tuple[FaultPlan, ...]:
    """Return what the story's timeline does when it begins at `start` (Unix s); a circuit takes all its machines."""
    return tuple(
        FaultPlan(strike.kind, spec.device, spec.place, round(start + strike.at_s, 3), strike.lasts_s)
        for strike in sorted(scenario.timeline, key=lambda strike: strike.at_s)
        for spec in scenario.machines
        if strike.target in {spec.device, spec.circuit}
    )


def rates(scenario: Scenario, seed: int, start: float, end: float, *, times: float = 1.0) -> tuple[FaultPlan, ...]:
    """Return the faults that strike by the catalogue's rates from `start` to `end` (Unix s), `times` as often.

    Each machine and kind has a generator of its own, so one machine more changes nothing for the others; power is
    lost by circuit (or alone, where a machine is on none), all its machines together.
    """
    plans: list[FaultPlan] = []
    for row in CATALOGUE:
        for spec in scenario.machines:
            if spec.kind in row.strikes:
                shared = row.kind is Kind.POWER_LOSS and spec.circuit is not None
                whose = f"circuit/{spec.circuit}" if shared else spec.device
                rng = random.Random(f"rates/{scenario.seed}/{seed}/{row.kind}/{whose}")  # noqa: S311 - a simulation
                mean_s = row.mean_h * 3600 / times
                at = start + rng.expovariate(1 / mean_s)
                while at < end:
                    lasts_s = draw_lasts_s(row.kind, rng)
                    plans.append(FaultPlan(row.kind, spec.device, spec.place, round(at, 3), lasts_s))
                    at += lasts_s + row.recovers_s + rng.expovariate(1 / mean_s)
    return tuple(sorted(plans, key=lambda plan: (plan.onset, plan.device)))


def faults_of(scenario: Scenario, seed: int, start: float, end: float) -> tuple[FaultPlan, ...]:
    """Return all faults of a run: the story's timeline, and those that its rates and its turns bring."""
    drawn = rates(scenario, seed, start, end, times=scenario.rates) if scenario.rates > 0 else ()
    turns = plan_faults(scenario, seed, start, end) if scenario.takes_turns else ()
    return tuple(sorted((*timeline(scenario, start), *drawn, *turns), key=lambda plan: plan.onset))


def plan_faults(scenario: Scenario, seed: int, start: float, end: float) -> tuple[FaultPlan, ...]:
    """Return the faults of a run in the order of their onsets (Unix s), the same for the same arguments.

    From 40 minutes on: the first 12–25 minutes after the start, then one every 25–40 minutes (later where no
    machine is free), none in the last 20 minutes. A shorter run has one heater-weak at a quarter of it. The kinds
    take turns, and so do the native machines; a machine is left alone until it has recovered.
    """
    native = [spec for spec in scenario.machines if spec.voice == "native"]
    if not native or end <= start:
        return ()
    rng = random.Random(f"faults/{scenario.name}/{scenario.seed}/{seed}")  # noqa: S311 - a simulation
    rng.shuffle(native)
    if end - start < _LONG_RUN_S:
        lasts_s = draw_lasts_s(Kind.HEATER_WEAK, rng)
        return (FaultPlan(Kind.HEATER_WEAK, *native[0][:2], start + (end - start) / 4, lasts_s),)
    plans: list[FaultPlan] = []
    free_at = dict.fromkeys((spec.device for spec in native), start)
    onset = start + rng.uniform(_FIRST_S[0], min(_FIRST_S[1], end - start - _QUIET_END_S))
    while True:
        kind = _IN_TURN[len(plans) % len(_IN_TURN)]
        spec = native[len(plans) % len(native)]
        onset = round(max(onset, free_at[spec.device]), 3)
        if onset > end - _QUIET_END_S:
            return tuple(plans)
        lasts_s = draw_lasts_s(kind, rng)
        plans.append(FaultPlan(kind, spec.device, spec.place, onset, lasts_s))
        # The job that carries the fault ends, a person clears the plate, the next one heats up.
        free_at[spec.device] = onset + max(lasts_s, _COVER_AFTER_S) + ROWS[kind].recovers_s + 3_600.0
        onset += rng.uniform(*_NEXT_S)
