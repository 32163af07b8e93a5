# SPDX-License-Identifier: CC0-1.0
"""An open set of noises and changes for detectors, regenerated from seeds: published 1..200, tuning from 1000 on.

Thirteen families of noise with a deviation of about one (`SCALE` says where it is not), and sixteen changes in
Gaussian noise at a known row. Every series has a seed of its own; the same seed is the same noise in every cell, so
cells differ by the change alone. Whoever tunes a detector does so on seeds of `TUNING` and above.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FAMILIES: Final = (
    "gauss",
    "ar3",
    "ar8",
    "t4",
    "lognormal",
    "walk",
    "trend",
    "season",
    "poisson4",
    "index01",
    "bernoulli",
    "quantised",
    "missing",
)
SCALE: Final = {"poisson4": 2.0, "index01": 0.0463, "bernoulli": 0.3}
PUBLISHED: Final = 1
PUBLISHED_COUNT: Final = 200
TUNING: Final = 1000
PERIOD: Final = 96
ONSET: Final = 300
AFTER: Final = 300
STEP: Final = 3.0
"""Of the series for forecasts, at their middle."""
SEASONS: Final = 9
"""Periods before the one that stops: whoever learns a season has seen it as often."""


class Change(NamedTuple):
    """One cell: what changes, by how many deviations (drift: per row; noise: factor), from row `onset` on."""

    name: str
    kind: str
    size: float
    onset: int = ONSET
    length: int = ONSET + AFTER


CHANGES: Final = (
    Change("nothing", "", 0.0),
    *(Change(f"spike {size:g}", "transient", size) for size in (4.0, 6.0, 10.0)),
    *(Change(f"step {size:g}", "step", size) for size in (1.0, 2.0, 3.0, 4.0, 5.0)),
    *(Change(f"drift {size:g}", "slope", size) for size in (0.02, 0.05, 0.1, 0.3)),
    *(Change(f"sd x{size:g}", "noise", size) for size in (0.33, 2.0, 3.0)),
    Change("flat", "flat", 0.0),
    Change("season stops", "season", 0.0, onset=SEASONS * PERIOD, length=SEASONS * PERIOD + 200),
)


def seeds(first: int, count: int) -> range:
    """Return the seeds of `count` series."""
    return range(first, first + count)


def noise(family: str, length: int, own: Sequence[int]) -> Floats:
    """Return one row of `length` values for each seed; NaN is missing."""
    drawn = [_draw(family, length, np.random.default_rng([seed, FAMILIES.index(family)])) for seed in own]
    rows = np.array(drawn)
    if family in {"ar3", "ar8"}:
        share = 0.3 if family == "ar3" else 0.8
        for at in range(1, length):
            rows[:, at] = share * rows[:, at - 1] + np.sqrt(1 - share * share) * rows[:, at]
    return rows


def standard(family: str, rng: np.random.Generator, size: tuple[int, ...]) -> Floats:
    """Return independent noise of deviation one: gauss, t4 or lognormal."""
    match family:
        case "t4":
            return rng.standard_t(4, size) / np.sqrt(2.0)
        case "lognormal":
            deviation = np.sqrt((np.exp(0.64) - 1) * np.exp(0.64))
            return (np.exp(0.8 * rng.normal(size=size)) - np.exp(0.32)) / deviation
        case _:
            return rng.normal(size=size)


def _draw(family: str, length: int, rng: np.random.Generator) -> Floats:  # noqa: PLR0911 - one line each
    at = np.arange(length)
    match family:
        case "walk":
            return rng.normal(size=length) + np.cumsum(0.05 * rng.normal(size=length))
        case "trend":
            return rng.normal(size=length) + 0.02 * at
        case "season":
            return rng.normal(size=length) + 2 * np.sin(2 * np.pi * at / PERIOD)
        case "poisson4":
            return rng.poisson(4, length).astype(float)
        case "index01":
            return rng.beta(41 * 0.9, 41 * 0.1, length)
        case "bernoulli":
            return (rng.random(length) < 0.1).astype(float)
        case "quantised":
            return np.round(rng.normal(size=length) / 1.5) * 1.5
        case "missing":
            return np.where(rng.random(length) < 0.1, np.nan, rng.normal(size=length))
        case _:
            return standard(family, rng, (length,))


def changed(change: Change, own: Sequence[int]) -> Floats:  # noqa: PLR0911 - one line each
    """Return Gaussian noise (one row for each seed) with that change; steps and drifts alternate in sign."""
    rows = noise("gauss", change.length, own)
    later = np.arange(change.length) - change.onset
    after = later >= 0
    sign = np.where(np.arange(len(own)) % 2, -1.0, 1.0)[:, None]
    match change.kind:
        case "transient":
            return rows + sign * change.size * (later == 0)
        case "step":
            return rows + sign * change.size * after
        case "slope":
            return rows + sign * change.size * np.maximum(later + 1, 0)
        case "noise":
            return np.where(after, change.size * rows, rows)
        case "flat":
            return np.where(after, rows[:, change.onset - 1 : change.onset], rows)
        case "season":
            return rows + 2 * np.sin(2 * np.pi * np.arange(change.length) / PERIOD) * ~after
        case _:
            return rows


def broken(own: Sequence[int], length: int = 600) -> Floats:
    """Return Gaussian noise with a step of three at the middle and a spike of six at three quarters, for forecasts."""
    rows = noise("gauss", length, own)
    rows[:, length // 2 :] += STEP
    rows[:, 3 * length // 4] += 6.0
    return rows
