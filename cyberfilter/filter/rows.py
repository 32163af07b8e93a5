# SPDX-License-Identifier: AGPL-3.0-or-later
"""One row of each of k series: what is expected, what came, what it says. Columns of the memory in, verdicts out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from cyberfilter.filter import interventions, memory
from cyberfilter.filter.collapse import over
from cyberfilter.filter.counts import Observed, begin_of
from cyberfilter.filter.kernel import Model, Readout, advance, predict
from cyberfilter.filter.memory import AT, ROW
from cyberfilter.filter.model import ONE, ZERO, Floats, Prior, Profile, fixed, is_all, is_any
from cyberfilter.filter.start import START_COUNT, START_DEGREES, Begin
from cyberfilter.filter.tables import t_quantile
from cyberfilter.filter.transform import Transform, band_back
from cyberfilter.filter.verdict import Before, Bools, Judged, Now, Words, change_probability, judge

GAP_MAX: Final = fixed(10.0)
"""A longer silence counts as this many cadences: a slope is not drawn out over a weekend."""


@dataclass(frozen=True)
class Rules:
    """What all series of a bank share: `learning_count` values are learned from before anything is said."""

    model: Model
    profile: Profile
    prior: Prior
    transform: Transform
    cadence_s: float
    variance_discount: float
    learning_count: int
    observed: Observed | None = None


class Forecasts(NamedTuple):
    """Where the next value is expected, each (k), in the value's own unit; NaN before there were two values.

    The steady component's mean, Student scale and 95 % band; away from transform `none` the mean is the median. The
    filter that keeps hypotheses tells its own forecast and a second one together (persistence.py), but for counts.
    """

    mean: Floats
    sd: Floats
    lo95: Floats
    hi95: Floats


class Verdicts(NamedTuple):
    """What k rows say, named as the columns of `cybersyn filter`: each (k), p, one_back and two_back (k, 4).

    Values, slopes (per cadence) and sigma are in the value's own unit, log_evidence is on the transformed scale.
    NaN is not known (yet); change_kind is "" where nothing changed; times are those given to `update`. change_sd is the
    standard deviation of change_size, change_p how probable that sort of change is, change_before what was before: the
    expected level, the slope, or the standard deviation of the noise. surprise is 1 - P(a row as alarming comes), score
    the same, but 0 for what is nothing new (score.py).
    """

    t: Floats
    y: Floats
    forecast_mean: Floats
    forecast_sd: Floats
    forecast_lo95: Floats
    forecast_hi95: Floats
    level: Floats
    slope: Floats
    p_slope_negative: Floats
    sigma: Floats
    log_evidence: Floats
    p_change: Floats
    p_outlier: Floats
    change_kind: Words
    change_since: Floats
    change_size: Floats
    change_sd: Floats
    change_p: Floats
    change_before: Floats
    score: Floats
    surprise: Floats
    verdict: Words
    p: Floats
    one_back: Floats
    two_back: Floats


def intervene(columns: Floats, notice: interventions.Notice, rules: Rules) -> None:
    """Let a person's notice move what is known of the columns' level."""
    state = memory.state_of(columns)
    parts = columns[ROW["moments"]].reshape(6, 4, columns.shape[1])
    interventions.move(parts, over(state.p * state.moments.m0), notice, rules.transform)


def accept(columns: Floats, rules: Rules) -> None:
    """Let what the columns say be usual: no state of the past is likelier than it was at the start."""
    interventions.accept_classic(columns, rules.profile.probability)


def expect(columns: Floats, time_s: Floats, rules: Rules) -> Forecasts:
    """Return the forecasts for values at these times (k); nothing is changed."""
    started, learning = columns[AT["n"]] > 0, learning_of(columns, rules)
    gap, nu = gap_of(columns, time_s, rules)[0], discount_of(learning, rules) * columns[AT["n"]]
    predicted = predict(memory.state_of(columns), gap, nu, rules.model)
    return band(predicted, first(columns, started, rules), rules)


class First(NamedTuple):
    """What the first values of some series let expect, each (k): used where the filter has not `started`."""

    started: Bools
    mean: Floats
    scale: Floats
    half: Floats


def first(columns: Floats, started: Bools, rules: Rules) -> First | None:
    """Return what is expected where the filter has not started; None where all have."""
    if is_all(started):
        return None
    kept = columns[ROW["kept"]]
    begun = begin_of(rules.observed, kept, rules.prior)
    two = ~np.isnan(kept[1])
    spread = np.sqrt(np.maximum(begun.noise, begun.level_variance))
    margin = np.ones_like(spread) if rules.observed else spread * t_quantile(np.full_like(spread, START_DEGREES))
    return First(started, *(np.where(two, part, np.nan) for part in (begun.level, spread, margin)))


def band(predicted: tuple[Floats, Floats, Floats], early: First | None, rules: Rules) -> Forecasts:
    """Return mean, scale and half-width of the filter, or of the first values, in the value's own unit."""
    mean, scale, half = predicted
    if early is not None:
        mean, scale, half = (np.where(early.started, *both) for both in zip(predicted, early[1:], strict=True))
    if rules.observed:
        return Forecasts(*rules.observed.forecast(mean, scale, half))
    back, low, high = band_back(rules.transform, mean, half)
    sd = scale if rules.transform.plain else scale * rules.transform.stretch(mean)
    return Forecasts(back, sd, low, high)


