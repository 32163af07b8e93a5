# SPDX-License-Identifier: AGPL-3.0-or-later
"""Commissioning: a series' noise and how fast its level wanders, by maximum likelihood from its clean values.

A random walk with a constant drift, seen with noise (statsmodels' deterministic trend), is fitted to the longest
stretch without a step, outliers masked. A fit takes as little wandering for granted as the values allow, so one that
did not converge, or a stretch that is too short, changes nothing: what was known before stays.
"""

from __future__ import annotations

import warnings
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray
from statsmodels.tsa.statespace.structural import UnobservedComponents

from collector.contract.errors import Refusal
from cyberfilter.filter.model import SIGMA_PER_MAD, Floats

VALUES_MAX: Final = 1_000
"""The newest values that are looked at."""
FITTED_MAX: Final = 500
"""The newest clean ones that are fitted: a fit takes time in proportion."""
CLEAN_MIN: Final = 400
"""Fewer clean values say no more of the level's wandering than the filter has learned of its own accord."""
ADAPTIVITY_MIN: Final = 0.5
"""A level that wanders faster is taken to wander this fast: the filter's own grid ends here."""
_ITERATIONS_MAX: Final = 50
_NEAR: Final = 5
"""Neighbours on each side whose median an outlier is far from."""
_OUTLIER_SIGMAS: Final = 5.0
_SIDE: Final = 12
"""Values on each side of a step."""
_STEP_SPREADS: Final = 4.5
_PSEUDO_COUNT: Final = 20
"""The autocorrelation is drawn towards 0 as if so many more values had shown none."""
Outcome = Literal["fitted", "too_few", "not_converged"]


class Fit(NamedTuple):
    """What a commissioning found: `clean` values were there, `masked` were outliers.

    `noise` and `level` are variances, of the noise and of a step of the level's walk; `adaptivity` is the discount of
    the level that forgets as fast as this walk, `autocorrelation` that of the fit's residuals: far from 0 says that the
    model lacks something. All of them and `log_likelihood` are NaN where `outcome` is not "fitted".
    """

    outcome: Outcome
    clean: int
    masked: int
    noise: float = np.nan
    level: float = np.nan
    adaptivity: float = np.nan
    autocorrelation: float = np.nan
    log_likelihood: float = np.nan

    @property
    def converged(self) -> bool:
        """Whether there are figures to go by."""
        return self.outcome == "fitted"


def commission(values: ArrayLike, *, before: int | None = None) -> Fit:
    """Return what the values (n; NaN is missing), a cadence apart and on the transformed scale, say of their series.

    `before`: only so many of the first are clean, for then a change began that is still open. The newest VALUES_MAX of
    them are looked at. Raises Refusal where they are not one row, or one is infinite.
    """
    row = np.asarray(values, dtype=np.float64)
    if row.ndim != 1 or np.isinf(row).any():
        raise Refusal("bad_values", f"values of shape {row.shape} are not one row of finite numbers, NaN for missing")
    stretch, odd = clean(row[:before][-VALUES_MAX:])
    stretch, masked = stretch[-FITTED_MAX:], int(odd[-FITTED_MAX:].sum())
    count = int((~np.isnan(stretch)).sum())
    sigma = _sigma(stretch)
    if count < CLEAN_MIN or sigma == 0:
        return Fit("too_few", count, masked)
    return _fit(stretch / sigma, sigma, count, masked)


