# SPDX-License-Identifier: AGPL-3.0-or-later
"""How fast the filters are, in one run with their peers, so that ratios hold on other machines too."""

from __future__ import annotations

import importlib
import itertools
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import peers
from judging import Floats
from statsmodels.tsa.statespace.structural import UnobservedComponents
from table import Session, number, show

from cyberfilter.filter import Bank, Prior

PRIOR: Final = Prior(level=(0.0, 1.0), slope=(0.0, 0.01), noise=(1.0, 5.0))
SECONDS: Final = 2.0
ALONE: Final = 3000
MANY: Final = {"classic": 10_000, "hypotheses": 10_000}
CHECKPOINT: Final = {"classic": 100_000, "hypotheses": 100_000}
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


def _bank(name: str, count: int) -> Update:
    """Return an update of all series of a new bank."""
    bank = Bank(count, prior=PRIOR, filter=name)  # type: ignore[arg-type]
    series, values, clock = np.arange(count), np.random.default_rng(1).normal(size=(16, count)), [0]

    def update() -> None:
        clock[0] += 1
        bank.update(series, np.full(count, float(clock[0])), values[clock[0] % 16])

    return update


def alone(name: str) -> dict[str, list[float]]:
    """Return median and 99 % of single updates of one series (µs), by the wall's clock and by the processor's."""
    bank, spent = Bank(1, prior=PRIOR, filter=name), []  # type: ignore[arg-type]
    for at, value in enumerate(np.random.default_rng(2).normal(size=ALONE)):
        begin = time.perf_counter(), time.process_time()
        bank.update([0], [float(at)], [value])
        spent.append((1e6 * (time.perf_counter() - begin[0]), 1e6 * (time.process_time() - begin[1])))
    half, most = np.percentile(spent[ALONE // 10 :], [50, 99], axis=0).tolist()
    return {"wall": [half[0], most[0]], "processor": [half[1], most[1]]}


def checkpoint(bank: Bank) -> tuple[float, float, float]:
    """Return the milliseconds of saving and of loading everything, the best of three, and the megabytes."""
    saved, loaded, blob = [], [], b""
    for _ in range(3):
        begin = time.process_time()
        blob = bank.save()
        between = time.process_time()
        Bank.load(blob)
        saved.append(between - begin)
        loaded.append(time.process_time() - between)
    return 1e3 * min(saved), 1e3 * min(loaded), len(blob) / 1e6


def commissioning() -> tuple[str, float]:
    """Return the milliseconds that a series' nightly fit takes: ours where it is there, else a local level's."""
    rows = list(np.random.default_rng(3).normal(size=(5, 300)))
    try:
        fit = importlib.import_module("cyberfilter.outlook.calibrate").commission
        label = "cyberfilter.outlook.calibrate, 300 values"
    except ImportError:
        fit, label = _local_level, "statsmodels local level, 300 values"
    return label, 1e3 / rate(lambda: [fit(row) for row in rows], len(rows))


def _local_level(row: Floats) -> Any:
    return UnobservedComponents(row, level="local level").fit(disp=0, maxiter=50)


def statsmodels() -> dict[str, float]:
    """Return updates a second of statsmodels' own ways to take one more value."""
    fit = _local_level(np.random.default_rng(4).normal(size=300))
    return {
        "statsmodels append": rate(lambda: fit.append([0.1], refit=False), 1, 1.0),
        "statsmodels extend": rate(lambda: fit.extend([0.1]), 1, 1.0),
    }


def run(session: Session) -> None:
    """Print speeds of our filters and of peers, in one run, and note goal 6."""
    session.say("speed: peers")
    rows = {name: (figure, int(count)) for name, (figure, count) in peers.speeds(session).items()}
    rows |= {name: (figure, 1) for name, figure in statsmodels().items()}
    latency = {}
    for name, many in MANY.items():
        session.say(f"speed: {name}")
        rows[f"ours, {name}"] = (rate(_bank(name, many), many), many)
        latency[name] = alone(name)
    calibration = machine()
    kept = {name: _kept(session, name) for name in CHECKPOINT}
    fitted = commissioning()
    session.found["speed"] = {
        "updates_per_s": rows,
        "machine": calibration,
        "alone_us": latency,
        "checkpoint": kept,
        "commissioning_ms": fitted,
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
    label, fit_ms = found["commissioning_ms"]
    show(
        "speed: one update alone, checkpoint",
        ("filter", "p50 µs", "p99 µs", "p50 µs wall", "p99 µs wall", "save ms", "load ms", "MB", "series"),
        [
            (
                name,
                *(number(part, 0) for part in (*spent["processor"], *spent["wall"], *found["checkpoint"][name][0])),
                f"{found['checkpoint'][name][1]:,}",
            )
            for name, spent in found["alone_us"].items()
        ],
        (
            f"commissioning: {fit_ms:.0f} ms a series ({label})",
            "times are the processor's, the wall's too where it is said: on a busy machine that one is longer",
        ),
    )


def _kept(session: Session, name: str) -> tuple[tuple[float, float, float], int]:
    count = CHECKPOINT[name] // 10 if session.quick else CHECKPOINT[name]
    session.say(f"speed: checkpoint of {count} series, {name}")
    return checkpoint(Bank(count, prior=PRIOR, filter=name)), count  # type: ignore[arg-type]


def _goals(session: Session) -> None:
    found = session.found["speed"]
    speeds, alone_us = found["updates_per_s"], found["alone_us"]
    for name, least in (("classic", 2e6), ("hypotheses", 1e5)):
        figure = speeds[f"ours, {name}"][0]
        session.goal(f"6 {name} ≥ {least:,.0f} updates/s a core", f"{figure:,.0f}", figure >= least)
    for name in MANY:
        half, most = alone_us[name]["processor"]
        figure, met = f"{half:.0f}, {most:.0f}", half <= 60 and most <= 250
        session.goal(f"6 one update p50 ≤ 60 µs, p99 ≤ 250 µs ({name}, processor)", figure, met)
    for name, ((saved, _, size), count) in found["checkpoint"].items():
        session.goal(f"6 checkpoint of {count:,} {name} ≤ 100 ms", f"{saved:.0f} ms, {size:.0f} MB", saved <= 100)
    label, fit_ms = found["commissioning_ms"]
    session.goal("6 commissioning ≤ 50 ms a series", f"{fit_ms:.0f} ms ({label})", fit_ms <= 50)