def gap_of(columns: Floats, time_s: Floats, rules: Rules) -> tuple[Floats, Bools]:
    """Return the time since the last row in cadences, at most GAP_MAX, and where it was longer; 1 before any row."""
    raw = (time_s - columns[AT["clock"]]) / rules.cadence_s
    gap = np.minimum(np.maximum(raw, ZERO), GAP_MAX)
    long = raw > GAP_MAX
    if is_any(long):
        never = raw == np.inf
        gap[never], long[never] = 1.0, False
    return gap, long


def learning_of(columns: Floats, rules: Rules) -> Bools:
    """Return which series are still learning: nothing is said of them, nothing forgotten."""
    return np.asarray(columns[AT["values"]] < rules.learning_count)


def discount_of(learning: Bools, rules: Rules) -> Floats:
    """Return the share of the noise variance's degrees of freedom that is kept; while learning nothing is forgotten."""
    return np.where(learning, ONE, rules.variance_discount)


def step(columns: Floats, time_s: Floats, value: Floats, rules: Rules) -> Verdicts:
    """Return what the rows say; the columns (height, k; contiguous) then remember them. NaN is missing."""
    started, learning = columns[AT["n"]] > 0, learning_of(columns, rules)
    early = first(columns, started, rules)
    gap, nu = gap_of(columns, time_s, rules)[0], discount_of(learning, rules) * columns[AT["n"]]
    readout = _read(columns, rules.transform.forward(value), gap, nu, rules)
    expected = band((readout.mean, readout.scale, readout.half), early, rules)
    judged, now = _judge(columns, readout, np.isnan(value), ~started, learning, rules)
    verdicts = Verdicts(
        time_s,
        value,
        *expected,
        now.level,
        now.slope,
        now.p_slope_negative,
        now.sigma,
        readout.log_evidence,
        change_probability(now.p, now.one_back, now.two_back),
        now.p[:, 1],
        judged.kind,
        judged.since,
        judged.size,
        judged.sd,
        judged.p,
        judged.before,
        np.full_like(value, np.nan),
        np.full_like(value, np.nan),
        judged.verdict,
        *now[:3],
    )
    _turn(columns, verdicts)
    remember(columns, verdicts, expected.mean)
    columns[AT["rows"]] += started
    return verdicts


def _read(columns: Floats, z: Floats, gap: Floats, nu: Floats, rules: Rules) -> Readout:
    """Return the readouts, of the filter where it has started, else of the first values; both change the columns."""
    started = columns[AT["n"]] > 0
    if is_all(started):
        return _run(columns, z, gap, nu, rules)
    if not is_any(started):
        return _hold(columns, z, rules)
    merged = [np.empty((4, len(z))) if name in _OF_FOUR else np.empty(len(z)) for name in Readout._fields]
    for where, part in ((started, True), (~started, False)):
        some = np.compress(where, columns, axis=1)
        read = _run(some, z[where], gap[where], nu[where], rules) if part else _hold(some, z[where], rules)
        columns[:, where] = some
        for whole, piece in zip(merged, read, strict=True):
            whole[..., where] = piece
    return Readout(*merged)


