# SPDX-License-Identifier: AGPL-3.0-or-later
"""One row of each of k series by the filter that keeps hypotheses: columns of the memory in, verdicts out.

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
learned, P(a change) is about the square root of what the hypotheses' weights say, as odds: they take one speed of
wandering and one shape of noise for certain; a step or slope within the last eight values counts fully. A series whose
first values are still being collected is unsure, and one that is still learning is never more than that, unless it has
adopted what like series learned (learned.py). The words stuck and season have rules of their own, before and around
the filter (own_rules.py).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from cyberfilter.contract.index import Verdict
from cyberfilter.filter import adaptivity, hypotheses, interventions, learned, memory, own_noise, own_rules
from cyberfilter.filter.births import COUNT, LEVEL, SLOPE
from cyberfilter.filter.hypotheses import Found
from cyberfilter.filter.learned import Learned
from cyberfilter.filter.memory import AT, ROW
from cyberfilter.filter.model import Floats
from cyberfilter.filter.own_noise import OUTLIERS
from cyberfilter.filter.rows import (
    Forecasts,
    Rules,
    Verdicts,
    band,
    discount_of,
    first,
    gap_of,
    hold,
    remember,
)
from cyberfilter.filter.start import START_COUNT, Begin
from cyberfilter.filter.verdict import Bools, Judged
from cyberfilter.filter.weighing import FIELDS, M0, TINY, WEIGHT, Model, Row, over

_OWN: Final = (
    ("hypotheses", len(FIELDS) * COUNT),
    ("grid", adaptivity.FIELD_COUNT * len(adaptivity.DISCOUNTS)),
    ("adaptivity", 1),
    ("heard", 1),  # values that the filter has met
    ("outlier_1", 1),  # P(outlier) of the last row and of the one before
    ("outlier_2", 1),
    ("value_2", 1),
    ("learned", learned.HEIGHT),
    ("rules", own_rules.HEIGHT),
    ("named", 1),  # 1: the last row told a change
    ("noise", own_noise.HEIGHT),
)
_STARTS: Final = np.cumsum([memory.HEIGHT] + [width for _, width in _OWN]).tolist()
_ROW: Final = {name: slice(at, at + width) for (name, width), at in zip(_OWN, _STARTS, strict=False)}
_AT: Final = {name: int(rows.start) for name, rows in _ROW.items()}
HEIGHT: Final[int] = _STARTS[-1]
_HALF: Final = 0.5
_SURE: Final = 0.9
_OVER: Final = 0.2
"""A change that was told goes on being told until it is less probable than this."""
_FREQUENT: Final = 2.0
"""Outliers are more frequent than usual from so many times the profile's share on."""
_TRUST: Final = 0.55
"""The power of the odds that the hypotheses' weights are worth: about their square root."""
_WORDS: Final = np.array(
    [Verdict.STEADY, Verdict.STEP, Verdict.SLOPE, Verdict.NOISE, Verdict.TRANSIENT, Verdict.UNSURE, Verdict.MISSING]
)
_STEADY, _TRANSIENT, _UNSURE, _MISSING = 0, 4, 5, 6


class Past(NamedTuple):
    """What a verdict looks back on, each (k): P(outlier) of two rows, all of the row before the last, and `named`."""

    outlier_1: Floats
    outlier_2: Floats
    time_2: Floats
    value_2: Floats
    expected_2: Floats
    named: Floats


def fresh(columns: Floats) -> None:
    """Let the rows beside the filter be those of series that have seen nothing."""
    own_rules.fresh(columns[_ROW["rules"]])


def start(columns: Floats) -> None:
    """Let the hypotheses begin where memory.start left the series."""
    state = memory.state_of(columns)
    hypotheses.start(_hypotheses(columns), state)
    adaptivity.start(_grid(columns), state)
    columns[_AT["adaptivity"]] = 1.0
    for name in ("heard", "outlier_1", "outlier_2", "named"):
        columns[_AT[name]] = 0.0
    columns[_AT["value_2"]] = np.nan


def intervene(columns: Floats, notice: interventions.Notice, rules: Rules) -> None:
    """Let a person's notice move what is known of the columns' level."""
    h = _hypotheses(columns)
    level = over(np.exp(h[WEIGHT]) * h[M0])
    for parts in (h, _grid(columns)):
        interventions.move(parts, level, notice, rules.transform)


