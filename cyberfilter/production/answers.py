# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the API says of production: a unit's or a machine's hours, shifts, days and jobs, from the book's records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from collector.contract.codec import format_time
from collector.contract.errors import Refusal
from collector.contract.place import contains
from collector.contract.ports import Chronicle
from collector.contract.tree import Plant
from cyberfilter.production.account import Course, Made, account
from cyberfilter.production.calendar import Bucket, By, buckets, calendar_of, planned
from cyberfilter.production.lookup import DAY_S, Station, course_of, stations, stock_of
from cyberfilter.production.ratios import coverage, indicators, losses
from cyberfilter.production.stock import Stock, Upkept
from cyberfilter.production.sums import Sums, total

WINDOW_S_MAX: Final = 1_100 * DAY_S
"""Longest window that is asked for."""
BUCKETS_MAX: Final = 20_000
"""Machines times buckets of one question."""


class Question(NamedTuple):
    """What is asked: [start, end) in Unix s of a place, and of what lies at most `depth` levels below it.

    Without a place: of the roots of the tree.
    """

    place: str | None
    start: float
    end: float
    by: By
    depth: int = 0


def answer(chronicle: Chronicle, plant: Plant, question: Question, now: float) -> list[dict[str, Any]]:
    """Return the items of a question, newest first and then by place. Raises Refusal, Unavailable.

    Refusals: `bad_window` (from is not before to, or too long before), `too_many` (more than BUCKETS_MAX to work out),
    `no_shifts` (of none of the places).
    """
    if not 0.0 < question.end - question.start <= WINDOW_S_MAX:
        days = WINDOW_S_MAX / DAY_S
        raise Refusal("bad_window", f"from = {format_time(question.start)} is not before to by at most {days:g} days")
    places = list(_places(plant, question))
    shown = stations(chronicle, plant, places)
    if question.by is By.JOB:
        items = _jobs(chronicle, plant, shown, question, now=now)
    else:
        cut = _cut(plant, places, shown, question)
        site = _Site(chronicle, plant, shown, question, now=now)
        items = [site.item(place, bucket) for place, rows in cut.items() for bucket in rows]
    return sorted(items, key=lambda item: item["from"], reverse=True)


class _Site:
    """The machines of a question, each worked out once, for all units above it."""

    def __init__(
        self, chronicle: Chronicle, plant: Plant, shown: Mapping[str, Station], question: Question, *, now: float
    ) -> None:
        self._by, self._at, self._shown = question.by, min(question.end, now), shown
        self._courses = {
            place: course_of(chronicle, row, question.start, question.end, now) for place, row in shown.items()
        }
        self._calendars = {place: calendar_of(plant, place) for place in shown}
        self._stocks = {place: stock_of(chronicle, row.machine, self._at) for place, row in shown.items()}
        self._known: dict[tuple[str, float, float], Sums] = {}

    def item(self, place: str, bucket: Bucket) -> dict[str, Any]:
        """Return what a bucket of a place came to; what stands there now belongs to the newest."""
        inside = [each for each in self._courses if contains(place, each)]
        is_newest = bucket.start < self._at <= bucket.end
        sums = total(self._sums(each, bucket) for each in inside)
        return _item(place, self._by, bucket, sums, [self._stocks[each] for each in inside] if is_newest else [])

    def _sums(self, place: str, bucket: Bucket) -> Sums:
        name = place, bucket.start, bucket.end
        if name not in self._known:
            calendar = self._calendars[place]
            since = self._shown[place].since
            due = None if since is None else planned(calendar, min(max(bucket.start, since), bucket.end), bucket.end)
            grid = calendar.grid_g_per_kwh
            self._known[name] = account(self._courses[place], due, bucket.start, bucket.end, grid_g_per_kwh=grid)
        return self._known[name]


def _places(plant: Plant, question: Question) -> Iterator[str]:
    every = sorted(plant.units)
    tops = [question.place] if question.place is not None else [place for place in every if "/" not in place]
    for top in tops:
        yield from (
            place for place in every if contains(top, place) and place.count("/") - top.count("/") <= question.depth
        )


def _cut(
    plant: Plant, places: Sequence[str], shown: Mapping[str, Station], question: Question
) -> dict[str, list[Bucket]]:
    """Return the buckets of every place; where a unit has no shifts, it has none of them."""
    by, calendars = question.by, {place: calendar_of(plant, place) for place in places}
    if by is By.SHIFT and all(calendar.shifts is None for calendar in calendars.values()):
        raise Refusal("no_shifts", f"{', '.join(places[:3])} has no shifts in the plant file; by = day works")
    cut = {place: buckets(calendar, by, question.start, question.end) for place, calendar in calendars.items()}
    size = sum(len(rows) * sum(contains(place, each) for each in shown) for place, rows in cut.items())
    if size > BUCKETS_MAX:
        raise Refusal("too_many", f"by = {by.value} is {size} sums here, at most {BUCKETS_MAX}: ask a shorter time")
    return cut


def _item(place: str, by: By, bucket: Bucket, sums: Sums, held: Sequence[Stock]) -> dict[str, Any]:
    return {
        "place": place,
        "by": by.value,
        "from": format_time(bucket.start),
        "to": format_time(bucket.end),
        "name": bucket.name or None,
        "machines": sums.machines,
        "indicators": {
            **indicators(sums),
            "stock_spools": _known_sum(row.spools for row in held),
            "stock_parts": _known_sum(row.parts for row in held),
        },
        "coverage": coverage(sums),
        "losses": losses(sums),
        "maintenance": [_upkept(each.place, row) for each in held for row in each.upkept],
    }


def _known_sum(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _upkept(place: str, row: Upkept) -> dict[str, Any]:
    return {
        "place": place,
        "item": row.item,
        "since": format_time(row.since),
        "maintenance_running_h": row.running_h,
        "maintenance_jobs": row.jobs,
        "maintenance_material_g": row.material_g,
    }


def _jobs(
    chronicle: Chronicle, plant: Plant, below: Mapping[str, Station], question: Question, *, now: float
) -> list[dict[str, Any]]:
    """Return the jobs that reach into the window, each judged over its whole time as if all of it were planned."""
    items: list[dict[str, Any]] = []
    for place, station in sorted(below.items()):
        told = course_of(chronicle, station, question.start, question.end, now)
        grid = calendar_of(plant, place).grid_g_per_kwh
        items += [
            _job_item(place, told, made, grid_g_per_kwh=grid)
            for made in told.jobs
            if made.job.start < min(question.end, now) and made.job.end >= question.start
        ]
    return sorted(items, key=lambda item: item["from"], reverse=True)


def _job_item(place: str, told: Course, made: Made, *, grid_g_per_kwh: float | None) -> dict[str, Any]:
    job = made.job
    start, end, parts = job.start, min(job.end, told.now), made.good + made.scrap
    sums = account(told, [(start, end)], start, end, grid_g_per_kwh=grid_g_per_kwh)
    sums = msgspec.structs.replace(
        sums, good=made.good, scrap=made.scrap, cycle_s=job.total_s or 0.0, cycle_parts=parts if job.total_s else 0
    )
    item = _item(place, By.JOB, Bucket(start, end, job.file or job.key), sums, [])
    return {
        **item,
        "job": job.key,
        "outcome": job.outcome.value if job.outcome else None,
        "to": format_time(end) if job.ended else None,
        "estimate_s": job.estimate_s,
        "learned_ratio": made.ratio.value,
        "learned_jobs": made.ratio.jobs,
    }
