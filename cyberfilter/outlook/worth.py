# SPDX-License-Identifier: AGPL-3.0-or-later
"""Is a model worth showing? Only where its forecasts of the past were better than saying "as last time".

The model learns from the first part of the past alone, then forecasts the mean over the horizon from many origins in
the rest. Rivals are the last value and, where there is a season, what was a period ago. Whether it is better is told by
the test of Diebold & Mariano (1995) with the small-sample correction of Harvey, Leybourne & Newbold (1997).
"""

from __future__ import annotations

import math
import warnings
from typing import Any, Final, NamedTuple

import numpy as np
from statsmodels.tsa.stattools import diebold_mariano_test

from collector.contract.errors import Refusal
from cyberfilter.filter.model import Floats

ORIGINS_MAX: Final = 40
ORIGINS_MIN: Final = 6
"""Fewer forecasts of the past prove nothing."""
CHANCE: Final = 0.1
"""How probable it may be that a model which is no better passes, against each rival."""
_THERE: Final = 0.5
"""Share of a horizon's values that have to be there for it to count."""


class Worth(NamedTuple):
    """How a model's forecasts of the past did against its rivals over `origins` horizons.

    `error`, `error_last`, `error_season` are root mean squares of the error of the mean over the horizon; `p_last` and
    `p_season` are how probable a lead as large would be if the rival were as good. None: there was no such rival, or
    too few forecasts.
    """

    better: bool
    origins: int
    error: float | None = None
    error_last: float | None = None
    error_season: float | None = None
    p_last: float | None = None
    p_season: float | None = None


def refusal(past: Worth, count: int, ago: str, unit: str = "") -> Refusal:
    """Return why a model that learned from `count` values is not told: `too_few`, or `no_better` (for sure).

    `ago` is what a season is called ("a day"), `unit` follows each figure.
    """
    if past.error is None or past.error_last is None:
        return Refusal("too_few", f"{count} values leave {past.origins} forecasts of the past: too few to go by")
    rivals = [error for error in (past.error_last, past.error_season) if error is not None]
    said = "that may be chance" if past.error < min(rivals) else "that is no better"
    season = "" if past.error_season is None else f", as {ago} ago {past.error_season:.3g}{unit}"
    return Refusal(
        "no_better",
        f"in {past.origins} forecasts of the past the model was wrong by {past.error:.3g}{unit}, "
        f"saying as last {past.error_last:.3g}{unit}{season}: {said}",
    )


def worth(grid: Floats, learned: int, horizon: int, season: int | None, model: Any, params: Floats) -> Worth:  # noqa: PLR0917 - one caller
    """Return how `model` (of the whole grid) did with `params` from its first `learned` values, beyond these."""
    origins = _origins(len(grid), learned, horizon)
    truth = np.array([_mean(grid[at : at + horizon]) for at in origins])
    last = np.array([_last(grid[:at]) for at in origins])
    found = [_ahead(model, params, horizon, origins), truth, last]
    if season is not None:
        found.append(np.array([_season(grid, at, horizon, season) for at in origins]))
    kept = np.isfinite(np.stack(found)).all(axis=0)
    count = int(kept.sum())
    if count < ORIGINS_MIN:
        return Worth(better=False, origins=count)
    told, truth, *rivals = (row[kept] for row in found)
    apart = origins[1] - origins[0]
    overlap = min(math.ceil(horizon / apart), count // 2)
    chances = [_chance(truth, told, rival, overlap) for rival in rivals]
    errors = [float(np.sqrt(np.mean((row - truth) ** 2))) for row in (told, *rivals)]
    return Worth(max(chances) < CHANCE, count, *_padded(errors, 3), *_padded(chances, 2))


def _origins(length: int, learned: int, horizon: int) -> list[int]:
    """Return where forecasts begin: even steps from `learned` on, each with a whole horizon behind it."""
    room = length - horizon - learned
    if room < ORIGINS_MIN - 1:
        return list(range(learned, learned + max(room + 1, 0)))
    step = max(1, math.ceil(room / (ORIGINS_MAX - 1)))
    return list(range(learned, length - horizon + 1, step))


def _ahead(model: Any, params: Floats, horizon: int, origins: list[int]) -> Floats:
    """Return the mean over the horizon as the model expects it at each origin: mean of Z·T^j·a, j < horizon."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        states = np.asarray(model.filter(params).filter_results.predicted_state)
    transition, row = np.asarray(model.ssm["transition"]), np.asarray(model.ssm["design"])[0]
    total = np.zeros_like(row)
    for _ in range(horizon):
        total += row
        row = row @ transition
    return np.asarray(total @ states[:, origins] / horizon)


def _mean(part: Floats) -> float:
    there = part[~np.isnan(part)]
    return float(there.mean()) if len(there) >= _THERE * len(part) else math.nan


def _last(before: Floats) -> float:
    there = before[~np.isnan(before)]
    return float(there[-1]) if len(there) else math.nan


def _season(grid: Floats, at: int, horizon: int, season: int) -> float:
    """Return the mean over the same phases one period before, or as many periods as the horizon needs."""
    phases = np.arange(at, at + horizon)
    back = phases - season * np.ceil((phases - at + 1) / season).astype(np.int64)
    return math.nan if back.min() < 0 else _mean(grid[back])


def _chance(truth: Floats, told: Floats, rival: Floats, overlap: int) -> float:
    """Return how probable it is that a model no better than its rival leads by so much: 1 where it does not lead."""
    lead = (rival - truth) ** 2 - (told - truth) ** 2
    if lead.mean() <= 0:
        return 1.0
    if np.ptp(lead) <= 1e-12 * abs(lead.mean()):
        return 0.0
    tested = diebold_mariano_test(truth, told, rival, criterion="mse", harvey_adj=True, horizon=max(overlap, 1))
    half = float(tested.pvalue) / 2
    return half if math.isfinite(half) else 1.0


def _padded(found: list[float], count: int) -> list[float | None]:
    return [*found, *[None] * (count - len(found))]
