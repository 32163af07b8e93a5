# SPDX-License-Identifier: AGPL-3.0-or-later
"""Some weeks behind a scenario: the same machines, in steps of a minute, without faults.

A minute's value is the mean over its samples, drawn from the distribution that the live machine's samples have,
and is stamped at the minute's middle. Days are busy; at night and at weekends few jobs are started.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

from collector.contract.event import State, StateSeen
from collector.contract.reading import Batch, Fact, Samples
from firmware_sim.machines.kinds import RUNS_W, make
from firmware_sim.machines.machine import Machine, Sense
from firmware_sim.machines.plug import OWN_W
from firmware_sim.machines.printer import WARM_SHARE, Printer
from firmware_sim.physics import SAMPLE_S
from firmware_sim.scenario import MachineSpec, Scenario
from firmware_sim.truth import Happening

MINUTE_S: Final = 60.0
HOUR_S: Final = 3600.0
RESTING_MINUTES: Final = 5
"""Of a printer that rests, every fifth minute is kept: nothing happens in it, and weeks of it are large."""
_WORKS: Final = frozenset((State.SETUP, State.RUNNING, State.HELD))
_SAMPLES: Final = round(MINUTE_S / SAMPLE_S)
_FOREIGN_WORDS: Final = ("nozzle_degc", "nozzle_target_degc", "bed_degc", "bed_target_degc", "progress_ratio")
"""What a printer's foreign voice tells; its machine has no power meter."""


def generate(scenario: Scenario, start: float, end: float) -> Iterator[Batch]:
    """Yield a batch per device and hour (start <= time < end, Unix s) with its facts in the order of their times.

    A batch's facts are pieces of at most 60 columns, and between them what happened; a printer that rests has a
    column for every fifth minute. The times are whole minutes from `start` rounded up to one; an hour is cut where
    it began there. Nothing has a boot or a seq.
    The last jobs end shortly before the end, so that what lives on from there overlaps nothing.
    """
    first = math.ceil(start / MINUTE_S) * MINUTE_S
    machines = [(spec, _machine(spec, first, end)) for spec in scenario.machines if spec.meters is None]
    opening = {spec.device: machine.begin(warm_share=WARM_SHARE) for spec, machine in machines}
    kinds = {spec.device: spec.kind for spec in scenario.machines}
    meters = {spec.device: _Meter(spec, kinds[spec.meters]) for spec in scenario.machines if spec.meters is not None}
    hour = first
    while hour + MINUTE_S <= end:
        minutes = round(min(HOUR_S, end - hour) // MINUTE_S)
        until = hour + minutes * MINUTE_S
        for spec, machine in machines:
            facts = _hour(machine, hour, minutes, before=opening.pop(spec.device, []))
            yield Batch(spec.device, spec.place, spec.voice, until, _said(facts, spec))
            for plug in (plug for plug in scenario.machines if plug.meters == spec.device):
                yield Batch(plug.device, plug.place, plug.voice, until, meters[plug.device].metered(facts))
        hour = until


def _machine(spec: MachineSpec, start: float, end: float) -> Machine:
    return make(
        spec.kind, spec.device, spec.seed, start=start, tag=f"h{round(start)}", rests=True,
        energy_kwh=spec.seed % 40_000 / 100, closes_at=end, life="history",
    )  # fmt: skip


class _Meter:
    """What a plug shows of the machine behind it: its samples, and running above a power."""

    def __init__(self, spec: MachineSpec, load_kind: str) -> None:
        self._kwh = spec.seed % 40_000 / 100
        self._runs_w = RUNS_W[load_kind]
        self._load_kwh: float | None = None
        self._at: float | None = None
        self._state: State | None = None

    def metered(self, facts: Sequence[Fact]) -> tuple[Fact, ...]:
        out: list[Fact] = []
        for fact in facts:
            if isinstance(fact, Samples):
                for at, power_w, energy_kwh in zip(
                    fact.times, fact.values["power_w"], fact.values["energy_kwh"], strict=True
                ):
                    assert power_w is not None
                    assert energy_kwh is not None
                    out += self._look(at, power_w, energy_kwh)
        return tuple(out)

    def _look(self, at: float, power_w: float, energy_kwh: float) -> list[Fact]:
        own_kwh = OWN_W * (at - self._at) / 3.6e6 if self._at is not None else 0.0
        used_kwh = energy_kwh - self._load_kwh if self._load_kwh is not None else 0.0
        self._kwh += used_kwh + own_kwh
        self._at, self._load_kwh = at, energy_kwh
        state = State.RUNNING if power_w + OWN_W > self._runs_w else State.IDLE
        changed: list[Fact] = [StateSeen(at, state)] if state is not self._state else []
        self._state = state
        values: dict[str, tuple[float | None, ...]] = {
            "power_w": (round(power_w + OWN_W, 1),),
            "energy_kwh": (round(self._kwh, 5),),
        }
        return [*changed, Samples((at,), values)]


def _hour(machine: Machine, hour: float, minutes: int, *, before: list[Happening]) -> tuple[Fact, ...]:
    facts: list[Fact] = list(before)
    times: list[float] = []
    rows: list[Sense] = []
    for minute in range(1, minutes + 1):
        at = hour + minute * MINUTE_S
        told = minute % RESTING_MINUTES == 0 or machine.state in _WORKS
        aims = (machine.hotend.target_degc, machine.bed.target_degc) if isinstance(machine, Printer) else None
        happened = _minute(machine, at)
        middle = at - MINUTE_S / 2
        early = [each for each in happened if each.ts is not None and each.ts < middle]
        if early:
            facts += [*_samples(times, rows, machine), *early]
            times, rows, happened = [], [], happened[len(early) :]
        if told:
            times.append(middle)
            rows.append(_row(machine, aims))
        if happened:
            facts += [*_samples(times, rows, machine), *happened]
            times, rows = [], []
    return (*facts, *_samples(times, rows, machine))


def _row(machine: Machine, aims: tuple[float, float] | None) -> Sense:
    """Return a minute's values: it was lived with the targets at its start."""
    if not isinstance(machine, Printer) or aims is None:
        return machine.sense(_SAMPLES)
    return machine.sense(_SAMPLES)._replace(nozzle_target_degc=aims[0], bed_target_degc=aims[1])


def _minute(machine: Machine, at: float) -> list[Happening]:
    """Move on by a minute: in one step, or sample by sample while the machine heats up."""
    if machine.state is not State.SETUP:
        return list(machine.advance(at))
    happened: list[Happening] = []
    for sample in range(_SAMPLES - 1, -1, -1):
        happened += machine.advance(at - sample * SAMPLE_S)
    return happened


def _samples(times: list[float], rows: list[Sense], machine: Machine) -> tuple[Samples, ...]:
    if not rows:
        return ()
    return (Samples(tuple(times), dict(zip(machine.words, zip(*rows, strict=True), strict=True))),)


def _said(facts: tuple[Fact, ...], spec: MachineSpec) -> tuple[Fact, ...]:
    """Return what of it the machine's voice can tell: a foreign one has no power meter."""
    if spec.voice == "native":
        return facts
    return tuple(
        Samples(fact.times, {name: fact.values[name] for name in _FOREIGN_WORDS}) if isinstance(fact, Samples) else fact
        for fact in facts
    )
