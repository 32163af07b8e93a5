# SPDX-License-Identifier: AGPL-3.0-or-later
"""How alarming a value is when it arrives, 0 to 1: by its own clock, five slower ones, and its distance from usual.

| part        | its figure                                                | speaks              | share |
|-------------|-----------------------------------------------------------|---------------------|-------|
| own clock   | distance from the filter's forecast                       | at every value      | 5 %   |
| five clocks | distance of a block's mean from the level before (clocks) | where a block closes| 9 %   |
| long run    | distance of a block's mean from the long run (rarity)     | every 12 cadences   | 50 %  |

Each figure's tail is learned (tails). A part that speaks every c rows with P(as large) = p has p/(c·share) as its
probability in a row: so the parts' shares of false alarms add up to the whole, and the least of these probabilities is
the row's (Bonferroni's bound, which is nearly exact where it is small). `surprise` is 1 less that; `score` is the
same, but 0 for what does not exceed the peak of its episode (episodes).

Before it has met enough a part is silent, and its share is nobody's: alone a series knows too little of the rare to be
louder. One that was taught its tails by like series lets the parts that speak have the whole.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from cyberfilter.filter import blocks, episodes, rarity, tails
from cyberfilter.filter.model import ONE, ZERO, Floats, fixed, is_all, is_any
from cyberfilter.filter.verdict import Bools
from cyberfilter.filter.weighing import over

_LONG_RUN: Final = 12
_SPEAKS_EVERY: Final = np.array((1, *blocks.LENGTHS, _LONG_RUN), dtype=np.float64)
_SHARE: Final = np.array((0.05, *(0.09,) * blocks.COUNT, 0.5))
_COUNT: Final = len(_SHARE)
_WEIGHT: Final = np.log(_SPEAKS_EVERY * _SHARE)[:, None]
_ALL: Final = over(np.repeat(_SHARE[:, None], 2, axis=1))[0]
_OFTEN: Final = fixed(0.01)
_OFTEN_SURPRISE: Final = -np.log(_OFTEN)
_WORTH: Final = 5.0
"""Surprises that the claim to be calibrated is worth, before there were any."""
_STATED_MAX: Final = fixed(100.0)
"""So many are remembered."""
_STARTS: Final = np.cumsum((0, blocks.HEIGHT, rarity.HEIGHT, _COUNT * tails.HEIGHT, 2, episodes.HEIGHT, 1)).tolist()
_CLOCKS, _RARITY, _TAILS, _REALISED, _EPISODES, _WAS_TAUGHT = (slice(*ends) for ends in pairwise(_STARTS))
HEIGHT: Final[int] = _STARTS[-1]
TAUGHT: Final = tails.TAUGHT * _COUNT


class Datum(NamedTuple):
    """What comes, each (k): value, forecast and its scale, tick (time in whole cadences), noise variance, its least.

    All on the filter's scale; z is NaN where a value is missing, or where the filter has not started.
    """

    z: Floats
    mean: Floats
    scale: Floats
    tick: Floats
    noise: Floats
    noise_least: Floats


def fresh(own: Floats) -> None:
    """Let nothing be known of the series (HEIGHT, k)."""
    blocks.fresh(own[_CLOCKS])
    rarity.fresh(own[_RARITY])
    tails.fresh(_tails(own))
    own[_REALISED] = 0.0
    episodes.fresh(own[_EPISODES])
    own[_WAS_TAUGHT] = 0.0


def renew(own: Floats, where: Bools) -> None:
    """Let the slower clocks begin anew where a pattern was found, as the filter does: without it all are calmer.

    The long run stays, and so do the tails: a distance is in standard deviations of its own clock.
    """
    blocks.renew(own[_CLOCKS], where)


def read(own: Floats) -> Floats:
    """Return what the parts' tails hand on (TAUGHT, k): part by part for each figure, 0 where one knows too little."""
    return tails.read(_tails(own)).reshape(TAUGHT, -1)


def take_up(own: Floats, given: Floats) -> None:
    """Let the parts' tails go by what others hand on (TAUGHT, k; 0: nothing)."""
    parts = given.reshape(tails.TAUGHT, _COUNT, -1)
    tails.take_up(_tails(own), parts)
    own[_WAS_TAUGHT] = np.where(parts[0, 0] > 0, 1.0, own[_WAS_TAUGHT])


def _tails(own: Floats) -> Floats:
    return own[_TAILS].reshape(tails.HEIGHT, _COUNT, -1)


