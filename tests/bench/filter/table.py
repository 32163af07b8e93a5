# SPDX-License-Identifier: AGPL-3.0-or-later
"""Tables for the eye, and the list of goals with what was reached."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from scenarios import PUBLISHED, PUBLISHED_COUNT, TUNING, seeds

QUICK_RUNS: Final = 10


@dataclass
class Session:
    """One run of the bench: its size, its data, what was found, and what the goals make of it."""

    quick: bool = False
    seed_count: int = PUBLISHED_COUNT
    nab: Path | None = None
    tcpd: Path | None = None
    peers: Path | None = None
    found: dict[str, Any] = field(default_factory=dict)
    goals: list[tuple[str, str, bool | None]] = field(default_factory=list)
    started_s: float = field(default_factory=time.monotonic)

    def runs(self, count: int = PUBLISHED_COUNT) -> range:
        """Return the published seeds of a cell, a few where it has to be quick."""
        return seeds(PUBLISHED, min(count, QUICK_RUNS if self.quick else self.seed_count))

    def tuning(self, count: int = PUBLISHED_COUNT) -> range:
        """Return as many seeds for thresholds, none of them published."""
        return seeds(TUNING, min(count, 2 * QUICK_RUNS if self.quick else count))

    def say(self, text: str) -> None:
        """Show on stderr how far it is: one line that is written over on a terminal, else every line."""
        spent = f"[{time.monotonic() - self.started_s:5.0f} s] {text}"
        if sys.stderr.isatty():
            print(f"\r{spent[:118]:<118}", end="", file=sys.stderr, flush=True)
        elif "row" not in text:
            print(spent, file=sys.stderr, flush=True)

    def goal(self, name: str, figure: str, met: bool | None) -> None:
        """Note a goal of the issue: what was reached, and whether that is enough (None: not measured)."""
        self.goals.append((name, figure, met))


def show(title: str, head: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str] = ()) -> None:
    """Print a table: the first column is left-aligned, the others right."""
    table = [list(head), *[list(row) for row in rows]]
    widths = [max(len(row[at]) if at < len(row) else 0 for row in table) for at in range(len(head))]
    print(f"\n== {title}")
    for row in table:
        cells = [
            f"{row[0]:<{widths[0]}}",
            *(f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=False)),
        ]
        print("  ".join(cells).rstrip())
    for note in notes:
        print(f"   {note}")
    sys.stdout.flush()


def share(value: float) -> str:
    """Return a share as per cent, a dash where there is none."""
    return "-" if math.isnan(value) else f"{100 * value:.0f}"


def number(value: float, digits: int = 2) -> str:
    """Return a number of so many digits after the point, a dash where there is none."""
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def show_goals(session: Session) -> None:
    """Print every goal, the figure reached, and met or missed."""
    words = {True: "met", False: "MISSED", None: "not measured"}
    show("goals", ("goal", "reached", ""), [(name, figure, words[met]) for name, figure, met in session.goals])
