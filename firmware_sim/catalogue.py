# SPDX-License-Identifier: AGPL-3.0-or-later
"""The catalogue of faults: what each does, to which machines, how often, and where its figures come from.

Rates are mean hours between two strikes on one machine that is switched on; those of prints are shares of prints
over the hours that a print and the pause after it take. A fault that says `repair` ends when a person has mended
it, the others when their time is over.
"""

from __future__ import annotations

import random
from typing import Final, Literal, NamedTuple

from firmware_sim.faults import Kind

FAILED_SHARE_NOVICES: Final = 0.411
"""Failed prints in an open studio, 26.3 % by human error (literature: Causes of Desktop FDM Fabrication Failures
in an Open Studio Environment, Procedia CIRP)."""
WAITING_SHARE: Final = 0.30
"""Time that farm printers wait for a person (literature: 3dque.com 2025, a vendor's figure)."""
FAILED_SHARE_FARM: Final = 0.05
"""Failed prints where people know their machines: 2–8 % (assumption)."""
CLOG_SHARE_OF_FAILURES: Final = 0.20
"""Clogs among a printer's own failures (assumption)."""
PRINT_H: Final = 1.6
"""Hours from one print's start to the next one's (assumption: the files of `machines.build`, plate and pause)."""
SPOOL_H: Final = 17.0
"""Printing hours of a spool: 1000 g at 58 g/h (assumption)."""

PRINTER: Final = frozenset({"printer"})
MILL: Final = frozenset({"mill"})
LASER: Final = frozenset({"laser"})
PLACER: Final = frozenset({"placer"})
MACHINES: Final = PRINTER | MILL | LASER | PLACER
EVERY: Final = MACHINES | {"plug"}


class FaultRow(NamedTuple):
    """What the catalogue says of a fault; durations in seconds, `mean_h` between two strikes on one machine.

    `source` is that of the rate; effects and durations are assumptions.
    """

    kind: Kind
    effect: str
    lasts_s: tuple[float, float]
    recovers_s: float
    source: Literal["literature", "assumption"]
    strikes: frozenset[str]
    mean_h: float
    ends: Literal["time", "repair"] = "time"


def _of_prints(share: float) -> float:
    return PRINT_H / (FAILED_SHARE_FARM * share)


