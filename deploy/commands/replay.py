# SPDX-License-Identifier: AGPL-3.0-or-later
"""`cybersyn replay`: publish a recording, or feed it to the collector in process and print what comes of it."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from collector.contract.errors import Misconfigured
from collector.contract.tree import Machine
from deploy.commands import Command
from deploy.where import add_data_dir, as_json, broker_of


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE.jsonl", help="JSON lines: ts, topic, qos, retain, payload")
    parser.add_argument("--broker", metavar="URL", help="mqtt://[user:password@]host[:port] (default: the running one)")
    parser.add_argument("--speed", type=float, default=1.0, metavar="X", help="how many times as fast (default 1)")
    parser.add_argument("--direct", action="store_true", help="into the collector in process; prints one JSON document")
    parser.add_argument(
        "--machine",
        action="append",
        default=[],
        metavar="NAME=DIALECT:PREFIX",
        help="whose words come under a topic prefix (default: known by their form, named by their prefix)",
    )
    add_data_dir(parser)


def _run(parsed: Namespace) -> int:
    from firmware_sim.replay import publish, read_lines

    lines = read_lines(parsed.file)
    if parsed.direct:
        from deploy.direct import recognised, replay

        machines = [machine_option(text) for text in parsed.machine] or recognised(lines)
        print(as_json(replay(lines, machines)))
        return 0
    if parsed.machine:
        raise Misconfigured("--machine goes with --direct; over a broker the registry names the machines")
    broker = broker_of(parsed)
    count = publish(
        lines, host=broker.host, port=broker.port, user=broker.username, password=broker.password, speed=parsed.speed
    )
    print(f"{count} messages published to {broker.host}:{broker.port}", file=sys.stderr)
    return 0


def machine_option(text: str) -> Machine:
    """Return the machine that NAME=DIALECT:PREFIX names."""
    from collector.dialects import DIALECTS
    from deploy.direct import PLACE

    name, _, rest = text.partition("=")
    dialect, _, prefix = rest.partition(":")
    if not (name and prefix):
        raise Misconfigured(f"--machine {text!r} is not NAME=DIALECT:PREFIX")
    if dialect not in DIALECTS:
        raise Misconfigured(f"--machine {text!r}: dialect {dialect!r} is none of {', '.join(DIALECTS)}")
    return Machine(name, f"{PLACE}/{name}", dialect, prefix.rstrip("/"))


COMMAND = Command("replay", "publish a recording of real machines, or see what comes of it", _arguments, _run)
