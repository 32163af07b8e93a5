# SPDX-License-Identifier: AGPL-3.0-or-later
"""From the filter's verdicts to a raised alert, and back to quiet. Rare by construction.

Every series has a usual level and spread ("home") for each regime, learned from values that were not far out. An alert
needs three things at once: the filter says with P > .9 what sort of change it is; the filter's level is further from
home than the index's materiality; and the mean of a block of values agrees, on the same side, further out than both
the materiality and what noise does to such a block (clocks.py). A large change shows in a block of one or three
values, a small one takes its hour. Louder noise is judged by the spread of a block instead of its mean. While an
episode is open its band is held: it returns after five values in a row at which its own block is well inside.
"""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import median
from typing import Final, Literal

from cyberfilter.alerts import clocks
from cyberfilter.alerts.clocks import Beyond
from cyberfilter.alerts.home import SPREADS, Home
from cyberfilter.alerts.lifecycle import Happening
from cyberfilter.alerts.signal import Begins, Ends, Signal
from cyberfilter.alerts.told import Departure, Seen, facts_of
from cyberfilter.alerts.watched import (
    DOUBT_BLOCK,
    NOISE_BLOCK,
    QUIET_COUNT,
    RECENT_COUNT,
    Held,
    Judged,
    Usual,
    Watch,
    home_of,
    learn,
    quieten,
    settle,
)
from cyberfilter.contract.alert import AlertClass
from cyberfilter.contract.index import Verdict
from cyberfilter.indices.catalogue import Index

MEDIAN_APART: Final = 0.954
"""Median distance of two values of Gaussian noise, in its standard deviation."""
NOISE_SHARE: Final = 0.5
"""Noise is louder when that spread passes this share of what a single value may do by noise alone."""
SURE_OFTEN: Final = 100.0
"""Noise may pass a limit so many times as often as the budget allows where the filter is sure of a step or slope
to a level that is not usual even for a single value: of a thousand steady values it calls less than one a change."""
NEWEST_SHARE: Final = 0.5
"""The newest value is out by so much of what matters, or what was is over: then nobody is called."""
LASTING_S: Final = 120.0
"""How long (s) a change has lasted when it is told: one disturbance of a minute may fall into two buckets."""
STANDING_COUNT: Final = 5
"""Verdicts in a row after which a stuck sensor or a lost season is told."""
CREPT_SHARE: Final = 0.5
"""A step from where the index was so far out already is the end of a slope."""
SETTLED_COUNT: Final = 15
"""Values after an episode's begin at which its sort is said anew: by then a slope has gone on, or it was a step."""
BACK_COUNT: Final = 5
BACK_SHARE: Final = 0.8
"""Hysteresis: inside means within this share of the limit."""
WORSE_COUNT: Final = 15
"""Values after an episode's begin before it can be told to be worse: till then it is still coming to its full size."""
_MOVES: Final = frozenset({Verdict.STEP, Verdict.SLOPE})
_TOLD: Final = _MOVES | {Verdict.NOISE}
_STANDING: Final = frozenset({Verdict.STUCK, Verdict.SEASON})

Mode = Literal["live", "learning"]


def look(row: Index, watch: Watch, judged: Judged, *, mode: Mode) -> Signal | None:
    """Return what this value begins or ends, if anything; while learning, a new level is taken as the usual one."""
    home = home_of(watch, judged.regime, judged.ts)
    _remember(watch, judged)
    own, whole = (
        Usual(home, watch.clocks, watch.outside),
        Usual(watch.whole, watch.whole_clocks, watch.whole_outside),
    )
    own.note(row, judged.value)
    whole.note(row, judged.value)
    usual = own if home.ripe else whole
    if not usual.home.ripe:
        learn(row, watch, own, whole, judged.value)
        return None
    if watch.held is not None:
        return _held(row, watch, watch.held, usual, judged)
    found = _found(row, watch, usual, judged)
    if found is None or watch.quiet_count > 0:
        if learn(row, watch, own, whole, judged.value):
            watch.quiet_count = max(watch.quiet_count - 1, 0)
        return None
    if mode == "learning":
        settle(row, watch, usual, found[1].length)
        return None
    sort, block = found
    limit = _limit(usual, row, sort, block.length)
    watch.held, watch.held_count, watch.back_count = Held(sort, block.length, limit, judged.ts), block.length, 0
    watch.peak = block.mean
    return _signal(row, watch, usual, judged, held=watch.held, block=block)


def _signal(row: Index, watch: Watch, usual: Usual, judged: Judged, *, held: Held, block: Beyond) -> Begins:
    home, public = usual.home, clocks.public(usual.clocks, row.cadence_s)
    departure = Departure(held.sort, block, held.limit, public, row.materiality.of(home.mean))
    crept = held.sort is Verdict.SLOPE and watch.change is not None and watch.change.kind != Verdict.SLOPE
    change = None if crept else watch.change  # which was but the last part of it
    facts = facts_of(row, home, Seen(judged.ts, judged.value, judged.level, judged.p_change), change, departure)
    return Begins(AlertClass.ALGEDONIC, f"{row.word}_{held.sort}", row.name, judged.ts, facts, index_name=row.name)


