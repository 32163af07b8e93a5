# SPDX-License-Identifier: AGPL-3.0-or-later
"""Longer forecasts with intervals: a structural model, fitted to a series' recent past by maximum likelihood.

The level is a random walk with a slope that is itself one ("local linear trend"), and where a period is given three
harmonics of it turn slowly, if Akaike's criterion is for them. statsmodels has no damped trend in this family; the
widening interval says instead how little a trend is worth far ahead. `worth` says whether such a forecast beat "as
last time" in the past.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from statsmodels.tsa.statespace.structural import UnobservedComponents

from collector.contract.errors import Refusal
from cyberfilter.filter.model import Floats
from cyberfilter.outlook.worth import Worth, worth

VALUES_MIN: Final = 12
"""Fewer values say nothing about three variances; with a season two periods are needed as well."""
GRID_MAX: Final = 20_000
"""Longest past, in cadences; a fit takes time in proportion."""
HORIZON_MAX: Final = 2_000
TREND: Final = "local linear trend"
_HARMONICS_MAX: Final = 3
_ITERATIONS_MAX: Final = 50


class Outlook(NamedTuple):
    """What is expected at `times` (Unix s, `horizon` of them), and the interval that holds `level` of it.

    `n` values were there to learn from; `converged` is False where the fit stopped early and the interval is a guess.
    """

    times: tuple[float, ...]
    mean: tuple[float, ...]
    lo: tuple[float, ...]
    hi: tuple[float, ...]
    level: float
    model: str
    n: int
    converged: bool
    worth: Worth


def outlook(
    times_s: ArrayLike,
    values: ArrayLike,
    *,
    horizon: int,
    cadence_s: float,
    season_period: int | None = None,
    level: float = 0.8,
) -> Outlook:
    """Return the outlook `horizon` cadences past the last time; NaN and gaps are missing, the order does not matter.

    Values fall on the nearest point of the cadence's grid (several on one: their mean). `season_period` is in
    cadences. Raises Refusal where there are too few values, or too long a past.
    """
    times, seen = np.asarray(times_s, dtype=np.float64), np.asarray(values, dtype=np.float64)
    _check(horizon, cadence_s, season_period, level)
    grid, last_s = _on_grid(times, seen, cadence_s)
    count = int((~np.isnan(seen)).sum())
    least = max(VALUES_MIN, 2 * (season_period or 0))
    if count < least:
        raise Refusal("too_few", f"{count} values are fewer than the {least} that an outlook needs")
    ahead = tuple(last_s + cadence_s * k for k in range(1, horizon + 1))
    centre = float(np.nanmean(grid))
    if np.nanmax(grid) - np.nanmin(grid) <= 1e-12 * max(1.0, abs(centre)):
        flat = (centre,) * horizon
        return Outlook(ahead, flat, flat, flat, level, "constant", count, converged=True, worth=Worth(True, 0))
    spread = spread_of(grid)
    scaled = (grid - centre) / spread
    season_period, fitted = best(scaled, season_period)
    told = fitted.get_forecast(horizon)
    interval = np.asarray(told.conf_int(alpha=1.0 - level), dtype=np.float64)
    rows = (np.asarray(told.predicted_mean), interval[:, 0], interval[:, 1])
    mean, low, high = (tuple((centre + spread * row).tolist()) for row in rows)
    converged = bool(fitted.mle_retvals["converged"])
    past = tried(scaled, horizon, season_period, unit=spread)
    return Outlook(ahead, mean, low, high, level, _name(season_period), count, converged, past)


def spread_of(grid: Floats) -> float:
    """Return the deviation of neighbours' differences, which a ramp does not inflate: what the variances are about."""
    steps = np.diff(grid)
    steps = steps[~np.isnan(steps)]
    spread = float(steps.std()) if len(steps) else 0.0
    whole = float(np.nanmax(grid) - np.nanmin(grid))
    return max(spread, 1e-9 * whole)


