# SPDX-License-Identifier: AGPL-3.0-or-later
"""The collector's HTTP routes: machines, series, jobs, quarantine, the fact log, and intake for those without MQTT."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, HTTPException, Path, Query, Response

from collector import intake_api, job_book, listing, quarantine
from collector.contract.codec import format_time, parse_time
from collector.contract.indicator import unit_of
from collector.contract.limits import FACTS_PAGE_MAX, PAGE_ITEMS_MAX, SERIES_POINTS_MAX
from collector.contract.page import page
from collector.contract.place import check_place, contains
from collector.contract.ports import Historian
from collector.drain import READER
from collector.login import Login
from collector.mine import Mine
from collector.service import Collector

Limit = Annotated[int, Query(ge=1, le=PAGE_ITEMS_MAX, description="items a page")]
Cursor = Annotated[str | None, Query(description="`next` of the page before")]
Place = Annotated[str | None, Query(description="a unit, and all below it")]
From = Annotated[str | None, Query(alias="from", description="RFC 3339 in UTC")]
To = Annotated[str | None, Query(alias="to", description="RFC 3339 in UTC")]
INTEGER_MAX = 2**63 - 1
_DAY_S = 86_400.0
_STEPS_S = (60, 300, 900, 3_600, 21_600, 86_400, 604_800)


def routes(
    collector: Collector, historian: Historian, login: Login | None = None, mine: Mine | None = None
) -> APIRouter:
    """Return the collector's routes (contract 6); `login` is who may use its intake, `mine` remembers for people."""
    router = APIRouter(prefix="/api/v1", tags=["collector"])

    @router.get(
        "/tree", summary="The recursion: units with names, levels, who is on duty and how many people are present"
    )
    def tree() -> dict[str, Any]:
        units = listing.units(collector.memory, collector.registry)
        return {"items": units, "total": len(units), "next": None}

    @router.get("/machines", summary="Devices with state, last seen, lag, gaps, account; those without a place last")
    def machines(place: Place = None, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
        sighted = collector.newcomers.found(collector.clock.now()).offered
        found = listing.machines(collector.memory, collector.registry, collector.spool, sighted=sighted)
        unit = _unit(place)
        here = [m for m in found if unit is None or (m["place"] and contains(unit, m["place"]))]
        return page(here, limit=limit, cursor=cursor)

    @router.get("/jobs", summary="Jobs with outcome, cause, times, estimate; newest first")
    def jobs(
        place: Place = None, start: From = None, end: To = None, limit: Limit = 100, cursor: Cursor = None
    ) -> dict[str, Any]:
        with collector.spool.reading() as db:
            return job_book.listed(
                db, place=_unit(place), start=parse_time(start), end=parse_time(end), limit=limit, cursor=cursor
            )

    for more in (
        _refused(collector),
        _facts(collector),
        _series(collector, historian),
        intake_api.routes(collector, login, mine),
    ):
        router.include_router(more)
    return router


def _unit(place: str | None) -> str | None:
    """Return the place that a list is about; an empty one is none. Raises Refusal."""
    return check_place(place) if place else None


def _refused(collector: Collector) -> APIRouter:
    router = APIRouter()

    @router.get("/quarantine", summary="Refused messages with topic, reason, time; newest first")
    def refused(limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
        return quarantine.listed(collector.spool, limit=limit, cursor=cursor)

    @router.post("/quarantine/{item}/replay", summary="Decide a refused message again")
    def replay(item: Annotated[int, Path(ge=1, le=INTEGER_MAX)]) -> Response:
        if quarantine.find(collector.spool, item) is None:
            raise HTTPException(404, f"there is no message {item} in quarantine")
        return Response(collector.replay(item), media_type="application/json")

    return router


def _facts(collector: Collector) -> APIRouter:
    router = APIRouter()

    @router.get("/facts", summary="The fact log after a number, for services; waits for news up to wait_s")
    def facts(
        after: Annotated[int, Query(ge=0, le=INTEGER_MAX)] = 0,
        reader: Annotated[str | None, Query(pattern="^[a-z][a-z0-9_-]{0,40}$")] = None,
        limit: Annotated[int, Query(ge=1, le=FACTS_PAGE_MAX)] = FACTS_PAGE_MAX,
        wait_s: Annotated[float, Query(ge=0, le=30)] = 0.0,
    ) -> dict[str, Any]:
        if reader is not None and reader != READER:
            collector.spool.passed(reader, min(after, collector.spool.last()))
        rows = collector.spool.read_from(after + 1, most=limit, wait_s=wait_s)
        items = [{"n": row.n, **msgspec.to_builtins(row.batch)} for row in rows]
        return {"items": items, "last": collector.spool.last()}

    return router


def _series(collector: Collector, historian: Historian) -> APIRouter:
    router = APIRouter()

    @router.get("/series", summary="Samples, or min, mean and max of every step, oldest first")
    def series(
        place: Annotated[str, Query(description="a machine's place")],
        indicator: Annotated[str, Query(description="an indicator, or an index")],
        start: From = None,
        end: To = None,
        step_s: Annotated[float | None, Query(ge=0.001, le=1e9)] = None,
    ) -> dict[str, Any]:
        last = parse_time(end)
        last = collector.clock.now() + 1.0 if last is None else last
        first = parse_time(start)
        first = last - _DAY_S if first is None else first
        if first >= last:
            raise HTTPException(422, f"from = {format_time(first)} is not before to = {format_time(last)}")
        if step_s is None:
            points: list[Any] = [
                [format_time(t), value]
                for t, value in historian.series(place, indicator, start=first, end=last, most=SERIES_POINTS_MAX)
            ]
        else:
            rolled = historian.rolled(place, indicator, start=first, end=last, step_s=step_s, most=SERIES_POINTS_MAX)
            points = [[format_time(t), *values] for t, *values in rolled]
        if len(points) > SERIES_POINTS_MAX:
            raise HTTPException(
                422, f"more than {SERIES_POINTS_MAX} points; step_s = {_fitting(last - first)} gives fewer"
            )
        return {"place": place, "indicator": indicator, "unit": unit_of(indicator), "points": points}

    return router


def _fitting(span_s: float) -> int:
    return next((step for step in _STEPS_S if span_s / step < SERIES_POINTS_MAX), _STEPS_S[-1])
