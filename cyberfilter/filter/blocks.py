# SPDX-License-Identifier: AGPL-3.0-or-later
"""Slower clocks beside a series' own: means of blocks of 3 to 48 cadences, and how far each is from what it was.

What is faint in single values is plain in their means. A block is a stretch of time: the b-th of c cadences ends with
tick (b+1)·c - 1; the value that comes there closes it, or the first one after it. One that is not at least half full
says nothing. Arrays in, arrays out: the axes are (figure, clock, series), and only closing blocks cost anything.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from cyberfilter.filter.model import HALF, ONE, ZERO, Floats, fixed, is_any
from cyberfilter.filter.verdict import Bools

LENGTHS: Final = (3, 6, 12, 24, 48)
"""Cadences in a block of each clock."""
COUNT: Final = len(LENGTHS)
_BLOCK: Final = ("open", "count", "mean")
_LEVEL: Final = ("level", "variance", "noise", "degrees")
HEIGHT: Final = COUNT * (len(_BLOCK) + len(_LEVEL))
_CUT: Final = COUNT * len(_BLOCK)
_LENGTH: Final = np.array(LENGTHS, dtype=np.float64)[:, None]
_HALF_FULL: Final = _LENGTH / 2.0
_LAST: Final = _LENGTH - 1.0
_DISCOUNT: Final = fixed(0.995)
"""Share of the noise's degrees of freedom that is kept from block to block."""
_WANDER: Final = fixed(0.01)
"""By how many noise variances a level moves from block to block."""
_ODD: Final = 0.1
"""How often a block is none that the level explains."""
_EVEN: Final = fixed((1.0 - _ODD) / _ODD)
_WIDE: Final = fixed(100.0)
"""By how many noise variances the odd ones spread more."""
_LOG_MAX: Final = fixed(700.0)
_QUARTER: Final = fixed(0.25)
_DEGREES_START: Final = fixed(2.0)
_DEGREES_LEAST: Final = fixed(9.0)
"""With fewer (eight blocks) a clock does not speak."""


def fresh(own: Floats) -> None:
    """Let no block be open and nothing known."""
    own[:] = 0.0
    own[:COUNT] = -np.inf


def renew(own: Floats, where: Bools) -> None:
    """Let the levels of these series (k) be learned anew, open blocks stay: what made them move has been taken off."""
    own[_CUT:, where] = 0.0


def speak(own: Floats) -> Bools:
    """Return which clocks (COUNT, k) have met enough blocks to say anything."""
    return np.asarray(own[-COUNT:] >= _DEGREES_LEAST)


def step(own: Floats, z: Floats, tick: Floats, noise: Floats, noise_least: Floats) -> tuple[Floats, Floats] | None:
    """Return the means of the blocks that these values (k; no NaN) close, and their distances, both (COUNT, k).

    `tick` is the time in whole cadences, `noise` the variance that a clock starts from, `noise_least` what it is
    always above. A distance is signless, in forecast standard deviations, made Gaussian; NaN where nothing is said.
    None where no block closes.
    """
    means = _close(own[:_CUT].reshape(len(_BLOCK), COUNT, -1), z, tick)
    if means is None:
        return None
    distances = np.full(means.shape, np.nan)
    which = (~np.isnan(means)).reshape(-1).nonzero()[0]
    levels = own[_CUT:].reshape(len(_LEVEL), means.size)
    some, (clock, series) = levels[:, which], np.divmod(which, means.shape[1])
    # the mean of c values has a c-th of their variance, if they are independent; if not, that is soon learned
    # and a c-th of their resolution
    white, least = noise[series] / _LENGTH[clock, 0], noise_least[series] / _LENGTH[clock, 0] ** 2
    distances.reshape(-1)[which] = _judge(some, means.reshape(-1)[which], white, least)
    levels[:, which] = some
    return means, distances


def _close(blocks: Floats, z: Floats, tick: Floats) -> Floats | None:
    """Return the means of the blocks that end before, or with, these values, NaN elsewhere; None: none ends."""
    opened, count, mean = blocks
    block = np.floor(tick / _LENGTH)
    missed, closed = block != opened, None
    some_missed = is_any(missed)
    if some_missed:  # the open block has ended, or there is none yet
        closed = _closed(closed, mean, missed & (count >= _HALF_FULL))
        np.copyto(count, ZERO, where=missed)
    count += ONE
    mean += (z - mean) / count
    if some_missed:
        np.copyto(mean, z, where=missed)
        opened[:] = block
    last = tick - block * _LENGTH == _LAST
    if is_any(last):
        # a first value never fills half a block of three, so nothing closes twice in a row
        closed = _closed(closed, mean, last & (count >= _HALF_FULL))
        np.copyto(count, ZERO, where=last)
    return closed


def _closed(closed: Floats | None, mean: Floats, where: Bools) -> Floats | None:
    """Return the means of closed blocks with these ones among them."""
    if not is_any(where):
        return closed
    if closed is None:
        closed = np.full(mean.shape, np.nan)
    np.copyto(closed, mean, where=where)
    return closed


def _judge(own: Floats, mean: Floats, noise: Floats, noise_least: Floats) -> Floats:
    """Return the distances, and let the levels learn: a local level, to which a block may be odd.

    Two states merged at each block, as in kernel.py, where an odd one is a new level as likely as an outlier: then
    the level goes halfway and its variance says how little is known, so neither return nor stay is a surprise.
    """
    level, variance, spread, degrees = own
    new = degrees == ZERO
    level, spread = np.where(new, mean, level), np.where(new, noise, spread)
    nu = _DISCOUNT * np.where(new, _DEGREES_START, degrees)
    error = mean - level
    prior = np.where(new, spread, variance + _WANDER * spread)
    q, square = prior + spread, error * error
    far = q + _WIDE * spread
    near = np.log1p(square / (nu * q))
    more = nu + ONE
    log_odds = HALF * np.log(q / far) + HALF * more * (near - np.log1p(square / (nu * far)))
    odd = ONE / (ONE + _EVEN * np.exp(np.minimum(-log_odds, _LOG_MAX)))
    np.copyto(odd, ZERO, where=degrees < _DEGREES_LEAST)  # the first ones only say how large the noise is
    gain, rho, even = prior / q, (nu + square / q) / more, ONE - odd
    learned = np.maximum(spread / (even / rho + odd), noise_least)
    apart = HALF - gain
    own[0] = level + (even * gain + HALF * odd) * error
    own[1] = even * gain * learned + odd * (_QUARTER * square + learned) + odd * even * apart * apart * square
    own[2], own[3] = learned, more
    return np.where(own[3] > _DEGREES_LEAST, np.sqrt(nu * near), np.nan)
