# SPDX-License-Identifier: AGPL-3.0-or-later
"""Detectors from the textbooks, each as a statistic (runs, rows) that alarms above a threshold.

All learn what they need from the first `warm` rows, as the filter does; what is before is -inf, so never an alarm.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from judging import Bools, Floats

LOOK_BACK: Final = 100


def _standard(rows: Floats, warm: int) -> Floats:
    learned = rows[:, :warm]
    return (rows - learned.mean(axis=1, keepdims=True)) / learned.std(axis=1, ddof=1, keepdims=True)


def _silent(statistic: Floats, warm: int) -> Floats:
    statistic[:, :warm] = -np.inf
    return statistic


def shewhart(rows: Floats, warm: int) -> Floats:
    """Return the distance from the learned mean in deviations (Shewhart 1931)."""
    return _silent(np.abs(_standard(rows, warm)), warm)


def xmr(rows: Floats, warm: int) -> Floats:
    """Return the distance from the mean of the last 100 rows in deviations by their moving range (Wheeler 1993)."""
    count = LOOK_BACK
    total = np.cumsum(np.pad(rows, ((0, 0), (1, 0))), axis=1)
    moves = np.cumsum(np.pad(np.abs(np.diff(rows, axis=1)), ((0, 0), (2, 0))), axis=1)
    statistic = np.full_like(rows, -np.inf)
    mean = (total[:, count:-1] - total[:, : -count - 1]) / count
    spread = (moves[:, count:-1] - moves[:, 1:-count]) / (count - 1) / 1.128
    statistic[:, count:] = np.abs(rows[:, count:] - mean) / np.maximum(spread, 1e-9)
    return _silent(statistic, warm)


def ewma(rows: Floats, warm: int, share: float = 0.2) -> Floats:
    """Return the exponentially weighted mean in its own deviations (Roberts 1959)."""
    z = _standard(rows, warm)
    statistic, mean = np.empty_like(z), np.zeros(len(z))
    for at in range(z.shape[1]):
        mean = (1 - share) * mean + share * z[:, at]
        statistic[:, at] = np.abs(mean)
    return _silent(statistic / math.sqrt(share / (2 - share)), warm)


def cusum(rows: Floats, warm: int, slack: float = 0.5) -> Floats:
    """Return the larger of the two cumulative sums, from the end of the learning on (Page 1954)."""
    z = _standard(rows, warm)
    statistic, up, down = np.zeros_like(z), np.zeros(len(z)), np.zeros(len(z))
    for at in range(warm, z.shape[1]):
        up, down = np.maximum(up + z[:, at] - slack, 0), np.maximum(down - z[:, at] - slack, 0)
        statistic[:, at] = np.maximum(up, down)
    return _silent(statistic, warm)


def glr(rows: Floats, warm: int) -> Floats:
    """Return the exact generalised likelihood ratio of one change of mean, the largest over all times of change.

    Both means are unknown, the deviation is the learned one; half the squared statistic of Siegmund & Venkatraman
    (1995), Annals of Statistics 23(1), 255-271.
    """
    deviation = rows[:, :warm].std(axis=1, ddof=1, keepdims=True)
    total = np.cumsum(np.pad(rows / deviation, ((0, 0), (1, 0))), axis=1)
    statistic = np.full_like(rows, -np.inf)
    for count in range(warm + 1, rows.shape[1] + 1):
        before = np.arange(1, count)
        off = total[:, 1:count] - before / count * total[:, count : count + 1]
        statistic[:, count - 1] = (off * off / (before * (count - before) / count)).max(axis=1) / 2
    return statistic


def bocpd(rows: Floats, warm: int, hazard: float = 1 / 250) -> Floats:
    """Return the log odds that the run is shorter than 100 rows, in Gaussian noise of unknown mean and variance.

    Adams & MacKay (2007), Bayesian Online Changepoint Detection, arXiv:0710.3742; the prior's variance is learned.
    """
    z = _standard(rows, warm)
    length = z.shape[1]
    shape = 1.0 + np.arange(length + 1) / 2
    precision = 0.1 + np.arange(length + 1)
    constant = np.array([math.lgamma(a + 0.5) - math.lgamma(a) for a in shape]) - 0.5 * np.log(2 * np.pi * shape)
    log_run, mean, scale = np.zeros((len(z), 1)), np.zeros((len(z), 1)), np.ones((len(z), 1))
    statistic = np.empty_like(z)
    for at in range(length):
        kappa, alpha = precision[: at + 1], shape[: at + 1]
        width = scale * (kappa + 1) / (alpha * kappa)
        off = z[:, at : at + 1] - mean
        told = constant[: at + 1] - 0.5 * np.log(width) - (alpha + 0.5) * np.log1p(off * off / (2 * alpha * width))
        joint = log_run + told
        top = joint.max(axis=1, keepdims=True)
        total = top + np.log(np.exp(joint - top).sum(axis=1, keepdims=True))
        log_run = np.concatenate((np.full_like(top, math.log(hazard)), joint - total + math.log1p(-hazard)), axis=1)
        scale = np.concatenate((np.ones_like(top), scale + kappa * off * off / (2 * (kappa + 1))), axis=1)
        mean = np.concatenate((np.zeros_like(top), (kappa * mean + z[:, at : at + 1]) / (kappa + 1)), axis=1)
        chance = np.exp(log_run)
        statistic[:, at] = np.log(chance[:, :LOOK_BACK].sum(axis=1)) - np.log(
            np.maximum(chance[:, LOOK_BACK:].sum(axis=1), 1e-300)
        )
    return _silent(statistic, warm)


CHARTS: Final[dict[str, Callable[[Floats, int], Floats]]] = {
    "Shewhart": shewhart,
    "XmR, last 100": xmr,
    "EWMA .2": ewma,
    "CUSUM .5": cusum,
    "GLR, exact": glr,
    "BOCPD, hazard 1/250": bocpd,
}


def never(rows: Floats) -> Bools:
    """Return the null floor: no alarm."""
    return np.zeros(rows.shape, dtype=bool)


def at_random(rows: Floats, rate: float = 1e-3) -> Bools:
    """Return the random floor: an alarm with that chance in every row, by a seed of its own."""
    return np.random.default_rng(rows.shape[1]).random(rows.shape) < rate


def by_the_clock(rows: Floats, every: int = 1000) -> Bools:
    """Return the periodic floor: an alarm every so many rows, at another phase in each run."""
    runs, length = rows.shape
    phase = np.arange(runs) * 7919 % every
    return np.asarray((np.arange(length) + phase[:, None]) % every == 0)


FLOORS: Final[dict[str, Callable[[Floats], Bools]]] = {
    "floor: never": never,
    "floor: at random": at_random,
    "floor: every 1000": by_the_clock,
}
