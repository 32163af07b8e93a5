# SPDX-License-Identifier: AGPL-3.0-or-later
"""Forecasts against the values that came: coverage, PIT, and CRPS beside a random walk's.

A forecast is known by its published 95 % band; within it is taken for normal around the band's middle.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from collector.contract.ports import IndexRow

Floats = NDArray[np.float64]
LEVELS: Final = (0.50, 0.80, 0.95)
_Z: Final = (0.6744897501960817, 1.2815515655446004, 1.959963984540054)
PIT_BINS: Final = 10
WARM_COUNT: Final = 30
"""First values of a series that nobody can forecast: neither is scored."""
_ROOT_PI: Final = math.sqrt(math.pi)


@dataclass(frozen=True)
class Calibration:
    """How the forecasts of one index did.

    `cover` is the share of values within the bands of LEVELS, `pit` that within each tenth of the forecast's
    distribution (0.1 each where it is right), `crps_ratio` the CRPS over a random walk's, the geometric mean over
    series (below 1 is better).
    """

    index: str
    series_count: int
    count: int
    cover: tuple[float, ...]
    pit: tuple[float, ...]
    crps_ratio: float


def calibration(rows: Iterable[IndexRow]) -> list[Calibration]:
    """Return how the forecasts of every index did, by name; rows without a band are values alone."""
    series: dict[tuple[str, str], list[IndexRow]] = {}
    for row in rows:
        series.setdefault((row.name, row.place), []).append(row)
    scored: dict[str, list[tuple[Floats, float, float]]] = {}
    for (name, _), mine in sorted(series.items()):
        z, own, walk = _scored(mine)
        if len(z):
            scored.setdefault(name, []).append((z, own, walk))
    return [_summed(name, parts) for name, parts in scored.items()]


def _scored(rows: Sequence[IndexRow]) -> tuple[Floats, float, float]:
    """Return the standardised errors of a series, its CRPS and that of a random walk, over the same values."""
    table = np.array(
        [
            (row.ts, row.value, math.nan if row.lo95 is None else row.lo95, math.nan if row.hi95 is None else row.hi95)
            for row in rows
        ],
        dtype=np.float64,
    )
    table = table[np.argsort(table[:, 0], kind="stable")]
    value, low, high = table[:, 1], table[:, 2], table[:, 3]
    mean, sd = (low + high) / 2, (high - low) / (2 * _Z[-1])
    steps = np.diff(value, prepend=value[0])
    # The walk's spread at a value is that of all steps before it.
    walk_sd = np.sqrt(np.concatenate(([0.0], np.cumsum(steps**2)[:-1])) / np.maximum(np.arange(len(value)) - 1, 1))
    fit = (np.arange(len(value)) >= WARM_COUNT) & (sd > 0) & (walk_sd > 0)
    if not fit.any():
        return np.empty(0), math.nan, math.nan
    own = crps(value[fit], mean[fit], sd[fit]).mean()
    walk = crps(value[fit], (value - steps)[fit], walk_sd[fit]).mean()
    return (value - mean)[fit] / sd[fit], float(own), float(walk)


def crps(value: Floats, mean: Floats, sd: Floats) -> Floats:
    """Return the continuous ranked probability score of normal forecasts (Gneiting & Raftery 2007, JASA 102, p. 367).

    >>> round(float(crps(np.zeros(1), np.zeros(1), np.ones(1))[0]), 4)
    0.2337
    """
    z = (value - mean) / sd
    density = np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return np.asarray(sd * (z * (2 * normal(z) - 1) + 2 * density - 1 / _ROOT_PI))


def normal(z: Floats) -> Floats:
    """Return the standard normal distribution at `z`."""
    return np.array([0.5 * math.erfc(-each / math.sqrt(2)) for each in z.tolist()], dtype=np.float64)


def _summed(name: str, parts: Sequence[tuple[Floats, float, float]]) -> Calibration:
    z = np.concatenate([part[0] for part in parts])
    cover = tuple(float((np.abs(z) <= bound).mean()) for bound in _Z)
    tenths = np.minimum((normal(z) * PIT_BINS).astype(np.int64), PIT_BINS - 1)
    pit = tuple((np.bincount(tenths, minlength=PIT_BINS) / len(z)).tolist())
    logs = [math.log(own / walk) for _, own, walk in parts if own > 0 and walk > 0]
    ratio = math.exp(math.fsum(logs) / len(logs)) if logs else math.nan
    return Calibration(name, len(parts), len(z), cover, pit, ratio)
