# SPDX-License-Identifier: AGPL-3.0-or-later
"""How fast the filters are, in one run with their peers, so that ratios hold on other machines too."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import peers
from table import Session, number, show

from cyberfilter.outlook import calibrate

sys.path.insert(0, str(Path(__file__).parents[1]))
import bench_filter

SECONDS: Final = 2.0
MANY: Final = 10_000
VALUES: Final = 500
"""Of a series that is commissioned."""
Update = Callable[[], object]


def rate(update: Update, count: int, seconds: float = SECONDS) -> float:
    """Return updates a second of processor time of a call that makes `count` of them: the best call.

    Processor time and the best call, as other programs disturb; all that is measured runs in one thread.
    """
    best, start = float("inf"), time.perf_counter()
    for turn in itertools.count():
        begin = time.process_time()
        update()
        best = min(best, max(time.process_time() - begin, 1e-7))
        if turn >= 2 and time.perf_counter() - start > seconds:
            break
    return count / best


def machine() -> dict[str, float]:
    """Return what this machine does in a second, to compare with another: Python loops, NumPy logs, bytes copied."""
    values, block = np.random.default_rng(1).random(4096) + 0.5, np.ones(4_000_000)

    def loop() -> None:
        total = 0
        for number_ in range(100_000):
            total += number_

    return {
        "Python additions/s": rate(loop, 100_000, 0.5),
        "NumPy logs/s": rate(lambda: np.log(values), 4096, 0.5),
        "bytes copied/s": rate(block.copy, block.nbytes, 0.5),
    }


def commissioning() -> float:
    """Return the milliseconds that a series' nightly fit takes."""
    rows = np.random.default_rng(3).normal(size=(5, VALUES))
    if any(calibrate.commission(row).outcome != "fitted" for row in rows):
        raise RuntimeError("commissioning fitted nothing: its time says nothing")
    return 1e3 / rate(lambda: [calibrate.commission(row) for row in rows], len(rows))


def run(session: Session) -> None:
    """Print speeds of our filters and of peers, in one run, and note goal 6."""
    session.say("speed: peers")
    rows = {name: (figure, int(count)) for name, (figure, count) in peers.speeds(session).items()}
    rows["statsmodels append"] = (1.0 / bench_filter.append(), 1)
    alone_us, kept_ms = {}, {}
    for name in bench_filter.FILTERS:
        session.say(f"speed: {name}")
        rows[f"ours, {name}"] = (1.0 / bench_filter.many(name, MANY), MANY)
        alone_us[name] = [1e6 * spent for spent in bench_filter.alone(name)]
        kept_ms[name] = [1e3 * spent for spent in bench_filter.checkpoint(name)]
    session.found["speed"] = {
        "updates_per_s": rows,
        "machine": machine(),
        "alone_us": alone_us,
        "checkpoint_ms": kept_ms,
        "commissioning_ms": commissioning(),
    }
    _print(session.found["speed"])
    _goals(session)


def _print(found: dict[str, Any]) -> None:
    show(
        "speed, one run: updates of one core in a second",
        ("program", "series at once", "updates/s"),
        [(name, f"{count:,}", f"{figure:,.0f}") for name, (figure, count) in found["updates_per_s"].items()],
        (f"this machine: {', '.join(f'{name} {figure:.3g}' for name, figure in found['machine'].items())}",),
    )
    show(
        "speed: one update alone, checkpoint",
        ("filter", "p50 µs", "p99 µs", "save ms", "load ms", "series kept"),
        [
            (name, *(number(part, 0) for part in (*spent, *found["checkpoint_ms"][name])), f"{_kept(name):,}")
            for name, spent in found["alone_us"].items()
        ],
        (
            "times are the processor's, measured by tests/bench/bench_filter.py",
            f"commissioning of {VALUES} values: {found['commissioning_ms']:.0f} ms a series",
        ),
    )


def _kept(name: str) -> int:
    return bench_filter.KEPT[name]


def _goals(session: Session) -> None:
    found = session.found["speed"]
    for name, least in (("classic", 2e6), ("hypotheses", 1e5)):
        figure = found["updates_per_s"][f"ours, {name}"][0]
        session.goal(f"6 {name} ≥ {least:,.0f} updates/s a core", f"{figure:,.0f}", figure >= least)
    for name, (half, most) in found["alone_us"].items():
        met = half <= 60 and most <= 250
        session.goal(f"6 one update p50 ≤ 60 µs, p99 ≤ 250 µs ({name}, processor)", f"{half:.0f}, {most:.0f}", met)
    for name, (saved, _) in found["checkpoint_ms"].items():
        whole = saved * 100_000 / _kept(name)
        label = f"6 checkpoint of 100,000 {name} ≤ 100 ms (from {_kept(name):,})"
        session.goal(label, f"{whole:.0f} ms", whole <= 100)
    fit_ms = found["commissioning_ms"]
    session.goal("6 commissioning ≤ 50 ms a series", f"{fit_ms:.0f} ms", fit_ms <= 50)
