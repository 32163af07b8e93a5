# SPDX-License-Identifier: AGPL-3.0-or-later
"""The sub-commands of `cybersyn`, one file each: a name, a line of help, its arguments, and what it does."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from typing import NamedTuple


class Command(NamedTuple):
    """One sub-command; `run` returns the exit code: 0 fine, 1 failed, 2 wrong use (contract 5).

    A CybersynError that leaves `run` is printed in one line on stderr and ends with 1, a Misconfigured with 2.
    """

    name: str
    help: str
    add_arguments: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], int]


def until_told_to_stop(stop: threading.Event) -> None:
    """Let Ctrl-C and a termination signal set the event, so that what was opened is closed in order."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
