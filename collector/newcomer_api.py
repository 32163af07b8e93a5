# SPDX-License-Identifier: AGPL-3.0-or-later
"""Newcomers over HTTP: who speaks that nobody registered, and what people make of them.

Naming one needs no token: only what is heard already can be named, by whoever may open the room.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel

from collector.contract.codec import format_time
from collector.contract.errors import Refusal
from collector.contract.limits import PAGE_ITEMS_MAX
from collector.contract.page import page
from collector.decision import Device
from collector.dialects import DIALECTS
from collector.machine_api import Desk, asked, issued
from collector.newcomers import Sighting, with_history
from collector.registry import NATIVE, wished
from collector.service import Collector


class Named(BaseModel):
    """Where a newcomer stands, and its id: the place's last part unless given."""

    place: str
    device: str | None = None


class Wanted(BaseModel):
    """Whether a newcomer is to be offered."""

    wanted: bool


def routes(collector: Collector, desk: Desk) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/api/v1/newcomers", tags=["machines"])

    @router.get("", summary="Machines that speak and that nobody registered; newest first")
    def newcomers(
        dismissed: bool = False,  # noqa: FBT001, FBT002 - a query
        limit: Annotated[int, Query(ge=1, le=PAGE_ITEMS_MAX, description="items a page")] = 100,
        cursor: Annotated[str | None, Query(description="`next` of the page before")] = None,
    ) -> dict[str, Any]:
        found = collector.newcomers.found(collector.clock.now())
        rows = [_foreign(each) for each in (found.dismissed if dismissed else found.offered)]
        own = [] if dismissed else [_native(each) for each in collector.memory.devices() if is_newcomer(each)]
        return page([*rows, *own], limit=limit, cursor=cursor)

    @router.post("/{name}", status_code=201, summary="Give a newcomer its place: it is live from now on")
    def welcome(name: str, wanted: Named) -> dict[str, Any]:
        return issued(asked(lambda: desk.register.add(_machine(collector, name, wanted))), desk)

    @router.put("/{name}", summary="Offer a newcomer no more, or again")
    def dismiss(name: str, choice: Wanted) -> dict[str, Any]:
        sighting = asked(lambda: collector.newcomers.one(name, collector.clock.now()))
        try:
            collector.newcomers.dismiss(sighting, wanted=choice.wanted)
        except OSError as error:
            raise HTTPException(503, f"that could not be kept: {error.strerror}") from None
        return _foreign(sighting)

    return router


def is_newcomer(record: Device) -> bool:
    """Tell whether a device speaks our own format and has no place."""
    return record.place is None and record.dialect == NATIVE


def _machine(collector: Collector, name: str, wanted: Named) -> Any:
    known = collector.memory.device(name)
    if known is not None and is_newcomer(known):
        if wanted.device not in {None, name}:
            raise Refusal("bad_machine", f"device {name!r} names itself; it can't be called {wanted.device!r}")
        machine = wished(wanted.place, device=name, dialect=NATIVE, prefix=None, cadence_s=None, clock="own")
        return with_history(machine, collector.memory, collector.clock)
    seen = collector.newcomers.one(name, collector.clock.now())
    return wished(
        wanted.place, device=wanted.device, dialect=seen.dialect, prefix=seen.prefix, cadence_s=None, clock="own"
    )


def _foreign(seen: Sighting) -> dict[str, Any]:
    return {
        "id": seen.id,
        "device": seen.prefix.removesuffix("/tele").rpartition("/")[2],
        "dialect": seen.dialect,
        "looks_like": DIALECTS[seen.dialect].title,
        "prefix": seen.prefix,
        "first_seen": format_time(seen.first_at),
        "last_seen": format_time(seen.last_at),
        "messages": seen.message_count,
        "topics": list(seen.topics),
    }


def _native(record: Device) -> dict[str, Any]:
    return {
        "id": record.device,
        "device": record.device,
        "dialect": record.dialect,
        "looks_like": None,
        "prefix": None,
        "first_seen": None,
        "last_seen": format_time(record.presence.heard_at),
        "messages": None,
        "topics": [],
    }
