# SPDX-License-Identifier: AGPL-3.0-or-later
"""Scenarios as TOML files: ours in `scenarios/`, or anybody's; an error names the key, the value and what would do."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Mapping
from itertools import count, cycle, islice
from pathlib import Path
from typing import Any, Final

from collector.contract.errors import Misconfigured, Refusal
from collector.contract.place import check_device, check_place
from firmware_sim.catalogue import ROWS
from firmware_sim.faults import Kind
from firmware_sim.machines.kinds import KINDS
from firmware_sim.network import DELAY_S_MAX, Weather
from firmware_sim.physics import SAMPLE_S
from firmware_sim.scenario import MACHINES_MAX, NATIVE_CADENCE_S, MachineSpec, Scenario, Strike
from firmware_sim.voices.catalogue import prefix_of

FOLDER: Final = Path(__file__).parent / "scenarios"
DAY_S: Final = 86_400.0
AT_S_MAX: Final = 366 * DAY_S
LASTS_S_MAX: Final = 31 * DAY_S
RATES_MAX: Final = 1_000.0
SAMPLE_S_MAX: Final = 60.0
_TOP: Final = {
    "about": str, "machines": list, "units": dict, "people": dict, "faults": list, "rates": dict, "network": dict,
    "usual_count": int, "takes_turns": bool,
}  # fmt: skip
_MACHINES: Final = {
    "kind": str, "voice": str, "place": str, "name": str, "count": int,
    "circuit": str, "meters": str, "sample_s": float,
}  # fmt: skip
_FAULTS: Final = {"kind": str, "device": str, "circuit": str, "at_s": float, "lasts_s": float}
_WEATHER: Final = dict.fromkeys(Weather._fields, float)
_NAMED: Final = {str: "a text", list: "a list of tables", dict: "a table", bool: "true or false", int: "a whole number"}


def names() -> tuple[str, ...]:
    """Return the names of the scenarios that come with the simulator."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def scenario(name: str, *, machines: int | None = None, seed: int = 7) -> Scenario:
    """Return the scenario of that name or TOML file; raises Misconfigured where there is none, or it is wrong.

    `machines` is for those that grow, as the workshop does: their list of machines is gone through again.

    >>> [spec.place for spec in scenario("workshop", machines=4).machines][-1]
    'commons/valparaiso/printing/mk4-04'
    """
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if not name.endswith(".toml") and name not in names():
        raise Misconfigured(f"scenario = {name!r} is none of {', '.join(names())}, and no TOML file")
    try:
        body = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Misconfigured(f"scenario = {name!r} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"scenario = {name!r} is not TOML: {error}") from error
    return read(path.stem, body, machines=machines, seed=seed)


def workshop(machines: int = 8, seed: int = 7) -> Scenario:
    """Return the network of two towns with that many printers; every fourth is an OctoPrint, the others are native."""
    return scenario("workshop", machines=machines, seed=seed)


def read(name: str, body: Mapping[str, Any], *, machines: int | None = None, seed: int = 7) -> Scenario:
    """Return the scenario that a TOML document tells; raises Misconfigured where it is wrong."""
    table = _checked("", body, _TOP)
    specs = _specs(name, table, machines=machines, seed=seed)
    people = _checked("people", table.get("people", {}), {"rests": bool})
    rates = _checked("rates", table.get("rates", {}), {"times": float})
    network = _checked("network", table.get("network", {}), _WEATHER)
    for key, value in network.items():
        bound = 1.0 if key.endswith("ratio") else 1_000.0 if key == "hangs_per_day" else DELAY_S_MAX
        _within(f"network.{key}", value, 0.0, bound)
    return Scenario(
        name,
        seed,
        specs,
        table.get("about", ""),
        _units(table.get("units", {})),
        people.get("rests", False),
        tuple(_strike(number, each, specs) for number, each in enumerate(table.get("faults", []), 1)),
        _within("rates.times", rates.get("times", 0.0), 0.0, RATES_MAX),
        table.get("takes_turns", False),
        Weather(**network),
    )


def _units(table: Mapping[str, Any]) -> dict[str, str]:
    for place, title in table.items():
        _place(f"units.{place}", place)
        if not isinstance(title, str):
            raise Misconfigured(f"units.{place} = {title!r} is not a text")
    return dict(table)


def _specs(name: str, table: Mapping[str, Any], *, machines: int | None, seed: int) -> tuple[MachineSpec, ...]:
    rows = [_checked(f"machines[{number}]", row, _MACHINES) for number, row in enumerate(table.get("machines", []), 1)]
    each: list[tuple[int, Mapping[str, Any]]] = []
    for number, row in enumerate(rows, 1):
        times = _within(f"machines[{number}].count", row.get("count", 1), 1, MACHINES_MAX)
        each += [(number, row)] * round(times)
    if machines is not None and "usual_count" not in table:
        raise Misconfigured(f"machines = {machines}: the scenario {name} has its own {len(each)}")
    wanted = table.get("usual_count", len(each)) if machines is None else machines
    if not 1 <= wanted <= MACHINES_MAX or not each:
        raise Misconfigured(f"machines = {wanted} is not within 1..{MACHINES_MAX}")
    rng = random.Random(f"{name}/{seed}")  # noqa: S311 - a simulation
    lines = islice(zip(count(1), cycle(each)), wanted)
    specs = tuple(_spec(number, row, place, rng.getrandbits(48)) for number, (place, row) in lines)
    return _wired(specs)


def _spec(number: int, row: Mapping[str, Any], line: int, seed: int) -> MachineSpec:
    where = f"machines[{line}]"
    for key in ("place", "name"):
        if key not in row:
            raise Misconfigured(f"{where}.{key} is missing")
    kind, voice = row.get("kind", "printer"), row.get("voice", "native")
    if kind not in KINDS:
        raise Misconfigured(f"{where}.kind = {kind!r} is none of {', '.join(KINDS)}")
    if (kind == "plug") != ("meters" in row):
        raise Misconfigured(f"{where}.meters: a plug, and nothing else, meters another device")
    device = f"{row['name']}-{number:02d}"
    try:
        check_device(device)
    except (Refusal, ValueError) as error:
        raise Misconfigured(f"{where}.name = {row['name']!r}: {error}") from error
    native = voice == "native"
    return MachineSpec(
        device,
        _place(f"{where}.place", f"{row['place']}/{device}"),
        voice,
        None if native else prefix_of(voice, device),
        seed,
        NATIVE_CADENCE_S if native else 0.0,
        kind,
        row.get("circuit"),
        row.get("meters"),
        _within(f"{where}.sample_s", row.get("sample_s", SAMPLE_S), 0.1, SAMPLE_S_MAX),
    )


def _wired(specs: tuple[MachineSpec, ...]) -> tuple[MachineSpec, ...]:
    """Return the machines, or say which plug meters what is not there."""
    kinds = {spec.device: spec.kind for spec in specs}
    for spec in specs:
        if spec.meters is not None and kinds.get(spec.meters, "plug") == "plug":
            others = ", ".join(device for device, kind in kinds.items() if kind != "plug")
            raise Misconfigured(f"meters = {spec.meters!r} of {spec.device} is none of {others}")
    return specs


def _strike(number: int, row: Any, specs: tuple[MachineSpec, ...]) -> Strike:
    where = f"faults[{number}]"
    fault = _checked(where, row, _FAULTS)
    kind = fault.get("kind")
    if kind not in ROWS:
        raise Misconfigured(f"{where}.kind = {kind!r} is none of {', '.join(ROWS)}")
    if ("device" in fault) == ("circuit" in fault):
        raise Misconfigured(f"{where} needs a device or a circuit, one of them")
    word = "device" if "device" in fault else "circuit"
    there = [spec for spec in specs if fault[word] == getattr(spec, word)]
    if not there:
        known = sorted({str(getattr(spec, word)) for spec in specs if getattr(spec, word)})
        raise Misconfigured(f"{where}.{word} = {fault[word]!r} is none of {', '.join(known) or 'none'}")
    row_of = ROWS[Kind(kind)]
    for spec in there:
        if spec.kind not in row_of.strikes:
            raise Misconfigured(f"{where}.kind = {kind!r} does not strike a {spec.kind} ({spec.device})")
    lasts_s = fault.get("lasts_s", sum(row_of.lasts_s) / 2)
    return Strike(
        kind,
        fault[word],
        _within(f"{where}.at_s", fault.get("at_s", 0.0), 0.0, AT_S_MAX),
        _within(f"{where}.lasts_s", lasts_s, 1.0, LASTS_S_MAX),
    )


def _checked(where: str, table: Any, known: Mapping[str, type]) -> dict[str, Any]:
    """Return the table with its numbers as floats, or say which key is unknown or of the wrong type."""
    if not isinstance(table, dict):
        raise Misconfigured(f"{where} is not a table")
    dot = f"{where}." if where else ""
    for key, value in table.items():
        if key not in known:
            raise Misconfigured(f"{dot}{key} is none of {', '.join(known)}")
        wanted = known[key]
        fits = isinstance(value, int | float if wanted is float else wanted)
        if not fits or (isinstance(value, bool) and wanted is not bool):
            raise Misconfigured(f"{dot}{key} = {value!r} is not {_NAMED.get(wanted, 'a number')}")
    return dict(table)


def _within(where: str, value: float, low: float, high: float) -> float:
    if not low <= value <= high:
        raise Misconfigured(f"{where} = {value:g} is not within {low:g}..{high:g}")
    return value


def _place(where: str, place: str) -> str:
    try:
        return check_place(place)
    except (Refusal, ValueError) as error:
        raise Misconfigured(f"{where} = {place!r}: {error}") from error
