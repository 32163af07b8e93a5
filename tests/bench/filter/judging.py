# SPDX-License-Identifier: AGPL-3.0-or-later
"""How alarms are counted, the same for every detector: episodes, thresholds at equal false alarms, delays."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
WARM: Final = 250
"""Rows that every detector may learn from; alarms count from there on."""
QUIET: Final = 20
"""Alarms that are at most so many rows apart are one episode."""
WITHIN: Final = 100
"""A change counts as found within so many rows, its own included."""
SPIKE_WITHIN: Final = 3


class Cell(NamedTuple):
    """How one detector did on one change: shares 0..1 of the runs, and the median delay (0: the change's own row)."""

    found: float
    delay: float
    runs: int


def episodes(alarms: Bools, quiet: int = QUIET) -> float:
    """Return how many episodes there are in a thousand rows; alarms (runs, rows)."""
    rows = alarms.shape[1]
    last = np.where(alarms, np.arange(rows), -quiet - 1)
    before = np.full_like(last, -quiet - 1)
    before[:, 1:] = np.maximum.accumulate(last, axis=1)[:, :-1]
    begins = alarms & (np.arange(rows) - before > quiet)
    return 1000.0 * float(begins.sum()) / max(alarms.size, 1)


def threshold(statistic: Floats, rate: float = 1.0, steps: int = 40) -> float:
    """Return the lowest threshold above which noise (runs, rows) alarms in at most `rate` episodes a thousand rows.

    By bisection between the statistic's 90 % quantile, where a detector alarms far more often, and its largest value.
    """
    low, high = float(np.quantile(statistic, 0.9)), float(statistic.max())
    for _ in range(steps):
        middle = (low + high) / 2
        if episodes(statistic > middle) > rate:
            low = middle
        else:
            high = middle
    return high


def found(alarms: Bools, onset: int, within: int = WITHIN) -> Cell:
    """Return how many runs have an alarm in the `within` rows from the onset on.

    Runs in which an alarm of old stands at the onset (in its last QUIET rows) are left out: nothing could be told.
    """
    free = ~alarms[:, onset - QUIET : onset].any(axis=1)
    window = alarms[free, onset : onset + within]
    hit = window.any(axis=1)
    delays = window.argmax(axis=1)[hit]
    share = float(hit.mean()) if len(hit) else float("nan")
    return Cell(share, float(np.median(delays)) if len(delays) else float("nan"), int(free.sum()))


def first(alarms: Bools, onset: int, within: int = WITHIN) -> NDArray[np.int64]:
    """Return the row of the first alarm from the onset on for each run, -1 where there is none."""
    window = alarms[:, onset : onset + within]
    return np.where(window.any(axis=1), onset + window.argmax(axis=1), -1)
