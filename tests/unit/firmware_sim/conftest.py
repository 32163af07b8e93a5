# SPDX-License-Identifier: AGPL-3.0-or-later
"""A printer in the middle of its day, and a way to live through some minutes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from firmware_sim.machines.build import build
from firmware_sim.machines.people import Rhythm
from firmware_sim.machines.printer import Printer, Sensed
from firmware_sim.physics import SAMPLE_S
from firmware_sim.truth import Happening

START = 1_795_399_200.0
MakePrinter = Callable[..., Printer]
Live = Callable[[Printer, float], tuple[list[Happening], list[Sensed]]]


@pytest.fixture
def start() -> float:
    return START


@pytest.fixture
def make_printer() -> MakePrinter:
    def make(seed: int = 1, *, booked_after_s: float | None = 3600.0) -> Printer:
        bookings: Sequence[float] = () if booked_after_s is None else (START + booked_after_s,)
        built = build("mk4-01", seed)
        return Printer(built, seed=seed, start=START, tag="t", rhythm=Rhythm(rests=False), bookings=bookings)

    return make


@pytest.fixture
def live() -> Live:
    def through(printer: Printer, for_s: float) -> tuple[list[Happening], list[Sensed]]:
        happened, sensed = [], []
        for _ in range(round(for_s / SAMPLE_S)):
            happened += printer.advance(printer.now + SAMPLE_S)
            sensed.append(printer.sense())
        return happened, sensed

    return through