def fit(grid: Floats, season_period: int | None, *, level: str = TREND, whole: Floats | None = None) -> Any:
    """Return statsmodels' fit to a series whose steps have deviation about 1; NaN is missing.

    With `whole` its parameters stay those of `grid`, and it speaks of the whole series.
    """
    seasons: Sequence[dict[str, Any]] | None = None
    if season_period:
        harmonics = min(_HARMONICS_MAX, season_period // 2)
        seasons = [{"period": season_period, "harmonics": harmonics}]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # convergence is told in the result
        model = UnobservedComponents(grid, level=level, freq_seasonal=seasons)
        found = model.fit(method="lbfgs", maxiter=_ITERATIONS_MAX, disp=0)
        return found if whole is None else found.apply(whole)


def best(scaled: Floats, season_period: int | None, *, level: str = TREND) -> tuple[int | None, Any]:
    """Return the season that the data speak for, or None, and the fit: by Akaike's criterion."""
    plain = fit(scaled, None, level=level)
    if season_period is None:
        return None, plain
    seasonal = fit(scaled, season_period, level=level)
    return (season_period, seasonal) if seasonal.aic < plain.aic else (None, plain)


def tried(scaled: Floats, horizon: int, season_period: int | None, *, unit: float, level: str = TREND) -> Worth:
    """Return what the model is worth: learned from the first half of the series, tried on the second.

    Its errors are told in the series' own unit, of which `scaled` has been divided by `unit`.
    """
    learned = max(len(scaled) // 2, 2 * (season_period or 0), VALUES_MIN)
    if np.isfinite(scaled[:learned]).sum() < VALUES_MIN or learned + horizon >= len(scaled):
        return Worth(better=False, origins=0)
    first = fit(scaled[:learned], season_period, level=level, whole=scaled)
    found = worth(scaled, learned, horizon, season_period, first.model, np.asarray(first.params))
    return found._replace(
        error=_times(found.error, unit),
        error_last=_times(found.error_last, unit),
        error_season=_times(found.error_season, unit),
    )


def _times(number: float | None, unit: float) -> float | None:
    return None if number is None else number * unit


def _on_grid(times: Floats, seen: Floats, cadence_s: float) -> tuple[Floats, float]:
    """Return the values on the cadence's grid, NaN where there is none, and the time of its last point (s)."""
    if times.ndim != 1 or times.shape != seen.shape:
        raise Refusal("wrong_shape", f"times have shape {times.shape}, values {seen.shape}: one row of each is needed")
    if not len(times):
        raise Refusal("too_few", f"0 values are fewer than the {VALUES_MIN} that an outlook needs")
    if not np.isfinite(times).all() or np.isinf(seen).any():
        raise Refusal("not_finite", "a time is not finite, or a value is infinite")
    start_s = float(times.min())
    length = round((float(times.max()) - start_s) / cadence_s) + 1
    if length > GRID_MAX:
        raise Refusal("too_long", f"the past is {length} cadences long, at most {GRID_MAX} are taken")
    points = np.rint((times - start_s) / cadence_s).astype(np.int64)
    there = ~np.isnan(seen)
    total = np.bincount(points[there], weights=seen[there], minlength=length)
    count = np.bincount(points[there], minlength=length)
    grid = np.full(length, np.nan)
    np.divide(total, count, out=grid, where=count > 0)
    return grid, start_s + cadence_s * (length - 1)


def _check(horizon: int, cadence_s: float, season_period: int | None, level: float) -> None:
    if not 1 <= horizon <= HORIZON_MAX:
        raise Refusal("bad_horizon", f"horizon = {horizon} is not within 1..{HORIZON_MAX}")
    if not 0 < cadence_s < math.inf:
        raise Refusal("bad_cadence", f"cadence_s = {cadence_s:g} is not a number of seconds above 0")
    if season_period is not None and season_period < 2:  # noqa: PLR2004 - a season turns
        raise Refusal("bad_season", f"season_period = {season_period} is below 2")
    if not 0 < level < 1:
        raise Refusal("bad_level", f"level = {level:g} is not between 0 and 1")


def _name(season_period: int | None) -> str:
    return TREND + (f" with a season of {season_period}" if season_period else "")
