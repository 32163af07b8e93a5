# SPDX-License-Identifier: AGPL-3.0-or-later
"""The plant file: units and machines as TOML, read and written whole or not at all."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from collector.contract.errors import Misconfigured, Refusal
from collector.contract.shift import Hours, Shift, Upkeep
from collector.contract.tree import Machine, Plant, Unit, read_plant
from collector.registry import load_plant

_HEAD = "# SPDX-License-Identifier: CC0-1.0\n# Units and machines of this plant; `cybersyn machine` writes it too."


def load(path: Path) -> Plant:
    """Return the plant of the file; where there is none, an empty one."""
    return load_plant(path) if path.exists() else Plant({}, {})


def save(path: Path, plant: Plant) -> None:
    """Write the plant file, whole or not at all; raises Misconfigured where the file cannot be written."""
    _write(path, text(plant))


def change(path: Path, device: str, machine: Machine | None, units: dict[str, Unit]) -> Plant:
    """Give the device this entry, or none, and return the plant as it then reads back.

    The rest of the file stays as people wrote it, comments included. Raises Refusal `bad_machine` where the entry
    does not read back (nothing is written), Misconfigured where the file cannot be written.
    """
    before = path.read_text(encoding="utf-8") if path.exists() else _HEAD + "\n"
    machines = {name: known for name, known in load(path).machines.items() if name != device}
    if machine is not None:
        machines[device] = machine
    wanted = Plant(units, machines)
    try:
        plant = read_plant(tomllib.loads(text(wanted)))
    except Misconfigured as error:
        raise Refusal("bad_machine", str(error).removeprefix("plant file: ")) from None
    changed = edited(before, device, machine)
    _write(path, changed if _reads_as(changed, plant) else text(wanted))
    return plant


def edited(before: str, device: str, machine: Machine | None) -> str:
    r"""Return the file's text with the device's tables replaced, or taken out; what it says must be read back.

    >>> print(edited('# ours\n[machines.a]\nplace = "x/a"\n', "a", None), end="")
    # ours
    """
    kept: list[str] = []
    inside = False
    for line in before.splitlines():
        if line.lstrip().startswith("["):
            inside = device in _headed(line).get("machines", {})
        if not inside:
            kept.append(line)
    while kept and not kept[-1]:
        kept.pop()
    return "\n".join([*kept, *(_machine(machine) if machine is not None else ())]) + "\n"


def text(plant: Plant) -> str:
    """Return the plant as TOML; `read_plant` of what it parses to gives the same plant."""
    return "\n".join([_HEAD, *_lines(plant)]) + "\n"


def _headed(line: str) -> dict[str, Any]:
    """Return what a table's header alone parses to; nothing where it is none."""
    try:
        return tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return {}


def _reads_as(candidate: str, plant: Plant) -> bool:
    try:
        return read_plant(tomllib.loads(candidate)) == plant
    except (tomllib.TOMLDecodeError, Misconfigured):
        return False


def _write(path: Path, what: str) -> None:
    fresh = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with fresh.open("w", encoding="utf-8") as file:
            file.write(what)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        raise Misconfigured(
            f"plant file {path} cannot be written: {error.strerror}; edit it where it comes from (what runs takes it "
            "over within 2 s), or name one in a writable folder by paths.plant"
        ) from None


def _lines(plant: Plant) -> Iterator[str]:
    for unit in sorted(plant.units.values(), key=lambda unit: unit.place):
        yield f"\n[units.{_text(unit.place)}]"
        yield f"name = {_text(unit.name)}"
        if unit.level:
            yield f"level = {_text(unit.level)}"
        if unit.reaction_s is not None:
            yield f"reaction_s = {unit.reaction_s}"
        if unit.duty:
            yield f"duty = [{', '.join(map(_text, unit.duty))}]"
        if unit.flow != "parallel":
            yield f"flow = {_text(unit.flow)}"
        if unit.usage != 1.0:
            yield f"usage = {unit.usage}"
        yield from _hours(unit.hours)
    for machine in sorted(plant.machines.values(), key=lambda machine: machine.device):
        yield from _machine(machine)


def _hours(hours: Hours) -> Iterator[str]:
    if hours.timezone is not None:
        yield f"timezone = {_text(hours.timezone)}"
    if hours.grid_g_per_kwh is not None:
        yield f"grid_g_per_kwh = {hours.grid_g_per_kwh}"
    if hours.shifts is not None:
        yield f"shifts = [{', '.join(_table(shift) for shift in hours.shifts)}]"
    if hours.closed:
        yield f"closed = [{', '.join(day.isoformat() for day in hours.closed)}]"
    if hours.maintenance:
        yield f"maintenance = [{', '.join(_table(upkeep) for upkeep in hours.maintenance)}]"


def _table(row: Shift | Upkeep) -> str:
    """Return a row as an inline table of texts and lists of texts, for which JSON's forms do."""
    told = msgspec.to_builtins(row)
    return f"{{ {', '.join(f'{name} = {json.dumps(value, ensure_ascii=False)}' for name, value in told.items())} }}"


def _machine(machine: Machine) -> Iterator[str]:
    yield f"\n[machines.{_text(machine.device)}]"
    yield f"place = {_text(machine.place)}"
    yield f"dialect = {_text(machine.dialect)}"
    if machine.prefix is not None:
        yield f"prefix = {_text(machine.prefix)}"
    if machine.cadence_s is not None:
        yield f"cadence_s = {machine.cadence_s}"
    if machine.clock != "own":
        yield f"clock = {_text(machine.clock)}"
    if machine.formerly:
        stays = ", ".join(f"{{ place = {_text(stay.place)}, until = {stay.until} }}" for stay in machine.formerly)
        yield f"formerly = [{stays}]"
    head = f"machines.{_text(machine.device)}"
    if machine.attach is not None:
        yield from _values(f"{head}.attach", machine.attach)
    for index, capacity in sorted(machine.indices.items()):
        yield from _values(f"{head}.indices.{_text(index)}", capacity)
    for indicator, limits in sorted(machine.limits.items()):
        yield from _values(f"{head}.limits.{_text(indicator)}", limits)


def _values(head: str, values: msgspec.Struct) -> Iterator[str]:
    """Yield a table of texts and numbers; what is None is left out."""
    yield f"[{head}]"
    for name, value in msgspec.to_builtins(values).items():
        if value is not None:
            yield f"{name} = {_text(value) if isinstance(value, str) else value}"


def _text(value: Any) -> str:
    """Return a TOML basic string, which JSON's escapes satisfy."""
    return json.dumps(str(value), ensure_ascii=False)
