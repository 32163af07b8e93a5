# SPDX-License-Identifier: AGPL-3.0-or-later
"""How fast the filters are: updates a second, a checkpoint's time, and one update alone. Prints, never fails."""

from __future__ import annotations

import time

import numpy as np

from cyberfilter.filter import Bank, Prior

COUNTS = (("classic", (1, 100, 10_000, 100_000)), ("hypotheses", (1, 100, 10_000)))
SECONDS_EACH = 1.0
PRIOR = Prior(level=(0.0, 1.0), slope=(0.0, 0.01), noise=(1.0, 5.0))
ALONE = 3000


def main() -> None:
    """Print one line for each filter and number of series, then one for single updates of each."""
    print(f"{'filter':>10} {'series':>8} {'updates/s':>12} {'ms/update':>10} {'save ms':>8} {'load ms':>8} {'MB':>6}")
    for name, counts in COUNTS:
        for count in counts:
            many(name, count)
    for name, _ in COUNTS:
        alone(name)


def many(name: str, count: int) -> None:
    """Print how many updates a second there are when all series get a value at once."""
    bank = Bank(count, prior=PRIOR, filter=name)
    series = np.arange(count)
    values = np.random.default_rng(1).normal(size=(16, count))
    rounds, start = 0, time.perf_counter()
    while rounds < 3 or time.perf_counter() - start < SECONDS_EACH:
        bank.update(series, np.full(count, float(rounds)), values[rounds % 16])
        rounds += 1
    spent = time.perf_counter() - start
    start = time.perf_counter()
    blob = bank.save()
    saved = time.perf_counter()
    Bank.load(blob)
    loaded = time.perf_counter()
    print(
        f"{name:>10} {count:8d} {count * rounds / spent:12,.0f} {1000 * spent / rounds:10.3f}"
        f" {1000 * (saved - start):8.1f} {1000 * (loaded - saved):8.1f} {len(blob) / 1e6:6.1f}"
    )


def alone(name: str) -> None:
    """Print how long one update of one series takes."""
    bank, spent = Bank(1, prior=PRIOR, filter=name), []
    for at, value in enumerate(np.random.default_rng(2).normal(size=ALONE)):
        start = time.perf_counter()
        bank.update([0], [float(at)], [value])
        spent.append(1e6 * (time.perf_counter() - start))
    half, most = np.percentile(spent[ALONE // 10 :], [50, 99])
    print(f"{name:>10} one update p50 {half:.0f} us, p99 {most:.0f} us")


if __name__ == "__main__":
    main()
