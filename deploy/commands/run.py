# SPDX-License-Identifier: AGPL-3.0-or-later
"""`cybersyn run`: the services for real use, all in one process or each in its own."""

from __future__ import annotations

import dataclasses
import os
import threading
from argparse import ArgumentParser, Namespace
from pathlib import Path

from collector.contract.errors import Misconfigured
from deploy.commands import Command, until_told_to_stop
from deploy.where import add_data_dir

PARTS = ("all", "collector", "cyberfilter", "opsroom")


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("part", choices=PARTS, help="which service; all: everything in one process")
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings (cybersyn config sample shows them)")
    parser.add_argument("--lan", action="store_true", help="listen beyond this machine; needs accounts")
    add_data_dir(parser)


def _run(parsed: Namespace) -> int:
    from deploy.run import run
    from deploy.settings import load

    if parsed.lan:
        raise Misconfigured("--lan needs accounts, and this version has none: only 127.0.0.1 is bound")
    settings = load(parsed.config, os.environ)
    if parsed.data_dir is not None:
        paths = dataclasses.replace(settings.paths, data_dir=parsed.data_dir.expanduser().absolute())
        settings = dataclasses.replace(settings, paths=paths)
    stop = threading.Event()
    until_told_to_stop(stop)
    return run(parsed.part, settings, stop, lambda text: print(text, flush=True))


COMMAND = Command("run", "the services for real use", _arguments, _run)
