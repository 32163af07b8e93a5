# SPDX-License-Identifier: AGPL-3.0-or-later
"""`cybersyn machine`: which devices stand where, what to type into them, and what is heard from them."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from collector.contract.errors import Misconfigured, Unavailable
from collector.contract.tree import Machine, Plant, read_plant
from deploy.commands import Command
from deploy.where import add_data_dir, data_dir, running

_RESTART = "it counts from the next start of `cybersyn run`"


def _arguments(parser: ArgumentParser) -> None:
    parts = parser.add_subparsers(dest="part", required=True, metavar="add|check|list|move|revoke")
    add = parts.add_parser("add", help="register a device, and say what to type into it")
    add.add_argument("place", metavar="PLACE", help="where it stands, as commons/valparaiso/printing/mk4-07")
    add.add_argument("--device", metavar="ID", help="its stable id (default: the place's last part)")
    add.add_argument("--dialect", default="native", metavar="D", help="native, or how it speaks: octoprint")
    add.add_argument("--prefix", metavar="TOPIC", help="the topic prefix of a foreign dialect (default: DIALECT/ID)")
    add.add_argument("--cadence", type=float, default=0.0, metavar="S", help="how often it speaks; 0: unknown")
    check = parts.add_parser("check", help="what is heard from a device, and what is wrong with it, line by line")
    listed = parts.add_parser("list", help="all devices, with state and account")
    move = parts.add_parser("move", help="put a device at another place")
    revoke = parts.add_parser("revoke", help="take a device out of the register")
    for part in (check, move, revoke):
        part.add_argument("device", metavar="ID", help="the device's id")
    move.add_argument("place", metavar="PLACE", help="where it stands from now on")
    for part in (add, check, listed, move, revoke):
        add_data_dir(part)


def _run(parsed: Namespace) -> int:
    return {"add": _add, "check": _check, "list": _list, "move": _move, "revoke": _revoke}[parsed.part](parsed)


def _plant(folder: Path) -> tuple[Path, Plant]:
    from deploy import plant_file

    return folder / "plant.toml", plant_file.load(folder / "plant.toml")


def _save(path: Path, machines: dict[str, Machine], units: dict[str, Any]) -> Plant:
    """Write the register; what would not read back is refused before anything is written."""
    import tomllib

    from deploy import plant_file

    path.parent.mkdir(parents=True, exist_ok=True)
    plant = read_plant(tomllib.loads(plant_file.text(Plant(units, machines))))
    plant_file.save(path, plant)
    return plant


def _known(plant: Plant, device: str) -> Machine:
    if device not in plant.machines:
        there = ", ".join(sorted(plant.machines)) or "none"
        raise Misconfigured(f"device {device!r} is not registered; there is {there}")
    return plant.machines[device]


def _add(parsed: Namespace) -> int:
    from collector.dialects import DIALECTS
    from deploy import wiring

    folder = data_dir(parsed)
    path, plant = _plant(folder)
    device = parsed.device or parsed.place.rpartition("/")[2]
    if parsed.dialect not in {"native", *DIALECTS}:
        raise Misconfigured(f"dialect {parsed.dialect!r} is none of native, {', '.join(DIALECTS)}")
    if device in plant.machines:
        raise Misconfigured(f"device {device!r} is registered at {plant.machines[device].place} already")
    prefix = None if parsed.dialect == "native" else parsed.prefix or f"{parsed.dialect}/{device}"
    machine = Machine(device, parsed.place, parsed.dialect, prefix, parsed.cadence)
    plant = _save(path, {**plant.machines, device: machine}, plant.units)
    user, word = wiring.credentials(folder, plant)[device]
    print(f"{device} stands at {parsed.place}; {_RESTART}")
    for line in _to_type(folder, machine, user, word):
        print(line)
    return 0


def _to_type(folder: Path, machine: Machine, user: str, word: str) -> Iterator[str]:
    """Yield the lines to type into the machine."""
    try:
        system = running(folder)
        host, port = system.host, system.port
    except Misconfigured:
        host, port = "127.0.0.1", 1883
    yield f"  broker    {host}:{port} (from another machine: this one's address in your network)"
    yield f"  user      {user}"
    yield f"  password  {word}"
    if machine.dialect == "octoprint":
        yield "  in OctoPrint: Settings, MQTT, Broker: these three, and Protocol version 3.1.1 (3.1 is refused)"
        yield f"  in OctoPrint: Settings, MQTT, Topics, Base topic: {machine.prefix}/"
        yield "  in OctoPrint: Settings, MQTT, Topics: switch on printer data in the progress messages"
        return
    topic, body = f"cybersyn/v1/reading/@{machine.device}", '{"v":1,"m":{"nozzle_degc":210.4}}'
    yield f"  try it    mosquitto_pub -h {host} -p {port} -u {user} -P {word} -q 1 -t {topic} -m '{body}'"


def _list(parsed: Namespace) -> int:
    from deploy.ask import ask_all

    folder = data_dir(parsed)
    try:
        items = ask_all(running(folder), "/api/v1/machines")
    except (Misconfigured, Unavailable):
        machines = _plant(folder)[1].machines.values()
        for machine in sorted(machines, key=lambda machine: machine.place):
            print(f"{machine.device:<24} {machine.place:<48} {machine.dialect}")
        print(f"{len(machines)} registered; nothing runs with {folder}, so nobody knows how they are")
        return 0
    for item in items:
        missing = f"  {item['missing_count']} missing" if item["missing_count"] else ""
        place = item["place"] or "(no place yet)"
        print(f"{item['device']:<24} {place:<48} {item['state']:<15} {item['last_seen'] or 'never heard'}{missing}")
    print(f"{len(items)} devices")
    return 0


def _check(parsed: Namespace) -> int:
    from deploy.ask import ask_all

    system = running(data_dir(parsed))
    found = [m for m in ask_all(system, "/api/v1/machines") if m["device"] == parsed.device]
    wrong = [
        item
        for item in ask_all(system, "/api/v1/quarantine")
        if item["device"] == parsed.device or item["topic"].endswith(f"/@{parsed.device}")
    ]
    if not found and not wrong:
        print(
            f"{parsed.device}: not registered, and never heard: `cybersyn machine add PLACE --device {parsed.device}`"
        )
        return 1
    for item in found:
        for line in _state_of(item):
            print(line)
    for item in wrong[:5]:
        print(f"refused {item['at']}: {item['topic']}: {item['reason']}: {item['detail']}")
    fine = bool(found) and not wrong and found[0]["last_seen"] is not None and found[0]["place"] is not None
    print("all is well" if fine else f"{len(wrong)} messages refused" if wrong else "something is missing; see above")
    return 0 if fine else 1


def _state_of(item: dict[str, Any]) -> Iterator[str]:
    device = item["device"]
    yield (
        f"place: {item['place']}"
        if item["place"]
        else f"place: none yet: `cybersyn machine add PLACE --device {device}`"
    )
    yield f"speaks: {item['dialect']}"
    yield (
        f"last heard: {item['last_seen']}" if item["last_seen"] else "last heard: never; check address, user, password"
    )
    yield f"state: {item['state']}" + (f" ({item['why']})" if item["why"] else "")
    yield "account: " + ", ".join(f"{word} {count}" for word, count in item["account"].items())
    if item["lag_s"] is not None:
        yield f"its clock: {item['lag_s']:+.1f} s behind ours at the newest message"
    if item["missing_count"]:
        yield f"missing: {item['missing_count']} messages by their numbers"
    if item["dialect"] == "native" and not item["numbered"] and item["last_seen"]:
        yield "it does not number its messages (boot, seq): they are taken at least once"


def _move(parsed: Namespace) -> int:
    path, plant = _plant(data_dir(parsed))
    before = _known(plant, parsed.device)
    _save(path, {**plant.machines, parsed.device: replace(before, place=parsed.place)}, plant.units)
    print(f"{parsed.device} moves from {before.place} to {parsed.place}; {_RESTART}")
    print(f"its earlier samples are still found under {before.place}")
    return 0


def _revoke(parsed: Namespace) -> int:
    path, plant = _plant(data_dir(parsed))
    gone = _known(plant, parsed.device)
    left = {device: machine for device, machine in plant.machines.items() if device != parsed.device}
    _save(path, left, plant.units)
    print(f"{gone.device} at {gone.place} is taken out of the register; {_RESTART}")
    return 0


COMMAND = Command("machine", "register devices, list them, see what is wrong with one", _arguments, _run)
