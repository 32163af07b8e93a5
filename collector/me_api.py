# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the collector knows of me: everything of it for me alone, and nothing once I say so."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query

from collector.contract.limits import PAGE_ITEMS_MAX
from collector.mine import Mine, person

Secret = Annotated[str, Header(alias="X-Person", description="the secret of your own under which you tapped")]


def routes(mine: Mine) -> APIRouter:
    """Return the routes; who does not know the secret learns nothing, not even whether there is such a person."""
    router = APIRouter(prefix="/api/v1", tags=["people"])

    @router.get("/me", summary="My own events, newest first: id, when, about which device, what kind")
    def mine_all(
        x_person: Secret,
        limit: Annotated[int, Query(ge=1, le=PAGE_ITEMS_MAX, description="items a page")] = 100,
        cursor: Annotated[str | None, Query(description="`next` of the page before")] = None,
    ) -> dict[str, Any]:
        return mine.page(person(x_person), limit=limit, cursor=cursor)

    @router.delete("/me", summary="Forget which events were mine; what was counted stays, without me")
    def forget(x_person: Secret) -> dict[str, int]:
        return {"erased": mine.erase(person(x_person))}

    return router
