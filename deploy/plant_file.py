# SPDX-License-Identifier: AGPL-3.0-or-later
"""The plant file: units and machines as TOML, read by the registry and written by commands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from collector.contract.errors import Misconfigured
from collector.contract.tree import Plant
from collector.registry import load_plant

_HEAD = "# SPDX-License-Identifier: CC0-1.0\n# Units and machines of this plant; `cybersyn machine` writes it too."


def load(path: Path) -> Plant:
    """Return the plant of the file; where there is none, an empty one."""
    return load_plant(path) if path.exists() else Plant({}, {})


def save(path: Path, plant: Plant) -> None:
    """Write the plant file, whole or not at all."""
    fresh = path.with_suffix(".new")
    try:
        fresh.write_text(text(plant), encoding="utf-8")
        fresh.replace(path)
    except OSError as error:
        raise Misconfigured(f"plant file {path}: {error.strerror}") from None


def text(plant: Plant) -> str:
    """Return the plant as TOML; `read_plant` of what it parses to gives the same plant."""
    return "\n".join([_HEAD, *_lines(plant)]) + "\n"


def _lines(plant: Plant) -> Iterator[str]:
    for unit in sorted(plant.units.values(), key=lambda unit: unit.place):
        yield f"\n[units.{_text(unit.place)}]"
        yield f"name = {_text(unit.name)}"
        if unit.level:
            yield f"level = {_text(unit.level)}"
        if unit.reaction_s is not None:
            yield f"reaction_s = {unit.reaction_s}"
    for machine in sorted(plant.machines.values(), key=lambda machine: machine.device):
        yield f"\n[machines.{_text(machine.device)}]"
        yield f"place = {_text(machine.place)}"
        yield f"dialect = {_text(machine.dialect)}"
        if machine.prefix is not None:
            yield f"prefix = {_text(machine.prefix)}"
        if machine.cadence_s:
            yield f"cadence_s = {machine.cadence_s}"
        for index, capacity in sorted(machine.indices.items()):
            yield f"[machines.{_text(machine.device)}.indices.{_text(index)}]"
            yield f"capability = {capacity.capability}"
            if capacity.potentiality is not None:
                yield f"potentiality = {capacity.potentiality}"


def _text(value: Any) -> str:
    """Return a TOML basic string, which JSON's escapes satisfy."""
    return json.dumps(str(value), ensure_ascii=False)
