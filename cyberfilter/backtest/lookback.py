# SPDX-License-Identifier: AGPL-3.0-or-later
"""When a history changed, told by one who has read it to its end: the exact posterior of its change points.

Between two changes a series is a line with noise: segments are independent of each other, level, slope and noise of
each unknown (conjugate priors), and forward and backward recursions sum over all that can be (Fearnhead 2006, Exact
and efficient Bayesian inference for multiple changepoints, Statistics and Computing 16, 203-213). Noise that wanders
looks like changes: it is autoregressive with two real roots, the pair of a grid that the whole history speaks for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cyberfilter.filter.model import SIGMA_PER_MAD, Floats
from cyberfilter.indices.catalogue import Index

NEAR: Final = 5
"""Rows on either side within which a change is the same: it is told where they hold more than LIMIT together."""
LIMIT: Final = 0.5
CHANGES: Final = math.log(2.0)
"""So many changes are expected in a history, whatever its length: as likely as not there is none."""
STEEP: Final = 4.0
"""The standard deviation by which a segment's line rises over a whole history, in that of all values."""
DEGREES: Final = 4.0
"""What is known of a segment's noise beforehand: it is that between neighbours of the whole history, roughly."""
PERIODS_LEAST: Final = 3
"""So many periods show a pattern."""
PLACES: Final = 500
DAY_S: Final = 86_400.0
_ROOTS: Final = (0.0, 0.3, 0.6, 0.8, 0.9, 0.97)
_NEGATIVE: Final = -0.5
"""What is measured with an error of its own, about a level that wanders, goes back by half at the next row."""
NOISES: Final = np.array([(one, two) for one in _ROOTS for two in (_NEGATIVE, *_ROOTS) if two <= one])
"""Roots of the noise: how much of it stays from row to row, and how much of its steps."""
_HALF: Final = 0.5
_BRIEF: Final = 3
"""What lasts no more than so many rows, and is further off than _FAR deviations, is no change but an outlier."""
_FAR: Final = 5.0
LEAST: Final = 1e-8
"""No noise's variance is believed to be a smaller share of that of all values."""
_NOTHING: Final = 1e-12
_ROUNDING: Final = 1e-9


class Change(NamedTuple):
    """From row `at` on something is new: with probability `p` it came within NEAR rows of it.

    `before` and `after` are the medians of the values since the change before and until the next.
    """

    at: int
    p: float
    before: float
    after: float


@dataclass(frozen=True)
class Dated:
    """A change of an index at a place: when it came (Unix s), how probable it is, the medians before and after it."""

    place: str
    index: str
    ts: float
    p: float
    before: float
    after: float


def looking_back(place: str, row: Index, times: Sequence[float], values: Sequence[float]) -> list[Dated]:
    """Return the changes of an index that are worth an alert, from its values at the ends of their buckets (Unix s).

    The history is cut into at most PLACES stretches of time and their means are looked at: what is much shorter than
    such a stretch is not seen. From PERIODS_LEAST days on the pattern of a day is taken off.
    """
    if not len(times):
        return []
    begin = times[0] - row.cadence_s
    span_s = times[-1] - begin
    a_day = int(PLACES * DAY_S / span_s)
    if 2 <= a_day < DAY_S / row.cadence_s and span_s >= PERIODS_LEAST * DAY_S:  # noqa: PLR2004 - a wave needs two
        stretch_s, period = DAY_S / a_day, a_day
    else:
        stretch_s, period = max(span_s / PLACES, row.cadence_s), 0
    where = np.ceil((np.array(times) - begin) / stretch_s - _ROUNDING).astype(np.int64) - 1
    count = np.bincount(where)
    mean = np.where(count > 0, np.bincount(where, values) / np.maximum(count, 1), np.nan)
    return [
        Dated(place, row.name, begin + each.at * stretch_s, each.p, each.before, each.after)
        for each in changes(mean, period)
        if abs(each.after - each.before) >= row.materiality.of(each.before)
    ]


