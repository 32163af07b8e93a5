# SPDX-License-Identifier: AGPL-3.0-or-later
"""From what the hypotheses say of a row to the verdict's words.

| verdict           | rule                                                                       | speaks of      |
|-------------------|----------------------------------------------------------------------------|----------------|
| missing           | no value                                                                   | this row       |
| stuck             | the same value more often in a row than the series' own habit allows       | since it is so |
| transient         | P(outlier) > .5 two rows ago, and P(something changed since then) < .5     | two rows ago   |
| step, slope, noise| P(a change in the last 100 values) > .9: the likeliest sort                | since it began |
| season            | nothing newer, and a pattern that repeated itself ended in the last 100    | since it ended |
| unsure            | that is > .5, or P(outlier) now or one row ago is: the next values tell    | this row       |
| steady            | none of these                                                              | this row       |

The first that holds is said. `change` has the likeliest sort from .5 on and until it is below .2: an operator may look,
nobody is called, and evidence may ripen (a drift is first taken for a step, then corrected). Where the noise was
learned, P(a change) is, as odds, a power of .42 of what the hypotheses' weights say: they take one speed of
wandering and one shape of noise for certain; a step or slope within the last eight values counts fully. A series whose
first values are still being collected is unsure, and one that is still learning is never more than that, unless it has
adopted what like series learned (learned.py). The words stuck and season have rules of their own, before and around
the filter (own_rules.py).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cyberfilter.contract.index import Verdict
from cyberfilter.filter.births import LEVEL, SLOPE
from cyberfilter.filter.hypotheses import Found
from cyberfilter.filter.model import Floats, fixed, is_any
from cyberfilter.filter.rows import Rules
from cyberfilter.filter.verdict import Bools, Judged
from cyberfilter.filter.weighing import TINY, Model

_HALF: Final = fixed(0.5)
_SURE: Final = fixed(0.9)
_OVER: Final = fixed(0.2)
"""A change that was told goes on being told until it is less probable than this."""
_FREQUENT: Final = 2.0
"""Outliers are more frequent than usual from so many times the profile's share on."""
_TINY: Final = fixed(TINY)
_TRUST: Final = 0.42
"""The power of the odds that the hypotheses' weights are worth."""
_STAYS: Final = 0.98
"""A rate of counts with a higher adaptivity does not wander."""
_WORDS: Final = np.array(
    [Verdict.STEADY, Verdict.STEP, Verdict.SLOPE, Verdict.NOISE, Verdict.TRANSIENT, Verdict.UNSURE, Verdict.MISSING]
)
_STEADY, _TRANSIENT, _UNSURE, _MISSING = 0, 4, 5, 6
_KINDS: Final = np.where(_WORDS == Verdict.STEADY, "", _WORDS)


class Past(NamedTuple):
    """What a verdict looks back on, each (k): P(outlier) of two rows, all of the row before the last, and `named`."""

    outlier_1: Floats
    outlier_2: Floats
    time_2: Floats
    value_2: Floats
    expected_2: Floats
    named: Floats


def told(found: Found, outliers: Floats, adaptivity: Floats, rules: Rules, model: Model) -> Found:
    """Return what is found in the value's own unit, and with as much trust as a model has whose noise was learned."""
    transform, p = rules.transform, trusted(found.p_change, found.p_young, Known(outliers, adaptivity), rules, model)
    found = found._replace(p_change=p, p_kind=found.p_kind * p / np.maximum(found.p_change, _TINY))
    if transform.plain:
        return found
    is_level, stretch = found.kind == LEVEL, transform.stretch(found.level)
    return found._replace(
        level=transform.back(found.level),
        slope=found.slope * stretch,
        sigma=found.sigma * stretch,
        before=np.where(is_level, transform.back(found.before), found.before * stretch),
        after=np.where(is_level, transform.back(found.after), found.after * stretch),
        doubt=found.doubt * stretch,
    )


class Known(NamedTuple):
    """What a series has learned of itself, each (k): the sum of its P(outlier), and its adaptivity."""

    outliers: Floats
    adaptivity: Floats


def trusted(p: Floats, p_young: Floats, known: Known, rules: Rules, model: Model) -> Floats:
    """Return the probability of a change that the hypotheses' own, p, is worth.

    A level that wanders makes no step within eight values: what is that young needs less trust in the model, but where
    outliers are more frequent than usual, for a few of them together look like a step.
    """
    if not rules.learning_count:
        return p
    change, none = p**_TRUST, np.maximum(1.0 - p, 0.0) ** _TRUST
    usual = known.outliers <= _FREQUENT * model.outlier * rules.learning_count
    worth = np.maximum(change / (change + none), np.where(usual, p_young, 0.0))
    # chance has no shape to be wrong about; only a rate that wanders has a speed
    return np.where(known.adaptivity > _STAYS, p, worth) if rules.observed else worth


def judge(found: Found, past: Past, *, missing: Bools, early: Bools, starting: Bools) -> Judged:
    """Return the verdicts by the table above; `early` says no more than unsure.

    A step's size is the likeliest hypothesis's level less the one that was expected when it was born, a slope's is
    the slope itself per cadence, a noise's the standard deviation less what it was, a transient's its own surprise.
    """
    p, outlier = found.p_change, np.maximum(found.p_outlier, past.outlier_1)
    told = np.full((5, len(p)), np.nan)
    if not (is_any(missing | starting | (p > _OVER)) or is_any(np.maximum(outlier, past.outlier_2) > _HALF)):
        steady = np.zeros(len(p), dtype=np.int64)
        return Judged(_WORDS.take(steady), _KINDS.take(steady), *told)
    kind = found.kind.astype(np.int64)
    changed, spike = p > _HALF, (past.outlier_2 > _HALF) & (found.p_fresh < _HALF)
    waiting = changed | (outlier > _HALF)
    code = np.where(waiting, _UNSURE, _STEADY)
    np.copyto(code, kind, where=p > _SURE)
    np.copyto(code, _TRANSIENT, where=spike)
    np.copyto(code, _UNSURE, where=starting | (early & (code != _STEADY)))
    np.copyto(code, _MISSING, where=missing)
    named = (changed | ((past.named > 0) & (p > _OVER))) & ~(early | missing | spike)
    word = np.where(code == _TRANSIENT, _TRANSIENT, _STEADY)
    np.copyto(word, kind, where=named)
    if is_any(word):  # _STEADY is 0
        _tell(told, found, past, np.flatnonzero(word), word)
    return Judged(_WORDS.take(code), _KINDS.take(word), *told)


def _tell(told: Floats, found: Found, past: Past, some: NDArray[np.int64], word: NDArray[np.int64]) -> None:
    """Write since when, how large, how sure, how probable and what was before (5, k) of some series."""
    brief = word[some] == _TRANSIENT
    size = np.where(found.kind == SLOPE, found.after, found.after - found.before)
    facts = (
        (past.time_2, found.since),
        (past.value_2 - past.expected_2, size),
        (found.sigma, found.doubt),
        (past.outlier_2, found.p_kind),
        (past.expected_2, found.before),
    )
    for row, (then, change) in zip(told, facts, strict=True):
        row[some] = np.where(brief, then[some], change[some])
