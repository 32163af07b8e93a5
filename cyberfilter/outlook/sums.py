# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a count comes to until a day: paths of daily counts are drawn from a structural model and added up.

The level of a day is a random walk and weekdays have their own pattern, where there are three weeks of data that speak
for it. A count cannot fall below nought, and of today what is already there is taken off. What it is
worth is tried day by day: sums that overlap prove little.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from collector.contract.errors import Refusal
from cyberfilter.filter.model import Floats
from cyberfilter.outlook.horizon import best, spread_of, tried
from cyberfilter.outlook.worth import Worth, refusal

DAYS_MIN: Final = 14
"""Fewer days say too little about how days differ."""
DAYS_AHEAD_MAX: Final = 31
WEEK: Final = 7
_WEEKS_MIN: Final = 3
_PATHS: Final = 1_000
_SEED: Final = 1971


class Sum(NamedTuple):
    """What is expected from now to the end of the last day: mean, and the interval that holds `level` of it."""

    mean: float
    lo: float
    hi: float
    level: float
    model: str
    n: int
    worth: Worth


def sum_ahead(days: Sequence[float], today: float, ahead: int, *, level: float = 0.8) -> Sum:
    """Return what `ahead` days come to, today being the first of them, of which `today` is already there.

    `days` are the counts of whole days before today, oldest first, NaN where nobody knows. Raises Refusal: `too_few`
    days, `bad_horizon`, `no_better` (forecasts of past days were no better than "as the last day").
    """
    counts = np.asarray(days, dtype=np.float64)
    known = int(np.isfinite(counts).sum())
    if not 1 <= ahead <= DAYS_AHEAD_MAX:
        raise Refusal("bad_horizon", f"{ahead} days ahead are not within 1..{DAYS_AHEAD_MAX}")
    if known < DAYS_MIN:
        raise Refusal("too_few", f"{known} days are fewer than the {DAYS_MIN} that a sum needs")
    season = WEEK if known >= _WEEKS_MIN * WEEK else None
    spread = spread_of(counts)
    if spread <= 0.0:
        total = max(float(counts[-1]) - today, 0.0) + float(counts[-1]) * (ahead - 1)
        return Sum(total, total, total, level, "constant", known, Worth(better=True, origins=0))
    centre = float(np.nanmean(counts))
    scaled = (counts - centre) / spread
    season, fitted = best(scaled, season, level="local level")
    past = tried(scaled, 1, season, unit=spread, level="local level")
    if not past.better:
        raise refusal(past, known, "a week")
    paths = fitted.simulate(ahead, anchor="end", repetitions=_PATHS, rng=np.random.default_rng(_SEED))
    totals = _totals(centre + spread * np.asarray(paths).reshape(ahead, _PATHS), today)
    lo, hi = np.quantile(totals, [(1 - level) / 2, (1 + level) / 2])
    name = "local level" + (f" with a season of {season}" if season else "")
    return Sum(float(totals.mean()), float(lo), float(hi), level, name, known, past)


def _totals(paths: Floats, today: float) -> Floats:
    """Return the sum of each path (days, paths): no day below nought, and today less what is there already."""
    whole = np.maximum(paths, 0.0)
    whole[0] = np.maximum(whole[0] - today, 0.0)
    return np.asarray(whole.sum(axis=0))
