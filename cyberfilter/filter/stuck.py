# SPDX-License-Identifier: AGPL-3.0-or-later
"""A sensor that is stuck: the same value so often in a row that this series' own habit of repeating does not allow it.

How often a value repeats is learned: after a value that differed from the one before, and after one that did not,
since coarse or rare values come in runs. A run of r repeats is a stuck sensor where the larger of these to the power
of r is below CHANCE. A series that hardly ever changes is never called stuck.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from cyberfilter.filter.model import ONE, ZERO, Floats, fixed, is_all, is_any
from cyberfilter.filter.verdict import Bools

VALUE, SINCE, RUN, PAIRS, SAME, AFTER, AGAIN, STUCK = range(8)
"""The last value; when its run began, and how often it was repeated; pairs of neighbours, those that were equal;
the same of the pairs that follow an equal pair; whether it is stuck."""
HEIGHT: Final = 8
CHANCE: Final = 1e-6
"""A run is a stuck sensor where it was this improbable: two million values of a coarse series lie between two."""
RUN_LEAST: Final = 4
"""So many repeats at least, however fine the scale: five values that are equal to the last digit."""
_SAME, _DIFFERENT = 1.0, 9.0  # what is supposed of a series that has shown nothing: Beta(1, 9)
_PAIRS_LEAST: Final = 30
_DIFFERENT_LEAST: Final = 10
_SAME_MOST: Final = 0.9
"""A series that repeats itself more often is constant by nature; what it does rarely is not a fault."""
_KEPT: Final = fixed(0.999)
"""Share of the counts that is kept from pair to pair: a habit may change in a thousand values."""


class Run(NamedTuple):
    """What a value adds, each (k): whether it is stuck, since when, how improbable the run is.

    `began`: this is the first repeat; `fired`: it is stuck from now on.
    """

    stuck: Bools
    since: Floats
    chance: Floats
    began: Bools
    fired: Bools


def fresh(own: Floats) -> None:
    """Let the rows (HEIGHT, k) be those of series that have seen nothing."""
    own[:] = 0.0
    own[VALUE], own[SINCE] = np.nan, np.nan


def step(own: Floats, time_s: Floats, value: Floats, known: Bools) -> Run:
    """Return what the values (k; NaN is missing, and neither ends a run nor adds to it) say; `own` is changed.

    Nothing is stuck where it is not `known` yet how the series repeats itself; a stuck sensor teaches no habits.
    """
    if is_all(np.abs(value - own[VALUE]) > ZERO) and not is_any(own[RUN]):  # nothing is missing then
        return _moving(own, time_s, value)
    same = value == own[VALUE]  # what is missing equals nothing
    here = ~np.isnan(value)
    pair = here & ~np.isnan(own[VALUE])
    repeated = own[RUN] > 0
    own[RUN] = np.where(same, own[RUN] + 1.0, np.where(here, 0.0, own[RUN]))
    own[SINCE] = np.where(here & ~same, time_s, own[SINCE])
    own[VALUE] = np.where(here, value, own[VALUE])
    chance = np.ones_like(value)
    stuck = (own[STUCK] > 0) & (same | ~here)  # it goes on for as long as it repeats itself
    look = stuck | ((own[RUN] >= RUN_LEAST) & known)
    if is_any(look):
        (found, able), goes_on = _chance(own[:, look]), stuck[look]
        chance[look] = np.where(goes_on, np.minimum(found, CHANCE), found)
        stuck[look] = goes_on | (able & (found < CHANCE))
    learns = pair & ~(stuck & same)
    kept = np.where(learns, _KEPT, 1.0)
    for count, counted in ((PAIRS, pair), (SAME, same), (AFTER, pair & repeated), (AGAIN, same & repeated)):
        own[count] = kept * own[count] + (learns & counted)
    fired = stuck & (own[STUCK] == 0.0)
    own[STUCK] = stuck
    return Run(stuck, own[SINCE].copy(), chance, same & (own[RUN] == 1.0), fired)


def _moving(own: Floats, time_s: Floats, value: Floats) -> Run:
    """Return the same as `step`, where every value differs from the last one and no run is going on."""
    own[VALUE], own[SINCE], own[STUCK] = value, time_s, ZERO
    counts, pairs, nothing = own[PAIRS : AGAIN + 1], own[PAIRS], np.zeros(len(value), dtype=bool)
    counts *= _KEPT
    pairs += ONE
    return Run(nothing, time_s, ONE.repeat(len(value)), nothing, nothing)


def _chance(own: Floats) -> tuple[Floats, Bools]:
    """Return how probable so long a run is, by what came before it, and whether enough is known to say it."""
    of_run = np.maximum(own[RUN] - 1.0, 0.0)  # the run's own repeats are counted already, but for the newest
    pairs, equal = np.maximum(own[PAIRS] - of_run, 0.0), np.maximum(own[SAME] - of_run, 0.0)
    once = (_SAME + equal) / (_SAME + _DIFFERENT + pairs)
    in_run = np.maximum(of_run - 1.0, 0.0)
    after, again = np.maximum(own[AFTER] - in_run, 0.0), np.maximum(own[AGAIN] - in_run, 0.0)
    often = (again + (_SAME + _DIFFERENT) * once) / (after + (_SAME + _DIFFERENT))
    habit = np.minimum(np.maximum(once, often), 1.0)
    able = (pairs >= _PAIRS_LEAST) & (pairs - equal >= _DIFFERENT_LEAST) & (habit <= _SAME_MOST)
    return np.exp(own[RUN] * np.log(habit)), able
