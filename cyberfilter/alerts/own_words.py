# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a machine's own words are about: heat, smoke, material, a full plate. They are English, as firmwares are."""

from __future__ import annotations

import re
from typing import Final

THERMAL: Final = "thermal"
SMOKE: Final = "smoke"
RUN_OUT: Final = "run_out"
PLATE_FULL: Final = "plate_full"

_DANGERS: Final = (
    (SMOKE, re.compile(r"\bsmoke\b|\bfire alarm\b", re.IGNORECASE)),
    (
        THERMAL,
        re.compile(
            r"thermal.?runaway|\bmax.?temp\b|heat(er|ing).{0,40}(not heating|fail|too (slow|long))"
            r"|not heating at expected rate|over.?temperature",
            re.IGNORECASE,
        ),
    ),
)
_WAITS: Final = (
    (
        RUN_OUT,
        re.compile(
            r"run.?out|\bran out\b|out of (filament|material)"
            r"|(filament|spool|material).{0,20}(?<![a-z])(empty|emptied|ended)\b"
            r"|empty (spool|reel)|no filament",
            re.IGNORECASE,
        ),
    ),
    (
        PLATE_FULL,
        re.compile(
            r"(?<![a-z])(plate|bed|tray|bin)(?![a-z]).{0,20}(?<![a-z])(not (been )?clear|not empty|full\b|occupied)"
            r"|clear the (plate|bed)",
            re.IGNORECASE,
        ),
    ),
)


def danger(words: str | None) -> str | None:
    """Return the kind of hazard that a fault's words tell, None for a fault like any other.

    >>> danger("Thermal Runaway, system stopped! Heater_ID: bed"), danger("Probing failed")
    ('thermal', None)
    """
    return _first(_DANGERS, words)


def wait(words: str | None) -> str | None:
    """Return what a machine that waits for a person needs, None where its words don't tell.

    >>> wait("filament runout"), wait("plate not cleared"), wait("change the colour")
    ('run_out', 'plate_full', None)
    """
    return _first(_WAITS, words)


def _first(table: tuple[tuple[str, re.Pattern[str]], ...], words: str | None) -> str | None:
    return next((kind for kind, pattern in table if words and pattern.search(words)), None)
