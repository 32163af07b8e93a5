# SPDX-License-Identifier: Apache-2.0
"""The catalogue of indicators: name, unit, range, good direction, cadence. One name, one unit, for ever."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)+")
_FURTHER: Final = re.compile(r"(nozzle|ams)\d+_")


class Indicator(NamedTuple):
    """What the catalogue says of an indicator; `low` and `high` bound what is possible, in its unit."""

    name: str
    unit: str
    low: float
    high: float
    meaning: str
    is_counter: bool = False


_SHIPPED: Final = (
    Indicator("nozzle_degc", "°C", -50, 600, "temperature of the nozzle"),
    Indicator("nozzle_target_degc", "°C", 0, 600, "temperature that the nozzle should have"),
    Indicator("bed_degc", "°C", -50, 300, "temperature of the bed"),
    Indicator("bed_target_degc", "°C", 0, 300, "temperature that the bed should have"),
    Indicator("chamber_degc", "°C", -50, 300, "temperature of the chamber"),
    Indicator("chamber_target_degc", "°C", 0, 300, "temperature that the chamber should have"),
    Indicator("heater_power_w", "W", 0, 5_000, "electric power of the nozzle's heater"),
    Indicator("heater_power_ratio", "1", 0, 1, "share of its full power that the nozzle's heater gets"),
    Indicator("bed_heater_power_ratio", "1", 0, 1, "share of its full power that the bed's heater gets"),
    Indicator("power_w", "W", 0, 100_000, "electric power of the whole machine"),
    Indicator("energy_kwh", "kWh", 0, 1e9, "energy counter of the machine", is_counter=True),
    Indicator("voltage_v", "V", 0, 1_000, "voltage of the supply"),
    Indicator("current_a", "A", 0, 1_000, "electric current of the whole machine"),
    Indicator("spindle_load_pct", "%", 0, 400, "load of the spindle, of what it is rated for"),
    Indicator("spindle_rpm", "rpm", -200_000, 200_000, "speed of the spindle; below 0 it turns the other way"),
    Indicator("progress_ratio", "1", 0, 1, "share of the job that is done"),
    Indicator("smoke_ratio", "1", 0, 1, "what a smoke detector says: 0 clean air, 1 smoke"),
    Indicator("estimate_s", "s", 0, 1e8, "how long the job should take, as estimated before it began"),
    Indicator("ams_degc", "°C", -50, 300, "temperature in the filament changer"),
    Indicator("ams_humidity_pct", "%", 0, 100, "relative humidity in the filament changer"),
    Indicator("ams_dryness_grade", "grade", 1, 5, "how dry the filament changer says it is: 1 wet, 5 dry"),
    Indicator("spool_left_pct", "%", 0, 100, "what is left on the spool in use, by its tag"),
    Indicator("feed_mm_min", "mm/min", 0, 1_000_000, "speed of the tool along its path"),
    Indicator("tube_set_pct", "%", 0, 100, "power that the laser's tube is told to give, of its full power"),
    Indicator("tube_power_w", "W", 0, 100_000, "power of the laser's light"),
    Indicator("energy_j_m", "J/m", 0, 1e9, "energy of the laser's light on a metre of cut"),
    Indicator("chiller_degc", "°C", -50, 150, "temperature of the cooling water"),
    Indicator("air_assist_kpa", "kPa", 0, 10_000, "pressure of the air that keeps the lens clean"),
    Indicator("vacuum_kpa", "kPa", 0, 110, "vacuum at the nozzle that picks parts"),
    Indicator("placements_per_h", "1/h", 0, 1e6, "parts placed an hour"),
    Indicator("mispick_pct", "%", 0, 100, "share of picks that failed"),
    Indicator("discard_count", "parts", 0, 1e9, "parts that were picked and thrown away", is_counter=True),
    Indicator("feeder_left_count", "parts", 0, 1e9, "parts left in the feeder that runs out next"),
    Indicator("voc_ppb", "ppb", 0, 1e6, "volatile organic compounds in the air"),
    Indicator("queue_jobs", "jobs", 0, 1_000_000, "jobs that wait in the machine's queue"),
)
_UNIT_WORDS: Final = {"degc": "°C", "w": "W", "v": "V", "a": "A", "kwh": "kWh", "ratio": "1", "pct": "%"}
CATALOGUE: Final = {indicator.name: indicator for indicator in _SHIPPED}
COUNTERS: Final = frozenset(indicator.name for indicator in _SHIPPED if indicator.is_counter)
"""What only grows, but for a new start of its sender."""


def is_name(text: str) -> bool:
    """Tell whether the text is `snake_case` with at least a thing and a unit, at most 64 characters."""
    return len(text) <= 64 and _NAME.fullmatch(text) is not None  # noqa: PLR2004


def known(name: str) -> Indicator | None:
    """Return the catalogue's row; a further tool or changer (`nozzle1_degc`) has the row of the first."""
    return CATALOGUE.get(name) or CATALOGUE.get(_FURTHER.sub(r"\1_", name))


def unit_of(name: str) -> str:
    """Return the unit: the catalogue's, or what the last word of another name stands for.

    >>> unit_of("nozzle1_degc"), unit_of("heater_effort_w"), unit_of("spindle_rpm")
    ('°C', 'W', 'rpm')
    """
    row = known(name)
    word = name.rpartition("_")[2]
    return row.unit if row else _UNIT_WORDS.get(word, word)
