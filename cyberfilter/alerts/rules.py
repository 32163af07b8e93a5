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
from typing import Final, Literal, NamedTuple

import msgspec

from cyberfilter.alerts import clocks
from cyberfilter.alerts.clocks import Beyond, Clocks
from cyberfilter.alerts.home import RIPE_COUNT, SPREADS, Home
from cyberfilter.alerts.lifecycle import Happening
from cyberfilter.alerts.signal import Begins, Ends, Signal
from cyberfilter.alerts.told import Departure, Seen, facts_of
from cyberfilter.contract.alert import AlertClass
from cyberfilter.contract.index import Change, Verdict
from cyberfilter.contract.intervention import Intervention, Sort
from cyberfilter.indices.catalogue import Index

RECENT_COUNT: Final = 5
"""Values for which a verdict holds after it was said last."""
DOUBT_BLOCK: Final = 5
"""A change that the filter holds for more likely than not needs a block of so many values: time takes doubt away."""
NOISE_BLOCK: Final = 15
"""Values whose spread tells of louder noise."""
NOISE_SHARE: Final = 0.5
"""Noise is louder when that spread passes this share of what a single value may do by noise alone."""
STANDING_COUNT: Final = 5
"""Verdicts in a row after which a stuck sensor or a lost season is told."""
BACK_COUNT: Final = 5
BACK_SHARE: Final = 0.8
"""Hysteresis: inside means within this share of the limit."""
QUIET_COUNT: Final = 15
"""Values after an episode's end before the same series can begin another."""
WORSE_COUNT: Final = 15
"""Values after an episode's begin before it can be told to be worse: till then it is still coming to its full size."""
REGIMES_MAX: Final = 16
_MOVES: Final = frozenset({Verdict.STEP, Verdict.SLOPE})
_TOLD: Final = _MOVES | {Verdict.NOISE}
_STANDING: Final = frozenset({Verdict.STUCK, Verdict.SEASON})

Mode = Literal["live", "learning"]


class Judged(NamedTuple):
    """One value with what the filter said of it; figures in the index's unit, NaN where not known."""

    ts: float
    value: float
    regime: float
    verdict: Verdict
    mean: float
    lo95: float
    hi95: float
    level: float
    p_change: float
    change: Change | None = None


class Held(msgspec.Struct, frozen=True):
    """An open episode: the sort of its change, and the block and limit that it has to come back within."""

    sort: Verdict
    length: int
    limit: float


class Watch(msgspec.Struct):
    """What the rule remembers of one series."""

    homes: dict[float, Home] = {}
    regime: float = math.nan
    clocks: Clocks = msgspec.field(default_factory=Clocks)
    verdict: Verdict = Verdict.STEADY
    verdict_age_count: int = RECENT_COUNT + 1
    verdict_run_count: int = 0
    doubt_age_count: int = DOUBT_BLOCK + 1
    change: Change | None = None
    held: Held | None = None
    held_count: int = 0
    peak: float = 0.0
    back_count: int = 0
    quiet_count: int = 0


def look(row: Index, watch: Watch, judged: Judged, *, mode: Mode) -> Signal | None:
    """Return what this value begins or ends, if anything; while learning, a new level is taken as the usual one."""
    home = _home(watch, judged.regime)
    _remember(watch, judged)
    matters, distance = row.materiality.of(home.mean), judged.value - home.mean
    if home.count < RIPE_COUNT or matters <= 0:
        home.learn(judged.value)
        return None
    clocks.note(watch.clocks, distance / matters)
    if not home.ripe:
        home.learn(judged.value)
        clocks.learn(watch.clocks)
        return None
    if watch.held is not None:
        return _held(row, watch, watch.held, home, judged)
    found = _found(row, watch, home, judged, matters)
    if found is None or watch.quiet_count > 0:
        if abs(distance) < home.limit(row):  # what is beyond teaches neither: it would become the noise that hides it
            home.learn(judged.value)
            clocks.learn(watch.clocks)
            watch.quiet_count = max(watch.quiet_count - 1, 0)
        return None
    if mode == "learning":
        _settle(row, watch, found[1].length)
        return None
    sort, block = found
    limit = _limit(watch, row, home, sort, block.length)
    watch.held, watch.held_count, watch.back_count = Held(sort, block.length, limit), block.length, 0
    watch.peak = block.mean
    return _signal(row, watch, home, judged, held=watch.held, block=block)


