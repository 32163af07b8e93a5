# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a metric with a name of the owner's choice means: one table of common names, and units.

A name is taken as a set of words, whatever stands between them: "Temperature/Nozzle", "nozzleTemp" and
"extruder_temperature" are one. What the table does not know becomes an indicator of its own, named by its words
and its unit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

_NAME_CHARS_MAX: Final = 128
_INDICATOR_CHARS_MAX: Final = 64
_TOKEN: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_ALIKE: Final = {
    **dict.fromkeys(("temp", "temps", "temperatures"), "temperature"),
    **dict.fromkeys(("extruder", "hotend", "tool"), "nozzle"),
    **dict.fromkeys(("setpoint", "sp", "set"), "target"),
    **dict.fromkeys(("parts", "piece", "pieces", "workpiece", "workpieces"), "part"),
    **dict.fromkeys(("bad", "reject", "rejects", "rejected", "scrapped", "defect", "defects", "defective"), "scrap"),
    **dict.fromkeys(("counter", "total"), "count"),
    **dict.fromkeys(("estimated",), "estimate"),
    **dict.fromkeys(("status", "execution"), "state"),
    "heatbed": "bed",
    "filename": "file",
}
_FILLERS: Final = frozenset({"actual", "current", "value", "machine", "printer", "device"})

_UNITS: Final = {
    "degc": "°c c degc celsius deg_c cel",
    "degf": "°f f degf fahrenheit",
    "w": "w watt watts",
    "kw": "kw",
    "wh": "wh watt_hour watt_hours",
    "kwh": "kwh kilowatt_hour",
    "pct": "% percent pct",
    "rpm": "rpm 1/min rev/min r/min revolution/minute",
    "mm": "mm millimeter",
    "m": "m meter",
    "mm_s": "mm/s millimeter/second",
    "mm_min": "mm/min",
    "v": "v volt volts",
    "a": "a amp amps ampere",
    "hz": "hz hertz",
    "bar": "bar",
    "pa": "pa pascal",
    "kpa": "kpa",
    "s": "s sec second seconds",
    "ms": "ms",
    "min": "min minute minutes",
    "h": "h hour hours",
    "g": "g gram grams",
    "kg": "kg kilogram",
    "l_min": "l/min",
    "ppm": "ppm",
    "ratio": "ratio",
    "count": "count pcs",
}
_UNIT_OF: Final = {text: unit for unit, texts in _UNITS.items() for text in texts.split()}
_IN_NAMES: Final = frozenset({"degc", "celsius", "w", "watts", "wh", "kwh", "kw", "pct", "percent", "rpm", "%"})


class _Row(NamedTuple):
    """A role, the sets of words that mean it, and by which figure a value in each unit is multiplied."""

    role: str
    words: str
    factors: Mapping[str | None, float] = {None: 1.0}


_DEGC: Final = {None: 1.0, "degc": 1.0}
_W: Final = {None: 1.0, "w": 1.0, "kw": 1e3}
_S: Final = {None: 1.0, "s": 1.0, "ms": 1e-3, "min": 60.0, "h": 3600.0}
_COUNT: Final = {None: 1.0, "count": 1.0}
# Where no unit is told, energy counts watt-hours.
_ROWS: Final = (
    _Row("@state", "state|state job|state run|state packml|state pack ml"),
    _Row("@file", "name job|file job|file|name file|program|name program|job program|file job name"),
    _Row("@good", "good|part good|good count|part good count", _COUNT),
    _Row("@scrap", "scrap|part scrap|scrap count|part scrap count", _COUNT),
    _Row("@count", "part count|part", _COUNT),
    _Row("nozzle_degc", "temperature nozzle", _DEGC),
    _Row("nozzle_target_degc", "temperature nozzle target", _DEGC),
    _Row("bed_degc", "temperature bed", _DEGC),
    _Row("bed_target_degc", "temperature bed target", _DEGC),
    _Row("chamber_degc", "temperature chamber", _DEGC),
    _Row("chamber_target_degc", "temperature chamber target", _DEGC),
    _Row("heater_power_w", "heater power", _W),
    _Row("power_w", "power|power count", _W),
    _Row("energy_kwh", "energy|energy count", {None: 1e-3, "wh": 1e-3, "kwh": 1.0}),
    _Row("progress_ratio", "progress|job progress", {None: 1.0, "ratio": 1.0, "pct": 0.01}),
    _Row("estimate_s", "estimate|job estimate|estimate time|job estimate time", _S),
    _Row("spindle_load_pct", "spindle load", {None: 1.0, "pct": 1.0}),
    _Row("spindle_rpm", "spindle speed|spindle", {None: 1.0, "rpm": 1.0}),
)
_BY_WORDS: Final = {frozenset(words.split()): row for row in _ROWS for words in row.words.split("|")}


class Role(NamedTuple):
    """What a metric means: an indicator's name, or @state, @file, @good, @scrap, @count; "" for nothing.

    Its values are multiplied by `factor`. `common` says that the table knows it by its name alone.
    """

    name: str
    factor: float = 1.0
    common: bool = False


NOTHING: Final = Role("")


def unit_word(text: str) -> str | None:
    """Return the unit as the last word of an indicator's name; None for one that is not known.

    >>> unit_word("°C"), unit_word("mm/s"), unit_word("furlong")
    ('degc', 'mm_s', None)
    """
    return _UNIT_OF.get(text.strip().lower().replace(" ", "_"))


def role_of(name: str, unit: str | None = None) -> Role:
    """Return what a metric of this name means; `unit` is the owner's text for it, None where there was none.

    >>> role_of("Temperature/Nozzle").name, role_of("Energy/Total", "kWh"), role_of("Chiller/flow", "l/min").name
    ('nozzle_degc', Role(name='energy_kwh', factor=1.0, common=True), 'chiller_flow_l_min')
    """
    return _role_of(name[:_NAME_CHARS_MAX], unit_word(unit) if unit else None)


@lru_cache(maxsize=1_024)
def _role_of(name: str, measured_in: str | None) -> Role:
    tokens = [token.lower() for token in _TOKEN.findall(name)]
    if measured_in is None and len(tokens) > 1 and tokens[-1] in _IN_NAMES:
        measured_in = _UNIT_OF[tokens.pop()]
    words = [_ALIKE.get(token, token) for token in tokens]
    known = _common(words, measured_in)
    if known is not None:
        return known
    return _of_its_own(words, measured_in)


def _common(words: list[str], unit: str | None) -> Role | None:
    numbers = [word for word in words if word.isdigit()]
    row = _BY_WORDS.get(frozenset(words) - _FILLERS - set(numbers))
    if row is None or unit not in row.factors or len(numbers) > 1:
        return None
    number = int(numbers[0]) if numbers and len(numbers[0]) <= 2 else 0  # noqa: PLR2004 - tools of one machine
    if number and not row.role.startswith("nozzle_"):
        return None
    role = row.role.replace("nozzle_", f"nozzle{number}_") if number else row.role
    return Role(role, row.factors[unit], common=True)


def _of_its_own(words: list[str], unit: str | None) -> Role:
    if not words:
        return NOTHING
    last = unit or ("degc" if "temperature" in words else "value")
    base = "_".join(words if words[0][0].isalpha() else ["x", *words])
    return Role(base[: _INDICATOR_CHARS_MAX - len(last) - 1].rstrip("_") + "_" + last)
