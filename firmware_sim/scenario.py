# SPDX-License-Identifier: AGPL-3.0-or-later
"""A named story with a seed: which machines stand where, and which faults strike when."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from collector.contract.errors import Misconfigured
from firmware_sim.faults import CATALOGUE, ROWS, FaultPlan, Kind, draw_lasts_s

MACHINES_MAX: Final = 999
NATIVE_CADENCE_S: Final = 60.0
"""A native printer says something at least this often, at any speed of the clock."""
_CELLS: Final = (
    ("commons/valparaiso/printing", "mk4"),
    ("commons/valparaiso/enclosures", "core"),
    ("commons/concepcion/printing", "mk4"),
)
_OCTOPRINT_EVERY: Final = 4
_FIRST_S: Final = (12 * 60.0, 25 * 60.0)
_NEXT_S: Final = (25 * 60.0, 40 * 60.0)
_QUIET_END_S: Final = 20 * 60.0
_LONG_RUN_S: Final = 40 * 60.0
_COVER_AFTER_S: Final = 35 * 60.0

UNIT_NAMES: Final[Mapping[str, str]] = {
    "commons": "Commons network",
    "commons/valparaiso": "Valparaíso",
    "commons/valparaiso/printing": "Printing, Valparaíso",
    "commons/valparaiso/enclosures": "Enclosures, Valparaíso",
    "commons/concepcion": "Concepción",
    "commons/concepcion/printing": "Printing, Concepción",
}
"""What people call the units of the workshop."""


class MachineSpec(NamedTuple):
    """A machine of a scenario; `prefix` is the topic under which a foreign voice speaks, without a slash at its end.

    `cadence_s` is how often it says something when all is well, 0: it may fall silent.
    """

    device: str
    place: str
    voice: str
    prefix: str | None
    seed: int
    cadence_s: float


class Scenario(NamedTuple):
    """Machines and the seed from which everything else is drawn."""

    name: str
    seed: int
    machines: tuple[MachineSpec, ...]


def workshop(machines: int = 8, seed: int = 7) -> Scenario:
    """Return a network of two towns with that many printers; every fourth is an OctoPrint, the others are native.

    >>> [(spec.place, spec.voice) for spec in workshop(4).machines][-1]
    ('commons/valparaiso/printing/mk4-04', 'octoprint')
    """
    if not 1 <= machines <= MACHINES_MAX:
        raise Misconfigured(f"machines = {machines} is not within 1..{MACHINES_MAX}")
    rng = random.Random(f"workshop/{seed}")  # noqa: S311 - a simulation
    specs = []
    for number in range(1, machines + 1):
        cell, model = _CELLS[(number - 1) // 4 % len(_CELLS)]
        device = f"{model}-{number:02d}"
        foreign = number % _OCTOPRINT_EVERY == 0
        specs.append(
            MachineSpec(
                device,
                f"{cell}/{device}",
                "octoprint" if foreign else "native",
                f"octoprint/{device}" if foreign else None,
                rng.getrandbits(48),
                0.0 if foreign else NATIVE_CADENCE_S,
            )
        )
    return Scenario("workshop", seed, tuple(specs))


SCENARIOS: Final[Mapping[str, Callable[[int, int], Scenario]]] = {"workshop": workshop}


def scenario(name: str, *, machines: int, seed: int) -> Scenario:
    """Return the scenario of that name; raises Misconfigured where there is none."""
    if name not in SCENARIOS:
        raise Misconfigured(f"scenario = {name!r} is none of {', '.join(SCENARIOS)}")
    return SCENARIOS[name](machines, seed)


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
        kind = CATALOGUE[len(plans) % len(CATALOGUE)].kind
        spec = native[len(plans) % len(native)]
        onset = round(max(onset, free_at[spec.device]), 3)
        if onset > end - _QUIET_END_S:
            return tuple(plans)
        lasts_s = draw_lasts_s(kind, rng)
        plans.append(FaultPlan(kind, spec.device, spec.place, onset, lasts_s))
        # The job that carries the fault ends, a person clears the plate, the next one heats up.
        free_at[spec.device] = onset + max(lasts_s, _COVER_AFTER_S) + ROWS[kind].recovers_s + 3_600.0
        onset += rng.uniform(*_NEXT_S)
