# SPDX-License-Identifier: AGPL-3.0-or-later
"""What Klipper's objects measure: temperatures, heaters, progress. What cannot be is left out, the rest stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from collector.contract.reading import Samples
from collector.dialects.figures import Values, measured, number_of, put
from collector.dialects.moonraker_state import AT_WORK, Moonraker, Objects

_TOOL: Final = re.compile(r"extruder(\d{0,2})")
_CHAMBERS: Final = frozenset({"heater_generic chamber", "temperature_sensor chamber", "temperature_fan chamber"})


def samples(was: Moonraker, now: Moonraker, objects: Objects, at: float) -> tuple[Samples, ...]:
    """Return the measured values at their arrival (Unix s); none where nothing was measured."""
    values: Values = {}
    for name, found in (*_heaters(objects), *_progress(was, now, objects)):
        put(values, name, number_of(found))
    return measured(at, values)


def _heaters(objects: Objects) -> Iterator[tuple[str, Any]]:
    for name, fields in objects.items():
        tool = _TOOL.fullmatch(name)
        if tool is not None:
            number = int(tool.group(1) or 0)
            heater = f"nozzle{number or ''}"
            if number == 0:
                yield "heater_power_ratio", fields.get("power")
        elif name == "heater_bed":
            heater = "bed"
            yield "bed_heater_power_ratio", fields.get("power")
        elif name in _CHAMBERS:
            heater = "chamber"
        else:
            continue
        yield f"{heater}_degc", fields.get("temperature")
        yield f"{heater}_target_degc", fields.get("target")


def _progress(was: Moonraker, now: Moonraker, objects: Objects) -> Iterator[tuple[str, Any]]:
    """Yield the share that is done: the slicer's (M73) where Klipper has that object, else that of the file's bytes."""
    if was.job in AT_WORK or now.job in AT_WORK:
        source = "display_status" if now.has_display else "virtual_sdcard"
        yield "progress_ratio", objects.get(source, {}).get("progress")
