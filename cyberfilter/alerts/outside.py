# SPDX-License-Identifier: AGPL-3.0-or-later
"""Values in a row beyond what is usual for one: so many that the series' own habit of going there does not allow it.

A pace that counts whole parts is nought now and then, and twice in a row, too. How often a value is beyond is learned,
and how often one that follows such a value is, as it is of stuck sensors (filter/stuck.py).
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

from cyberfilter.alerts import clocks

RUN_LEAST: Final = 3
MEMORY_COUNT: Final = 1_440
"""Values by which a habit is remembered."""
_ONCE: Final = (0.1, 9.9)
"""What is supposed of a series of which nothing is known, in values beyond and not: one of a hundred is beyond."""
_WORTH: Final = 10.0
"""Values that the share of all is worth as a guess of the share of those after one that is beyond."""


class Outside(msgspec.Struct):
    """The run of values beyond under way, and its side; all values, those beyond, those after one, and both.

    `was_out`: the value before was beyond.
    """

    side: float = 0.0
    run_count: int = 0
    count: float = 0.0
    beyond: float = 0.0
    after: float = 0.0
    again: float = 0.0
    was_out: bool = False

    def note(self, departure: float, limit: float) -> None:
        """Take a departure as the newest, in a unit in which `limit` is what is usual for one."""
        side = math.copysign(1.0, departure) if abs(departure) >= limit else 0.0
        if side == 0.0 or side != self.side:
            self.run_count = 0
        self.side = side
        self.run_count += side != 0.0

    def learn(self) -> None:
        """Learn from the newest departure how often values are beyond."""
        keep = 1.0 - 1.0 / MEMORY_COUNT
        is_out = self.run_count > 0
        self.count = keep * self.count + 1.0
        self.beyond = keep * self.beyond + is_out
        self.after = keep * self.after + self.was_out
        self.again = keep * self.again + (self.was_out and is_out)
        self.was_out = is_out

    def is_rare(self, cadence_s: float, often: float) -> bool:
        """Tell whether so long a run comes more rarely by habit than `often` times what the budget allows."""
        of_run = float(self.run_count)
        once = (_ONCE[0] + max(self.beyond - of_run, 0.0)) / (sum(_ONCE) + max(self.count - of_run, 0.0))
        later = max(of_run - 1.0, 0.0)
        again = (max(self.again - later, 0.0) + _WORTH * once) / (max(self.after - later, 0.0) + _WORTH)
        chance = once * again ** (of_run - 1.0)
        return self.run_count >= RUN_LEAST and chance < often * clocks.share(cadence_s)
