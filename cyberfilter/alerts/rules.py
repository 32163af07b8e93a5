# SPDX-License-Identifier: AGPL-3.0-or-later
"""From the filter's verdicts to a raised alert, and back to quiet. Rare by construction.

Every series has a usual level and spread ("home") for each regime, learned from values that were not far out. A value
is beyond when it is further from home than both 3 spreads and the index's materiality. The rule fires when the filter
says step or slope, its level is beyond, and two of the last five values are; or when four of the last five are,
whatever the filter says. While an episode is open its band is held: it returns after five values well inside.
"""

from __future__ import annotations

import math
from typing import Final, Literal, NamedTuple

import msgspec

from collector.contract.codec import format_time
from cyberfilter.alerts.lifecycle import Happening
from cyberfilter.alerts.signal import Begins, Ends, Signal
from cyberfilter.contract.alert import AlertClass
from cyberfilter.contract.index import Verdict
from cyberfilter.indices.catalogue import Good, Index

SPREADS: Final = 3.0
"""A value nearer to home than this many spreads is usual."""
RECENT_COUNT: Final = 5
BEYOND_WITH_VERDICT: Final = 2
BEYOND_ALONE: Final = 4
RIPE_COUNT: Final = 60
"""Values before a home can be left: an hour of running for a minute index."""
HOME_COUNT: Final = 240
"""Memory of a home, in values."""
BACK_COUNT: Final = 5
BACK_SHARE: Final = 0.8
"""Hysteresis: inside means within this share of the limit."""
QUIET_COUNT: Final = 15
"""Values after an episode's end before the same series can begin another."""
REGIMES_MAX: Final = 16

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


class Home(msgspec.Struct):
    """The usual level and spread of a series in one regime."""

    count: int = 0
    mean: float = 0.0
    variance: float = 0.0

    def learn(self, value: float) -> None:
        """Move towards a value; once ripe, a single one moves it by at most three spreads' worth."""
        self.count += 1
        weight = max(1 / self.count, 1 / HOME_COUNT)
        delta = value - self.mean
        if self.count > RIPE_COUNT:
            bound = SPREADS * math.sqrt(self.variance)
            delta = min(max(delta, -bound), bound) if bound > 0 else delta
        self.mean += weight * delta
        self.variance = (1 - weight) * (self.variance + weight * delta * delta)

    def limit(self, row: Index) -> float:
        """Return how far from the mean a value has to be to be beyond."""
        return max(SPREADS * math.sqrt(self.variance), row.materiality.of(self.mean))


class Held(msgspec.Struct, frozen=True):
    """The band that an open episode has to come back to."""

    regime: float
    mean: float
    limit: float


class Watch(msgspec.Struct):
    """What the rule remembers of one series."""

    homes: dict[float, Home] = {}
    recent: list[tuple[float, int]] = []
    verdict: Verdict = Verdict.STEADY
    verdict_age_count: int = RECENT_COUNT + 1
    held: Held | None = None
    back_count: int = 0
    quiet_count: int = 0


def look(row: Index, watch: Watch, judged: Judged, *, mode: Mode) -> Signal | None:
    """Return what this value begins or ends, if anything; while learning, a new level is taken as the usual one."""
    home = _home(watch, judged.regime)
    if watch.held is not None:
        return _held(row, watch, watch.held, home, judged)
    if home.count < RIPE_COUNT:
        home.learn(judged.value)
        return None
    limit = home.limit(row)
    side = _side(judged.value - home.mean, limit)
    _remember(watch, judged, side)
    if side == 0:
        home.learn(judged.value)
        watch.quiet_count = max(watch.quiet_count - 1, 0)
        return None
    if watch.quiet_count > 0 or not _fires(watch, side, abs(judged.level - home.mean) >= limit):
        return None
    if mode == "learning":
        _forget(watch, judged.regime)
        return None
    signal = _begins(row, watch, home, judged, side)
    watch.held, watch.back_count = Held(judged.regime, home.mean, limit), 0
    return signal


