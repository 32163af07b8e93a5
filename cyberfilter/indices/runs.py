# SPDX-License-Identifier: AGPL-3.0-or-later
"""How far a machine's numbered readings are complete: a gap in the numbers is waited for, but not for ever.

A sender that keeps its buffer sends a lost reading again seconds later, which may be many minutes of the plant's time.
Its minute should still be open then; so the machine's clock stands before the gap until it is filled.
"""

from __future__ import annotations

from typing import Final

import msgspec

GAP_S_MAX: Final = 900.0
"""How far a machine's own time may run ahead of a gap before the gap counts as lost."""
AHEAD_MAX: Final = 4_096
"""Readings beyond a gap that are remembered; more, and the gap counts as lost."""


class Runs(msgspec.Struct):
    """The sender's boot, the number that is due next, and the newest times (Unix s) of those beyond a gap."""

    boot: str = ""
    due: int = 0
    complete: float = 0.0
    ahead: dict[int, float] = {}


def advance(runs: Runs, boot: str, seq: int, newest: float) -> float:
    """Return until when (Unix s) the machine's readings are complete, this one with its newest sample included.

    >>> runs = Runs()
    >>> [advance(runs, "b1", seq, 60.0 * seq) for seq in (1, 2, 4, 5, 3, 3)]
    [60.0, 120.0, 120.0, 120.0, 300.0, 300.0]
    """
    if boot != runs.boot:
        runs.complete = max([runs.complete, *runs.ahead.values()])
        runs.boot, runs.due, runs.ahead = boot, seq, {}
    if seq >= runs.due:
        runs.ahead[seq] = newest
    _catch_up(runs)
    while runs.ahead and (max(runs.ahead.values()) - runs.complete > GAP_S_MAX or len(runs.ahead) > AHEAD_MAX):
        runs.due = min(runs.ahead)
        _catch_up(runs)
    return runs.complete


def _catch_up(runs: Runs) -> None:
    while runs.due in runs.ahead:
        runs.complete = max(runs.complete, runs.ahead.pop(runs.due))
        runs.due += 1