def _remember(watch: Watch, judged: Judged) -> None:
    """Keep the newest verdict that tells of a change, and the change that it tells."""
    again = judged.verdict is watch.verdict
    watch.verdict_run_count = watch.verdict_run_count + 1 if again else int(judged.verdict in _STANDING)
    watch.verdict_age_count = min(watch.verdict_age_count + 1, RECENT_COUNT + 1)
    watch.doubt_age_count = min(watch.doubt_age_count + 1, DOUBT_BLOCK + 1)
    if judged.verdict in _TOLD | _STANDING:
        watch.verdict, watch.verdict_age_count, watch.change = judged.verdict, 0, judged.change
    elif judged.verdict is Verdict.UNSURE and judged.change is not None:  # it is told from P > .5 on
        watch.doubt_age_count, watch.change = 0, judged.change


def _found(row: Index, watch: Watch, usual: Usual, judged: Judged) -> tuple[Verdict, Beyond] | None:
    """Return which sort of change asks for a person, with the block that shows it."""
    home, recent = usual.home, usual.clocks.recent
    sort, matters = watch.verdict, row.materiality.of(home.mean)
    if home is watch.whole and not _within(watch):
        return None
    if watch.verdict_age_count > RECENT_COUNT:
        return _doubted(row, watch, usual, judged, matters)
    limits = clocks.limits(usual.clocks, row.cadence_s)
    if sort in _STANDING:
        lasts = watch.verdict_run_count >= STANDING_COUNT
        if sort is Verdict.SEASON:  # a pattern may go that nobody would miss
            block = clocks.beyond(recent, limits)
            return (sort, block) if lasts and block is not None else None
        return (sort, Beyond(1, recent[-1])) if lasts and row.sensed else None
    if sort is Verdict.NOISE:
        spread = _spread(recent)
        loud = len(recent) >= NOISE_BLOCK and spread >= max(1.0, NOISE_SHARE * limits[0])
        return (sort, Beyond(NOISE_BLOCK, spread)) if loud else None
    if abs(judged.level - home.mean) >= home.limit(row):
        limits = clocks.limits(usual.clocks, row.cadence_s, SURE_OFTEN)
    block = clocks.beyond(recent, limits) or _run(usual, row)
    lasts = watch.change is None or judged.ts - watch.change.since >= LASTING_S
    sort = Verdict.SLOPE if _crept(watch, usual, judged) else sort
    return (sort, block) if block is not None and lasts and _agrees(home, judged, matters, block) else None


def _crept(watch: Watch, usual: Usual, judged: Judged) -> bool:
    """Tell whether the step was but the last part of the way from home: the index stood half as far out before."""
    change, home = watch.change, usual.home
    if change is None or change.kind != Verdict.STEP or home is watch.whole or judged.level == home.mean:
        return False
    return (change.before - home.mean) / (judged.level - home.mean) >= CREPT_SHARE


def _ended(row: Index, watch: Watch, usual: Usual) -> bool:
    """Tell whether a slope is over: in the last values it should have gone on by what matters, and has not by half."""
    change, recent = watch.change, usual.clocks.recent[-SETTLED_COUNT:]
    third = SETTLED_COUNT // 3
    if change is None or change.kind != Verdict.SLOPE or len(recent) < SETTLED_COUNT:
        return False
    rise = change.size / row.materiality.of(usual.home.mean)
    gone = math.fsum(recent[-third:]) / third - math.fsum(recent[:third]) / third
    return abs(rise) * SETTLED_COUNT >= 1.0 and gone / rise < 0.5 * (SETTLED_COUNT - third)


def _run(usual: Usual, row: Index) -> Beyond | None:
    """Return the run of values beyond what is usual for one as a block, where the series has no habit of such runs."""
    if not usual.outside.is_rare(row.cadence_s, SURE_OFTEN):
        return None
    recent = usual.clocks.recent
    length = max(rung for rung in clocks.RUNGS if rung <= min(usual.outside.run_count, len(recent)))
    return Beyond(length, math.fsum(recent[-length:]) / length)


def _doubted(row: Index, watch: Watch, usual: Usual, judged: Judged, matters: float) -> tuple[Verdict, Beyond] | None:
    """Return a move of which the filter is more sure than not, and the clock altogether."""
    if watch.doubt_age_count > DOUBT_BLOCK:
        return None
    home, recent, limits = usual.home, usual.clocks.recent, clocks.limits(usual.clocks, row.cadence_s)
    block = clocks.beyond(recent, limits)
    if block is None or not _agrees(home, judged, matters, block):
        return None
    length = max(block.length, DOUBT_BLOCK)
    longer = math.fsum(recent[-length:]) / length
    if len(recent) < length or abs(longer) < dict(zip(clocks.RUNGS, limits, strict=False)).get(length, math.inf):
        return None
    is_slope = watch.change is not None and (watch.change.kind == Verdict.SLOPE or _crept(watch, usual, judged))
    return Verdict.SLOPE if is_slope else Verdict.STEP, Beyond(length, longer)


