# SPDX-License-Identifier: AGPL-3.0-or-later
"""The table of foreign dialects: name to decoder. A new one is a module and a line here."""

from __future__ import annotations

from typing import Final

from collector.dialects import bambu, moonraker, mtconnect, octoprint, prusalink, shelly, sparkplug, tasmota
from collector.dialects.dialect import Dialect, Found, Heard, facts_and_signs

__all__ = ["DIALECTS", "Dialect", "Found", "Heard", "facts_and_signs", "ladder", "recognise"]

_ROWS: Final = (
    octoprint.DIALECT,
    moonraker.DIALECT,
    bambu.DIALECT,
    prusalink.DIALECT,
    tasmota.DIALECT,
    shelly.DIALECT,
    sparkplug.DIALECT,
    mtconnect.DIALECT,
)
DIALECTS: Final[dict[str, Dialect]] = {row.name: row for row in _ROWS}


def recognise(topic: str) -> tuple[Dialect, Found] | None:
    """Return the dialect whose form the topic has, the machine's prefix and the rest of the topic; or None.

    >>> found = recognise("fab/north/octoprint/p02/event/PrintDone")
    >>> found and (found[0].name, *found[1])
    ('octoprint', 'fab/north/octoprint/p02', 'event/PrintDone')
    """
    for dialect in DIALECTS.values():
        found = dialect.recognise(topic)
        if found is not None:
            return dialect, found
    return None


_RUNGS: Final = ("states", "jobs", "parts", "cycle", "estimate", "energy", "material", "temperature")
_SIGNS: Final = {"direct": "●", "derived": "◐", "none": "–"}


def ladder() -> str:
    """Return the table of how well each dialect tells what production needs, as it stands in the README."""
    rows = [
        "| dialect | " + " | ".join(_RUNGS) + " | its clock | its silence | what it never tells |",
        "|" + "---|" * (len(_RUNGS) + 4),
    ]
    for name, row in DIALECTS.items():
        told = " | ".join(_SIGNS[getattr(row.quality, rung)] for rung in _RUNGS)
        quality = row.quality
        rows.append(f"| `{name}` {row.title} | {told} | {quality.clock} | {quality.silence} | {quality.loses} |")
    return "\n".join(rows)
