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
from cyberfilter.production.calendar import Bucket, By, Calendar, buckets, calendar_of, planned
from cyberfilter.production.lookup import DAY_S, Station, course_of, stations, stock_of
from cyberfilter.production.ratios import coverage, indicators, losses
from cyberfilter.production.stock import Stock, Upkept
from cyberfilter.production.sums import Sums, total

WINDOW_S_MAX: Final = 1_100 * DAY_S
"""Longest window that is asked for."""
BUCKETS_MAX: Final = 20_000
"""Machines times buckets of one question."""
MACHINE_DAYS_MAX: Final = 5_000
"""Machines times days of one question: each is read, minute by minute."""


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

    Refusals: `bad_window` (from is not before to, or too long before), `too_many` (more than BUCKETS_MAX or
    MACHINE_DAYS_MAX to work out), `no_shifts` (of none of the places).
    """
    if not 0.0 < question.end - question.start <= WINDOW_S_MAX:
        days = WINDOW_S_MAX / DAY_S
        raise Refusal("bad_window", f"from = {format_time(question.start)} is not before to by at most {days:g} days")
    places = list(_places(plant, question))
    shown = stations(chronicle, plant, places)
    read_days = len(shown) * (question.end - question.start) / DAY_S
    if read_days > MACHINE_DAYS_MAX:
        raise Refusal("too_many", f"{read_days:.0f} machine-days, at most {MACHINE_DAYS_MAX}: ask a shorter time")
    if question.by is By.JOB:
        items = _jobs(chronicle, plant, shown, question, now=now)
    else:
        cut = _cut(plant, places, shown, question)
        items = _periods(chronicle, plant, shown, question, cut, now=now)
    return sorted(items, key=lambda item: item["from"], reverse=True)


def _periods(
    chronicle: Chronicle,
    plant: Plant,
    shown: Mapping[str, Station],
    question: Question,
    cut: Mapping[str, Sequence[Bucket]],
    *,
    now: float,
) -> list[dict[str, Any]]:
    """Return what every bucket came to: each machine is worked out once, for all units above it, and let go of."""
    at = min(question.end, now)
    found: dict[tuple[str, Bucket], list[Sums]] = {(place, row): [] for place, rows in cut.items() for row in rows}
    held: dict[str, Stock] = {}
    for machine, station in shown.items():
        course = course_of(chronicle, station, question.start, question.end, now)
        calendar = calendar_of(plant, machine)
        known: dict[tuple[float, float], Sums] = {}
        for (place, bucket), sums in found.items():
            if not contains(place, machine):
                continue
            span = bucket.start, bucket.end
            if span not in known:
                known[span] = _sums(course, calendar, station.since, *span)
            sums.append(known[span])
        held[machine] = stock_of(chronicle, station.machine, at)
    return [
        _item(
            place, question.by, bucket, total(sums), _standing(held, place) if bucket.start < at <= bucket.end else []
        )
        for (place, bucket), sums in found.items()
    ]


def _sums(course: Course, calendar: Calendar, since: float | None, start: float, end: float) -> Sums:
    due = None if since is None else planned(calendar, min(max(start, since), end), end)
    return account(course, due, start, end, grid_g_per_kwh=calendar.grid_g_per_kwh)


def _standing(held: Mapping[str, Stock], place: str) -> list[Stock]:
    """Return what stands at a place and below; in a question's items it belongs to the newest."""
    return [stock for machine, stock in held.items() if contains(place, machine)]


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
