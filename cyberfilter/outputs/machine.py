# SPDX-License-Identifier: AGPL-3.0-or-later
"""What is known of a machine for others: the newest state, job, parts and values, folded from its facts."""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

import msgspec

from collector.contract.event import JobEnded, JobStarted, PartCounted, State, StateSeen
from collector.contract.reading import Batch, Samples
from cyberfilter.contract.alert import Alert
from cyberfilter.contract.index import IndexValue

VALUES_MAX: Final = 100
"""Indicators of one machine that others hear of: the first that came."""
COUNTS_MAX: Final = 64
"""Counts of parts of one machine that may still be corrected; an older one stands."""


class News(IntEnum):
    """How soon others should hear of it: not at all, with the next round of values, or at once."""

    NOTHING = 0
    VALUES = 1
    EVENT = 2


class Newest(NamedTuple):
    """The newest sample of an indicator; `ts` in Unix s."""

    ts: float
    value: float


class Machine(msgspec.Struct):
    """What was heard of one machine; times in Unix s, parts since it is listened to."""

    state: State = State.UNKNOWN
    state_at: float = 0.0
    why: str | None = None
    file: str | None = None
    values: dict[str, Newest] = {}
    good_count: int = 0
    scrap_count: int = 0
    parts_at: float | None = None
    counted: dict[str, tuple[int, int]] = {}


class View(NamedTuple):
    """All that others may hear of a machine, or of a unit without machine of its own (then `machine` is None).

    `is_alone` tells that no other device stands at the place. Indices and open alerts are those of the place.
    """

    device: str
    place: str
    area: str
    dialect: str
    is_alone: bool
    machine: Machine | None
    indices: tuple[IndexValue, ...] = ()
    alerts: tuple[Alert, ...] = ()


def fold(machine: Machine, batch: Batch) -> News:
    """Take a batch's facts into the machine and tell how soon others should hear; older stamps change nothing."""
    news = News.NOTHING
    for fact in batch.facts:
        news = max(news, _fold_one(machine, fact))
    return news


def _fold_one(machine: Machine, fact: object) -> News:
    if isinstance(fact, Samples):
        return _take_samples(machine, fact)
    if isinstance(fact, StateSeen):
        return _take_state(machine, fact)
    if isinstance(fact, PartCounted):
        return _count(machine, fact)
    if isinstance(fact, JobStarted):
        machine.file = fact.file
        return News.EVENT
    if isinstance(fact, JobEnded):
        machine.file = None
        return News.EVENT
    return News.NOTHING


def _take_samples(machine: Machine, samples: Samples) -> News:
    news = News.NOTHING
    for name, column in samples.values.items():
        before = machine.values.get(name)
        if before is None and len(machine.values) >= VALUES_MAX:
            continue
        found = max(((ts, v) for ts, v in zip(samples.times, column, strict=True) if v is not None), default=None)
        if found is not None and (before is None or found[0] > before.ts):
            machine.values[name] = Newest(*found)
            news = News.VALUES
    return news


def _take_state(machine: Machine, seen: StateSeen) -> News:
    if seen.ts < machine.state_at:
        return News.NOTHING
    changed = (seen.state, seen.why) != (machine.state, machine.why)
    if changed:
        machine.state, machine.why, machine.state_at = seen.state, seen.why, seen.ts
    return News.EVENT if changed else News.NOTHING


def _count(machine: Machine, part: PartCounted) -> News:
    before = machine.counted.pop(part.corrects, (0, 0)) if part.corrects else (0, 0)
    if part.corrects and before == (0, 0):
        return News.NOTHING  # what it corrects was counted before we listened, or is taken back already
    machine.good_count += part.good - before[0]
    machine.scrap_count += part.scrap - before[1]
    machine.parts_at = max(machine.parts_at or 0.0, part.ts)
    if part.id:
        machine.counted[part.id] = part.good, part.scrap
    while len(machine.counted) > COUNTS_MAX:
        del machine.counted[next(iter(machine.counted))]
    return News.EVENT
