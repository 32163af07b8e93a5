# SPDX-License-Identifier: AGPL-3.0-or-later
"""A second forecast beside the filter's: a part of the last value's distance stays. It is told, never judged by.

How fast a level wanders is learned once and frozen, or the filter would explain a part of every fault (adaptivity.py).
A forecast may go on learning. Four things are followed of a series: which share of the last value's distance from the
filter's forecast the next value shows again (one coefficient of a dynamic regression; West & Harrison 1997, ch. 9); how
wide what is then left is, by the score of a Student density (Creal, Koopman & Lucas 2013, Journal of Applied
Econometrics 28, 777-795); how much better that was of late than the filter's own forecast, which weighs the mean of the
two (Raftery, Kárný & Ettler 2010, Technometrics 52, 52-66); and by how much the 95 % band has to be wider, or narrower,
to miss one value in twenty (Gibbs & Candès 2021, Advances in Neural Information Processing Systems 34).

Distances are in the filter's own scales, so a doubt or a gap that widens the one forecast widens the other. Arrays in,
arrays out: the axes are (figure, series).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from cyberfilter.filter.model import Floats, is_all
from cyberfilter.filter.own_rules import Forecast
from cyberfilter.filter.tables import t_quantile
from cyberfilter.filter.verdict import Bools
from cyberfilter.filter.weighing import TINY

FIELDS: Final = ("share", "doubt", "odds", "width", "margin", "last", "since")
"""The share that stays, and its variance; the logarithms of the odds that this forecast is the better one, of the
variance of what is left by the filter's, of the band's factor; the last value, and how many cadences ago it came."""
SHARE, DOUBT, ODDS, WIDTH, MARGIN, LAST, SINCE = range(len(FIELDS))
HEIGHT: Final = len(FIELDS)
_LOGS: Final = slice(ODDS, MARGIN + 1)
_DOUBT: Final = 0.25
"""The share's variance before anything is known: it may as well be none as all."""
_KEEP: Final = 0.9995
"""Of the share so much is left after a value that tells nothing of it: it goes back to none."""
_DEGREES: Final = 8.0
_HALF: Final = float(t_quantile(np.array([_DEGREES]))[0])
_PACE: Final = 0.04
"""Part of a surprise by which the width follows: it remembers about thirty values."""
_FORGET: Final = 0.995
"""What an earlier value tells of which forecast is the better one counts so much less with each value."""
_MISSES: Final = 0.05
_STRICT: Final = 0.02
"""By so much wider a band is for a miss, times .95, and narrower for each value that it held, times .05."""
_LEAST: Final = np.array((-30.0, -4.0, -0.25))[:, None]
_MOST: Final = np.array((30.0, 4.0, 1.0))[:, None]
"""The logarithms stay within these ends."""


def fresh(own: Floats) -> None:
    """Let nothing be known of these series (HEIGHT, k)."""
    own[:] = 0.0
    own[DOUBT], own[LAST] = _DOUBT, np.nan


def moved(own: Floats, where: Bools | slice = slice(None)) -> None:
    """Let the last values say nothing of the next: a person moved the levels, or a pattern was found or is over."""
    own[LAST, where] = np.nan


def expect(own: Floats, believed: Forecast, gap: Floats) -> Forecast:
    """Return mean, scale and half the 95 % band (k) of values so many cadences after the last row; nothing changes.

    `believed` is the same by the filter alone, without a pattern. NaN where that is.
    """
    return _mixed(own, believed, _stays(own, believed, gap))


def step(own: Floats, believed: Forecast, gap: Floats, z: Floats) -> Forecast:
    """Return the same as before these values (k; NaN is missing); own (HEIGHT, k) then has learned from them."""
    off = _stays(own, believed, gap)
    told = _mixed(own, believed, off)
    mean, scale, _ = believed
    surprise = (z - mean) / scale
    here = surprise == surprise  # noqa: PLR0124 - no NaN: not missing, and the filter has started
    taught = _taught(own, off, surprise, np.abs(z - told[0]) > told[2])
    taught[LAST], taught[SINCE] = z, 0.0
    if is_all(here):
        own[:] = taught
    else:
        own[SINCE] += gap
        np.copyto(own, taught, where=here)
    return told


def _stays(own: Floats, believed: Forecast, gap: Floats) -> Floats:
    """Return the last value's distance as far as it may stay (k): of a share s after n cadences there is s^n left."""
    mean, scale, _ = believed
    off, since = (own[LAST] - mean) / scale, own[SINCE] + gap
    if not is_all(since == 1.0):
        off *= np.exp(np.maximum(since - 1.0, 0.0) * np.log(np.clip(np.abs(own[SHARE]), TINY, 1.0)))
    return np.where(np.isnan(off), 0.0, off)


def _mixed(own: Floats, believed: Forecast, off: Floats) -> Forecast:
    """Return the mean of the two forecasts, the scale of both together, and the band by the mean of their quantiles."""
    mean, scale, half = believed
    worth, width, margin = np.exp(own[_LOGS])
    worth /= 1.0 + worth
    stays = own[SHARE] * off
    by = worth * stays
    wider = np.sqrt(1.0 + worth * (width - 1.0) + by * (stays - by))
    return mean + by * scale, wider * scale, wider * margin * (half + worth * (_HALF * scale - half))


def _taught(own: Floats, off: Floats, surprise: Floats, missed: Bools) -> Floats:
    """Return what is known (HEIGHT, k) after values with these distances from the filter's forecast."""
    share, doubt, odds, width, margin = own[:LAST]
    left, error = np.exp(width), surprise - share * off
    square, gain = error * error / left, doubt / (left + off * off * doubt)
    near = _DEGREES + square
    pull = (_DEGREES + 1.0) / near  # an outlier teaches less
    likely = np.log((_DEGREES + surprise * surprise) / near)
    taught = np.empty_like(own)
    taught[SHARE] = _KEEP * (share + gain * off * pull * error)
    taught[DOUBT] = _KEEP * _KEEP * gain * left + (1.0 - _KEEP * _KEEP) * _DOUBT
    taught[ODDS] = _FORGET * odds + 0.5 * ((_DEGREES + 1.0) * likely - width)
    taught[WIDTH] = width + _PACE * (pull * square - 1.0)
    taught[MARGIN] = margin + _STRICT * (missed - _MISSES)
    logs = taught[_LOGS]
    np.minimum(np.maximum(logs, _LEAST, out=logs), _MOST, out=logs)
    return taught