def step(own: Floats, datum: Datum) -> tuple[Floats, Floats]:
    """Return score and surprise (k); own (HEIGHT, k) then remembers the datum. NaN where z is."""
    here = ~np.isnan(datum.z)
    if is_all(here):
        return _step(own, datum)
    score, surprise = np.full_like(datum.z, np.nan), np.full_like(datum.z, np.nan)
    if is_any(here):
        some = np.compress(here, own, axis=1)
        score[here], surprise[here] = _step(some, Datum._make(part[here] for part in datum))
        own[:, here] = some
    return score, surprise


def _step(own: Floats, datum: Datum) -> tuple[Floats, Floats]:
    off = (datum.z - datum.mean) / datum.scale
    figure, others = rarity.tame(off * off), _slower(own, datum)
    own_tails = own[_TAILS].reshape(tails.HEIGHT, -1)
    louder, heard = _shares(own, tails.knows(own_tails).reshape(_COUNT, -1))
    surprise = _realised(own[_REALISED], _rarest(own_tails, figure, others, louder), heard)
    alarming = episodes.step(own[_EPISODES], surprise)
    if not is_any(surprise):
        return surprise.copy(), surprise
    return -np.expm1(-alarming), -np.expm1(-surprise)


def _slower(own: Floats, datum: Datum) -> Floats | None:
    """Return the figures of the slower clocks and of the long run (_COUNT - 1, k); None where no block closes."""
    closing = blocks.step(own[_CLOCKS], datum.z, datum.tick, datum.noise, datum.noise_least)
    if closing is None:
        return None
    means, distances = closing
    usual = means[blocks.LENGTHS.index(_LONG_RUN)]
    figures, closed = np.concatenate((distances, np.full((1, len(usual)), np.nan))), ~np.isnan(usual)
    if is_any(closed):
        some = np.compress(closed, own[_RARITY], axis=1)
        figures[-1, closed] = rarity.step(some, usual[closed], datum.noise_least[closed] / _LONG_RUN**2)
        own[_RARITY][:, closed] = some
    return figures


def _shares(own: Floats, known: Bools) -> tuple[Floats, Floats]:
    """Return by how much louder the parts are that speak, as a logarithm, and the share that is heard (k).

    `known`: whose tails (parts, k) know enough.
    """
    known[1:-1] &= blocks.speak(own[_CLOCKS])
    known[-1] &= rarity.speaks(own[_RARITY])
    alone = own[_WAS_TAUGHT.start] == ZERO
    if is_all(known) and is_all(alone):
        return ZERO, _ALL
    heard = over(np.where(known, _SHARE[:, None], 0.0))
    alone |= heard == ZERO
    return np.where(alone, 0.0, -np.log(np.where(alone, 1.0, heard))), np.where(alone, heard, 1.0)


def _realised(own: Floats, surprise: Floats, heard: Floats) -> Floats:
    """Return the surprises, less the log of how often a stated 1 of 100 came, over how often it should have.

    The parts are not independent, and a trend or a season gives some of them figures that no tail fits. `heard` is
    the share of those parts that know enough to speak.
    """
    stated, seen = own
    some = is_any(surprise)
    if some:
        stated_rare = surprise > _OFTEN_SURPRISE
        surprise = np.where(
            surprise > ZERO, np.maximum(surprise - np.log((seen + _WORTH) / (stated + _WORTH)), ZERO), ZERO
        )
    full = stated >= _STATED_MAX
    if is_any(full):
        own *= np.where(full, 1.0 - _OFTEN / _STATED_MAX, ONE)
    stated += _OFTEN * heard
    if some:
        seen += stated_rare
    return surprise


def _rarest(own: Floats, figure: Floats, others: Floats | None, louder: Floats) -> Floats:
    """Return the largest -ln p of each series, weighed by its part's share, `louder` (k); 0 where nothing speaks."""
    k = len(figure)
    if others is None and not is_any(np.isnan(figure)):  # most rows: only the own clock speaks
        rare = tails.step(own[:, :k], figure)
        if not is_any(rare):
            return rare
        return np.where(rare > 0.0, np.maximum(np.minimum(rare + (_WEIGHT[0] + louder), tails.SURPRISE_MAX), 0.0), 0.0)
    figures = np.full((_COUNT, k), np.nan)
    figures[0] = figure
    if others is not None:
        figures[1:] = others
    which = np.flatnonzero(~np.isnan(figures))
    some = own[:, which]
    rare = np.zeros_like(figures)
    rare.reshape(-1)[which] = tails.step(some, figures.reshape(-1)[which])
    own[:, which] = some
    weighed = np.where(rare > 0.0, np.minimum(rare + (_WEIGHT + louder), tails.SURPRISE_MAX), 0.0)
    return np.asarray(np.maximum(weighed.max(axis=0), 0.0))
