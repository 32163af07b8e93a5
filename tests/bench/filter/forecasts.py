# SPDX-License-Identifier: AGPL-3.0-or-later
"""How good a predictive distribution was: coverage and the continuous ranked probability score (CRPS)."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from judging import Floats
from scipy import special, stats

LEVELS: Final = (0.5, 0.8, 0.95)
NU_LEAST: Final = 1.05
NU_NORMAL: Final = 1e5
_NU: Final = np.concatenate((np.geomspace(NU_LEAST, 1e3, 400), np.geomspace(1.1e3, NU_NORMAL, 50)))
_RATIO: Final = stats.t.ppf(0.975, _NU)


class Predicted(NamedTuple):
    """One-step forecasts, each (rows): mean, scale, and degrees of freedom (large: normal)."""

    mean: Floats
    scale: Floats
    nu: Floats


def degrees(mean: Floats, scale: Floats, high_95: Floats) -> Floats:
    """Return the degrees of freedom of the Student band whose upper end is that; a band is all that verdicts tell."""
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = (high_95 - mean) / scale
    return np.interp(-np.nan_to_num(ratio, nan=_RATIO[-1]), -_RATIO, _NU)


def crps(value: Floats, told: Predicted) -> Floats:
    """Return the CRPS of each value, in its unit: Student's and, for many degrees, the normal's.

    Jordan, Krüger & Lerch (2019), Journal of Statistical Software 90(12), appendix A; Gneiting & Raftery (2007), 5.
    """
    z, nu = (value - told.mean) / told.scale, np.maximum(told.nu, NU_LEAST)
    few = np.minimum(nu, NU_NORMAL)
    beta = np.exp(special.betaln(0.5, few - 0.5) - 2 * special.betaln(0.5, few / 2))
    student = z * (2 * stats.t.cdf(z, few) - 1) + 2 * stats.t.pdf(z, few) * (few + z * z) / (few - 1)
    student = student - 2 * np.sqrt(few) / (few - 1) * beta
    normal = z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.sqrt(np.pi)
    return np.asarray(told.scale * np.where(nu >= NU_NORMAL, normal, student))


def coverage(value: Floats, told: Predicted) -> Floats:
    """Return the share of values within the central intervals of LEVELS."""
    away = np.abs(value - told.mean) / told.scale
    there = np.isfinite(away)
    inside = [away <= stats.t.ppf((1 + level) / 2, told.nu) for level in LEVELS]
    return np.array([one[there].mean() for one in inside])


def tail(value: Floats, told: Predicted) -> Floats:
    """Return the two-sided tail probability of each value under its forecast."""
    return np.asarray(2 * stats.t.sf(np.abs(value - told.mean) / told.scale, told.nu))
