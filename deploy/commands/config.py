# SPDX-License-Identifier: AGPL-3.0-or-later
"""`cybersyn config`: a sample of the settings, a check of yours, and what holds in the end."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

from deploy import settings
from deploy.commands import Command


def add_arguments(parser: ArgumentParser) -> None:
    """Add `sample|check|show` and the file."""
    parser.add_argument(
        "what",
        choices=("sample", "check", "show"),
        help="sample: print a file with every setting; check: say what is wrong; show: print what holds",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="the TOML file; without it the environment alone")


def run(arguments: Namespace) -> int:
    """Print what was asked for; settings that can't work leave as Misconfigured."""
    if arguments.what == "sample":
        print(settings.sample())
        return 0
    found = settings.load(arguments.config, os.environ)
    if arguments.what == "check":
        print(f"fine: {arguments.config or 'the environment'}")
        return 0
    for name, value in settings.shown(found):
        print(f"{name} = {value}")
    return 0


COMMAND = Command("config", "print a sample of the settings, check yours, show what holds", add_arguments, run)