def _signal(row: Index, watch: Watch, home: Home, judged: Judged, *, held: Held, block: Beyond) -> Begins:
    public = clocks.public(watch.clocks, row.cadence_s)
    departure = Departure(held.sort, block, held.limit, public, row.materiality.of(home.mean))
    facts = facts_of(row, home, Seen(judged.ts, judged.value, judged.level, judged.p_change), watch.change, departure)
    return Begins(AlertClass.ALGEDONIC, f"{row.word}_{held.sort}", row.name, judged.ts, facts, index_name=row.name)


def accept(row: Index, watch: Watch) -> bool:
    """Take the present level as the usual one: a person closed the open episode. Tell whether there was one."""
    if watch.held is None:
        return False
    watch.held = None
    _settle(row, watch, watch.held_count)
    watch.quiet_count = QUIET_COUNT
    return True


def foretell(row: Index, watch: Watch, regime: float, said: Intervention) -> float:
    """Let a person's word hold from the next value on: what comes as it was foretold is no news.

    Returns how sure it is (sd in the index's unit), where the person does not say: what matters of the index.
    """
    if said.action is Sort.IGNORE:
        return 0.0
    known = watch.homes.get(regime)
    doubt = row.materiality.of(known.mean if known else said.mean or 0.0) if said.sd is None else said.sd
    if said.action is Sort.SHIFT and said.mean is not None:
        for home in watch.homes.values():
            home.move(said.mean)
    elif said.action is Sort.LEVEL and said.mean is not None:
        home = _home(watch, regime)
        home.move(said.mean - home.mean)
    elif said.action is Sort.UNCERTAIN:
        watch.homes = {}
    _quieten(watch)
    return doubt


def expects(row: Index, watch: Watch, regime: float) -> tuple[float, float] | None:
    """Return the level and spread to be told to the filter before a value, where the regime is another than before.

    Of a regime that is not known yet nothing but the distance of other regimes is: the level is NaN.
    """
    if math.isnan(watch.regime) or watch.regime == regime:
        return None
    home = watch.homes.get(regime)
    if home is not None and home.ripe:
        return home.mean, math.sqrt(home.variance)
    levels = [known.mean for known in watch.homes.values() if known.count]
    apart = max(levels) - min(levels) if levels else 0.0
    return math.nan, max(apart, row.materiality.of(max(levels, key=abs, default=0.0)))


def clock_s(row: Index, watch: Watch) -> float:
    """Return the public clock of a series (s of running)."""
    return clocks.public(watch.clocks, row.cadence_s) * row.cadence_s


def _home(watch: Watch, regime: float) -> Home:
    home = watch.homes.get(regime)
    if home is None:
        if len(watch.homes) >= REGIMES_MAX:
            del watch.homes[min(watch.homes, key=lambda known: watch.homes[known].count)]
        home = watch.homes[regime] = Home()
    if watch.regime != regime:
        home.visit_count += 1
    watch.regime = regime
    return home


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


def _found(row: Index, watch: Watch, home: Home, judged: Judged, matters: float) -> tuple[Verdict, Beyond] | None:
    """Return which sort of change asks for a person, with the block that shows it."""
    sort, recent = watch.verdict, watch.clocks.recent
    if watch.verdict_age_count > RECENT_COUNT:
        return _doubted(row, watch, home, judged, matters)
    if sort in _STANDING:
        return (sort, Beyond(1, recent[-1])) if watch.verdict_run_count >= STANDING_COUNT else None
    limits = clocks.limits(watch.clocks, row.cadence_s)
    if sort is Verdict.NOISE:
        spread = _spread(recent)
        loud = len(recent) >= NOISE_BLOCK and spread >= max(1.0, NOISE_SHARE * limits[0])
        return (sort, Beyond(NOISE_BLOCK, spread)) if loud else None
    block = clocks.beyond(recent, limits)
    return (sort, block) if block is not None and _agrees(home, judged, matters, block) else None


