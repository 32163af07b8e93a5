# SPDX-License-Identifier: AGPL-3.0-or-later
"""`cybersyn machine`: which devices stand where, what to type into them, and what is heard from them.

While the system runs a change counts at once, by its API; otherwise the register's files are changed.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from collector.contract.errors import Misconfigured, Unavailable
from deploy.commands import Command
from deploy.commands.attaching import add_arguments, attach_of, prefix_of, secret_kept
from deploy.where import Running, add_data_dir, data_dir, running

if TYPE_CHECKING:
    from collector.register import Register

_LATER = "nothing runs with this folder: it counts from the next start"


def _arguments(parser: ArgumentParser) -> None:
    parts = parser.add_subparsers(dest="part", required=True, metavar="add|check|list|move|revoke")
    add = parts.add_parser("add", help="register a device, and say what to type into it; its password is shown once")
    add.add_argument("place", metavar="PLACE", help="where it stands, as commons/valparaiso/printing/mk4-07")
    add.add_argument("--device", metavar="ID", help="its stable id (default: the place's last part)")
    add.add_argument("--dialect", default="native", metavar="D", help="native, or how it speaks: octoprint, bambu …")
    add.add_argument(
        "--prefix", metavar="TOPIC", help="the topic prefix of a foreign dialect (default: the dialect's usual one)"
    )
    add.add_argument(
        "--cadence",
        dest="cadence_s",
        type=float,
        metavar="S",
        help="how often it speaks; 0: its silence means nothing (default: what is usual for its dialect, or learned)",
    )
    add.add_argument("--clock", choices=("own", "none"), default="own", help="none: it has no clock, arrival counts")
    add_arguments(add)
    check = parts.add_parser("check", help="what is heard from a device, and what is wrong with it, line by line")
    listed = parts.add_parser("list", help="all devices, with state and account")
    move = parts.add_parser("move", help="put a device at another place; its history comes along")
    revoke = parts.add_parser("revoke", help="take a device out of the register; it can write no more")
    for part in (check, move, revoke):
        part.add_argument("device", metavar="ID", help="the device's id")
    move.add_argument("place", metavar="PLACE", help="where it stands from now on")
    for part in (add, check, listed, move, revoke):
        add_data_dir(part)


def _run(parsed: Namespace) -> int:
    return {"add": _add, "check": _check, "list": _list, "move": _move, "revoke": _revoke}[parsed.part](parsed)


def _changed(folder: Path, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any] | None:
    """Return the running system's answer to a change; None where nothing runs."""
    from deploy.ask import ask

    try:
        told: dict[str, Any] = ask(running(folder), method, f"/api/v1/machines{path}", body)
    except (Misconfigured, Unavailable):
        if _is_held(folder):
            raise
        return None
    return told


def _is_held(folder: Path) -> bool:
    """Tell whether a collector has this folder's log open: then its files are not ours to change."""
    from collector.durable import is_held

    return is_held(folder / "facts.db")


def _register(folder: Path) -> Register:
    from collector.keys import Keys
    from collector.register import Register

    folder.mkdir(parents=True, exist_ok=True)
    return Register(folder / "plant.toml", Keys(folder), now=time.time)


def _add(parsed: Namespace) -> int:
    from collector.registry import wished
    from deploy.lines import to_type

    folder = data_dir(parsed)
    wanted = {name: getattr(parsed, name) for name in ("place", "device", "dialect", "cadence_s", "clock")}
    wanted |= {"prefix": prefix_of(parsed), "attach": attach_of(parsed)}
    machine = wished(**wanted)
    with secret_kept(folder, machine.device, parsed):
        told = _changed(folder, "POST", "", wanted)
        lines = to_type(*_register(folder).add(machine), _where(folder)) if told is None else told["lines"]
    now = "it may speak now" if machine.attach is None else "it is dialled from now on"
    print(f"{machine.device} stands at {machine.place}; {_LATER if told is None else now}")
    for line in lines:
        print(f"  {line}".rstrip())
    return 0


def _where(folder: Path) -> Any:
    from deploy.lines import Where

    try:
        system: Running = running(folder)
    except Misconfigured:
        return Where("127.0.0.1", 1883)
    return Where(system.host, system.port, system.api_url)


def _list(parsed: Namespace) -> int:
    from deploy.ask import ask_all

    folder = data_dir(parsed)
    try:
        items = ask_all(running(folder), "/api/v1/machines")
    except (Misconfigured, Unavailable):
        machines = _register(folder).plant.machines.values()
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
    from deploy.ask import ask

    told = ask(running(data_dir(parsed)), "GET", f"/api/v1/machines/{quote(parsed.device, safe='')}/check")
    for line in told["lines"]:
        print(f"{'  ' if line['fine'] else '! '}{line['about']:<10} {line['text']}")
        if line["step"]:
            print(f"{'':<13}→ {line['step']}")
    print("all is well" if told["fine"] else "something is wrong; the lines with ! say what, and what to do")
    return 0 if told["fine"] else 1


def _move(parsed: Namespace) -> int:
    folder = data_dir(parsed)
    told = _changed(folder, "POST", f"/{quote(parsed.device, safe='')}/move", {"place": parsed.place})
    if told is None:
        _register(folder).move(parsed.device, parsed.place)
    print(f"{parsed.device} stands at {parsed.place} from now on, and its history with it")
    if told is None:
        print(_LATER)
    return 0


def _revoke(parsed: Namespace) -> int:
    from collector.attach.credentials import keep

    folder = data_dir(parsed)
    told = _changed(folder, "DELETE", f"/{quote(parsed.device, safe='')}")
    if told is None:
        _register(folder).revoke(parsed.device)
    keep(folder, parsed.device, None)
    print(f"{parsed.device} is taken out of the register: it can write no more; its history stays")
    if told is None:
        print(_LATER)
    return 0


COMMAND = Command("machine", "register devices, list them, see what is wrong with one", _arguments, _run)