def clean(values: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the longest stretch without a step, outliers NaN, and which of its values those were."""
    sigma = _sigma(values)
    if sigma == 0:
        return values.copy(), np.zeros(len(values), dtype=np.bool_)
    near = _medians(np.pad(values, _NEAR, constant_values=np.nan), 2 * _NEAR + 1)
    odd = np.abs(values - near) > _OUTLIER_SIGMAS * sigma
    masked = np.where(odd, np.nan, values)
    bounds = [0, *_steps(masked), len(values)]
    lengths = np.diff(bounds)
    longest = len(lengths) - 1 - int(lengths[::-1].argmax())  # of equal ones the newest
    part = slice(bounds[longest], bounds[longest + 1])
    return masked[part], odd[part]


def adaptivity_of(noise: float, level: float) -> float:
    """Return the discount whose steady filter has the gain of a walk of this variance seen with this noise.

    The steady gain A of the discount δ is 1 - δ; that of the walk solves A²/(1 - A) = level/noise (West & Harrison
    1997, Bayesian Forecasting and Dynamic Models, section 2.3.1).
    """
    ratio = min(level / max(noise, 1e-12 * level, 1e-300), 1e12)
    return max(1.0 - 2.0 / (1.0 + float(np.sqrt(1.0 + 4.0 / ratio))) if ratio > 0 else 1.0, ADAPTIVITY_MIN)


def _fit(scaled: Floats, sigma: float, count: int, masked: int) -> Fit:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # convergence is told in the result
        model = UnobservedComponents(scaled - np.nanmedian(scaled), level="lldtrend")
        found = model.fit(
            _guess(scaled), method="lbfgs", maxiter=_ITERATIONS_MAX, disp=0, cov_type="none", approx_grad=True
        )
    noise, level = (float(part) * sigma * sigma for part in found.params)
    if not found.mle_retvals["converged"] or not np.isfinite([noise, level, found.llf]).all():
        return Fit("not_converged", count, masked)
    residuals = np.asarray(found.filter_results.standardized_forecasts_error[0])[model.loglikelihood_burn :]
    known = float(found.llf) - (count - model.loglikelihood_burn) * float(
        np.log(sigma)
    )  # the density of the values, not of their multiples of sigma
    return Fit("fitted", count, masked, noise, level, adaptivity_of(noise, level), _correlation(residuals), known)


def _guess(scaled: Floats) -> list[float]:
    """Return noise and level variance from the moments of the differences: half of the iterations are saved."""
    steps = np.diff(scaled)
    both = float(np.nanmean(steps * steps))
    noise = max(-float(np.nanmean(steps[1:] * steps[:-1])), 0.05 * both)
    return [noise, max(both - 2.0 * noise, 1e-3 * both)]


def _correlation(residuals: Floats) -> float:
    """Return the correlation of neighbours, drawn towards 0."""
    pairs = residuals[1:] * residuals[:-1]
    pairs = pairs[~np.isnan(pairs)]
    return float(pairs.sum() / (np.nansum(residuals * residuals) + _PSEUDO_COUNT))


def _sigma(values: Floats) -> float:
    """Return the noise's deviation, from the differences of neighbours, by medians: outliers and steps do not count."""
    steps = np.diff(values[~np.isnan(values)])
    if not len(steps):
        return 0.0
    robust = SIGMA_PER_MAD * float(np.median(np.abs(steps - np.median(steps))))
    return (robust or float(steps.std())) / float(np.sqrt(2.0))  # more than half may be equal on a coarse scale


def _steps(values: Floats) -> list[int]:
    """Return where the level jumps by far more than it usually differs from one side of a value to the other."""
    if len(values) < 4 * _SIDE:
        return []
    medians = _medians(values, _SIDE)
    apart = np.abs(medians[_SIDE:] - medians[:-_SIDE])
    far = _STEP_SPREADS * SIGMA_PER_MAD * float(np.nanmedian(apart))
    found: list[int] = []
    left = np.where(np.isnan(apart), 0.0, apart)
    while left.max() > far > 0:
        at = int(left.argmax())
        found.append(at + _SIDE)
        left[max(at - _SIDE, 0) : at + _SIDE + 1] = 0.0
    return sorted(found)


def _medians(values: Floats, width: int) -> NDArray[np.float64]:
    """Return the median of each window of so many values, NaN where all are missing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmedian(sliding_window_view(values, width), axis=1))
