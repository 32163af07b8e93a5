# SPDX-License-Identifier: AGPL-3.0-or-later
"""`cybersyn sim`: simulated machines against any broker."""

from __future__ import annotations

import json
import threading
import time
from argparse import ArgumentParser, Namespace
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from collector.contract.errors import Misconfigured
from deploy.commands import Command, until_told_to_stop
from deploy.where import add_data_dir, broker_of, data_dir

if TYPE_CHECKING:
    from firmware_sim.lan.printers import LanPrinters
    from firmware_sim.scenario import Scenario

RUNS_S: Final = 3_600.0
"""How long a fast run without --for takes to reach the present."""
RECORDS_S: Final = 86_400.0
"""What a recording without --for holds."""
YEAR_S: Final = 366 * 86_400.0
SPEED_MAX: Final = 3_600.0


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("scenario", metavar="SCENARIO", nargs="?", help="a story of --list, or a TOML file")
    parser.add_argument("--list", action="store_true", help="name the stories that come with the simulator, and end")
    parser.add_argument("--broker", metavar="URL", help="mqtt://[user:password@]host[:port] (default: the running one)")
    parser.add_argument("--machines", type=int, metavar="N", help="simulated machines, where the story grows")
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="what happens is drawn from it (default 7)")
    parser.add_argument("--speed", type=float, default=1.0, metavar="X", help="so fast, from the past to the present")
    parser.add_argument("--for", dest="lasts_s", type=float, metavar="SECONDS", help="end by itself")
    parser.add_argument("--fault", metavar="KIND:DEVICE", help="let a fault strike at once, as clog:mk4-01")
    parser.add_argument(
        "--control", type=int, metavar="PORT", help="take faults over HTTP on 127.0.0.1 (0: a free port)"
    )
    parser.add_argument("--truth", type=Path, metavar="FILE.jsonl", help="write there what really happens")
    parser.add_argument(
        "--record", type=Path, metavar="FILE.jsonl",
        help="no broker and no waiting: write there what the machines say in --for plant's seconds until now",
    )  # fmt: skip
    add_data_dir(parser)


def _run(parsed: Namespace) -> int:
    from firmware_sim.stories import names, scenario

    if parsed.list:
        for name in names():
            print(f"{name:16} {scenario(name).about}")
        return 0
    if parsed.scenario is None:
        raise Misconfigured(f"SCENARIO is missing: one of {', '.join(names())}, or a TOML file")
    if not 1.0 <= parsed.speed <= SPEED_MAX:
        raise Misconfigured(f"--speed = {parsed.speed:g} is not within 1..{SPEED_MAX:g}")
    story = scenario(parsed.scenario, machines=parsed.machines, seed=parsed.seed)
    return _record(parsed, story) if parsed.record is not None else _speak(parsed, story)


def _record(parsed: Namespace, story: Scenario) -> int:
    from firmware_sim.record import record
    from firmware_sim.scenario import faults_of
    from firmware_sim.truth import Truth

    end = float(int(time.time()))
    start = end - (parsed.lasts_s or RECORDS_S)
    count = 0
    with Truth(parsed.truth) as truth, parsed.record.open("w", encoding="utf-8") as file:
        for line in record(story, start, end, faults=faults_of(story, parsed.seed, start, end), truth=truth):
            row = line._asdict() | {"payload": line.payload.decode("utf-8", "replace")}
            if row["payload"].encode() != line.payload:
                row = line._asdict() | {"payload_hex": line.payload.hex()}
                del row["payload"]
            file.write(json.dumps(row, separators=(",", ":")) + "\n")
            count += 1
    print(f"{len(story.machines)} machines said {count} messages; they are in {parsed.record}")
    return 0


def _speak(parsed: Namespace, story: Scenario) -> int:
    from deploy.clock import DemoClock
    from firmware_sim.control import HttpSwitch, MqttSwitch
    from firmware_sim.fleet import Fleet
    from firmware_sim.scenario import faults_of
    from firmware_sim.truth import Truth

    broker = broker_of(parsed)
    stop = threading.Event()
    until_told_to_stop(stop)
    lasts_s = parsed.lasts_s or RUNS_S
    clock = DemoClock(start=time.time() - lasts_s * (parsed.speed - 1.0), speed=parsed.speed)
    pair = (broker.username, broker.password or "") if broker.username else None
    quiet = story._replace(takes_turns=False)  # the turns are the demo's; here a person switches faults
    end = clock.start + max(lasts_s * parsed.speed, YEAR_S)
    with ExitStack() as stack:
        lan = _lan(parsed, story, stack)
        fleet = Fleet(
            story,
            clock,
            host=broker.host,
            port=broker.port,
            credentials=pair,
            faults=faults_of(quiet, parsed.seed, clock.start, end),
            truth=stack.enter_context(Truth(parsed.truth)),
            lan=lan,
        )
        if parsed.fault is not None:
            kind, _, device = parsed.fault.partition(":")
            fleet.inject(kind, device)
        fleet.uplink.add(MqttSwitch(fleet), client_id="cybersyn-sim", credentials=pair)
        if parsed.control is not None:
            control = stack.enter_context(HttpSwitch(fleet, parsed.control))
            print(f"faults are switched at http://127.0.0.1:{control.port}", flush=True)
        _tell_of(lan)
        clock.begin()
        _end_after(parsed.lasts_s, stop)
        print(f"{len(story.machines)} machines speak to {broker.host}:{broker.port}", flush=True)
        fleet.run(stop)
    return 0


def _lan(parsed: Namespace, story: Scenario, stack: ExitStack) -> LanPrinters | None:
    from firmware_sim.lan.printers import LanPrinters
    from firmware_sim.voices.catalogue import LAN

    wanted = any(spec.voice in LAN for spec in story.machines)
    return stack.enter_context(LanPrinters(data_dir(parsed) / "lan")) if wanted else None


def _end_after(lasts_s: float | None, stop: threading.Event) -> None:
    if lasts_s is not None:
        timer = threading.Timer(lasts_s, stop.set)
        timer.daemon = True
        timer.start()


def _tell_of(lan: LanPrinters | None) -> None:
    if lan is not None:
        print(f"printers that are brokers; their authority is {lan.authority}")
        for serial, access_code, port in lan.listening:
            print(f"  127.0.0.1:{port} serial number {serial}, access code {access_code}", flush=True)


COMMAND = Command("sim", "simulated machines against any broker", _arguments, _run)
