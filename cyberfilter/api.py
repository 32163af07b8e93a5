# SPDX-License-Identifier: AGPL-3.0-or-later
"""The Cyberfilter's HTTP routes: indices, alerts, what people do about alerts, outlooks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, HTTPException, Query

from collector.contract import limits
from collector.contract.codec import format_time
from collector.contract.errors import Refusal, Unavailable
from collector.contract.page import page
from collector.contract.place import check_place, contains
from cyberfilter.actions import word
from cyberfilter.contract import intervention
from cyberfilter.contract.alert import Alert, AlertClass
from cyberfilter.contract.alert import shown as shown_alert
from cyberfilter.contract.index import IndexValue
from cyberfilter.contract.index import shown as shown_index
from cyberfilter.contract.intervention import Wire
from cyberfilter.families import Night
from cyberfilter.indices.tree import UnitVector
from cyberfilter.items import (
    ActionBody,
    AlertItem,
    AlertPage,
    CommissionedPage,
    IndexPage,
    InterventionBody,
    InterventionItem,
    OutlookItem,
    TriplePage,
)
from cyberfilter.service import Cyberfilter

LIMIT_DEFAULT: Final = 100
_STATUS: Final = {
    "unknown_alert": 404,
    "unknown_index": 404,
    "not_possible": 409,
    "too_few": 409,
    "too_many": 409,
    "no_better": 409,
}
"""What a refusal is in HTTP; any other is a 422."""

Limit = Annotated[int, Query(ge=1, le=limits.PAGE_ITEMS_MAX, description="items on a page")]
Cursor = Annotated[str | None, Query(description="`next` of the page before")]
Horizon = Annotated[str, Query(description="how far: hours, shift or days")]
Place = Annotated[str | None, Query(description="a unit: its own and everything below it")]


def routes(cyberfilter: Cyberfilter) -> APIRouter:  # tidy: one small function a route
    """Return the routes of contract 6 that the Cyberfilter answers."""
    router = APIRouter(prefix="/api/v1", tags=["cyberfilter"])

    @router.get("/indices", response_model=IndexPage)
    def indices(place: Place = None, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None) -> dict[str, Any]:
        """Triple vectors with forecasts, by place."""
        unit = _place(place)
        found = [value for value in cyberfilter.indices() if unit is None or contains(unit, value.place)]
        return _indices(found, limit, cursor)

    @router.get("/alerts", response_model=AlertPage)
    def alerts(
        is_open: Annotated[bool | None, Query(alias="open", description="true: all but closed")] = None,
        place: Place = None,
        alert_class: Annotated[AlertClass | None, Query(alias="class")] = None,
        limit: Limit = LIMIT_DEFAULT,
        cursor: Cursor = None,
    ) -> dict[str, Any]:
        """Alerts, newest first."""
        found = cyberfilter.alerts(is_open=is_open, place=_place(place), alert_class=alert_class)
        return _alerts(found, limit, cursor)

    @router.post("/alerts/{alert_id}/actions", response_model=AlertItem)
    def act(alert_id: str, body: ActionBody) -> dict[str, Any]:
        """Acknowledge, extend or close an alert; repeating an action changes nothing."""
        try:
            return shown_alert(cyberfilter.act(alert_id, word(body.action), body.note, body.by))
        except (Refusal, Unavailable) as error:
            raise _problem(error) from None

    @router.post("/interventions", response_model=InterventionItem)
    def intervene(body: InterventionBody) -> dict[str, Any]:
        """Tell the filter beforehand: ignore, a shift, a new level, anything may come; the same id counts once."""
        try:
            said = cyberfilter.intervene(intervention.read(Wire(**body.model_dump())))
        except (Refusal, Unavailable) as error:
            raise _problem(error) from None
        return intervention.told(said)

    @router.get("/outlook", response_model=OutlookItem)
    def outlook(place: str, index: str, horizon: Horizon = "hours") -> dict[str, Any]:
        """Where an index is going, with an interval; 409 with a reason where a model's word is worth nothing yet."""
        try:
            found = cyberfilter.outlook(place, index, horizon)
            unit = next(value.unit for value in cyberfilter.indices() if (value.place, value.index) == (place, index))
        except (Refusal, Unavailable) as error:
            raise _problem(error) from None
        return {
            "place": place,
            "index": index,
            "unit": unit,
            "at": [format_time(float(ts)) for ts in found.times],
            "mean": [float(number) for number in found.mean],
            "lo": [float(number) for number in found.lo],
            "hi": [float(number) for number in found.hi],
            "level": found.level,
            "model": found.model,
            "horizon": horizon,
            "past": {name: value for name, value in found.worth._asdict().items() if name != "better"},
        }

    _units(router, cyberfilter)
    return router


def _units(router: APIRouter, cyberfilter: Cyberfilter) -> None:
    """Put on the router what is known of units as a whole, and of what the nights found."""

    @router.get("/triples", response_model=TriplePage)
    def triples(place: Place = None, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None) -> dict[str, Any]:
        """Beer's triple of the units above the machines, by place; `known` of `of` machines have a fresh value."""
        unit = _place(place)
        found = [row for row in cyberfilter.triples() if unit is None or contains(unit, row.place)]
        return _paged([_triple(row) for row in found], limit, cursor)

    @router.get("/commissioning", response_model=CommissionedPage)
    def commissioning(
        place: Place = None, index: str | None = None, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None
    ) -> dict[str, Any]:
        """What the last night found of each index: noise and adaptivity, from how many values, or why nothing."""
        unit, nights = _place(place), cyberfilter.between(lambda floor: floor.families.nights(), changes=False)
        wanted = [n for n in nights if (unit is None or contains(unit, n.place)) and index in {None, n.index}]
        return _paged([_night(night) for night in wanted], limit, cursor)


def _place(text: str | None) -> str | None:
    try:
        return check_place(text) if text else None
    except Refusal as refusal:
        raise _problem(refusal) from None


def _triple(row: UnitVector) -> dict[str, Any]:
    told = msgspec.to_builtins(row)
    return {**told, **told.pop("triple"), "at": format_time(row.at)}


def _night(night: Night) -> dict[str, Any]:
    found = msgspec.structs.asdict(night.found)
    named = {"place": night.place, "device": night.device, "index": night.index}
    return {**named, **found, "at": format_time(night.found.at)}


def _indices(found: Sequence[IndexValue], limit: int, cursor: str | None) -> dict[str, Any]:
    return _paged([shown_index(value) for value in found], limit, cursor)


def _alerts(found: Sequence[Alert], limit: int, cursor: str | None) -> dict[str, Any]:
    return _paged([shown_alert(alert) for alert in found], limit, cursor)


def _paged(items: Sequence[Any], limit: int, cursor: str | None) -> dict[str, Any]:
    try:
        return page(items, limit=limit, cursor=cursor)
    except Refusal as refusal:
        raise _problem(refusal) from None


def _problem(error: Refusal | Unavailable) -> HTTPException:
    if isinstance(error, Unavailable):
        return HTTPException(503, detail=str(error))
    return HTTPException(_STATUS.get(error.reason, 422), detail=error.detail)
