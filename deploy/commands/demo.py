# SPDX-License-Identifier: AGPL-3.0-or-later
"""`cybersyn demo`: everything on one machine on loopback, with simulated microfactories and recorded real printers."""

from __future__ import annotations

import os
import tempfile
import threading
from argparse import ArgumentParser, Namespace
from pathlib import Path

from collector.contract.errors import Misconfigured
from deploy.commands import Command, until_told_to_stop

PORT = 8050
SPEED = 60.0


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=PORT, metavar="N", help=f"the ops room's port (default {PORT})")
    parser.add_argument(
        "--mqtt-port", type=int, default=None, metavar="N", help="the broker's port (default: a free one)"
    )
    parser.add_argument(
        "--machines", type=int, metavar="N", help="simulated printers, where the story grows (default 8)"
    )
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="what happens is drawn from it (default 7)")
    parser.add_argument(
        "--scenario",
        default="workshop",
        metavar="NAME",
        help="a story of `sim --list`, or a TOML file (default workshop)",
    )
    parser.add_argument(
        "--speed",
        type=float,
        default=SPEED,
        metavar="X",
        help=f"how fast the plant's time runs until it is at the present (default {SPEED:g})",
    )
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where to keep files (default: a fresh folder)")
    parser.add_argument("--for", dest="lasts_s", type=float, metavar="SECONDS", help="end by itself, with a summary")
    parser.add_argument(
        "--control", type=int, metavar="PORT", help="take faults over HTTP on 127.0.0.1 (0: a free port)"
    )
    parser.add_argument("--summary", type=Path, metavar="FILE.json", help="write the closing summary there too")


def _run(parsed: Namespace) -> int:
    from deploy.demo import Wish, run
    from deploy.settings import load

    for name, value, low, high in (
        ("--port", parsed.port, 1, 65_535),
        ("--speed", parsed.speed, 1.0, 3_600.0),
        ("--for", parsed.lasts_s if parsed.lasts_s is not None else 1.0, 1.0, 1e7),
    ):
        if not low <= value <= high:
            raise Misconfigured(f"{name} = {value:g} is not within {low:g}..{high:g}")
    folder = Path(parsed.data_dir or tempfile.mkdtemp(prefix="cybersyn-demo-")).expanduser().absolute()
    stop = threading.Event()
    until_told_to_stop(stop)
    wish = Wish(
        machines=parsed.machines,
        seed=parsed.seed,
        speed=parsed.speed,
        scenario=parsed.scenario,
        port=parsed.port,
        mqtt_port=parsed.mqtt_port,
        folder=folder,
        lasts_s=parsed.lasts_s,
        summary=parsed.summary,
        control=parsed.control,
        say=lambda text: print(text, flush=True),
    )
    without_ours = {name: value for name, value in os.environ.items() if not name.startswith("CYBERSYN_")}
    lively = {"CYBERSYN_COLLECTOR_CALM_MS": "200"}  # a demo is looked at, and its disk has an easy life anyway
    return run(wish, load(None, without_ours | lively), stop)


COMMAND = Command("demo", "simulated microfactories in the browser, on this machine alone", _arguments, _run)
