# SPDX-License-Identifier: AGPL-3.0-or-later
"""How fast the filter is: updates a second for 1 to 100,000 series, and a checkpoint's time. Prints, never fails."""

from __future__ import annotations

import time

import numpy as np

from cyberfilter.filter import Bank, Prior

COUNTS = (1, 100, 10_000, 100_000)
SECONDS_EACH = 1.0


def main() -> None:
    """Print one line for each number of series."""
    rng = np.random.default_rng(1)
    print(f"{'series':>8} {'updates/s':>12} {'ms/update':>10} {'save ms':>8} {'load ms':>8} {'MB':>6}")
    for count in COUNTS:
        bank = Bank(count, prior=Prior(level=(0.0, 1.0), slope=(0.0, 0.01), noise=(1.0, 5.0)))
        series = np.arange(count)
        values = rng.normal(size=(16, count))
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
            f"{count:8d} {count * rounds / spent:12,.0f} {1000 * spent / rounds:10.3f} {1000 * (saved - start):8.1f}"
            f" {1000 * (loaded - saved):8.1f} {len(blob) / 1e6:6.1f}"
        )


if __name__ == "__main__":
    main()