def accept(columns: Floats) -> None:
    """Let what the columns' likeliest hypothesis says be usual: no change, no outlier is told any more."""
    interventions.accept_hypotheses(_hypotheses(columns), columns[_AT["heard"]])
    for name in ("outlier_1", "outlier_2", "named"):
        columns[_AT[name]] = 0.0


def expect(columns: Floats, time_s: Floats, rules: Rules, model: Model) -> Forecasts:
    """Return the forecasts for values at these times (k); nothing is changed."""
    started, learning = columns[AT["n"]] > 0, columns[AT["values"]] < rules.learning_count
    row = _row(columns, time_s, np.full_like(time_s, np.nan), started, learning, rules)
    mean, scale, half = hypotheses.predict(_hypotheses(columns), row, model)
    pattern = own_rules.expect(columns[_ROW["rules"]], time_s, rules.cadence_s)
    return band((mean + pattern, scale, half), first(columns, started, rules), rules)


def step(columns: Floats, time_s: Floats, value: Floats, rules: Rules, model: Model) -> Verdicts:
    """Return what the rows say; the columns (height, k; contiguous) then remember them. NaN is missing."""
    started, learning = columns[AT["n"]] > 0, _learning(columns, rules)
    begun = first(columns, started, rules)
    row = _row(columns, time_s, rules.transform.forward(value), started, learning, rules)
    own, h, gone = columns[_ROW["rules"]], _hypotheses(columns), np.isnan(value)
    heard = own_rules.before(own, h, row, value, started & ~learning, rules.cadence_s, model)
    found = _find(columns, row._replace(z=heard.z), started, rules, model)
    expected = band(own_rules.expected(found, heard), begun, rules)
    due = columns[AT["values"]] + ~gone == rules.learning_count
    seasonal = own_rules.after(own, h, row, heard, due, rules.cadence_s, model)
    _relearn(columns, seasonal.found, row, rules, model)
    seasonal = seasonal._replace(size=seasonal.size * rules.transform.stretch(found.level))
    found = _told(found, columns[_ROW["noise"]][OUTLIERS], rules, model)
    past = Past(*(columns[row] for row in _PAST))
    early = ~started | (learning & ~learned.adopted(columns[_ROW["learned"]]))
    meant = _judge(found, past, missing=gone, early=early, starting=~started)
    judged, p_change = own_rules.tell(meant, found, heard, seasonal, able=~early & ~gone)
    found = found._replace(p_change=p_change)
    unknown = np.full((3, len(value), 4), np.nan)
    verdicts = Verdicts(
        t=time_s,
        y=value,
        **{f"forecast_{name}": column for name, column in expected._asdict().items()},
        **{name: getattr(found, name) for name in _TOLD},
        change_kind=judged.kind,
        change_since=judged.since,
        change_size=judged.size,
        change_sd=judged.sd,
        change_p=judged.p,
        change_before=judged.before,
        score=np.full_like(value, np.nan),
        verdict=judged.verdict,
        p=unknown[0],
        one_back=unknown[1],
        two_back=unknown[2],
    )
    columns[_AT["named"]] = np.where(gone, past.named, meant.kind != "")
    own_noise.meet(columns[_ROW["noise"]], row.z, rules.transform.forward(columns[AT["value_1"]]))
    columns[_AT["outlier_2"]] = columns[_AT["outlier_1"]]
    columns[_AT["outlier_1"]], columns[_AT["value_2"]] = found.p_outlier, columns[AT["value_1"]]
    remember(columns, verdicts, started)
    return verdicts


_TOLD: Final = ("level", "slope", "p_slope_negative", "sigma", "log_evidence", "p_change", "p_outlier")
_PAST: Final = tuple((_AT | AT)[name] for name in Past._fields)


def read(columns: Floats) -> Learned:
    """Return what the series have learned; NaN where one has not started."""
    started = columns[AT["n"]] > 0
    some = np.compress(started, columns, axis=1)
    found = learned.read(_hypotheses(some), _grid(some), some[_AT["adaptivity"]], some[AT["values"]])
    whole = Learned(*np.full((len(found), len(started)), np.nan))
    for part, piece in zip(whole, found, strict=True):
        part[started] = piece
    return whole._replace(behind=columns[AT["values"]].copy())


