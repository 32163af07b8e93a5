# SPDX-License-Identifier: AGPL-3.0-or-later
"""The shift calendar: which time of a unit is planned, correct across midnight and daylight-saving changes.

Planned time is ISO 22400-2's planned busy time. A shift is kept on the unit's own clock, so it may last an hour more
or less on the night of a change; of a time that the clock shows twice, the first counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from functools import lru_cache
from math import ceil
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from collector.contract.place import parent
from collector.contract.shift import Shift, Upkeep, minutes, moment, weekdays
from collector.contract.tree import Plant
from cyberfilter.production.spans import Span, difference, union, within

HOUR_S: Final = 3_600.0
_DAY: Final = timedelta(days=1)


class By(StrEnum):
    """What a window is cut into."""

    HOUR = "hour"
    SHIFT = "shift"
    DAY = "day"
    JOB = "job"
    WHOLE = "whole"


class Calendar(NamedTuple):
    """A unit's own hours with what it inherits; without shifts (None) it is always planned."""

    zone: tzinfo
    shifts: tuple[Shift, ...] | None
    closed: frozenset[date]
    maintenance: tuple[Upkeep, ...]
    grid_g_per_kwh: float | None


class Bucket(NamedTuple):
    """A part of a window: [start, end) in Unix s; a shift's has its name."""

    start: float
    end: float
    name: str = ""


def calendar_of(plant: Plant, place: str) -> Calendar:
    """Return the calendar of a place: each key from the nearest unit that has it; closed days add up."""
    zone: str | None = None
    shifts: tuple[Shift, ...] | None = None
    grid: float | None = None
    closed: set[date] = set()
    maintenance: list[Upkeep] = []
    above: str | None = place
    while above is not None:
        unit = plant.units.get(above)
        if unit is not None:
            hours = unit.hours
            zone = zone if zone is not None else hours.timezone
            shifts = shifts if shifts is not None else hours.shifts
            grid = grid if grid is not None else hours.grid_g_per_kwh
            closed.update(hours.closed)
            maintenance += hours.maintenance
        above = parent(above)
    return Calendar(ZoneInfo(zone) if zone else UTC, shifts, frozenset(closed), tuple(maintenance), grid)


@lru_cache(maxsize=1_024)
def planned(calendar: Calendar, start: float, end: float) -> tuple[Span, ...]:
    """Return the planned time in [start, end), Unix s: shifts without breaks, closed days and planned maintenance."""
    spans = [(start, end)] if calendar.shifts is None else []
    off: list[Span] = []
    for day in _days(calendar, start, end):
        if day in calendar.closed:
            off += [_local(calendar, day, 0, 1440)] if calendar.shifts is None else []
            continue
        for shift in calendar.shifts or ():
            if day.weekday() in weekdays(shift.days):
                spans += _worked(calendar, day, shift)
    off += [(_unix(calendar, moment(row.start)), _unix(calendar, moment(row.end))) for row in calendar.maintenance]
    return tuple(within(difference(union(spans), union(off)), start, end))


def buckets(calendar: Calendar, by: By, start: float, end: float) -> list[Bucket]:
    """Return the hours, shifts or days of [start, end), or all of it, oldest first, cut at its ends; of jobs none.

    Hours and days are those of the unit's own clock: a day has 23 to 25 of them.
    """
    if by is By.WHOLE:
        return [Bucket(start, end)]
    found: list[Bucket] = []
    for day in _days(calendar, start, end):
        if by is By.SHIFT:
            found += _shifts(calendar, day)
        elif by is By.DAY:
            found.append(Bucket(*_local(calendar, day, 0, 1440)))
        elif by is By.HOUR:
            since, until = _local(calendar, day, 0, 1440)
            count = ceil((until - since) / HOUR_S)
            found += [Bucket(since + n * HOUR_S, min(since + (n + 1) * HOUR_S, until)) for n in range(count)]
    cut = [row._replace(start=max(row.start, start), end=min(row.end, end)) for row in found]
    return sorted(row for row in cut if row.start < row.end)


def _shifts(calendar: Calendar, day: date) -> Iterator[Bucket]:
    for shift in calendar.shifts or ():
        if day not in calendar.closed and day.weekday() in weekdays(shift.days):
            yield Bucket(*_whole(calendar, day, shift), shift.name)


def _days(calendar: Calendar, start: float, end: float) -> Iterator[date]:
    """Yield the local days that [start, end) touches, and the one before, whose shifts may reach into it."""
    day = datetime.fromtimestamp(start, calendar.zone).date() - _DAY
    last = datetime.fromtimestamp(end, calendar.zone).date()
    while day <= last:
        yield day
        day += _DAY


def _whole(calendar: Calendar, day: date, shift: Shift) -> Span:
    begin = minutes(shift.start)
    return _local(calendar, day, begin, begin + ((minutes(shift.end) - begin) % 1440 or 1440))


def _worked(calendar: Calendar, day: date, shift: Shift) -> list[Span]:
    begin = minutes(shift.start)
    breaks = []
    for text in shift.breaks:
        since, _, until = text.partition("-")
        after = begin + (minutes(since) - begin) % 1440
        breaks.append(_local(calendar, day, after, after + (minutes(until) - minutes(since)) % 1440))
    return difference([_whole(calendar, day, shift)], union(breaks))


def _local(calendar: Calendar, day: date, begin: int, end: int) -> Span:
    """Return the span between two times of the unit's clock, in minutes after the day's midnight."""
    midnight = datetime.combine(day, time())
    return (
        _unix(calendar, midnight + timedelta(minutes=begin)),
        _unix(calendar, midnight + timedelta(minutes=end)),
    )


def _unix(calendar: Calendar, local: datetime) -> float:
    return local.replace(tzinfo=calendar.zone).timestamp()