def changes(value: Floats, period: int = 0) -> list[Change]:
    """Return the changes of level or slope in a whole history, in order; NaN is missing, and left out.

    `period` is in how many rows a pattern may repeat itself; it is taken off where it explains more than half.
    Memory and time grow with the square of the number of rows: a thousand take 20 MB and half a second.
    """
    here = np.flatnonzero(~np.isnan(value))
    known = np.asarray(value[here], dtype=np.float64)
    if len(known) <= 2 * NEAR:
        return []
    rounding = _rounding(known)
    y = _without_outliers(_without_pattern(known, here % period, period) if period else known, rounding)
    variance = float(np.var(y))
    if math.sqrt(variance) <= _NOTHING * float(np.abs(known).max()):
        return []
    found = _peaks(posterior((y - np.median(y)) / math.sqrt(variance), rounding / variance))
    ends = [0, *(at for at, _ in found), len(known)]
    level = [float(np.median(known[a:b])) for a, b in pairwise(ends)]
    return [
        Change(int(here[at]), p, before, after) for (at, p), (before, after) in zip(found, pairwise(level), strict=True)
    ]


def posterior(y: Floats, rounding: float) -> Floats:
    """Return the probability (n) that a segment begins at each row but the first; `y` has median 0 and variance 1.

    `rounding` is the variance of the error by which values are rounded.
    """
    evidence, _ = forward(y, NOISES, rounding)
    total, weight = forward(y, NOISES[evidence[-1].argmax(), None], rounding)
    begins = np.zeros(len(y) + 1)
    begins[-1] = 1.0
    for end in range(len(y), 0, -1):
        if begins[end] > _NOTHING:
            begins[:end] += begins[end] * np.exp(weight[end - 1, :end] - total[end, 0])
    begins[0] = 0.0
    return begins[:-1]


class _Noise(NamedTuple):
    """Autoregressive noises, each (m, 1): the shares of the last value and the one before it.

    `rho` is the correlation of neighbours; `first` and `second` are what the first two values of a segment are
    multiplied by, so that they vary as much as all that come later: each segment begins anew.
    """

    one: Floats
    two: Floats
    rho: Floats
    first: Floats
    second: Floats


def _noise(roots: Floats) -> _Noise:
    """Return the noises with these roots (m, 2): Box, Jenkins & Reinsel (2008), Time Series Analysis, section 3.2."""
    one, two = roots.sum(axis=1, keepdims=True), -roots.prod(axis=1, keepdims=True)
    rho = one / (1.0 - two)
    variance = (1.0 - two) / ((1.0 + two) * ((1.0 - two) ** 2 - one * one))
    return _Noise(one, two, rho, 1.0 / np.sqrt(variance), 1.0 / np.sqrt(variance * (1.0 - rho * rho)))


class _Lines:
    """What segments that begin at each row have told of their lines so far: sums of squares and products, by noise.

    The three figures of a row are what level and slope do to its value there, and the value, all beside what the noise
    foretells of them (generalised least squares).
    """

    def __init__(self, y: Floats, noise: _Noise, rounding: float) -> None:
        self._y, self._noise = y, noise
        self._rounding = max(rounding, LEAST) * (1.0 + noise.one * noise.one + noise.two * noise.two)
        lag = np.concatenate(([0.0, 0.0], y))
        self._rows = lag[2:] - noise.one * lag[1:-1] - noise.two * lag[:-2]
        self._sums = np.zeros((6, len(noise.one), len(y)))
        # where noise foretells most of a value, a changed level hardly shows in what is left, else not in its steps
        left = self._rows[:, 2:] - np.median(self._rows[:, 2:], axis=1, keepdims=True)
        spread = np.where(noise.rho < _HALF, _deviation(np.diff(left)) / math.sqrt(2.0), _deviation(left))
        self.variance = np.maximum(spread * spread, self._rounding)

    def hear(self, at: int) -> Floats:
        """Add the row; return the sums (6, m, at + 1) of segments that begin at the first row, …, this one."""
        noise, older = self._noise, slice(0, max(at - 1, 0))
        same = 1.0 - noise.one - noise.two
        age = np.arange(at, 1.0, -1.0)
        self._add(older, same, same * age + noise.one + 2.0 * noise.two, self._rows[:, at, None])
        if at:
            value = self._y[at] - noise.rho * self._y[at - 1]
            self._add(slice(at - 1, at), (1.0 - noise.rho) * noise.second, noise.second, value * noise.second)
        self._add(slice(at, at + 1), noise.first, np.zeros_like(noise.first), self._y[at] * noise.first)
        self._sums[-1, :, : at + 1] += self._rounding  # equal values may hide as much
        return self._sums[:, :, : at + 1]

    def _add(self, where: slice, level: Floats, slope: Floats, value: Floats) -> None:
        pairs = ((level, level), (level, slope), (slope, slope), (level, value), (slope, value), (value, value))
        for part, (one, other) in zip(self._sums, pairs, strict=True):
            part[:, where] += one * other


