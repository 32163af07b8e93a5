# SPDX-License-Identifier: AGPL-3.0-or-later
"""How the filter did on an index over the last 30 days: its bands, its errors, its words, day by day."""

from __future__ import annotations

import math
from typing import Final

import msgspec

from cyberfilter.alerts.watched import Judged

DAYS: Final = 30
DAY_S: Final = 86_400.0


class Day(msgspec.Struct, array_like=True):
    """One day (its number since 1970, UTC): values judged, those with a band, those inside it, and sums of errors.

    `error` sums |value − forecast|, `naive` |value − the value before|, over the same values; `words` counts verdicts.
    """

    day: int
    count: int = 0
    banded: int = 0
    inside: int = 0
    compared: int = 0
    error: float = 0.0
    naive: float = 0.0
    words: dict[str, int] = {}


class Record(msgspec.Struct):
    """The last DAYS days with values, oldest first, and the value before the next one."""

    days: list[Day] = []
    last: float | None = None


class Showing(msgspec.Struct, frozen=True):
    """What the days come to: `coverage` should be .95, `error_ratio` below 1; None where nothing is known."""

    count: int
    coverage: float | None
    error: float | None
    error_ratio: float | None
    words: dict[str, int]
    since: float | None


def note(record: Record, judged: Judged) -> None:
    """Take one judged value into its day; what is DAYS old is forgotten."""
    number = math.floor(judged.ts / DAY_S)
    if not record.days or record.days[-1].day < number:
        record.days = [day for day in record.days if day.day > number - DAYS] + [Day(number)]
    day = record.days[-1]
    day.count += 1
    day.words[judged.verdict.value] = day.words.get(judged.verdict.value, 0) + 1
    if math.isfinite(judged.lo95) and math.isfinite(judged.hi95):
        day.banded += 1
        day.inside += judged.lo95 <= judged.value <= judged.hi95
    if math.isfinite(judged.mean) and record.last is not None:
        day.compared += 1
        day.error += abs(judged.value - judged.mean)
        day.naive += abs(judged.value - record.last)
    record.last = judged.value


def showing(record: Record) -> Showing:
    """Return what the days come to."""

    def whole(name: str) -> float:
        return math.fsum(getattr(day, name) for day in record.days)

    banded, compared, naive = whole("banded"), whole("compared"), whole("naive")
    words: dict[str, int] = {}
    for day in record.days:
        for word, times in day.words.items():
            words[word] = words.get(word, 0) + times
    return Showing(
        count=int(whole("count")),
        coverage=whole("inside") / banded if banded else None,
        error=whole("error") / compared if compared else None,
        error_ratio=whole("error") / naive if naive > 0 else None,
        words=words,
        since=record.days[0].day * DAY_S if record.days else None,
    )
