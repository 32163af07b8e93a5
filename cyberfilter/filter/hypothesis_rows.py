# SPDX-License-Identifier: AGPL-3.0-or-later
# tidy: all parts of one row, in the order in which they meet it
"""One row of each of k series by the filter that keeps hypotheses: columns of the memory in, verdicts out.

What is found becomes words in hypothesis_words.py; the words stuck and season have rules of their own, before and
around the filter (own_rules.py).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from cyberfilter.filter import (
    adaptivity,
    belief,
    dispersion,
    hypotheses,
    interventions,
    learned,
    memory,
    own_noise,
    own_rules,
    persistence,
    score,
)
from cyberfilter.filter.belief import Belief
from cyberfilter.filter.births import COUNT, LEVEL
from cyberfilter.filter.hypotheses import Found
from cyberfilter.filter.hypothesis_words import Known, Past, judge, told, trusted
from cyberfilter.filter.learned import Learned
from cyberfilter.filter.memory import AT, ROW
from cyberfilter.filter.model import ZERO, Floats, is_all, is_any
from cyberfilter.filter.own_noise import OUTLIERS
from cyberfilter.filter.own_rules import Heard
from cyberfilter.filter.rows import (
    Forecasts,
    Rules,
    Verdicts,
    band,
    discount_of,
    first,
    gap_of,
    hold,
    learning_of,
    remember,
)
from cyberfilter.filter.season import Seasonal
from cyberfilter.filter.start import START_COUNT, Begin
from cyberfilter.filter.transform import TRANSFORMS
from cyberfilter.filter.verdict import Bools, Judged
from cyberfilter.filter.weighing import FIELDS, M0, WEIGHT, Model, Row, over

_OWN: Final = (
    ("score", score.HEIGHT),
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
    ("counts", dispersion.HEIGHT),
    ("persistence", persistence.HEIGHT),
)
_STARTS: Final = np.cumsum([memory.HEIGHT] + [width for _, width in _OWN]).tolist()
_ROW: Final = {name: slice(at, at + width) for (name, width), at in zip(_OWN, _STARTS, strict=False)}
_AT: Final = {name: int(rows.start) for name, rows in _ROW.items()}
HEIGHT: Final[int] = _STARTS[-1]


def fresh(columns: Floats) -> None:
    """Let the rows beside the filter be those of series that have seen nothing."""
    own_rules.fresh(columns[_ROW["rules"]])
    persistence.fresh(columns[_ROW["persistence"]])
    score.fresh(columns[_ROW["score"]])


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
    persistence.moved(columns[_ROW["persistence"]])


def accept(columns: Floats) -> None:
    """Let what the columns' likeliest hypothesis says be usual: no change, no outlier is told any more."""
    interventions.accept_hypotheses(_hypotheses(columns), columns[_AT["heard"]])
    for name in ("outlier_1", "outlier_2", "named"):
        columns[_AT[name]] = 0.0


def expect(columns: Floats, time_s: Floats, rules: Rules, model: Model) -> Forecasts:
    """Return the forecasts for values at these times (k); nothing is changed."""
    started, learning = columns[AT["n"]] > 0, learning_of(columns, rules)
    row = _row(columns, time_s, np.full_like(time_s, np.nan), started, learning, rules)
    predicted = hypotheses.predict(_hypotheses(columns), row, model)
    if not rules.observed:
        predicted = persistence.expect(columns[_ROW["persistence"]], predicted, row.gap)
    own = columns[_ROW["rules"]]
    pattern = own_rules.expect(own, time_s, rules.cadence_s)
    held = None if rules.observed else own_rules.held(own, rules.transform)
    return band(own_rules.whole(predicted, pattern, held), first(columns, started, rules), rules)


