# SPDX-License-Identifier: AGPL-3.0-or-later
"""Forecasts against the values that came: coverage, PIT, and CRPS beside a random walk's.

A forecast is known by its published 95 % band; within it is taken for normal around the band's middle, unless the band
ends where the index's scale does (a ratio of 1).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from collector.contract.ports import IndexRow
from cyberfilter.filter.transform import TRANSFORMS
from cyberfilter.indices.catalogue import CATALOGUE

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
    series (below 1 is better). NaN is not known: within a band that mostly ends where the scale does nothing is.
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
    scored: dict[str, list[_Scored]] = {}
    for (name, _), mine in sorted(series.items()):
        one = _scored(name, mine)
        if len(one.inside):
            scored.setdefault(name, []).append(one)
    return [_summed(name, parts) for name, parts in scored.items()]


class _Scored(NamedTuple):
    """Of a series: whether values were in the 95 % band, standardised errors, CRPS, and that of a random walk.

    Errors are those of bands that do not end where the scale does.
    """

    inside: NDArray[np.bool_]
    z: Floats
    own: float
    walk: float


def _scored(name: str, rows: Sequence[IndexRow]) -> _Scored:
    """Return how the forecasts of a series did, all over the same values."""
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
        return _Scored(np.empty(0, dtype=bool), np.empty(0), math.nan, math.nan)
    own = crps(value[fit], mean[fit], sd[fit]).mean()
    walk = crps(value[fit], (value - steps)[fit], walk_sd[fit]).mean()
    scale = TRANSFORMS[CATALOGUE[name].transform if name in CATALOGUE else "none"]
    whole = fit & (low > scale.low) & (high < scale.high)
    inside = (low <= value) & (value <= high)
    return _Scored(inside[fit], (value - mean)[whole] / sd[whole], float(own), float(walk))


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


def _summed(name: str, parts: Sequence[_Scored]) -> Calibration:
    inside, z = np.concatenate([part.inside for part in parts]), np.concatenate([part.z for part in parts])
    within, pit, ratio = (math.nan,) * (len(LEVELS) - 1), (math.nan,) * PIT_BINS, math.nan
    if len(z) > len(inside) / 2:
        within = tuple(float((np.abs(z) <= bound).mean()) for bound in _Z[:-1])
        tenths = np.minimum((normal(z) * PIT_BINS).astype(np.int64), PIT_BINS - 1)
        pit = tuple((np.bincount(tenths, minlength=PIT_BINS) / len(z)).tolist())
        logs = [math.log(part.own / part.walk) for part in parts if part.own > 0 and part.walk > 0]
        ratio = math.exp(math.fsum(logs) / len(logs)) if logs else math.nan
    return Calibration(name, len(parts), len(inside), (*within, float(inside.mean())), pit, ratio)