def adopt(columns: Floats, given: Learned, rules: Rules) -> None:
    """Let the series (changed in place) go by what was learned elsewhere, from their first value on or from now on."""
    learned.keep(columns[_ROW["learned"]], given)
    running = columns[AT["n"]] > 0
    if running.any():
        some, part = np.compress(running, columns, axis=1), Learned(*(column[running] for column in given))
        most = 1.0 / max(1.0 - rules.variance_discount, 1e-3)
        some[_AT["adaptivity"]] = learned.take_up(_hypotheses(some), _grid(some), part, _learning(some, rules), most)
        columns[:, running] = some


def _learning(columns: Floats, rules: Rules) -> Bools:
    return np.asarray(columns[AT["values"]] < rules.learning_count)


def _told(found: Found, outliers: Floats, rules: Rules, model: Model) -> Found:
    """Return what is found in the value's own unit, and with as much trust as a model has whose noise was learned.

    A level that wanders makes no step within eight values: what is that young needs less trust in the model, but where
    outliers are more frequent than usual, for a few of them together look like a step.
    """
    transform, stretch, p = rules.transform, rules.transform.stretch(found.level), found.p_change
    if rules.learning_count:
        change, none = p**_TRUST, np.maximum(1.0 - p, 0.0) ** _TRUST
        usual = outliers <= _FREQUENT * model.outlier * rules.learning_count
        p = np.maximum(change / (change + none), np.where(usual, found.p_young, 0.0))
    is_level = found.kind == LEVEL
    return found._replace(
        level=transform.back(found.level),
        slope=found.slope * stretch,
        sigma=found.sigma * stretch,
        before=np.where(is_level, transform.back(found.before), found.before * stretch),
        after=np.where(is_level, transform.back(found.after), found.after * stretch),
        doubt=found.doubt * stretch,
        p_change=p,
        p_kind=found.p_kind * p / np.maximum(found.p_change, TINY),
    )


def _hypotheses(columns: Floats) -> Floats:
    return columns[_ROW["hypotheses"]].reshape(len(FIELDS), COUNT, columns.shape[1])


def _grid(columns: Floats) -> Floats:
    return columns[_ROW["grid"]].reshape(adaptivity.FIELD_COUNT, len(adaptivity.DISCOUNTS), columns.shape[1])


def _row(  # noqa: PLR0917 - the columns of one step
    columns: Floats, time_s: Floats, z: Floats, started: Bools, learning: Bools, rules: Rules
) -> Row:
    gap, reset = gap_of(columns, time_s, rules)
    kept = columns[_AT["adaptivity"]]
    return Row(
        z=z,
        time=time_s,
        gap=gap,
        reset=reset,
        heard=columns[_AT["heard"]].copy(),
        discount=discount_of(learning, rules),
        adaptivity=kept if started.all() else np.where(started, kept, 1.0),
        s_least=np.maximum(columns[AT["s_least"]], own_noise.least_variance(columns[_ROW["noise"]])),
    )


def _some(row: Row, where: Bools) -> Row:
    return Row._make(part[where] for part in row)


def _find(columns: Floats, row: Row, started: Bools, rules: Rules, model: Model) -> Found:
    """Return what is found, by the filter where it has started, else by the first values; both change the columns."""
    if started.all():
        return _run(columns, row, rules, model)
    if not started.any():
        return _hold(columns, row, rules, model)
    merged = Found(*(np.empty(len(row.z)) for _ in Found._fields))
    for where, part in ((started, _run), (~started, _hold)):
        some = np.compress(where, columns, axis=1)
        for whole, piece in zip(merged, part(some, _some(row, where), rules, model), strict=True):
            whole[where] = piece
        columns[:, where] = some
    return merged


def _run(columns: Floats, row: Row, rules: Rules, model: Model) -> Found:
    learning, noise = _learning(columns, rules), columns[_ROW["noise"]]
    seen = np.minimum(columns[_AT["heard"]], max(rules.learning_count - START_COUNT, 0))
    model = model._replace(outlier=own_noise.outlier_share(noise, seen, model.outlier))
    found = hypotheses.advance(_hypotheses(columns), row, model)
    some_learn = bool(learning.any())
    if some_learn:
        noise[OUTLIERS] += np.where(learning & ~np.isnan(row.z), found.p_outlier, 0.0)
    if some_learn and learning.all():
        columns[_AT["adaptivity"]] = adaptivity.learn(_grid(columns), row, model)
    elif some_learn:
        grid, own = np.ascontiguousarray(_grid(columns)[:, :, learning]), model.outlier[learning]
        columns[_AT["adaptivity"], learning] = adaptivity.learn(grid, _some(row, learning), model._replace(outlier=own))
        _grid(columns)[:, :, learning] = grid
    columns[_AT["heard"]] += ~np.isnan(row.z)
    return found


