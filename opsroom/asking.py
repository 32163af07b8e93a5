# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a page asks of our own API for one index, and for the units of a place."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec

from opsroom.believed import Belief, Night
from opsroom.screens import index, production
from opsroom.screens.frame import View
from opsroom.views.production import UnitTriple

TRIPLES_MAX = 100
"""Rows of units asked for."""


async def believed(api: httpx.AsyncClient, ask: dict[str, str], view: View) -> tuple[list[Any], list[Any]]:
    """Return what the filter believes of an index now, and all the rest of it; a sentence where it says nothing."""
    answer = await api.get("/api/v1/belief", params=ask)
    if answer.status_code != httpx.codes.OK:
        return index.unknown(view, answered=answer.status_code == httpx.codes.NOT_FOUND), []
    nights = await api.get("/api/v1/commissioning", params=ask)
    listed = nights.json()["items"] if nights.status_code == httpx.codes.OK else []
    found = msgspec.convert(answer.json(), Belief)
    night = next((msgspec.convert(row, Night) for row in listed if row["place"] == found.place), None)
    return index.now(found, view), index.told(found, night, view)


async def triples(api: httpx.AsyncClient, place: str, view: View) -> list[Any]:
    """Return the table of the triples of a place and of those below it; without a place, of all."""
    asked = {"limit": str(TRIPLES_MAX), **({"place": place} if place else {})}
    answer = await api.get("/api/v1/triples", params=asked)
    rows = answer.json()["items"] if answer.status_code == httpx.codes.OK else []
    return production.triples(msgspec.convert(rows, list[UnitTriple]), view)