def _agrees(home: Home, judged: Judged, matters: float, block: Beyond) -> bool:
    """Tell whether the filter's level is out on the block's side, and the newest value not on its way back."""
    out, newest = (judged.level - home.mean) / matters, (judged.value - home.mean) / matters
    return abs(out) >= 1.0 and out * block.mean > 0 and newest * math.copysign(1.0, block.mean) >= NEWEST_SHARE


def _within(watch: Watch) -> bool:
    """Tell whether what changed did so since the regime came: a level of its own is no change."""
    return watch.verdict in _STANDING or (watch.change is not None and watch.change.since > watch.regime_ts)


def _spread(recent: list[float]) -> float:
    """Return how loud the last values are: about home, but no louder than neighbours differ, in which a step is one."""
    last = recent[-NOISE_BLOCK:]
    apart = [abs(after - before) for before, after in pairwise(last)]
    about = math.sqrt(math.fsum(u * u for u in last) / max(len(last), 1))
    return min(about, median(apart) / MEDIAN_APART) if apart else 0.0


def _limit(usual: Usual, row: Index, sort: Verdict, length: int) -> float:
    """Return how far out an episode's own block is beyond, in units of what matters."""
    limits = clocks.limits(usual.clocks, row.cadence_s)
    if sort is Verdict.NOISE:
        return max(1.0, NOISE_SHARE * limits[0])
    single = max(1.0, SPREADS * math.sqrt(usual.home.variance) / row.materiality.of(usual.home.mean))
    return single if length == 1 else min(single, dict(zip(clocks.RUNGS, limits, strict=False))[length])


def _held(row: Index, watch: Watch, held: Held, usual: Usual, judged: Judged) -> Signal | None:
    """Return that the open episode is over, or that it is materially worse than it ever was."""
    recent = usual.clocks.recent
    watch.held_count += 1
    block = recent[-held.length :]
    out = math.fsum(block) / max(len(block), 1)
    if held.sort in _STANDING:
        inside = judged.verdict is not held.sort
    elif held.sort is Verdict.NOISE:
        inside = _spread(recent) <= BACK_SHARE * held.limit
    else:
        inside = abs(out) <= BACK_SHARE * held.limit
    watch.back_count = watch.back_count + 1 if inside else 0
    if watch.back_count >= BACK_COUNT:
        watch.held, watch.back_count, watch.quiet_count = None, 0, QUIET_COUNT
        quieten(watch)
        return Ends(row.name, judged.ts, Happening.RETURN)
    is_sure = held.sort in _MOVES and watch.verdict in _MOVES and watch.verdict_age_count <= RECENT_COUNT
    if watch.held_count == held.length + SETTLED_COUNT and held.sort in _TOLD:
        return _corrected(row, watch, held, usual, judged)
    if watch.held_count <= held.length + WORSE_COUNT:
        watch.peak = max(watch.peak, out, key=abs)
        return None
    if not is_sure or out * watch.peak <= 0 or abs(out) < abs(watch.peak) + 1.0:
        return None
    watch.peak = out
    worse = _signal(row, watch, usual, judged, held=held, block=Beyond(held.length, out))
    return worse._replace(how=Happening.WORSE)


def _settled(row: Index, watch: Watch, held: Held, usual: Usual, judged: Judged) -> Verdict:
    """Return of which sort the change of the open episode is by now."""
    change, sort = judged.change, held.sort
    if change is not None and change.kind in _TOLD and (change.since <= held.ts or change.kind == Verdict.NOISE):
        watch.change = change
        sort = Verdict.SLOPE if _crept(watch, usual, judged) else Verdict(change.kind)
    return Verdict.STEP if sort is Verdict.SLOPE and _ended(row, watch, usual) else sort


def _corrected(row: Index, watch: Watch, held: Held, usual: Usual, judged: Judged) -> Signal | None:
    """Return that the open episode is of another sort than was said, if it is: a quick slope that ended is a step."""
    sort = _settled(row, watch, held, usual, judged)
    if sort is held.sort:
        return None
    is_noise = sort is Verdict.NOISE
    length = NOISE_BLOCK if is_noise else held.length
    recent = usual.clocks.recent[-NOISE_BLOCK:]
    out = math.fsum(recent) / max(len(recent), 1)
    if is_noise != (abs(out) < 1.0):  # louder noise moves no mean, and a move does
        return None
    out = _spread(recent) if is_noise else out
    watch.held = Held(sort, length, _limit(usual, row, sort, length), held.ts)
    corrected = _signal(row, watch, usual, judged, held=watch.held, block=Beyond(length, out))
    return corrected._replace(how=Happening.CORRECT)
