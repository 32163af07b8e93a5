# SPDX-License-Identifier: AGPL-3.0-or-later
"""One-step forecasts: coverage of 50, 80 and 95 % intervals, and CRPS relative to the random walk's."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from forecasts import LEVELS, Predicted, coverage, crps, degrees
from judging import Floats
from nab import File
from ours import hear, padded
from scenarios import STEP, broken
from statsmodels.tsa.statespace.sarimax import SARIMAX
from statsmodels.tsa.statespace.structural import UnobservedComponents
from table import Session, number, show

SYNTHETIC: Final = 20
POINTS_MAX: Final = 3000
LEARN: Final = 0.15
"""Share of a series that is learned from: nothing is scored there, and models are fitted to it."""
FILTERS: Final = ("classic", "hypotheses")
Method = Callable[[Floats], Predicted]


def random_walk(row: Floats) -> Predicted:
    """Return the last value, with the deviation of all steps so far."""
    return _around(row, np.concatenate(([np.nan], row[:-1])), 1.0 / np.maximum(np.arange(len(row)), 1))


def ewma(row: Floats, share: float = 0.3) -> Predicted:
    """Return the exponentially weighted mean, with the deviation of its recent errors."""
    mean = np.full_like(row, np.nan)
    for at in range(1, len(row)):
        mean[at] = row[0] if at == 1 else mean[at - 1] + share * (row[at - 1] - mean[at - 1])
    return _around(row, mean, np.full(len(row), 0.05))


def _around(row: Floats, mean: Floats, share: Floats) -> Predicted:
    """Return a normal forecast whose variance is a running mean of the squared errors before it."""
    variance, scale = 0.0, np.full_like(row, np.nan)
    for at in range(1, len(row)):
        scale[at] = np.sqrt(variance)
        error = (row[at] - mean[at]) ** 2
        variance += max(share[at], 1 / at) * (error - variance)
    return Predicted(mean, scale, np.full_like(row, np.inf))


def known(row: Floats) -> Predicted:
    """Return the truth of a series of `scenarios.broken`: who knows it beforehand can do no better."""
    mean = STEP * (np.arange(len(row)) >= len(row) // 2)
    return Predicted(mean, np.ones_like(row), np.full_like(row, np.inf))


def _fitted(model: Callable[[Floats], Any]) -> Method:
    """Return a statsmodels model, fitted by maximum likelihood to the first LEARN of a series."""

    def method(row: Floats) -> Predicted:
        spread = float(np.std(row[: int(LEARN * len(row))])) or 1.0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit = model(row[: int(LEARN * len(row))] / spread).fit(disp=0, maxiter=50)
            told = fit.apply(row / spread).get_prediction()
        scale = np.maximum(np.asarray(told.se_mean), 1e-9)
        return Predicted(spread * np.asarray(told.predicted_mean), spread * scale, np.full_like(row, np.inf))

    return method


PEERS: Final[dict[str, Method]] = {
    "floor: random walk": random_walk,
    "EWMA .3": ewma,
    "statsmodels local level": _fitted(lambda row: UnobservedComponents(row, level="local level")),
    "statsmodels local linear trend": _fitted(lambda row: UnobservedComponents(row, level="local linear trend")),
    "statsmodels SARIMAX(1,1,1)": _fitted(lambda row: SARIMAX(row, order=(1, 1, 1))),
}


def ours(session: Session, rows: Sequence[Floats], name: str) -> list[Predicted]:
    """Return our filter's forecasts, where its band tells the degrees of freedom."""
    heard = hear(padded(rows), name, session.say)
    nu = degrees(heard.forecast_mean, heard.forecast_sd, heard.forecast_hi95)
    return [
        Predicted(heard.forecast_mean[at, : len(row)], heard.forecast_sd[at, : len(row)], nu[at, : len(row)])
        for at, row in enumerate(rows)
    ]


def scored(rows: Sequence[Floats], told: Sequence[Predicted]) -> tuple[Floats, Floats]:
    """Return coverage (series, LEVELS) and mean CRPS (series) after the first LEARN of each."""
    covers, scores = [], []
    for row, one in zip(rows, told, strict=True):
        least = 1e-9 * max(float(np.ptp(row)), 1e-12)
        later = Predicted(*(part[int(LEARN * len(row)) :] for part in one))
        later = later._replace(scale=np.maximum(later.scale, least))
        covers.append(coverage(row[int(LEARN * len(row)) :], later))
        scores.append(float(np.nanmean(crps(row[int(LEARN * len(row)) :], later))))
    return np.array(covers), np.array(scores)


def run(session: Session, files: Sequence[File]) -> None:
    """Print one table for the synthetic series, and one for the NAB's files where they are there."""
    synthetic = list(broken(session.runs(SYNTHETIC)))
    title = f"{len(synthetic)} synthetic series with a step of 3σ and a spike of 6σ"
    _table(session, "synthetic", title, synthetic, {"ceiling: knows level, step and noise": known})
    if files:
        real = [file.value[:POINTS_MAX] for file in files]
        _table(session, "nab", f"{len(real)} files of the NAB, their first {POINTS_MAX} points", real, {})


def _table(session: Session, key: str, title: str, rows: Sequence[Floats], ceiling: dict[str, Method]) -> None:
    found: dict[str, tuple[Floats, float]] = {}
    base = np.ones(len(rows))
    methods = dict(list(PEERS.items())[: 3 if session.quick else None]) | ceiling
    for name in (*methods, *FILTERS):
        session.say(f"calibration, {key}: {name}")
        told = ours(session, rows, name) if name in FILTERS else [methods[name](row) for row in rows]
        covers, scores = scored(rows, told)
        base = scores if name == next(iter(methods)) else base
        ratio = scores / np.maximum(base, 1e-300)
        found[name] = (covers.mean(axis=0), float(np.exp(np.mean(np.log(np.maximum(ratio, 1e-12))))))
    show(
        f"calibration, {title}: share within the interval, %, and CRPS relative to the random walk",
        ("forecast", *(f"{100 * level:.0f} %" for level in LEVELS), "CRPS"),
        [(name, *(number(100 * c, 1) for c in cover), number(ratio, 3)) for name, (cover, ratio) in found.items()],
        ("CRPS: geometric mean over the series; less is better",),
    )
    session.found[f"calibration {key}"] = {
        name: {"coverage": cover.tolist(), "crps": ratio} for name, (cover, ratio) in found.items()
    }
    _goals(session, key, found)


def _goals(session: Session, key: str, found: dict[str, tuple[Floats, float]]) -> None:
    cover, ratio = found["hypotheses"]
    figures = "/".join(number(100 * part, 1) for part in cover)
    if key == "synthetic":
        met = bool((np.abs(cover - np.array(LEVELS)) <= 0.02).all())
        session.goal("6 coverage 50/80/95 ± 2 points, synthetic", f"{figures} %", met)
    else:
        session.goal("6 coverage of the 95 % interval 93–97, NAB", f"{figures} %", bool(0.93 <= cover[2] <= 0.97))
    session.goal(f"6 CRPS ≤ .70 × random walk, {key}", number(ratio, 3), ratio <= 0.70)
    best = min(other for name, (_, other) in found.items() if name.startswith("statsmodels"))
    session.goal(f"6 CRPS ≤ .88 × best of statsmodels, {key}", number(ratio / best, 3), ratio / best <= 0.88)
