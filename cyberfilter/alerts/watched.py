# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the rules remember of one series, and what a person's word changes in it.

A value is held against the home of its regime. Where that is not ripe (a job's file that was seldom seen), it is held
against the home of all regimes together, whose spread has their differences in it.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import msgspec

from cyberfilter.alerts import clocks
from cyberfilter.alerts.clocks import Clocks
from cyberfilter.alerts.home import RIPE_COUNT, Home
from cyberfilter.alerts.outside import Outside
from cyberfilter.contract.index import Change, Verdict
from cyberfilter.contract.intervention import Intervention, Sort
from cyberfilter.indices.catalogue import Index

RECENT_COUNT: Final = 5
"""Values for which a verdict holds after it was said last."""
DOUBT_BLOCK: Final = 5
"""A change that the filter holds for more likely than not needs a block of so many values: time takes doubt away."""
NOISE_BLOCK: Final = 15
"""Values whose spread tells of louder noise."""
QUIET_COUNT: Final = 15
"""Values after an episode's end before the same series can begin another."""
REGIMES_MAX: Final = 16
DRIFT_MAX: Final = 0.5
"""How far a machine's levels may have gone since a regime was left, in what matters, for its home to be known still."""


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
    """An open episode: the sort of its change, the block and limit to come back within, and its begin (Unix s)."""

    sort: Verdict
    length: int
    limit: float
    ts: float = 0.0


class Watch(msgspec.Struct):
    """What the rule remembers of one series; `regime_ts` is when the regime came (Unix s).

    `drift` is how far its ripe homes have gone by learning, one after the other, in what matters.
    """

    homes: dict[float, Home] = {}
    drift: float = 0.0
    regime: float = math.nan
    regime_ts: float = -math.inf
    clocks: Clocks = msgspec.field(default_factory=Clocks)
    whole: Home = msgspec.field(default_factory=Home)
    whole_clocks: Clocks = msgspec.field(default_factory=Clocks)
    outside: Outside = msgspec.field(default_factory=Outside)
    whole_outside: Outside = msgspec.field(default_factory=Outside)
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


class Usual(NamedTuple):
    """What a value is held against: a home, and how far blocks of values go from it by noise."""

    home: Home
    clocks: Clocks
    outside: Outside

    def note(self, row: Index, value: float) -> None:
        """Take the value's departure as the newest, where a level is known."""
        matters = row.materiality.of(self.home.mean)
        if self.home.count >= RIPE_COUNT and matters > 0:
            departure = (value - self.home.mean) / matters
            clocks.note(self.clocks, departure)
            self.outside.note(departure, self.home.limit(row) / matters)

    def learn(self, row: Index, value: float) -> bool:
        """Learn from a value unless it is beyond: it would become the noise that hides it. Tell whether it was."""
        home = self.home
        if home.ripe:
            self.outside.learn()
        if home.ripe and abs(value - home.mean) >= home.limit(row):
            return False
        if home.count >= RIPE_COUNT and self.clocks.recent:
            clocks.learn(self.clocks)
        home.learn(value)
        return True


def accept(row: Index, watch: Watch) -> bool:
    """Take the present level as the usual one: a person closed the open episode. Tell whether there was one."""
    if watch.held is None:
        return False
    watch.held = None
    settle(row, watch, usual_of(watch), watch.held_count)
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
        for home in (watch.whole, *watch.homes.values()):
            home.move(said.mean)
    elif said.action is Sort.LEVEL and said.mean is not None:
        home = home_of(watch, regime)
        home.move(said.mean - home.mean)
    elif said.action is Sort.UNCERTAIN:
        watch.homes, watch.whole = {}, Home()
    quieten(watch)
    return doubt


def expects(row: Index, watch: Watch, regime: float) -> tuple[float, float] | None:
    """Return the level and spread to be told to the filter before a value, where the regime is another than before.

    Of a regime that is not known yet nothing but the distance of other regimes is: the level is NaN.
    """
    if math.isnan(watch.regime) or watch.regime == regime:
        return None
    home = watch.homes.get(regime)
    if home is not None and home.ripe and not _stale(watch, home):
        return home.mean, math.sqrt(home.variance)
    levels = [known.mean for known in watch.homes.values() if known.count]
    apart = max(levels) - min(levels) if levels else 0.0
    return math.nan, max(apart, row.materiality.of(max(levels, key=abs, default=0.0)))


def clock_s(row: Index, watch: Watch) -> float:
    """Return the public clock of a series (s of running)."""
    return clocks.public(usual_of(watch).clocks, row.cadence_s) * row.cadence_s


def usual_of(watch: Watch) -> Usual:
    """Return what the newest value was held against."""
    home = watch.homes.get(watch.regime)
    if home is not None and home.ripe:
        return Usual(home, watch.clocks, watch.outside)
    return Usual(watch.whole, watch.whole_clocks, watch.whole_outside)


def home_of(watch: Watch, regime: float, ts: float = math.nan) -> Home:
    """Return the home of a regime, which a value at `ts` (Unix s) comes into; the least known one makes room."""
    home = watch.homes.get(regime)
    if home is None:
        if len(watch.homes) >= REGIMES_MAX:
            del watch.homes[min(watch.homes, key=lambda known: watch.homes[known].count)]
        home = watch.homes[regime] = Home(drift=watch.drift)
    if watch.regime != regime:
        if watch.regime in watch.homes:
            watch.homes[watch.regime].drift = watch.drift
        if _stale(watch, home):
            home = watch.homes[regime] = Home(drift=watch.drift)
        home.visit_count += 1
        watch.whole.visit_count += 1
        watch.regime_ts = ts
    watch.regime = regime
    return home


def learn(row: Index, watch: Watch, own: Usual, whole: Usual, value: float) -> bool:
    """Let both homes learn from a value; tell whether one did."""
    was_ripe, before = own.home.ripe, own.home.mean
    learned, matters = own.learn(row, value), row.materiality.of(before)
    if learned and was_ripe and matters > 0:
        watch.drift += (own.home.mean - before) / matters
    return whole.learn(row, value) or learned


def _stale(watch: Watch, home: Home) -> bool:
    """Tell whether the levels have gone on since this home was left: what was usual then says nothing now."""
    return abs(watch.drift - home.drift) >= DRIFT_MAX


def settle(row: Index, watch: Watch, usual: Usual, count: int) -> None:
    """Take the level of the last `count` values as the usual one, and what it differs by in every other regime, too."""
    recent = usual.clocks.recent[-min(max(count, 1), NOISE_BLOCK) :]
    by = math.fsum(recent) / max(len(recent), 1) * row.materiality.of(usual.home.mean)
    share = by / usual.home.mean if row.materiality.relative and usual.home.mean else 0.0
    for home in (watch.whole, *watch.homes.values()):
        home.move(share * home.mean if row.materiality.relative else by)
    quieten(watch)


def quieten(watch: Watch) -> None:
    """Begin anew with what is recent: an episode is over."""
    watch.clocks.recent, watch.whole_clocks.recent = [], []
    watch.outside.run_count = watch.whole_outside.run_count = 0
    watch.verdict_age_count, watch.doubt_age_count = RECENT_COUNT + 1, DOUBT_BLOCK + 1