def step(columns: Floats, time_s: Floats, value: Floats, rules: Rules, model: Model) -> Verdicts:
    """Return what the rows say; the columns (height, k; contiguous) then remember them. NaN is missing."""
    started, learning = columns[AT["n"]] > ZERO, learning_of(columns, rules)
    begun = first(columns, started, rules)
    met = value if rules.observed else rules.transform.forward(value)
    row = _row(columns, time_s, met, started, learning, rules)
    own, h, here = columns[_ROW["rules"]], _hypotheses(columns), ~np.isnan(value)
    held = None if rules.observed else own_rules.held(own, rules.transform)
    heard = own_rules.before(own, h, row, value, started, started & ~learning, rules.cadence_s, model)
    found = _find(columns, row._replace(z=heard.z), started, rules, model)
    believed = own_rules.expected(found, heard)
    expected = forecast = band(own_rules.whole(believed, heard.pattern, held), begun, rules)
    if not rules.observed:
        second = persistence.step(columns[_ROW["persistence"]], believed, row.gap, heard.z)
        forecast = band(own_rules.whole(second, heard.pattern, held), begun, rules)
    alarm = _score(columns, row, heard, found, started, rules)
    doubted = own_rules.doubted(own)
    due = columns[AT["values"]] + here == rules.learning_count
    patterned = row._replace(z=np.full_like(value, np.nan)) if rules.observed else row
    seasonal = own_rules.after(own, h, patterned, heard, due, rules.cadence_s, model)
    if is_any(seasonal.found) or is_any(seasonal.ended):
        _anew(columns, seasonal, row, rules, model)
    if not rules.transform.plain:
        seasonal = seasonal._replace(size=seasonal.size * rules.transform.stretch(found.level))
    found = told(found, columns[_ROW["noise"]][OUTLIERS], row.adaptivity, rules, model)
    past = Past(*(columns[row] for row in _PAST))
    early = ~started | (learning & ~learned.adopted(columns[_ROW["learned"]]))
    meant = judge(found, past, missing=~here, early=early | doubted, starting=~started)
    judged, p_change = own_rules.tell(meant, found, heard, seasonal, able=~early & here)
    found = found._replace(p_change=p_change)
    verdicts = _verdicts((time_s, value), forecast, found, judged, alarm)
    np.copyto(past.named, meant.p == meant.p, where=here)  # what is told has a probability, else NaN
    if rules.observed and rules.observed.dispersed:
        dispersion.vary(columns[_ROW["counts"]], heard.z, columns[AT["value_1"]], learning)
    elif not rules.observed:
        own_noise.meet(columns[_ROW["noise"]], row.z, rules.transform.forward(columns[AT["value_1"]]))
    columns[_AT["outlier_2"]] = columns[_AT["outlier_1"]]
    columns[_AT["outlier_1"]], columns[_AT["value_2"]] = found.p_outlier, columns[AT["value_1"]]
    remember(columns, verdicts, expected.mean)
    return verdicts


def _verdicts(
    seen: tuple[Floats, Floats], forecast: Forecasts, found: Found, judged: Judged, alarm: tuple[Floats, Floats]
) -> Verdicts:
    unknown = np.full((len(seen[0]), 4), np.nan)
    return Verdicts(
        *seen,
        *forecast,
        found.level,
        found.slope,
        found.p_slope_negative,
        found.sigma,
        found.log_evidence,
        found.p_change,
        found.p_outlier,
        judged.kind,
        judged.since,
        judged.size,
        judged.sd,
        judged.p,
        judged.before,
        *alarm,
        judged.verdict,
        p=unknown,
        one_back=unknown,
        two_back=unknown,
    )


_PAST: Final = tuple((_AT | AT)[name] for name in Past._fields)


def read(columns: Floats, rules: Rules, model: Model) -> Learned:
    """Return what the series have learned; NaN where one has not started."""
    started = columns[AT["n"]] > 0
    some = np.compress(started, columns, axis=1)
    found = learned.read(_hypotheses(some), _grid(some), some[_AT["adaptivity"]], some[AT["values"]])._replace(
        outliers=_outlier_share(some, rules, model),
        tail=score.read(some[_ROW["score"]]).T,
        season=own_rules.read(some[_ROW["rules"]], rules.cadence_s).T,
    )
    whole = Learned(*(np.full((len(started), *piece.shape[1:]), np.nan) for piece in found))
    for part, piece in zip(whole, found, strict=True):
        part[started] = piece
    return whole._replace(behind=columns[AT["values"]].copy())


