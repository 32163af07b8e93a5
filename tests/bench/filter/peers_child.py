# SPDX-License-Identifier: AGPL-3.0-or-later
"""Runs in the peers' environment: `peers_child.py alarms|speed FOLDER`. Imports nothing of ours but how alarms count.

Every peer has one knob; it is set by bisection to one false alarm episode in a thousand rows of tuning noise. Where
the knob's range ends earlier, the nearest setting is taken, and its own rate is printed. What is not installed in our
own environment is imported where it is used, so that this module can be read there.
"""
# ruff: noqa: PLC0415

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from judging import WARM, Bools, Floats, episodes

WINDOW: Final = 200
REFIT: Final = 5
NEWEST: Final = 100
QUICK: Final = 5
Detector = Callable[[Floats, float], Bools]


def adwin(rows: Floats, knob: float) -> Bools:
    from river.drift import ADWIN

    return _by_row(rows, lambda: ADWIN(delta=10**-knob))


def page_hinkley(rows: Floats, knob: float) -> Bools:
    from river.drift import PageHinkley

    return _by_row(rows, lambda: PageHinkley(min_instances=30, delta=0.5, threshold=knob, alpha=1.0))


def kswin(rows: Floats, knob: float) -> Bools:
    from river.drift import KSWIN

    return _by_row(rows, lambda: KSWIN(alpha=10**-knob, seed=1))


def _by_row(rows: Floats, make: Callable[[], object]) -> Bools:
    alarms = np.zeros(rows.shape, dtype=bool)
    for run, row in enumerate(rows.tolist()):
        detector = make()
        for at, value in enumerate(row):
            detector.update(value)  # type: ignore[attr-defined]
            alarms[run, at] = detector.drift_detected  # type: ignore[attr-defined]
    return alarms


def kernel_cpd(rows: Floats, knob: float) -> Bools:
    """Refit to the last 200 rows every 5 rows; an alarm is a change point within the last 100."""
    import ruptures

    alarms = np.zeros(rows.shape, dtype=bool)
    for run, row in enumerate(rows):
        for at in range(WARM - 1, rows.shape[1], REFIT):
            window = row[max(at + 1 - WINDOW, 0) : at + 1]
            points = ruptures.KernelCPD(kernel="linear", min_size=2).fit(window).predict(pen=knob)[:-1]
            alarms[run, at : at + 1] = bool(points) and points[-1] > len(window) - NEWEST
        alarms[run, WARM:] = _held(alarms[run, WARM:])
    return alarms


def _held(alarms: Bools) -> Bools:
    """Return the alarms, each kept up until the next refit."""
    held = alarms.copy()
    for later in range(1, REFIT):
        held[later:] |= alarms[:-later]
    return held


PEERS: Final[dict[str, tuple[Detector, float, float]]] = {
    "river ADWIN": (adwin, 0.001, 8.0),
    "river PageHinkley": (page_hinkley, 2.0, 60.0),
    "river KSWIN": (kswin, 1.0, 8.0),
    "ruptures KernelCPD, last 200": (kernel_cpd, 4.0, 60.0),
}
"""Name, detector, and the range of its knob, from loud to quiet."""


def tuned(detector: Detector, low: float, high: float, noise: Floats, steps: int) -> float:
    """Return the loudest knob that keeps the rate of false alarms."""
    for _ in range(steps):
        middle = (low + high) / 2
        if episodes(detector(noise, middle)[:, WARM:]) > 1.0:
            low = middle
        else:
            high = middle
    return high


def alarms(folder: Path) -> None:
    """Read series.npz, write alarms.npz: for each peer and each of the series where it alarmed."""
    told: dict[str, Bools] = {}
    with np.load(folder / "series.npz") as series:
        rows = {name: series[name] for name in series.files}
    quick = len(rows["quiet"]) <= QUICK
    for name, (detector, low, high) in PEERS.items():
        knob = tuned(detector, low, high, rows["tuning"][: 5 if quick else 20], 4 if quick else 7)
        print(f"peers: {name} at {knob:.3g}", file=sys.stderr, flush=True)
        for key, cell in rows.items():
            if key != "tuning":
                told[f"{name}|{key}"] = detector(cell, knob)
    np.savez(folder / "alarms.npz", **told)


def speed(folder: Path) -> None:
    """Write speed.json: updates a second of each peer, and of how many series at once."""
    found: dict[str, tuple[float, int]] = {}
    values = np.random.default_rng(1).normal(size=20_000)
    for name, make in _BY_ROW.items():
        found[name] = (_rate(make(), values.tolist()), 1)
    found["simdkalman, predict and update"] = (_simdkalman(10_000), 10_000)
    (folder / "speed.json").write_text(json.dumps(found), encoding="utf-8")


def _rate(update: Callable[[float], object], values: list[float], seconds: float = 0.7) -> float:
    """Return updates a second: the best of rounds of 200 in that time."""
    best, start = 0.0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        for at in range(0, len(values), 200):
            begin = time.process_time()
            for value in values[at : at + 200]:
                update(value)
            best = max(best, 200 / max(time.process_time() - begin, 1e-7))
            if time.perf_counter() - start > seconds:
                break
    return best


def _kalman() -> object:
    from filterpy.kalman import KalmanFilter

    one = KalmanFilter(dim_x=2, dim_z=1)
    one.F, one.H = np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([[1.0, 0.0]])
    one.Q = np.eye(2) * 1e-4
    return one


def _filterpy() -> Callable[[float], object]:
    one = _kalman()

    def update(value: float) -> None:
        one.predict()  # type: ignore[attr-defined]
        one.update(value)  # type: ignore[attr-defined]

    return update


def _imm() -> Callable[[float], object]:
    from filterpy.kalman import IMMEstimator

    four = IMMEstimator([_kalman() for _ in range(4)], np.full(4, 0.25), np.full((4, 4), 0.02) + 0.92 * np.eye(4))

    def update(value: float) -> None:
        four.predict()
        four.update(np.array([[value]]))

    return update


def _river(name: str) -> Callable[[], Callable[[float], object]]:
    def make() -> Callable[[float], object]:
        from river import drift, time_series

        if name == "HoltWinters":
            return time_series.HoltWinters(alpha=0.3, beta=0.1).learn_one
        return getattr(drift, name)().update

    return make


_BY_ROW: Final[dict[str, Callable[[], Callable[[float], object]]]] = {
    "filterpy KalmanFilter": _filterpy,
    "filterpy IMM of 4": _imm,
    "river HoltWinters": _river("HoltWinters"),
    "river ADWIN": _river("ADWIN"),
    "river PageHinkley": _river("PageHinkley"),
    "river KSWIN": _river("KSWIN"),
}


def _simdkalman(count: int) -> float:
    import simdkalman

    one = simdkalman.KalmanFilter(
        state_transition=np.array([[1.0, 1.0], [0.0, 1.0]]),
        process_noise=np.eye(2) * 1e-4,
        observation_model=np.array([[1.0, 0.0]]),
        observation_noise=1.0,
    )
    mean, spread = np.zeros((count, 2, 1)), np.tile(np.eye(2), (count, 1, 1))
    value, best = np.zeros((count, 1, 1)), 0.0
    for _ in range(20):
        begin = time.process_time()
        mean, spread = one.predict_next(mean, spread)
        mean, spread = one.update(mean, spread, value)[:2]
        best = max(best, count / max(time.process_time() - begin, 1e-7))
    return best


if __name__ == "__main__":
    {"alarms": alarms, "speed": speed}[sys.argv[1]](Path(sys.argv[2]))
