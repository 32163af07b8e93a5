# SPDX-License-Identifier: AGPL-3.0-or-later
"""`cybersyn sim`: simulated machines against any broker."""

from __future__ import annotations

import threading
from argparse import ArgumentParser, Namespace
from pathlib import Path

from deploy.commands import Command, until_told_to_stop
from deploy.where import add_data_dir, broker_of


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("scenario", metavar="SCENARIO", help="the story: workshop")
    parser.add_argument("--broker", metavar="URL", help="mqtt://[user:password@]host[:port] (default: the running one)")
    parser.add_argument("--machines", type=int, default=8, metavar="N", help="simulated printers (default 8)")
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="what happens is drawn from it (default 7)")
    parser.add_argument("--for", dest="lasts_s", type=float, metavar="SECONDS", help="end by itself")
    parser.add_argument(
        "--fault", metavar="KIND:DEVICE", help="let a fault strike at once: heater-weak, clog or silence"
    )
    parser.add_argument("--truth", type=Path, metavar="FILE.jsonl", help="write there what really happens")
    add_data_dir(parser)


def _run(parsed: Namespace) -> int:
    from deploy.clock import SystemClock
    from firmware_sim.fleet import Fleet
    from firmware_sim.scenario import scenario
    from firmware_sim.truth import Truth

    broker = broker_of(parsed)
    stop = threading.Event()
    until_told_to_stop(stop)
    if parsed.lasts_s is not None:
        timer = threading.Timer(parsed.lasts_s, stop.set)
        timer.daemon = True
        timer.start()
    pair = (broker.username, broker.password or "") if broker.username else None
    with Truth(parsed.truth) as truth:
        fleet = Fleet(
            scenario(parsed.scenario, machines=parsed.machines, seed=parsed.seed),
            SystemClock(),
            host=broker.host,
            port=broker.port,
            credentials=pair,
            truth=truth,
        )
        if parsed.fault is not None:
            kind, _, device = parsed.fault.partition(":")
            fleet.inject(kind, device)
        print(f"{parsed.machines} machines speak to {broker.host}:{broker.port}", flush=True)
        fleet.run(stop)
    return 0


COMMAND = Command("sim", "simulated machines against any broker", _arguments, _run)