CATALOGUE: Final = (
    FaultRow(
        Kind.HEATER_WEAK,
        "insulation and thermal contact degrade: the loss h grows, so more heater power holds the same temperature",
        (2_100.0, 2_700.0), 600.0, "assumption", PRINTER, 2_000.0,
    ),
    FaultRow(
        Kind.CLOG,
        "extrusion stops: no cold filament takes heat away, heater power falls; later the job fails",
        (720.0, 1_080.0), 3_600.0, "assumption", PRINTER, _of_prints(CLOG_SHARE_OF_FAILURES), "repair",
    ),
    FaultRow(
        Kind.SILENCE,
        "the uplink hangs: the connection stays and nothing is said; what was measured is sent afterwards",
        (1_500.0, 3_600.0), 600.0, "assumption", EVERY, 720.0,
    ),
    FaultRow(
        Kind.HEATER_WEARS,
        "the loss h grows evenly over days, until the heater cannot hold the temperature and the firmware stops",
        (3 * 86_400.0, 7 * 86_400.0), 3_600.0, "assumption", PRINTER, 10_000.0, "repair",
    ),
    FaultRow(
        Kind.HEATER_DEAD, "no more heat: the nozzle cools and the firmware's protection stops the machine",
        (1_800.0, 7_200.0), 3_600.0, "assumption", PRINTER, 20_000.0, "repair",
    ),
    FaultRow(
        Kind.THERMISTOR_OPEN, "the sensor reads far below zero: MINTEMP within a sample",
        (1_800.0, 7_200.0), 3_600.0, "assumption", PRINTER, 10_000.0, "repair",
    ),
    FaultRow(
        Kind.THERMISTOR_SHORT, "the sensor reads far above any target: MAXTEMP within a sample",
        (1_800.0, 7_200.0), 3_600.0, "assumption", PRINTER, 10_000.0, "repair",
    ),
    FaultRow(
        Kind.THERMAL_RUNAWAY, "the sensor falls off the block: it reads cool while the heater is on; protection stops",
        (1_800.0, 7_200.0), 3_600.0, "assumption", PRINTER, 20_000.0, "repair",
    ),
    FaultRow(
        Kind.SPAGHETTI, "the print comes off the bed: nothing is measured; a person sees it and cancels the job",
        (300.0, 2_400.0), 600.0, "assumption", PRINTER, _of_prints(0.40), "repair",
    ),
    FaultRow(
        Kind.LAYER_SHIFT, "a stepper skips: nothing is measured; the finished part is scrap",
        (60.0, 60.0), 600.0, "assumption", PRINTER, _of_prints(0.03), "repair",
    ),
    FaultRow(
        Kind.RUN_OUT, "the spool is empty: the printer waits for a person, hot, and goes on",
        (180.0, 1_800.0), 600.0, "assumption", PRINTER, SPOOL_H,
    ),
    FaultRow(
        Kind.TOOL_BREAK, "the tool breaks before its time: alarm, the part is scrap, the job fails",
        (900.0, 2_700.0), 600.0, "assumption", MILL, 200.0, "repair",
    ),
    FaultRow(
        Kind.ALARM, "an axis does not follow: alarm, the job fails",
        (300.0, 1_800.0), 600.0, "assumption", MILL, 200.0, "repair",
    ),
    FaultRow(Kind.DOOR, "the door is open: the spindle stands", (30.0, 600.0), 60.0, "assumption", MILL, 8.0),
    FaultRow(
        Kind.FEED_HOLD, "feed hold: the axes stand, the spindle turns without load",
        (30.0, 300.0), 60.0, "assumption", MILL, 10.0,
    ),
    FaultRow(
        Kind.LENS_DIRT, "smoke on the lens: a cut takes more and more energy a metre, at last it goes slower",
        (7_200.0, 28_800.0), 600.0, "assumption", LASER, 80.0,
    ),
    FaultRow(
        Kind.TUBE_LOSS, "the tube loses power: more is set for the same output, at last the cut goes slower",
        (86_400.0, 3 * 86_400.0), 600.0, "assumption", LASER, 3_000.0,
    ),
    FaultRow(
        Kind.AIR_ASSIST, "no air: edges char, parts are scrap, the lens gets dirty", (600.0, 3_600.0), 600.0,
        "assumption", LASER, 300.0,
    ),
    FaultRow(
        Kind.CHILLER, "the chiller fails: the water warms while the tube works, at 30 °C the interlock stops it",
        (1_200.0, 3_600.0), 3_600.0, "assumption", LASER, 1_000.0, "repair",
    ),
    FaultRow(
        Kind.MISPICKS, "a feeder is out of line: ten times as many mispicks and discards", (1_200.0, 5_400.0), 600.0,
        "assumption", PLACER, 60.0,
    ),
    FaultRow(
        Kind.NOZZLE_CLOG, "a placement nozzle clogs: the vacuum is weak, picks fail, then the machine stops",
        (600.0, 1_800.0), 600.0, "assumption", PLACER, 100.0, "repair",
    ),
    FaultRow(
        Kind.FEEDER_EMPTY, "a reel is empty before its time: starved until somebody has brought another one",
        (180.0, 1_800.0), 600.0, "assumption", PLACER, 40.0,
    ),
    FaultRow(
        Kind.POWER_LOSS, "no power on the circuit: jobs are lost, every will comes at once", (120.0, 3_600.0), 1_800.0,
        "assumption", EVERY, 60 * 24.0,
    ),
    FaultRow(
        Kind.WIFI_DROP, "the connection breaks, the will comes; afterwards what was kept is sent", (10.0, 50.0), 60.0,
        "assumption", EVERY, 12.0,
    ),
    FaultRow(
        Kind.AGENT_CRASH, "the program that speaks for the machine dies; it starts again with a new boot",
        (20.0, 120.0), 60.0, "assumption", EVERY, 30 * 24.0,
    ),
    FaultRow(
        Kind.CLOCK_SKEW, "the device's clock is hours off, or at 1970", (3_600.0, 14_400.0), 60.0,
        "assumption", EVERY, 8_760.0,
    ),
    FaultRow(
        Kind.DUPLICATES, "messages come twice", (600.0, 3_600.0), 60.0, "assumption", EVERY, 720.0,
    ),
    FaultRow(
        Kind.REORDERING, "messages overtake each other", (600.0, 3_600.0), 60.0, "assumption", EVERY, 720.0,
    ),
    FaultRow(
        Kind.COUNTER_RESET, "the energy counter begins at 0 again", (60.0, 60.0), 60.0, "assumption", EVERY, 90 * 24.0,
    ),
    FaultRow(
        Kind.UNKNOWN_WORD, "new firmware: an indicator has another name, and states a word that nobody knows",
        (3_600.0, 14_400.0), 60.0, "assumption", EVERY, 90 * 24.0,
    ),
)  # fmt: skip
ROWS: Final = {row.kind: row for row in CATALOGUE}


def draw_lasts_s(kind: str, rng: random.Random) -> float:
    """Return how long a fault of this kind lasts, drawn from its row."""
    return round(rng.uniform(*ROWS[Kind(kind)].lasts_s))