def believe(columns: Floats, most: int, rules: Rules, model: Model) -> list[Belief]:
    """Return what is believed of the one series in these columns (height, 1); nothing before it has started."""
    if not columns[AT["n"], 0] > 0:
        return []
    h, last = _hypotheses(columns)[:, :, 0], float(columns[_AT["heard"], 0]) - 1.0
    p, p_young = belief.changed(h, last)
    known = Known(columns[_ROW["noise"]][OUTLIERS], columns[_AT["adaptivity"]])
    sure = trusted(np.array([p]), np.array([p_young]), known, rules, model)
    return belief.beliefs(h, last, rules.transform, float(sure[0]), most)


def adopt(columns: Floats, given: Learned, rules: Rules, model: Model) -> None:
    """Let the series (changed in place) go by what was learned elsewhere, from their first value on or from now on."""
    learned.keep(columns[_ROW["learned"]], given)
    own_noise.take_up(columns[_ROW["noise"]], given.outliers, float(model.outlier))
    score.take_up(columns[_ROW["score"]], given.tail.T)
    running = columns[AT["n"]] > 0
    if is_any(running):
        some, part = np.compress(running, columns, axis=1), Learned(*(column[running] for column in given))
        most = 1.0 / max(1.0 - rules.variance_discount, 1e-3)
        some[_AT["adaptivity"]] = learned.take_up(_hypotheses(some), _grid(some), part, learning_of(some, rules), most)
        columns[:, running] = some
    _take_up_season(columns, given, running, rules)


def _take_up_season(columns: Floats, given: Learned, running: Bools, rules: Rules) -> None:
    """Let the series follow their family's season; what it adds at the last value is taken off a running level."""
    own = columns[_ROW["rules"]]
    new = own_rules.take_up(own, given.season.T, given.noise, rules.cadence_s) & running
    if is_any(new):
        some = np.compress(new, columns, axis=1)
        pattern = own_rules.expect(some[_ROW["rules"]], some[AT["clock"]], rules.cadence_s)
        for parts in (_hypotheses(some), _grid(some)):
            parts[M0] -= pattern
        columns[:, new] = some
        score.renew(columns[_ROW["score"]], new)
        persistence.moved(columns[_ROW["persistence"]], new)


def _hypotheses(columns: Floats) -> Floats:
    return columns[_ROW["hypotheses"]].reshape(len(FIELDS), COUNT, columns.shape[1])


def _grid(columns: Floats) -> Floats:
    return columns[_ROW["grid"]].reshape(adaptivity.FIELD_COUNT, len(adaptivity.DISCOUNTS), columns.shape[1])


def _row(  # noqa: PLR0917 - the columns of one step
    columns: Floats, time_s: Floats, z: Floats, started: Bools, learning: Bools, rules: Rules
) -> Row:
    gap, reset = gap_of(columns, time_s, rules)
    kept = columns[_AT["adaptivity"]]
    if rules.observed:
        least = dispersion.dispersion(columns[_ROW["counts"]])
    else:
        least = np.maximum(columns[AT["s_least"]], own_noise.least_variance(columns[_ROW["noise"]]))
    return Row(
        z=z,
        time=time_s,
        gap=gap,
        reset=reset,
        heard=columns[_AT["heard"]].copy(),
        discount=discount_of(learning, rules),
        adaptivity=kept if is_all(started) else np.where(started, kept, 1.0),
        s_least=least,
    )


def _some(row: Row, where: Bools) -> Row:
    return Row._make(part[where] for part in row)


def _find(columns: Floats, row: Row, started: Bools, rules: Rules, model: Model) -> Found:
    """Return what is found, by the filter where it has started, else by the first values; both change the columns."""
    if is_all(started):
        return _run(columns, row, rules, model)
    if not is_any(started):
        return _hold(columns, row, rules, model)
    merged = Found(*(np.empty(len(row.z)) for _ in Found._fields))
    for where, part in ((started, _run), (~started, _hold)):
        some = np.compress(where, columns, axis=1)
        for whole, piece in zip(merged, part(some, _some(row, where), rules, model), strict=True):
            whole[where] = piece
        columns[:, where] = some
    return merged


