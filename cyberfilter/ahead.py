# SPDX-License-Identifier: AGPL-3.0-or-later
"""What production comes to until a day ("parts by Friday"): the days of the book through the outlook's sums."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple

from collector.contract.codec import format_time
from collector.contract.errors import Refusal
from collector.contract.tree import Plant
from cyberfilter.outlook.sums import Sum, sum_ahead
from cyberfilter.production.answers import Question
from cyberfilter.production.calendar import By, calendar_of

PAST_DAYS: Final = 56
SUMMED: Final = ("good_parts", "scrap_parts", "energy_kwh", "material_g")
"""Indicators whose days may be added up."""
_FRIDAY: Final = 4
_UNITS: Final = {"good_parts": "parts", "scrap_parts": "parts", "energy_kwh": "kWh", "material_g": "g"}


class Wish(NamedTuple):
    """What is asked: an indicator of a place until the end of a day (YYYY-MM-DD; None: the coming Friday)."""

    place: str
    indicator: str
    until: str | None


def ahead(plant: Plant, wish: Wish, now: float, ask: Callable[[Question], list[dict[str, Any]]]) -> dict[str, Any]:
    """Return what is expected from now to the end of the day, on the place's own clock; `ask` asks the book.

    Raises Refusal: `bad_indicator`, `bad_day`, and those of `sum_ahead`; and what `ask` raises.
    """
    if wish.indicator not in SUMMED:
        raise Refusal("bad_indicator", f"indicator = {wish.indicator[:40]!r} is none of {', '.join(SUMMED)}")
    zone = calendar_of(plant, wish.place).zone
    today = datetime.fromtimestamp(now, zone).date()
    until = _day(wish.until, today)
    begin = datetime.combine(today - timedelta(days=PAST_DAYS), datetime.min.time(), zone).timestamp()
    items = ask(Question(wish.place, begin, now, By.DAY))
    counts = [row["indicators"].get(wish.indicator) for row in reversed(items)]
    *days, so_far = [math.nan if count is None else float(count) for count in counts] or [math.nan]
    while days and math.isnan(days[0]):
        del days[0]
    so_far = 0.0 if math.isnan(so_far) else so_far
    found = sum_ahead(days, so_far, (until - today).days + 1)
    return _told(wish, until, so_far, found, end=datetime.combine(until + timedelta(days=1), datetime.min.time(), zone))


def _told(wish: Wish, until: date, so_far: float, found: Sum, *, end: datetime) -> dict[str, Any]:
    return {
        "place": wish.place,
        "indicator": wish.indicator,
        "unit": _UNITS[wish.indicator],
        "until": until.isoformat(),
        "end": format_time(end.timestamp()),
        "so_far_today": so_far,
        "mean": found.mean,
        "lo": found.lo,
        "hi": found.hi,
        "level": found.level,
        "model": found.model,
        "days": found.n,
    }


def _day(text: str | None, today: date) -> date:
    if text is None:
        return today + timedelta(days=(_FRIDAY - today.weekday()) % 7)
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise Refusal("bad_day", f"until = {text[:40]!r} is no day; {today.isoformat()} is one") from None
    if day < today:
        raise Refusal("bad_day", f"until = {day.isoformat()} is before today, {today.isoformat()}")
    return day
