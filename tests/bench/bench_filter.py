# SPDX-License-Identifier: AGPL-3.0-or-later
"""How fast the filters are: updates a second, one update alone, a checkpoint's time. Prints, never fails.

A shared machine is now fast, now slow. So time is the processor's, every figure the best of several (but of one
alone), with its ratio to a calibration line that was measured just after it: the exponential of a million numbers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import numpy as np
import pandas as pd
from statsmodels.tsa.statespace.structural import UnobservedComponents

from cyberfilter.filter import Bank, Prior

FILTERS: Final = ("classic", "hypotheses")
COUNTS: Final = (100, 2_000, 10_000)
KEPT: Final = {"classic": 100_000, "hypotheses": 10_000}
"""Series of the checkpoint: 51 and 49 MB."""
SECONDS_EACH: Final = 2.0
PHASES: Final = 4
"""Births come in every row, every second, every fourth: the mean of so many rows."""
PRIOR: Final = Prior(level=(0.0, 1.0), slope=(0.0, 0.01), noise=(1.0, 5.0))
ALONE: Final = 3000
_NUMBERS: Final = np.linspace(0.0, 1.0, 1_000_000)


def main() -> None:
    """Print one line for each thing measured."""
    print(f"{'':>38} {'measured':>14}   {'calibration':>12} {'ratio':>8}")
    for name in FILTERS:
        for count in COUNTS:
            say(f"{name}, {count:,} series", many(name, count), "ns/update")
        say(f"{name}, 2,000 series, none in step", many(name, 2_000, apart=True), "ns/update")
        for share, spent in zip((50, 99), alone(name), strict=True):
            say(f"{name}, one alone, p{share}", spent, "us/update")
        for what, spent in zip(("save", "load"), checkpoint(name), strict=True):
            say(f"{name}, {KEPT[name]:,} series, {what}", spent, "ms")
    say("statsmodels append of one value", append(), "us/update")


def say(what: str, seconds: float, unit: str) -> None:
    """Print the figure, the calibration of this moment, and how many of the one are the other."""
    per_unit = {"ns": 1e9, "us": 1e6, "ms": 1e3}[unit[:2]]
    base = least(lambda: np.exp(_NUMBERS), 20)
    print(f"{what:>38} {per_unit * seconds:10,.1f} {unit:<9} {1e3 * base:6.2f} ms {seconds / base:12.3g}")


def least(work: Callable[[], object], times: int) -> float:
    """Return the shortest time (s) of a few runs."""
    found = np.inf
    for _ in range(times):
        start = time.process_time()
        work()
        found = min(found, time.process_time() - start)
    return found


def many(name: str, count: int, *, apart: bool = False) -> float:
    """Return the time (s) of one update when all series get a value at once; `apart`: each began in another row."""
    bank, series = Bank(count, prior=PRIOR, filter=name), np.arange(count)
    values = np.random.default_rng(1).normal(size=(16, count))
    for row in range(16 if apart else 0):
        some = np.flatnonzero(series % 16 <= row)
        bank.update(some, np.full(len(some), float(row)), values[row, some])
    found, row, start = [np.inf] * PHASES, 16, time.process_time()
    while row < 16 + 3 * PHASES or time.process_time() - start < SECONDS_EACH:
        at, value = np.full(count, float(row)), values[row % 16]
        spent = least(lambda at=at, value=value: bank.update(series, at, value), 1)
        found[row % PHASES] = min(found[row % PHASES], spent)
        row += 1
    return float(np.mean(found)) / count


def alone(name: str) -> tuple[float, float]:
    """Return median and 99 % of the time (s) that one update of one series takes."""
    bank, spent = Bank(1, prior=PRIOR, filter=name), []
    for at, value in enumerate(np.random.default_rng(2).normal(size=ALONE)):
        start = time.process_time()
        bank.update([0], [float(at)], [value])
        spent.append(time.process_time() - start)
    half, most = np.percentile(spent[ALONE // 10 :], [50, 99])
    return float(half), float(most)


def checkpoint(name: str) -> tuple[float, float]:
    """Return the time (s) of saving and of loading many series."""
    bank = Bank(KEPT[name], prior=PRIOR, filter=name)
    bank.update(np.arange(KEPT[name]), np.zeros(KEPT[name]), np.random.default_rng(3).normal(size=KEPT[name]))
    blob = bank.save()
    return least(bank.save, 5), least(lambda: Bank.load(blob), 5)


def append() -> float:
    """Return the time (s) in which statsmodels takes one more value to a local linear trend."""
    values = pd.Series(np.random.default_rng(4).normal(size=200))
    fitted = UnobservedComponents(values, level="local linear trend").smooth([1.0, 0.01, 0.001])
    more = pd.Series([0.0], index=[200])
    return least(lambda: fitted.append(more, refit=False), 30)


if __name__ == "__main__":
    main()