def _relearn(columns: Floats, where: Bools, row: Row, rules: Rules, model: Model) -> None:
    """Learn anew how fast a level wanders where a pattern was just found in its values."""
    if where.any():
        some = np.compress(where, columns, axis=1)
        wandering, known = own_rules.relearn(some[_ROW["rules"]], _some(row, where), rules.cadence_s, model)
        columns[_AT["adaptivity"], where] = np.where(known, wandering, some[_AT["adaptivity"]])


def _hold(columns: Floats, row: Row, rules: Rules, model: Model) -> Found:
    begun, full = hold(columns, row.z, rules)
    ready = learned.adopted(columns[_ROW["learned"]]) & ~np.isnan(row.z)
    full &= ~ready
    if full.any():
        some = np.compress(full, columns, axis=1)
        start(some)
        columns[:, full] = some
    if ready.any():
        some = np.compress(ready, columns, axis=1)
        known = _start_adopted(some, rules, model)
        columns[:, ready] = some
        for whole, piece in zip(begun, known, strict=True):
            whole[ready] = piece
    nothing, unknown = np.zeros_like(row.z), np.full_like(row.z, np.nan)
    return Found(
        level=begun.level,
        slope=begun.slope,
        p_slope_negative=np.full_like(row.z, _HALF),
        sigma=np.where(np.isnan(columns[AT["kept"]]), np.nan, np.sqrt(begun.noise)),
        log_evidence=unknown,
        p_change=nothing,
        p_kind=nothing,
        p_fresh=nothing,
        p_young=nothing,
        p_outlier=np.full_like(row.z, model.outlier),
        kind=np.full_like(row.z, LEVEL),
        since=unknown,
        before=unknown,
        after=unknown,
        doubt=unknown,
        mean=unknown,
        scale=unknown,
        half=unknown,
    )


def _start_adopted(columns: Floats, rules: Rules, model: Model) -> Begin:
    """Start the filter of these columns, which hold their first value or a few, from what they have adopted."""
    own, kept = columns[_ROW["learned"]], columns[ROW["kept"]]
    begun = learned.begun(own, kept, rules.prior)
    memory.start(columns, begun, rules.profile.probability)
    start(columns)
    alone = np.isnan(kept[1])
    columns[_AT["adaptivity"]] = learned.start(_hypotheses(columns), _grid(columns), own, alone, model)
    return begun


def _judge(found: Found, past: Past, *, missing: Bools, early: Bools, starting: Bools) -> Judged:
    """Return the verdicts by the table above; `early` says no more than unsure.

    A step's size is the likeliest hypothesis's level less the one that was expected when it was born, a slope's is
    the slope itself per cadence, a noise's the standard deviation less what it was, a transient's its own surprise.
    """
    kind = found.kind.astype(np.int64)
    size = np.where(kind == SLOPE, found.after, found.after - found.before)
    changed, spike = found.p_change > _HALF, (past.outlier_2 > _HALF) & (found.p_fresh < _HALF)
    waiting = changed | (found.p_outlier > _HALF) | (past.outlier_1 > _HALF)
    code = np.where(waiting, _UNSURE, _STEADY)
    code = np.where(found.p_change > _SURE, kind, code)
    code = np.where(spike, _TRANSIENT, code)
    code = np.where(starting | (early & (code != _STEADY)), _UNSURE, code)
    code = np.where(missing, _MISSING, code)
    named = changed | ((past.named > 0) & (found.p_change > _OVER))
    brief = code == _TRANSIENT
    word = np.where(named & ~early & ~missing & ~spike, kind, np.where(brief, _TRANSIENT, _STEADY))
    facts = (
        (past.time_2, found.since),
        (past.value_2 - past.expected_2, size),
        (found.sigma, found.doubt),
        (past.outlier_2, found.p_kind),
        (past.expected_2, found.before),
    )
    told = [np.where(word == _STEADY, np.nan, np.where(brief, then, change)) for then, change in facts]
    return Judged(_WORDS[code], np.where(word == _STEADY, "", _WORDS[word]), *told)