def forward(y: Floats, roots: Floats, rounding: float = 0.0) -> tuple[Floats, Floats]:
    """Return the log evidence (n + 1, m) of the first rows by each of m noises; and by the first, of each segment.

    `weight[b, a]` is the log of P(rows up to b, the last segment begins at a); `rounding` as in posterior.
    """
    noise, (count, m) = _noise(roots), (len(y), len(roots))
    lines = _Lines(y, noise, rounding)
    level, slope, prior = lines.variance, lines.variance * (count / STEEP) ** 2, DEGREES * lines.variance
    known = 0.5 * (np.log(level * slope) + DEGREES * np.log(prior)) + np.log(noise.first)
    degrees = DEGREES + np.arange(count, 0.0, -1.0)
    shape = np.array([math.lgamma(0.5 * each) - 0.5 * (each - DEGREES) * math.log(math.pi) for each in degrees])
    shape -= math.lgamma(0.5 * DEGREES)
    stays = math.log1p(-CHANGES / count) * np.arange(count - 1.0, -1.0, -1.0)
    begins = np.where(np.arange(count) > 0, math.log(CHANGES / count), 0.0)
    total, weight = np.zeros((m, count + 1)), np.full((count, count), -np.inf)
    for at in range(count):
        a00, a01, a11, c0, c1, squares = lines.hear(at)
        a00, a11 = a00 + level, a11 + slope
        apart = a00 * a11 - a01 * a01
        left = np.maximum(squares - (a11 * c0 * c0 - 2.0 * a01 * c0 * c1 + a00 * c1 * c1) / apart, 0.0)
        old = slice(count - 1 - at, count)
        told = known - 0.5 * (np.log(apart) + degrees[old] * np.log(prior + left))
        told[:, :at] += np.log(noise.second)
        told += total[:, : at + 1] + (shape[old] + stays[old] + begins[: at + 1])
        peak = told.max(axis=1)
        total[:, at + 1] = peak + np.log(np.exp(told - peak[:, None]).sum(axis=1))
        weight[at, : at + 1] = told[0]
    return total.T, weight


def _deviation(left: Floats) -> Floats:
    return np.asarray(SIGMA_PER_MAD * np.median(np.abs(left), axis=-1, keepdims=True))


def _rounding(value: Floats) -> float:
    """Return the variance of the error where values are multiples of the least difference between any two."""
    steps = np.diff(np.unique(value))
    return float(steps.min()) ** 2 / 12.0 if steps.size else 0.0


def _without_outliers(y: Floats, rounding: float) -> Floats:
    """Return the values, the median of their neighbours instead of those far from it."""
    around = np.lib.stride_tricks.sliding_window_view(np.pad(y, _BRIEF, constant_values=np.nan), 2 * _BRIEF + 1)
    middle = np.nanmedian(around, axis=1)
    off = np.abs(y - middle)
    spread = np.maximum(_deviation(off), _deviation(np.diff(y)) / math.sqrt(2.0))
    spread = np.maximum(spread, math.sqrt(rounding))
    return np.where(off > _FAR * spread, middle, y)


def _without_pattern(y: Floats, phase: NDArray[np.int64], period: int) -> Floats:
    """Return the values without what repeats itself: the medians by phase of what is off the mean of a period."""
    half = period // 2
    if len(y) < PERIODS_LEAST * period:
        return y
    share = np.full(2 * half + 1, 1.0 / period)
    share[[0, -1]] = (period - 2 * half + 1) / (2.0 * period)
    off = y[half : len(y) - half] - np.convolve(y, share, "valid")
    inner = phase[half : len(y) - half]
    pattern = np.array([np.median(off[inner == each]) if (inner == each).any() else 0.0 for each in range(period)])
    rest = off - pattern[inner]
    explained = np.median(np.abs(rest)) ** 2 < _HALF * np.median(np.abs(off)) ** 2
    return y - pattern[phase] if explained else y


def _peaks(begins: Floats) -> list[tuple[int, float]]:
    """Return the likeliest rows and how probable a change is near each, the surest taken first."""
    left = begins.copy()
    found: list[tuple[int, float]] = []
    while True:
        near = np.convolve(left, np.ones(2 * NEAR + 1), "same")
        middle = int(near.argmax())
        if near[middle] <= LIMIT:
            return sorted(found)
        around = slice(max(middle - NEAR, 0), middle + NEAR + 1)
        found.append((around.start + int(left[around].argmax()), min(float(near[middle]), 1.0)))
        left[around] = 0.0