def accept(watch: Watch) -> bool:
    """Take the present level as the usual one: a person closed the open episode. Tell whether there was one."""
    if watch.held is None:
        return False
    regime, watch.held = watch.held.regime, None
    _forget(watch, regime)
    watch.quiet_count = QUIET_COUNT
    return True


def _home(watch: Watch, regime: float) -> Home:
    home = watch.homes.get(regime)
    if home is None:
        if len(watch.homes) >= REGIMES_MAX:
            del watch.homes[min(watch.homes, key=lambda known: watch.homes[known].count)]
        home = watch.homes[regime] = Home()
    return home


def _side(distance: float, limit: float) -> int:
    """Return on which side a distance is beyond, 0 where it is not, or not known."""
    return int(math.copysign(1, distance)) if 0 < limit <= abs(distance) else 0


def _remember(watch: Watch, judged: Judged, side: int) -> None:
    watch.recent = [*watch.recent, (judged.ts, side)][-RECENT_COUNT:]
    watch.verdict_age_count = min(watch.verdict_age_count + 1, RECENT_COUNT + 1)
    if judged.verdict in {Verdict.STEP, Verdict.SLOPE}:
        watch.verdict, watch.verdict_age_count = judged.verdict, 0


def _fires(watch: Watch, side: int, level_beyond: bool) -> bool:  # noqa: FBT001 - two callers' words
    count = sum(1 for _, known in watch.recent if known == side)
    by_verdict = watch.verdict_age_count <= RECENT_COUNT and level_beyond
    return count >= BEYOND_ALONE or (count >= BEYOND_WITH_VERDICT and by_verdict)


def _forget(watch: Watch, regime: float) -> None:
    watch.homes[regime] = Home()
    watch.recent, watch.verdict_age_count = [], RECENT_COUNT + 1


def _held(row: Index, watch: Watch, held: Held, home: Home, judged: Judged) -> Signal | None:
    mean, limit = held.mean, held.limit
    if judged.regime != held.regime:
        if home.count < RIPE_COUNT:
            home.learn(judged.value)
            return None
        mean, limit = home.mean, home.limit(row)
    watch.back_count = watch.back_count + 1 if abs(judged.value - mean) <= BACK_SHARE * limit else 0
    if watch.back_count < BACK_COUNT:
        return None
    watch.held, watch.back_count, watch.quiet_count = None, 0, QUIET_COUNT
    watch.recent, watch.verdict_age_count = [], RECENT_COUNT + 1
    return Ends(row.name, judged.ts, Happening.RETURN)


def _begins(row: Index, watch: Watch, home: Home, judged: Judged, side: int) -> Begins:
    change = watch.verdict if watch.verdict_age_count <= RECENT_COUNT else Verdict.STEP
    pleases = (row.good is Good.HIGHER and side > 0) or (row.good is Good.LOWER and side < 0)
    beyond = [(ts, known) for ts, known in watch.recent if known == side]
    level = judged.level if _side(judged.level - home.mean, home.limit(row)) == side else judged.value
    size, spread, limit = level - home.mean, math.sqrt(home.variance), home.limit(row)
    facts: dict[str, float | str] = {
        "sign": "pleasure" if pleases else "pain",
        "change": change.value,
        "unit": row.unit,
        "level": round(level, 4),
        "expected": round(home.mean, 4),
        "lo": round(home.mean - limit, 4),
        "hi": round(home.mean + limit, 4),
        "size": round(size, 4),
        "since": format_time(beyond[0][0]),
    }
    if home.mean:
        facts["size_ratio"] = round(size / abs(home.mean), 4)
    if spread > 0:
        facts["sigma"] = round(abs(size) / spread, 1)
    if math.isfinite(judged.p_change):
        facts["probability"] = round(judged.p_change, 4)
    return Begins(AlertClass.ALGEDONIC, f"{row.word}_{change}", row.name, judged.ts, facts, index_name=row.name)