def _doubted(row: Index, watch: Watch, home: Home, judged: Judged, matters: float) -> tuple[Verdict, Beyond] | None:
    """Return a move of which the filter is more sure than not, and the clock altogether."""
    if watch.doubt_age_count > DOUBT_BLOCK:
        return None
    recent, limits = watch.clocks.recent, clocks.limits(watch.clocks, row.cadence_s)
    block = clocks.beyond(recent, limits)
    if block is None or not _agrees(home, judged, matters, block):
        return None
    length = max(block.length, DOUBT_BLOCK)
    longer = math.fsum(recent[-length:]) / length
    if len(recent) < length or abs(longer) < dict(zip(clocks.RUNGS, limits, strict=False)).get(length, math.inf):
        return None
    is_slope = watch.change is not None and watch.change.kind == Verdict.SLOPE
    return Verdict.SLOPE if is_slope else Verdict.STEP, Beyond(length, longer)


def _agrees(home: Home, judged: Judged, matters: float, block: Beyond) -> bool:
    out = (judged.level - home.mean) / matters
    return abs(out) >= 1.0 and out * block.mean > 0


def _spread(recent: list[float]) -> float:
    return math.sqrt(math.fsum(u * u for u in recent[-NOISE_BLOCK:]) / max(len(recent[-NOISE_BLOCK:]), 1))


def _limit(watch: Watch, row: Index, home: Home, sort: Verdict, length: int) -> float:
    """Return how far out an episode's own block is beyond, in units of what matters."""
    limits = clocks.limits(watch.clocks, row.cadence_s)
    if sort is Verdict.NOISE:
        return max(1.0, NOISE_SHARE * limits[0])
    single = max(1.0, SPREADS * math.sqrt(home.variance) / row.materiality.of(home.mean))
    return single if length == 1 else min(single, dict(zip(clocks.RUNGS, limits, strict=False))[length])


def _settle(row: Index, watch: Watch, count: int) -> None:
    """Take the level of the last `count` values as the usual one, and what it differs by in every other regime, too."""
    recent = watch.clocks.recent[-min(max(count, 1), NOISE_BLOCK) :]
    out = math.fsum(recent) / max(len(recent), 1)
    for home in watch.homes.values():
        home.move(out * row.materiality.of(home.mean))
    _quieten(watch)


def _quieten(watch: Watch) -> None:
    """Begin anew with what is recent: an episode is over."""
    watch.clocks.recent = []
    watch.verdict_age_count, watch.doubt_age_count = RECENT_COUNT + 1, DOUBT_BLOCK + 1


def _held(row: Index, watch: Watch, held: Held, home: Home, judged: Judged) -> Signal | None:
    """Return that the open episode is over, or that it is materially worse than it ever was."""
    recent = watch.clocks.recent
    watch.held_count += 1
    block = recent[-held.length :]
    out = math.fsum(block) / len(block)
    if held.sort in _STANDING:
        inside = judged.verdict is not held.sort
    elif held.sort is Verdict.NOISE:
        inside = _spread(recent) <= BACK_SHARE * held.limit
    else:
        inside = abs(out) <= BACK_SHARE * held.limit
    watch.back_count = watch.back_count + 1 if inside else 0
    if watch.back_count >= BACK_COUNT:
        watch.held, watch.back_count, watch.quiet_count = None, 0, QUIET_COUNT
        _quieten(watch)
        return Ends(row.name, judged.ts, Happening.RETURN)
    is_sure = held.sort in _MOVES and watch.verdict in _MOVES and watch.verdict_age_count <= RECENT_COUNT
    if watch.held_count <= held.length + WORSE_COUNT:
        watch.peak = max(watch.peak, out, key=abs)
        return None
    if not is_sure or out * watch.peak <= 0 or abs(out) < abs(watch.peak) + 1.0:
        return None
    watch.peak = out
    worse = _signal(row, watch, home, judged, held=held, block=Beyond(held.length, out))
    return worse._replace(how=Happening.WORSE)
