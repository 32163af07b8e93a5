# SPDX-License-Identifier: AGPL-3.0-or-later
"""The classic filter's posteriors into the contract's verdict words, and into what changed, since when, by how much.

| verdict   | rule                                                                      | speaks of      |
|-----------|---------------------------------------------------------------------------|----------------|
| missing   | no value                                                                  | this row       |
| step      | two-back P(level) > .5                                                    | two rows ago   |
| transient | one-back P(outlier) > .5                                                  | one row ago    |
| unsure    | P(outlier) + P(level) > .5: the next value tells which                    | this row       |
| slope     | P(sign of the slope) > .99, and it moves .5 sigma in 20 cadences or more  | since it turned|
| steady    | none of these                                                             | this row       |

The first that holds is said. A series whose first values are still being collected (start.py) is unsure, and one that
is still learning is never more than that. The words noise, stuck and season have no rule in the four-state model
(hypothesis_rows.py has the first).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cyberfilter.contract.index import Verdict
from cyberfilter.filter.model import Floats

_HALF: Final = 0.5
_SIGN_SURE: Final = 0.99
_SIGMA_PER_CADENCE_MIN: Final = 0.5 / 20
"""Slopes below this many sigma per cadence are not worth a word, however sure."""
_ORDER: Final = (Verdict.MISSING, Verdict.STEP, Verdict.TRANSIENT, Verdict.UNSURE, Verdict.SLOPE, Verdict.STEADY)
_WORDS: Final = np.array([verdict.value for verdict in _ORDER])
_MISSING, _STEP, _TRANSIENT, _UNSURE, _SLOPE, _STEADY = range(len(_ORDER))
_KINDS: Final = np.array([word if word in {"step", "transient", "slope"} else "" for word in _WORDS])
Words = NDArray[np.str_]
Bools = NDArray[np.bool_]


class Judged(NamedTuple):
    """What is said of k rows: the verdict, and the change (kind "" and NaN where there is none or it is not known)."""

    verdict: Words
    kind: Words
    since: Floats
    size: Floats
    sd: Floats
    p: Floats
    before: Floats


class Before(NamedTuple):
    """What a verdict looks back on, each (k), in the value's own unit: times, the value, what had been expected."""

    time_1: Floats
    time_2: Floats
    value_1: Floats
    expected_1: Floats
    expected_2: Floats
    turned: Floats


class Now(NamedTuple):
    """What is known after the row: probabilities (k, 4), the others (k); one_back and two_back NaN where none is."""

    p: Floats
    one_back: Floats
    two_back: Floats
    level: Floats
    slope: Floats
    sigma: Floats
    p_slope_negative: Floats
    missing: Bools
    starting: Bools
    learning: Bools


def change_probability(p: Floats, one_back: Floats, two_back: Floats) -> Floats:
    """Return the probability that level or slope changed at the row that is known best: two back, one back, now."""
    known = np.where(np.isnan(two_back), np.where(np.isnan(one_back), p, one_back), two_back)
    return np.asarray(known[:, 2] + known[:, 3])


def judge(now: Now, before: Before) -> Judged:
    """Return the verdicts by the table above.

    A step's size is the level now less the value that had been expected when it came; a transient's is its value less
    the expected one; a slope's is the slope itself, per cadence, and its p that of its sign. The four states do not
    keep how well a step's size is known, nor the slope that was before.
    """
    up = 1.0 - now.p_slope_negative
    sure = np.maximum(now.p_slope_negative, up) > _SIGN_SURE
    drifts = sure & (np.abs(now.slope) >= _SIGMA_PER_CADENCE_MIN * now.sigma)
    code = np.where(drifts, _SLOPE, _STEADY)
    # from the last of the table's rules to the first, so that the first that holds stays
    np.copyto(code, _UNSURE, where=now.p[:, 1] + now.p[:, 2] > _HALF)
    np.copyto(code, _TRANSIENT, where=now.one_back[:, 1] > _HALF)
    np.copyto(code, _STEP, where=now.two_back[:, 2] > _HALF)
    np.copyto(code, _UNSURE, where=now.starting | now.learning & (code != _STEADY))
    np.copyto(code, _MISSING, where=now.missing)
    told, surprise = np.full((5, len(code)), np.nan), before.value_1 - before.expected_1
    unknown = np.full_like(surprise, np.nan)
    steps = (before.time_2, now.level - before.expected_2, unknown, now.two_back[:, 2], before.expected_2)
    spikes = (before.time_1, surprise, now.sigma, now.one_back[:, 1], before.expected_1)
    drifting = (before.turned, now.slope, unknown, np.maximum(now.p_slope_negative, up), unknown)
    for word, facts in ((_STEP, steps), (_TRANSIENT, spikes), (_SLOPE, drifting)):
        found = code == word
        if found.any():
            for row, fact in zip(told, facts, strict=True):
                np.copyto(row, fact, where=found)
    return Judged(_WORDS.take(code), _KINDS.take(code), *told)