_OF_FOUR: Final = {"p", "one_back", "two_back"}


def _run(columns: Floats, z: Floats, gap: Floats, nu: Floats, rules: Rules) -> Readout:
    after, readout = advance(memory.state_of(columns), z, gap, nu, rules.model)
    memory.put_state(columns, after)
    rows = columns[AT["rows"]]
    if rows.min(initial=2) >= 2:  # noqa: PLR2004 - two rows back
        return readout
    return readout._replace(
        one_back=np.where(rows >= 1, readout.one_back, np.nan),
        two_back=np.where(rows >= 2, readout.two_back, np.nan),  # noqa: PLR2004 - two rows back
    )


def hold(columns: Floats, z: Floats, rules: Rules) -> tuple[Begin, Bools]:
    """Keep a value of the start; return what is known, and which filters start now: the next row is their first."""
    kept = columns[ROW["kept"]]
    count = columns[AT["values"]].astype(np.int64)
    here = ~np.isnan(z) & (np.arange(START_COUNT)[:, None] == count)
    kept[here] = np.broadcast_to(z, kept.shape)[here]
    begun = begin_of(rules.observed, kept, rules.prior)
    full = ~np.isnan(kept[-1])
    if is_any(full):
        some = np.compress(full, columns, axis=1)
        some_begun = Begin(*(part[full] for part in begun))
        memory.start(some, some_begun, rules.profile.probability, rules.transform.noise_least)
        columns[:, full] = some
    return begun, full


def _hold(columns: Floats, z: Floats, rules: Rules) -> Readout:
    begun, _ = hold(columns, z, rules)
    four = (4, len(z))
    return Readout(
        level=begun.level,
        slope=begun.slope,
        p_slope_negative=np.full_like(z, 0.5),
        sigma=np.where(np.isnan(columns[AT["kept"]]), np.nan, np.sqrt(begun.noise)),
        log_evidence=np.full_like(z, np.nan),
        p=np.broadcast_to(np.array(rules.profile.probability)[:, None], four),
        one_back=np.full(four, np.nan),
        two_back=np.full(four, np.nan),
        mean=np.full_like(z, np.nan),
        scale=np.full_like(z, np.nan),
        half=np.full_like(z, np.nan),
    )


def _judge(  # noqa: PLR0917 - the columns of one step
    columns: Floats, readout: Readout, missing: Bools, starting: Bools, learning: Bools, rules: Rules
) -> tuple[Judged, Now]:
    transform = rules.transform
    stretch = transform.stretch(readout.level)
    now = Now(
        p=np.ascontiguousarray(readout.p.T),
        one_back=np.ascontiguousarray(readout.one_back.T),
        two_back=np.ascontiguousarray(readout.two_back.T),
        level=transform.back(readout.level),
        slope=readout.slope * stretch,
        sigma=readout.sigma * stretch,
        p_slope_negative=readout.p_slope_negative,
        missing=missing,
        starting=starting,
        learning=learning,
    )
    return judge(now, Before(*(columns[AT[name]] for name in Before._fields))), now


def _turn(columns: Floats, verdicts: Verdicts) -> None:
    """Remember the slope's likelier sign, and since when it has been so."""
    lean = np.where(verdicts.p_slope_negative > 0.5, -1.0, 1.0)  # noqa: PLR2004 - the likelier sign
    np.copyto(columns[AT["turned"]], verdicts.t, where=lean != columns[AT["leaning"]])
    columns[AT["leaning"]] = lean


def remember(columns: Floats, verdicts: Verdicts, expected: Floats) -> None:
    """Shift what the next rows look back on; `expected` (k) is where the filter itself expected the values."""
    columns[AT["time_2"]], columns[AT["expected_2"]] = columns[AT["time_1"]], columns[AT["expected_1"]]
    columns[AT["time_1"]], columns[AT["clock"]] = verdicts.t, verdicts.t
    columns[AT["value_1"]], columns[AT["expected_1"]] = verdicts.y, expected
    columns[AT["values"]] += verdicts.y == verdicts.y
