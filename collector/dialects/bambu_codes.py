# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a Bambu printer's numbers mean, in short words: stages, print errors, health messages.

Thousands of codes exist; those that a workshop meets often are here, and any other is told by its number.
"""

from __future__ import annotations

from typing import Final

CANCELLED: Final = 0x0300400C
"""Print error that a person's cancel shows for about two seconds."""
BY_PERSON: Final = frozenset({CANCELLED, 0x03008001, 0x03008013})
SERIOUS: Final = 2
"""Health messages of severity 1 (fatal) and 2 (serious) are faults; 3 and 4 inform."""

FILAMENT_OUT: Final = "filament out"
_NOZZLE_HEAT: Final = "nozzle temperature malfunction"
_BED_HEAT: Final = "bed temperature malfunction"
_CLOG: Final = "nozzle clogged"
_SPAGHETTI: Final = "spaghetti"
_FIRST_LAYER: Final = "first layer defects"

STAGES: Final = {
    6: FILAMENT_OUT,
    17: "front cover fell off",
    20: _NOZZLE_HEAT,
    21: _BED_HEAT,
    23: "steps lost",
    26: "AMS lost",
    27: "heat break fan too slow",
    28: "chamber temperature malfunction",
    32: "nozzle covered with filament",
    33: "cutter error",
    34: _FIRST_LAYER,
    35: _CLOG,
}
"""Stages in which the printer has paused by itself; in all others of a pause a person or the file wanted it."""
HEAT_STAGES: Final = frozenset({20, 21, 27, 28})
SETUP_STAGES: Final = frozenset(
    {1, 2, 3, 7, 8, 9, 11, 12, 13, 14, 15, 18, 19, 25, 36, 37, 38, 39, 40, 41, 42, 45, 46, 47, 48, 49, 50, 51, 52, 53}
)
"""Heating, levelling, homing, cleaning, calibrating."""

_ERRORS: Final = {
    0x03004000: "homing failed",
    0x03004002: "bed levelling failed",
    0x03004005: "nozzle fan too slow",
    0x03004006: _CLOG,
    0x0300400D: "could not go on after a power loss",
    0x03008002: _FIRST_LAYER,
    0x03008003: _SPAGHETTI,
    0x03008004: FILAMENT_OUT,
    0x03008005: "front cover fell off",
    0x03008006: "build plate not found",
    0x03008007: "power was lost",
    0x03008008: _NOZZLE_HEAT,
    0x03008009: _BED_HEAT,
    0x0300800A: "waste filament piled up",
    0x03008014: "nozzle covered with filament",
}
_AMS_ERRORS: Final = {0x8005: "AMS could not feed filament", 0x8010: "AMS motor overloaded", 0x8011: FILAMENT_OUT}
_AMS_MODULES: Final = frozenset({0x07, 0x12, 0x18})
_HEALTH: Final = {
    "0300_0100": _BED_HEAT,
    "0300_0200": _NOZZLE_HEAT,
    "0300_0300": "nozzle fan too slow",
    "0300_1A00": _CLOG,
}
_HEALTH_EXACT: Final = {"0C00_0300_0003_0007": _FIRST_LAYER, "0C00_0300_0003_0008": _SPAGHETTI}
_HEAT_ERRORS: Final = frozenset({0x03008008, 0x03008009})


def error_phrase(code: int) -> str | None:
    """Return what a print error says in short words, None where the table does not know it.

    >>> error_phrase(0x07008011), error_phrase(0x12345678)
    ('filament out', None)
    """
    if code >> 24 in _AMS_MODULES:
        return _AMS_ERRORS.get(code & 0xFFFF)
    return _ERRORS.get(code)


def error_words(code: int) -> str:
    """Return a print error as people look it up.

    >>> error_words(0x03008003), error_words(0x12345678)
    ('spaghetti (print error 0300-8003)', 'print error 1234-5678')
    """
    number, phrase = f"print error {code >> 16:04X}-{code & 0xFFFF:04X}", error_phrase(code)
    return f"{phrase} ({number})" if phrase else number


def is_heat(code: int, stage: int) -> bool:
    """Tell whether error or stage speak of heat that is out of control: more than somebody's next errand."""
    return code in _HEAT_ERRORS or stage in HEAT_STAGES


def health_code(attr: int, code: int) -> str:
    """Return a health message's number as the maker prints it.

    >>> health_code(0x03000200, 0x00010001)
    '0300_0200_0001_0001'
    """
    return f"{attr >> 16:04X}_{attr & 0xFFFF:04X}_{code >> 16:04X}_{code & 0xFFFF:04X}"


def health_phrase(number: str) -> str | None:
    """Return what a health message says in short words, None where the table does not know it."""
    if int(number[:2], 16) in _AMS_MODULES and number[5] == "2" and number.endswith("_0001"):
        return FILAMENT_OUT
    return _HEALTH_EXACT.get(number) or _HEALTH.get(number[:9])


def health_words(number: str) -> str:
    """Return a health message as people look it up.

    >>> health_words("0300_0200_0001_0001")
    'nozzle temperature malfunction (HMS 0300_0200_0001_0001)'
    """
    phrase = health_phrase(number)
    return f"{phrase} (HMS {number})" if phrase else f"HMS {number}"
