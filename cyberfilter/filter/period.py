# SPDX-License-Identifier: AGPL-3.0-or-later
"""Whether the last values of a series repeat themselves, with which period, and as what pattern.

The strongest period of the spectrum (or its double, where it is the second harmonic) is fitted by least squares as
three harmonics beside a line. It counts where it explains more than half of the variance beside the line, and where a
level that may wander at any speed forecasts one step ahead so much better with it that chance does not do this.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from cyberfilter.filter.model import Floats
from cyberfilter.filter.verdict import Bools
from cyberfilter.filter.weighing import over

COUNT: Final = 256
"""Places for values, at even distances."""
HARMONICS: Final = 3
COEFFICIENTS: Final = 2 * HARMONICS
PERIOD_LEAST: Final = 8
"""In places: the third harmonic still has more than two values a turn."""
PERIODS_LEAST: Final = 2.2
"""Less than two whole periods, and a wave cannot be told from a drift."""
EXPLAINED: Final = 0.5
EVIDENCE: Final = 20.0
"""Natural logarithms by which one step ahead is forecast better with the pattern; chance alone gives 5, rarely 15."""
SHARE_LEAST: Final = 0.75
"""Of the places that must have a value."""
_SPECTRUM: Final = 4096
_SPEEDS: Final = np.array([0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0])[:, None]
"""Shares of an error by which the level may follow it."""
_BURN_IN: Final = 16
_EARNED: Final = 0.8
_NEAR: Final = 0.01
_TINY: Final = 1e-300


class Pattern(NamedTuple):
    """What was found in m rows of places: whether, the period (places), the coefficients (6, m) of the harmonics.

    `level` is what is left at the last place, `noise` its variance about it, both with the pattern taken off.
    """

    found: Bools
    period: Floats
    coefficients: Floats
    level: Floats
    noise: Floats
    speed: Floats


def waves(turn: Floats) -> Floats:
    """Return cosine and sine of the three harmonics (6, …) at these angles, by the addition theorems."""
    c, s = np.cos(turn), np.sin(turn)
    c2, s2 = c * c - s * s, 2.0 * c * s
    return np.stack((c, s, c2, s2, c2 * c - s2 * s, s2 * c + c2 * s))


def turned_by(coefficients: Floats, turn: Floats) -> Floats:
    """Return the coefficients (6, k) of the same patterns, their angle counted from this turn (k) on."""
    wave, turned = waves(turn), np.empty_like(coefficients)
    c, s = wave[::2], wave[1::2]
    turned[::2] = coefficients[::2] * c + coefficients[1::2] * s
    turned[1::2] = coefficients[1::2] * c - coefficients[::2] * s
    return turned


def pattern_of(kept: Floats) -> Pattern:
    """Return the pattern in each column of places (COUNT, m; NaN is none, as before the first one)."""
    there = ~np.isnan(kept)
    filled = COUNT - there.argmax(axis=0)
    least = filled / PERIODS_LEAST
    one = _strongest(kept, there, least)
    two = np.where(2.0 * one <= least, 2.0 * one, one)
    fits = [_fit(kept, there, period) for period in (one, two)]
    # a double period has to earn its harmonics
    period = _refined(kept, there, np.where(fits[1].seasonal < _EARNED * fits[0].seasonal, two, one))
    coefficients, plain_squares, seasonal_squares = _fit(kept, there, period)
    explained = 1.0 - seasonal_squares / np.maximum(plain_squares, _TINY)
    wave = _wave(coefficients, period)
    plain, seasonal = _forecast(kept), _forecast(kept - wave)
    used = over(np.where(there, 1.0, 0.0))
    evidence = -0.5 * used * np.log(np.maximum(seasonal.errors, _TINY) / np.maximum(plain.errors, _TINY))
    enough = (used >= SHARE_LEAST * filled) & (period <= least) & (seasonal_squares > 0)
    found = enough & (explained > EXPLAINED) & (evidence > EVIDENCE)
    return Pattern(found, period, coefficients, seasonal.level, seasonal.errors, seasonal.speed)


class _Followed(NamedTuple):
    errors: Floats
    level: Floats
    speed: Floats


def _forecast(kept: Floats) -> _Followed:
    """Return the mean square of one-step errors of the level that follows at the best speed, it, and its speed."""
    level = np.zeros((len(_SPEEDS), kept.shape[1]))
    total, count = np.zeros_like(level), np.zeros(kept.shape[1])
    for place, value in enumerate(kept):
        error = np.where(np.isnan(value), 0.0, value - level)
        # the first values set the level, whatever its speed
        level = level + np.maximum(_SPEEDS, 1.0 / (count + 1.0)) * error
        if place >= _BURN_IN:
            total += error * error
        count += ~np.isnan(value)
    best = total.argmin(axis=0)
    series = np.arange(kept.shape[1])
    return _Followed(total[best, series] / np.maximum(count - _BURN_IN, 1.0), level[best, series], _SPEEDS[best, 0])


def _strongest(kept: Floats, there: Bools, longest: Floats) -> Floats:
    """Return the period (places) of the highest peak of the spectrum, beside a line."""
    place = np.arange(COUNT)[:, None] - (COUNT - 1) / 2
    line = _solve(np.stack((np.ones_like(kept), np.broadcast_to(place, kept.shape))), kept, there)
    rest = np.where(there, kept - (line[0] + line[1] * place), 0.0)
    # one row after the other: so the transform of one series is the same in any batch
    bins = np.fft.rfft(np.ascontiguousarray(rest.T), _SPECTRUM, axis=1).T
    power = bins.real * bins.real + bins.imag * bins.imag
    at = np.arange(len(power))[:, None]
    within = (at * longest >= _SPECTRUM) & (at * PERIOD_LEAST <= _SPECTRUM)
    peak = np.where(within, power, -1.0).argmax(axis=0)
    peak = np.clip(peak, 1, len(power) - 2)
    series = np.arange(kept.shape[1])
    left, top, right = (power[peak + step, series] for step in (-1, 0, 1))
    bend = left - 2.0 * top + right
    off = np.where(bend < 0, 0.5 * (left - right) / np.where(bend < 0, bend, -1.0), 0.0)
    return np.asarray(_SPECTRUM / (peak + np.clip(off, -0.5, 0.5)))


class _Fit(NamedTuple):
    coefficients: Floats
    plain: Floats
    seasonal: Floats


def _refined(kept: Floats, there: Bools, period: Floats) -> Floats:
    """Return the period at the bottom of the parabola through the squares a little below, at and above it."""
    below, at, above = (_fit(kept, there, period * (1.0 + step)).seasonal for step in (-_NEAR, 0.0, _NEAR))
    bend = below - 2.0 * at + above
    off = np.where(bend > 0, 0.5 * (below - above) / np.where(bend > 0, bend, 1.0), 0.0)
    return np.asarray(period * (1.0 + _NEAR * np.clip(off, -2.0, 2.0)))


def _fit(kept: Floats, there: Bools, period: Floats) -> _Fit:
    """Return the coefficients of the harmonics, and the squares that are left beside a line, without and with them."""
    place = np.arange(COUNT)[:, None] - (COUNT - 1) / 2
    line = np.stack((np.ones_like(kept), np.broadcast_to(place / COUNT, kept.shape)))
    whole = np.concatenate((line, _waves_of(period)))
    left = []
    for columns in (line, whole):
        weights = _solve(columns, kept, there)
        rest = np.where(there, kept - over(columns * weights[:, None]), 0.0)
        left.append(over(rest * rest))
    return _Fit(weights[2:], left[0], left[1])


def _waves_of(period: Floats) -> Floats:
    return waves(2.0 * np.pi * np.arange(COUNT)[:, None] / period)


def _wave(coefficients: Floats, period: Floats) -> Floats:
    return over(_waves_of(period) * coefficients[:, None])


def _solve(columns: Floats, kept: Floats, there: Bools) -> Floats:
    """Return the weights of the columns (c, COUNT, m) that come nearest to what is kept, by the normal equations."""
    used = np.where(there, columns, 0.0)
    value = np.where(there, kept, 0.0)
    count = len(columns)
    matrix = np.empty((kept.shape[1], count, count))
    right = np.empty((kept.shape[1], count, 1))
    for row in range(count):
        right[:, row, 0] = over(used[row] * value)
        for column in range(row + 1):
            matrix[:, row, column] = matrix[:, column, row] = over(used[row] * used[column])
        matrix[:, row, row] += 1e-9 + 1e-9 * matrix[:, row, row]  # a series of few values has no unique answer
    return np.ascontiguousarray(np.linalg.solve(matrix, right)[:, :, 0].T)
