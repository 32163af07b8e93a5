# SPDX-License-Identifier: Apache-2.0
"""When a unit works: its time zone, shifts with breaks, closed days and planned maintenance, as the plant file says."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from collector.contract.errors import Misconfigured

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SHIFTS_MAX: Final = 24
"""Shifts of one unit, and breaks of one shift."""
CLOSED_MAX: Final = 1_000
"""Closed days, and planned maintenances, of one unit."""
GRID_G_PER_KWH_MAX: Final = 10_000.0
_CLOCK: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


class Shift(msgspec.Struct, frozen=True, rename={"start": "from", "end": "to"}, forbid_unknown_fields=True):
    """A shift: on `days` (`mon-fri`, `sat`, `mon,wed`) from `start` to `end`, the unit's own clock (`HH:MM`).

    One that ends at or before its start ends on the next day; it belongs to the day on which it begins.
    """

    name: str
    start: str
    end: str
    days: str = "mon-sun"
    breaks: tuple[str, ...] = ()


class Upkeep(msgspec.Struct, frozen=True, rename={"start": "from", "end": "to"}, forbid_unknown_fields=True):
    """Planned maintenance from `start` to `end`, the unit's own clock (`YYYY-MM-DDTHH:MM`)."""

    start: str
    end: str


class Hours(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a unit says of its own hours; None: as the unit above. Without shifts anywhere it is always planned."""

    timezone: str | None = None
    shifts: tuple[Shift, ...] | None = None
    closed: tuple[date, ...] = ()
    maintenance: tuple[Upkeep, ...] = ()
    grid_g_per_kwh: float | None = None


def check_hours(place: str, hours: Hours) -> None:
    """Return when the hours can be kept; raises Misconfigured, which names key, value and bound."""
    key = f"plant file: units.{place}"
    if hours.timezone is not None and not _is_zone(hours.timezone):
        raise Misconfigured(f'{key}: timezone = {hours.timezone!r} is no IANA time zone; "America/Santiago" is one')
    for name, rows, most in (
        ("shifts", hours.shifts or (), SHIFTS_MAX),
        ("closed", hours.closed, CLOSED_MAX),
        ("maintenance", hours.maintenance, CLOSED_MAX),
    ):
        if len(rows) > most:
            raise Misconfigured(f"{key}: {name} has {len(rows)} entries, at most {most} work")
    for shift in hours.shifts or ():
        _check_shift(f"{key}: shifts.{shift.name}", shift)
    for upkeep in hours.maintenance:
        if moment(upkeep.start) >= moment(upkeep.end):
            raise Misconfigured(f"{key}: maintenance to = {upkeep.end!r} is not after from = {upkeep.start!r}")
    grid = hours.grid_g_per_kwh
    if grid is not None and not 0.0 <= grid <= GRID_G_PER_KWH_MAX:
        raise Misconfigured(f"{key}: grid_g_per_kwh = {grid} is not within 0..{GRID_G_PER_KWH_MAX:g}")


def weekdays(days: str) -> frozenset[int]:
    """Return the days as numbers, Monday 0; raises Misconfigured for what is none.

    >>> sorted(weekdays("sat-mon,wed"))
    [0, 2, 5, 6]
    """
    found: set[int] = set()
    for part in days.split(","):
        first, _, last = part.strip().partition("-")
        if first not in DAYS or (last or first) not in DAYS:
            raise Misconfigured(f'days = {days!r} names no days; "mon-fri", "sat" or "mon,wed" do')
        begin, end = DAYS.index(first), DAYS.index(last or first)
        found.update((begin + n) % 7 for n in range((end - begin) % 7 + 1))
    return frozenset(found)


def minutes(clock: str, key: str = "breaks") -> int:
    """Return the minutes after midnight of `HH:MM`; raises Misconfigured for anything else.

    >>> minutes("06:30")
    390
    """
    if not _CLOCK.fullmatch(clock):
        raise Misconfigured(f"{key} = {clock!r} is no time of day; 00:00 to 23:59 are")
    return int(clock[:2]) * 60 + int(clock[3:])


def moment(text: str) -> datetime:
    """Return a local date and time without zone; raises Misconfigured for anything else."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Misconfigured(f"maintenance: {text!r} is no local time; 2026-11-23T08:00 is one") from None
    if found.tzinfo is not None:
        raise Misconfigured(f"maintenance: {text!r} has a zone; the unit's own clock counts, as in 2026-11-23T08:00")
    return found


def _check_shift(key: str, shift: Shift) -> None:
    if not shift.name.strip():
        raise Misconfigured(f"{key}: name = {shift.name!r} is empty; a shift has a name")
    try:
        weekdays(shift.days)
        start, end = minutes(shift.start, "from"), minutes(shift.end, "to")
        long = (end - start) % 1440 or 1440
        if len(shift.breaks) > SHIFTS_MAX:
            raise Misconfigured(f"breaks has {len(shift.breaks)} entries, at most {SHIFTS_MAX} work")
        for text in shift.breaks:
            begins, _, ends = text.partition("-")
            after, lasts = (minutes(begins) - start) % 1440, (minutes(ends) - minutes(begins)) % 1440
            if lasts == 0 or after + lasts > long:
                raise Misconfigured(f"breaks: {text!r} is not within {shift.start}-{shift.end}")
    except Misconfigured as error:
        raise Misconfigured(f"{key}: {error}") from None


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
