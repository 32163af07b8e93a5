# SPDX-License-Identifier: AGPL-3.0-or-later
"""The command `cybersyn`: it finds the sub-command, and says errors in one line."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import NoReturn

from collector.contract.errors import CybersynError, Misconfigured
from deploy.commands import Command

COMMANDS = (
    "demo",
    "run",
    "sim",
    "replay",
    "filter",
    "backtest",
    "machine",
    "quarantine",
    "backup",
    "restore",
    "broker",
    "config",
)
"""Sub-commands in the order of the help; each is the module of that name in deploy.commands."""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line that names the thing and what would work."""

    def error(self, message: str) -> NoReturn:
        """Say it in one line, and leave with 2."""
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def command(name: str) -> Command:
    """Return the sub-command of this name."""
    found = importlib.import_module(f"deploy.commands.{name}").COMMAND
    assert isinstance(found, Command)
    return found


def parser(only: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of all sub-commands, or of one: loading one alone makes it start faster."""
    root = _Parser(
        prog="cybersyn", description="An operations room for workshops. It reads and advises; it controls nothing."
    )
    root.add_argument("--version", action="version", version=f"cybersyn {version('cybersyn')}")
    parts = root.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    for name in COMMANDS if only is None else (only,):
        part = command(name)
        child = parts.add_parser(part.name, help=part.help, description=part.help)
        part.add_arguments(child)
        child.set_defaults(run=part.run)
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a sub-command and return its exit code: 0 fine, 1 failed, 2 wrong use."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    parsed = parser(words[0] if words and words[0] in COMMANDS else None).parse_args(words)
    try:
        code = parsed.run(parsed)
        assert isinstance(code, int)
    except Misconfigured as error:
        print(f"cybersyn {parsed.command}: {error}", file=sys.stderr)
        return 2
    except CybersynError as error:
        print(f"cybersyn {parsed.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
