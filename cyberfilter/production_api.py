# SPDX-License-Identifier: AGPL-3.0-or-later
"""The HTTP routes of production: what a unit's hours, shifts, days and jobs came to, and what the figures mean."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field

from collector.contract import limits
from collector.contract.codec import format_time, parse_time
from collector.contract.errors import Refusal, Unavailable
from collector.contract.page import page
from collector.contract.place import check_place
from cyberfilter.ahead import Wish
from cyberfilter.bookkeeping import Bookkeeping
from cyberfilter.production.answers import WINDOW_S_MAX, Question
from cyberfilter.production.calendar import By
from cyberfilter.production.catalogue import listed
from cyberfilter.production.lookup import DAY_S

LIMIT_DEFAULT: Final = 100
_STATUS: Final = {"unknown_place": 404, "too_few": 409, "no_better": 409}
"""What a refusal is in HTTP; any other is a 422."""

Limit = Annotated[int, Query(ge=1, le=limits.PAGE_ITEMS_MAX, description="items on a page")]
Cursor = Annotated[str | None, Query(description="`next` of the page before")]


class _Open(BaseModel):
    """Fields that a client may count on; more are there, and more may come."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)


class ProductionItem(_Open):
    """A period or a job of a place; null is what is not known. `losses` are machine-seconds, `coverage` shares."""

    place: str
    by: By
    since: str = Field(alias="from")
    to: str | None
    name: str | None
    machines: int
    indicators: dict[str, float | None]
    coverage: dict[str, float | None]
    losses: dict[str, float | None]
    maintenance: list[dict[str, Any]]


class ProductionPage(BaseModel):
    """Periods or jobs, newest first."""

    items: list[ProductionItem]
    total: int
    next: str | None


class IndicatorItem(_Open):
    """A row of the catalogue; `kind` says whether it is made of facts or measured by machines."""

    name: str
    unit: str
    definition: str
    kind: str


class IndicatorPage(BaseModel):
    """The catalogue."""

    items: list[IndicatorItem]
    total: int
    next: str | None


class SumItem(BaseModel):
    """What an indicator comes to from now to the end of a day, and the interval that holds `level` of it."""

    place: str
    indicator: str
    unit: str
    until: str
    end: str
    so_far_today: float
    mean: float
    lo: float
    hi: float
    level: float
    model: str
    days: int


def routes(books: Bookkeeping) -> APIRouter:  # tidy: one small function a route
    """Return the routes of production."""
    router = APIRouter(prefix="/api/v1", tags=["production"])

    @router.get("/production", response_model=ProductionPage)
    def production(
        *,
        place: Annotated[str | None, Query(description="a unit or a machine's place; without: the roots")] = None,
        since: Annotated[str | None, Query(alias="from", description="RFC 3339; without: `last_s` before `to`")] = None,
        until: Annotated[str | None, Query(alias="to", description="RFC 3339; without: now")] = None,
        by: Annotated[By, Query(description="what the window is cut into")] = By.DAY,
        last_s: Annotated[float, Query(gt=0, le=WINDOW_S_MAX, description="used where there is no `from`")] = DAY_S,
        depth: Annotated[int, Query(ge=0, le=limits.SEGMENTS_MAX, description="levels below that get items too")] = 0,
        limit: Limit = LIMIT_DEFAULT,
        cursor: Cursor = None,
    ) -> dict[str, Any]:
        """OEE with its parts, losses, energy and material of a place, by hour, shift, day, job or as a whole."""
        try:
            end = _time("to", until, books.now())
            question = Question(_known(books, place), _time("from", since, end - last_s), end, by, depth)
            return page(books.ask(question), limit=limit, cursor=cursor)
        except (Refusal, Unavailable) as error:
            raise _problem(error) from None

    @router.get("/production/outlook", response_model=SumItem)
    def outlook(
        place: str,
        until: Annotated[str | None, Query(description="YYYY-MM-DD; without: the coming Friday")] = None,
        indicator: str = "good_parts",
    ) -> dict[str, Any]:
        """What an indicator comes to until the end of a day; 409 where days so far are too few, or no guide."""
        try:
            return books.outlook(Wish(_known(books, place) or place, indicator, until))
        except (Refusal, Unavailable) as error:
            raise _problem(error) from None

    @router.get("/indicators", response_model=IndicatorPage)
    def indicators(limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None) -> dict[str, Any]:
        """What every indicator means: definition, formula, unit, good direction, source."""
        try:
            return page(list(listed()), limit=limit, cursor=cursor)
        except Refusal as refusal:
            raise _problem(refusal) from None

    return router


def _known(books: Bookkeeping, place: str | None) -> str | None:
    if not place:
        return None
    if not books.knows(check_place(place)):
        raise Refusal("unknown_place", f"there is no place {place}")
    return place


def _time(key: str, text: str | None, otherwise: float) -> float:
    found = parse_time(text) if text else otherwise
    if found is None or not 0.0 <= found < limits.TIME_S_MAX:
        raise Refusal("bad_time", f"{key} = {(text or '')[:40]!r} is no time; {format_time(0.0)} is one")
    return found


def _problem(error: Refusal | Unavailable) -> HTTPException:
    if isinstance(error, Unavailable):
        return HTTPException(503, detail=str(error))
    return HTTPException(_STATUS.get(error.reason, 422), detail=error.detail)
