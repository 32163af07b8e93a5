# SPDX-License-Identifier: AGPL-3.0-or-later
"""Faults that really struck against alarms that were raised: found or missed, how late, of which type, and for nothing.

An alarm belongs to a fault of its place that touches its index, from the onset until a while after the end, since
what recovers changes too. Of several it belongs to the one that began last, so that one alarm finds one fault.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, Literal, NamedTuple

from cyberfilter.backtest.intervals import Interval, poisson, share
from cyberfilter.filter.model import SIGMA_PER_MAD

AFTER_S: Final = 1_800.0
"""An alarm belongs to a fault until so long after its end, or two buckets of its index where they are longer."""
SIZES: Final = ((1.0, 2.0), (2.0, 3.0), (3.0, 5.0), (5.0, 10.0), (10.0, math.inf))
"""Classes of size in sigma of the index: from, below."""
SURE_SIGMA: Final = 5.0
"""From this size on the type should be right."""
FIFTY: Final = 50.0
"""Alarms for nothing are told for so many machines and a week."""


Due = Literal["must", "may", "never"]


@dataclass(frozen=True)
class Fault:
    """A fault as it truly was; times in Unix s, `size_sigma` NaN where no index is changed by a size.

    `shape` is the true type (step, slope, noise, stuck, transient, or a word of the truth's own), `index` the one
    that shows it, `touches` others of which an alarm would be right. `due` says whether there must be an alarm, may
    be one (it is neither missed nor false), or must be none. `material`: the change is as large as the index's row
    calls worth an alert, which the same number of sigma is for one index and not for another.
    """

    kind: str
    place: str
    index: str
    onset: float
    end: float
    shape: str
    size_sigma: float = math.nan
    touches: tuple[str, ...] = ()
    due: Due = "must"
    material: bool = False


@dataclass(frozen=True)
class Alarm:
    """Something that was raised at `ts` (Unix s) about an index of a place; `type` "" where none was told."""

    place: str
    index: str
    ts: float
    type: str = ""


class Found(NamedTuple):
    """A fault, and the alarm that found it."""

    fault: Fault
    alarm: Alarm | None

    @property
    def delay_s(self) -> float:
        """Return the time from the onset to the alarm, NaN where there is none."""
        return self.alarm.ts - self.fault.onset if self.alarm is not None else math.nan


class Matched(NamedTuple):
    """Every fault that must be found with its alarm, and the alarms that belong to none."""

    found: list[Found]
    false: list[Alarm]


def match(
    faults: Sequence[Fault], alarms: Iterable[Alarm], *, after_s: Callable[[str], float] = lambda _: AFTER_S
) -> Matched:
    """Return which alarm found which fault; `after_s` says how long after an end alarms of an index still belong."""
    known = [fault for fault in faults if fault.due != "never"]
    by_place: dict[str, list[int]] = {}
    for number, fault in enumerate(known):
        by_place.setdefault(fault.place, []).append(number)
    firsts: dict[int, Alarm] = {}
    false: list[Alarm] = []
    for alarm in sorted(alarms, key=lambda alarm: (alarm.ts, alarm.place, alarm.index)):
        mine = [n for n in by_place.get(alarm.place, ()) if _belongs(alarm, known[n], after_s(alarm.index))]
        if not mine:
            false.append(alarm)
            continue
        firsts.setdefault(max(mine, key=lambda number: known[number].onset), alarm)
    found = [Found(fault, firsts.get(number)) for number, fault in enumerate(known) if fault.due == "must"]
    return Matched(found, false)


def _belongs(alarm: Alarm, fault: Fault, after_s: float) -> bool:
    return alarm.index in (fault.index, *fault.touches) and fault.onset <= alarm.ts <= fault.end + after_s


@dataclass(frozen=True)
class Recall:
    """How many faults of one sort were found; the delay is the median of those found, NaN where none was.

    `typed` of those found told a type, `right` of them the true one.
    """

    label: str
    count: int
    found: int
    share: Interval
    delay_s: float
    typed: int
    right: int

    @property
    def right_share(self) -> Interval:
        """Return the share of told types that are true."""
        return share(self.right, self.typed)


def recall(label: str, found: Sequence[Found]) -> Recall:
    """Return how these faults fared."""
    hits = [each for each in found if each.alarm is not None]
    typed = [each for each in hits if each.alarm is not None and each.alarm.type]
    right = sum(each.alarm is not None and each.alarm.type == each.fault.shape for each in typed)
    delay_s = median(each.delay_s for each in hits) if hits else math.nan
    return Recall(label, len(found), len(hits), share(len(hits), len(found)), delay_s, len(typed), right)


def by_size(found: Sequence[Found]) -> list[Recall]:
    """Return the recall of every class of size that occurs."""
    rows = []
    for low, below in SIZES:
        label = f"{low:g}–{below:g} σ" if below < math.inf else f"≥ {low:g} σ"
        mine = [each for each in found if low <= each.fault.size_sigma < below]
        rows += [recall(label, mine)] if mine else []
    return rows


def by_kind(found: Sequence[Found]) -> list[Recall]:
    """Return the recall of every kind of fault, most frequent first."""
    kinds = Counter(each.fault.kind for each in found)
    return [recall(kind, [each for each in found if each.fault.kind == kind]) for kind, _ in kinds.most_common()]


def sure(found: Sequence[Found]) -> Recall:
    """Return the recall of what is large enough for a type to be known."""
    return recall(f"≥ {SURE_SIGMA:g} σ", [each for each in found if each.fault.size_sigma >= SURE_SIGMA])


def material(found: Sequence[Found]) -> Recall:
    """Return the recall of what is large enough to be worth an alert."""
    return recall("worth an alert", [each for each in found if each.fault.material])


def confusion(found: Sequence[Found]) -> dict[tuple[str, str], int]:
    """Return how often a true type was told as which; what was not found is told as "missed"."""
    told: Counter[tuple[str, str]] = Counter()
    for each in found:
        told[each.fault.shape, (each.alarm.type or "untyped") if each.alarm is not None else "missed"] += 1
    return dict(told)


def false_rate(false_count: int, *, machines: float, weeks: float) -> Interval:
    """Return the alarms for nothing per 50 machines and week, with the exact 95 % interval."""
    return poisson(false_count, machines * weeks / FIFTY)


def size_sigma(before: Sequence[float], during: Sequence[float]) -> float:
    """Return how far the values during a fault lie from those before it, in their robust spread; NaN if not known."""
    if len(before) < 10 or not during:  # noqa: PLR2004 - fewer have no spread
        return math.nan
    home = median(before)
    spread = SIGMA_PER_MAD * median(abs(value - home) for value in before)
    return abs(median(during) - home) / spread if spread > 0 else math.nan