def _outlier_share(columns: Floats, rules: Rules, model: Model) -> Floats:
    seen = np.minimum(columns[_AT["heard"]], max(rules.learning_count - START_COUNT, 0))
    return own_noise.outlier_share(columns[_ROW["noise"]], seen, np.full_like(seen, model.outlier))


def _run(columns: Floats, row: Row, rules: Rules, model: Model) -> Found:
    learning, noise = learning_of(columns, rules), columns[_ROW["noise"]]
    if rules.observed:
        model = model._replace(outlier=np.full(len(learning), model.outlier))
    else:
        model = model._replace(outlier=_outlier_share(columns, rules, model))
    found = hypotheses.advance(_hypotheses(columns), row, model)
    some_learn = is_any(learning)
    if some_learn:
        noise[OUTLIERS] += np.where(learning & ~np.isnan(row.z), found.p_outlier, 0.0)
    if some_learn and is_all(learning):
        columns[_AT["adaptivity"]] = adaptivity.learn(_grid(columns), row, model)
    elif some_learn:
        grid, own = np.ascontiguousarray(_grid(columns)[:, :, learning]), model.outlier[learning]
        columns[_AT["adaptivity"], learning] = adaptivity.learn(grid, _some(row, learning), model._replace(outlier=own))
        _grid(columns)[:, :, learning] = grid
    columns[_AT["heard"]] += ~np.isnan(row.z)
    return found


def _anew(columns: Floats, seasonal: Seasonal, row: Row, rules: Rules, model: Model) -> None:
    """Learn anew how fast a level wanders, and the slower clocks, where a pattern was just found in the values.

    There, and where one has ended, the level has moved.
    """
    where = seasonal.found
    persistence.moved(columns[_ROW["persistence"]], where | seasonal.ended)
    if is_any(where):
        some = np.compress(where, columns, axis=1)
        wandering, known = own_rules.relearn(some[_ROW["rules"]], _some(row, where), rules.cadence_s, model)
        columns[_AT["adaptivity"], where] = np.where(known, wandering, some[_AT["adaptivity"]])
        score.renew(columns[_ROW["score"]], where)


def _hold(columns: Floats, row: Row, rules: Rules, model: Model) -> Found:
    begun, full = hold(columns, row.z, rules)
    ready = learned.adopted(columns[_ROW["learned"]]) & ~np.isnan(row.z)
    full &= ~ready
    if is_any(full):
        some = np.compress(full, columns, axis=1)
        start(some)
        columns[:, full] = some
    if is_any(ready):
        some = np.compress(ready, columns, axis=1)
        known = _start_adopted(some, rules, model)
        columns[:, ready] = some
        for whole, piece in zip(begun, known, strict=True):
            whole[ready] = piece
    nothing, unknown = np.zeros_like(row.z), np.full_like(row.z, np.nan)
    return Found(
        level=begun.level,
        slope=begun.slope,
        p_slope_negative=np.full_like(row.z, 0.5),
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


def _score(  # noqa: PLR0917 - all that a row is
    columns: Floats, row: Row, heard: Heard, found: Found, started: Bools, rules: Rules
) -> tuple[Floats, Floats]:
    """Return score and surprise of the row; before the filter has started nothing is known.

    A sensor that is found stuck is as alarming as its run is improbable, once: then there is nothing new.
    """
    datum = score.Datum(
        z=heard.z if is_all(started) else np.where(started, heard.z, np.nan),
        mean=found.mean,
        scale=found.scale,
        tick=heard.tick,
        noise=found.sigma * found.sigma,
        noise_least=row.s_least,
    )
    if rules.observed:
        even = rules.observed.scored(datum.z, found.mean, found.scale, row.s_least)
        least = TRANSFORMS[rules.transform.name].noise_least
        datum = datum._replace(**even._asdict(), noise_least=np.full_like(datum.z, least))
    alarming, surprise = score.step(columns[_ROW["score"]], datum)
    if is_any(heard.run.stuck):
        told = np.where(heard.run.fired, 1.0 - heard.run.chance, 0.0)
        for figure in (alarming, surprise):
            np.copyto(figure, told, where=heard.run.stuck & ~np.isnan(row.z))
    return alarming, surprise
