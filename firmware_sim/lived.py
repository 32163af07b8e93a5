# SPDX-License-Identifier: AGPL-3.0-or-later
"""A scenario's weeks without a wire: machines, faults and truth as in the fleet, and batches as a collector makes them.

For who wants weeks in minutes: nothing is written as bytes and nothing waits. Every machine tells once a period the
mean over it. What a foreign voice says while nobody hears it is lost; a native one tells it afterwards. Messages that
come twice or overtake each other are the collector's to put right, and are not here.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from collector.contract.event import State, StateSeen
from collector.contract.reading import Batch, Fact, Samples
from firmware_sim.device import Device
from firmware_sim.faults import FaultPlan
from firmware_sim.fleet import BOOKED
from firmware_sim.machines.kinds import make, make_plug
from firmware_sim.machines.machine import Machine, Sense
from firmware_sim.machines.printer import WARM_SHARE
from firmware_sim.network import CLEAR, Network
from firmware_sim.physics import SAMPLE_S
from firmware_sim.scenario import MachineSpec, Scenario
from firmware_sim.truth import Happening, Truth
from firmware_sim.voices.native import NativeVoice

PERIOD_S: Final = 30.0
HOUR_S: Final = 3_600.0
SILENT_S: Final = 180.0
"""A native machine of which nothing was heard for so long is called offline: three of its cadences (contract 2)."""
FOREIGN_WORDS: Final = frozenset(
    {"nozzle_degc", "nozzle_target_degc", "bed_degc", "bed_target_degc", "progress_ratio", "power_w", "energy_kwh"}
)
"""What foreign voices tell: printers have no meter, plugs nothing else."""

Tint = Callable[[MachineSpec, float, Machine, Sense], Sense]
"""What lies between a machine and its sensors: the device, the time (Unix s), the machine, what it would measure."""


def live(
    story: Scenario, start: float, end: float, *, faults: Sequence[FaultPlan] = (), truth: Truth | None = None,
    period_s: float = PERIOD_S, tint: Tint | None = None, booked: bool = True,
) -> Iterator[Batch]:  # fmt: skip
    """Yield a batch per device and hour, from `start` to `end` (Unix s), in the order in which facts would arrive.

    `booked` lets printers print while a fault of prints strikes, as in the fleet; `tint` changes what is measured.
    """
    truth = truth if truth is not None else Truth()
    lives: dict[str, _Life] = {}
    for spec in sorted(story.machines, key=lambda spec: spec.meters is not None):
        mine = [plan for plan in faults if plan.device == spec.device]
        machine = _machine(story, spec, mine if booked else (), start, lives)
        lives[spec.device] = _Life(spec._replace(sample_s=period_s), machine, truth, mine, tint)
    hour = start
    while hour < end:
        until = min(hour + HOUR_S, end)
        for _ in range(math.ceil((until - hour) / period_s)):
            for life in lives.values():
                if life.device.next_at < until:
                    life.tick()
        for life in lives.values():
            facts = life.told()
            if facts:
                yield Batch(life.spec.device, life.spec.place, life.spec.voice, until, facts)
        hour = until


def _machine(
    story: Scenario, spec: MachineSpec, faults: Sequence[FaultPlan], start: float, lives: dict[str, _Life]
) -> Machine:
    energy_kwh = spec.seed % 40_000 / 100
    if spec.meters is not None:
        load = lives[spec.meters]
        return make_plug(load.device.machine, load.spec.kind, spec.seed, start=start, energy_kwh=energy_kwh)
    return make(
        spec.kind, spec.device, spec.seed, start=start, tag=f"w{round(start)}", rests=story.rests,
        bookings=[plan.onset for plan in faults if plan.kind in BOOKED], energy_kwh=energy_kwh,
        # All but printers draw their constants with what happens to them: so they stay what their history was.
        life="live" if spec.kind == "printer" else "history",
    )  # fmt: skip


class _Ear(NativeVoice):
    """A voice that says facts: what was measured and what happened, in the order in which it would be heard."""

    def __init__(self, spec: MachineSpec, tint: Tint | None) -> None:
        super().__init__("", boot="")
        self._spec, self._tint = spec, tint
        self._count = max(round(spec.sample_s / SAMPLE_S), 1)
        self._facts: list[Fact] = []
        self._columns: list[tuple[float, Sense]] = []
        self._names: tuple[str, ...] = ()

    def happened(self, happening: Happening, machine: Machine, real_s: float) -> None:
        """Say that something happened, after what was measured before it."""
        del machine, real_s
        self.measured()
        self._facts.append(happening)

    def sampled(self, machine: Machine, real_s: float) -> None:
        """Measure."""
        del real_s
        sense = machine.sense(self._count)
        if self._tint is not None:
            sense = self._tint(self._spec, machine.now, machine, sense)
        names = machine.words
        if self.renames:
            names = tuple(self.renames.get(name, name) for name in names)
        if names != self._names:
            self.measured()
            self._names = names
        self._columns.append((machine.now + self.clock_off_s, sense))

    def reboot(self, boot: str) -> int:
        """Start again; what was measured and not heard is gone."""
        del boot
        count, self._columns = len(self._columns), []
        return count

    def measured(self) -> None:
        """Put what was measured among the facts."""
        if self._columns:
            times, rows = zip(*self._columns, strict=True)
            known = dict(zip(self._names, zip(*rows, strict=True), strict=True))
            told = known if self._spec.voice == "native" else {n: c for n, c in known.items() if n in FOREIGN_WORDS}
            self._facts.append(Samples(times, told))
            self._columns = []

    def take_facts(self) -> tuple[Fact, ...]:
        """Return everything that was said."""
        self.measured()
        facts, self._facts = tuple(self._facts), []
        return facts


class _Life:
    """One machine with its link to a collector that hears it, or does not."""

    def __init__(
        self, spec: MachineSpec, machine: Machine, truth: Truth, faults: Sequence[FaultPlan], tint: Tint | None
    ) -> None:
        self.spec = spec
        self._ear = _Ear(spec, tint)
        network = Network(CLEAR, random.Random(spec.seed), start=machine.now)  # noqa: S311 - a simulation
        self.device: Device[Any] = Device(
            spec, machine, self._ear, truth, faults=faults, network=network, boots=lambda: ""
        )
        self.device.begin(WARM_SHARE if spec.voice == "native" else 0.0, 0.0)
        self._told: list[Fact] = []
        self._passes, self._lost, self._cut, self._since = True, False, False, machine.now

    def tick(self) -> None:
        """Live a period, and look who hears it."""
        at, device = self.device.next_at, self.device
        device.tick(at)
        passes = device.reachable and not device.muted
        if self._passes and not passes:
            self._told += self._ear.take_facts()
            self._since = at
        silent = self.spec.cadence_s > 0 and at - self._since >= SILENT_S
        if not passes and not self._lost and (silent or not device.reachable):
            self._told.append(StateSeen(at, State.OFFLINE, "nothing heard"))
            self._lost = True
        if passes and not self._passes:
            self._told += self._afterwards(at, reconnects=self._cut)
            self._lost = False
        self._cut = not device.reachable
        self._passes = passes

    def _afterwards(self, at: float, *, reconnects: bool) -> list[Fact]:
        """Return what is told when the link is there again: after a reconnect the present state, and no older one."""
        kept = self._ear.take_facts() if self.spec.voice == "native" else ()
        self._ear.take_facts()
        machine = self.device.machine
        if not reconnects:
            return list(kept)
        now = StateSeen(at, machine.state, machine.why)
        return [now, *(fact for fact in kept if not isinstance(fact, StateSeen))]

    def told(self) -> tuple[Fact, ...]:
        """Return what was heard since the last time."""
        if self._passes:
            self._told += self._ear.take_facts()
        facts, self._told = self._told, []
        return tuple(facts)
