# SPDX-License-Identifier: AGPL-3.0-or-later
"""Some weeks behind a scenario: the same printers, in steps of a minute, without faults.

A minute's value is the mean over its samples, drawn from the distribution that the live printer's samples have,
and is stamped at the minute's middle. Days are busy; at night and at weekends few jobs are started.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from collector.contract.event import State
from collector.contract.reading import Batch, Fact, Samples
from firmware_sim.machines.build import build
from firmware_sim.machines.people import Rhythm
from firmware_sim.machines.printer import Printer, Sensed
from firmware_sim.physics import SAMPLE_S
from firmware_sim.scenario import MachineSpec, Scenario
from firmware_sim.truth import Happening

MINUTE_S: Final = 60.0
HOUR_S: Final = 3600.0
RESTING_MINUTES: Final = 5
"""Of a printer that rests, every fifth minute is kept: nothing happens in it, and weeks of it are large."""
_WORKS: Final = frozenset((State.SETUP, State.RUNNING, State.HELD))
_SAMPLES: Final = round(MINUTE_S / SAMPLE_S)
_OCTOPRINT_WORDS: Final = ("nozzle_degc", "nozzle_target_degc", "bed_degc", "bed_target_degc", "progress_ratio")
"""What an OctoPrint tells; its machine has no power meter."""


def generate(scenario: Scenario, start: float, end: float) -> Iterator[Batch]:
    """Yield a batch per device and hour (start <= time < end, Unix s) with its facts in the order of their times.

    A batch's facts are pieces of at most 60 columns, and between them what happened; a printer that rests has a
    column for every fifth minute. The times are whole minutes from `start` rounded up to one; an hour is cut where
    it began there. Nothing has a boot or a seq.
    The last jobs end shortly before the end, so that what lives on from there overlaps nothing.
    """
    first = math.ceil(start / MINUTE_S) * MINUTE_S
    machines = [(spec, _printer(spec, first, end)) for spec in scenario.machines]
    opening: dict[str, list[Happening]] = {spec.device: printer.begin() for spec, printer in machines}
    hour = first
    while hour + MINUTE_S <= end:
        minutes = round(min(HOUR_S, end - hour) // MINUTE_S)
        for spec, printer in machines:
            facts = _hour(printer, hour, minutes, before=opening.pop(spec.device, []), spec=spec)
            yield Batch(spec.device, spec.place, spec.voice, hour + minutes * MINUTE_S, facts)
        hour += minutes * MINUTE_S


def _printer(spec: MachineSpec, start: float, end: float) -> Printer:
    return Printer(
        build(spec.device, spec.seed),
        seed=f"{spec.seed}/history",
        start=start,
        tag=f"h{round(start)}",
        rhythm=Rhythm(rests=True),
        energy_kwh=spec.seed % 40_000 / 100,
        closes_at=end,
    )


def _hour(
    printer: Printer, hour: float, minutes: int, *, before: list[Happening], spec: MachineSpec
) -> tuple[Fact, ...]:
    facts: list[Fact] = list(before)
    times: list[float] = []
    rows: list[Sensed] = []
    for minute in range(1, minutes + 1):
        at = hour + minute * MINUTE_S
        told = minute % RESTING_MINUTES == 0 or printer.state in _WORKS
        nozzle_degc, bed_degc = printer.hotend.target_degc, printer.bed.target_degc
        happened = _minute(printer, at)
        middle = at - MINUTE_S / 2
        early = [each for each in happened if each.ts is not None and each.ts < middle]
        if early:
            facts += [*_samples(times, rows, spec), *early]
            times, rows, happened = [], [], happened[len(early) :]
        if told:
            times.append(middle)
            # The minute was lived with the targets at its start; those of its end belong to what happened then.
            rows.append(printer.sense(_SAMPLES)._replace(nozzle_target_degc=nozzle_degc, bed_target_degc=bed_degc))
        if happened:
            facts += [*_samples(times, rows, spec), *happened]
            times, rows = [], []
    return (*facts, *_samples(times, rows, spec))


def _minute(printer: Printer, at: float) -> list[Happening]:
    """Move on by a minute: in one step, or sample by sample while the machine heats up."""
    if printer.state is not State.SETUP:
        return printer.advance(at)
    happened: list[Happening] = []
    for sample in range(_SAMPLES - 1, -1, -1):
        happened += printer.advance(at - sample * SAMPLE_S)
    return happened


def _samples(times: list[float], rows: list[Sensed], spec: MachineSpec) -> tuple[Samples, ...]:
    if not rows:
        return ()
    columns = zip(Sensed._fields, zip(*rows, strict=True), strict=True)
    wanted = _OCTOPRINT_WORDS if spec.voice == "octoprint" else Sensed._fields
    return (Samples(tuple(times), {name: column for name, column in columns if name in wanted}),)
