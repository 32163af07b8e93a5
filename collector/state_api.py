# SPDX-License-Identifier: AGPL-3.0-or-later
"""How the intake stands: the account in total, the log on its way to the historian, gaps, and what was noticed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query

from collector import listing
from collector.contract.codec import format_time
from collector.contract.limits import PAGE_ITEMS_MAX
from collector.contract.page import page
from collector.drain import Drain
from collector.service import Collector


def routes(collector: Collector, drain: Drain, trouble: Callable[[], str | None]) -> APIRouter:
    """Return the routes; `trouble` says what is wrong, if anything."""
    router = APIRouter(prefix="/api/v1", tags=["intake"])

    @router.get("/intake", summary="The account in total, the fact log, the historian, and what was noticed")
    def intake() -> dict[str, Any]:
        return shown(collector, drain, trouble())

    @router.get("/gaps", summary="Messages that are missing by their numbers; a gap closes when they arrive late")
    def gaps(
        device: str | None = None,
        limit: Annotated[int, Query(ge=1, le=PAGE_ITEMS_MAX, description="items a page")] = 100,
        cursor: Annotated[str | None, Query(description="`next` of the page before")] = None,
    ) -> dict[str, Any]:
        found = [gap for gap in listing.gaps(collector.memory) if device is None or gap["device"] == device]
        return page(found, limit=limit, cursor=cursor)

    return router


def shown(collector: Collector, drain: Drain, trouble: str | None) -> dict[str, Any]:
    """Return what the room's Intake page shows; bytes, seconds, messages and batches."""
    state, ward = collector.spool.state(), collector.spool.ward()
    balances = listing.accounts(collector.spool)
    return {
        "trouble": trouble,
        "account": listing.total(balances.values()),
        "unattributed": balances.get("", dict.fromkeys(listing.WORDS, 0)),
        "log": {
            "bytes": state.bytes,
            "bytes_max": state.bytes_max,
            "disk_free_bytes": state.disk_free_bytes,
            "disk_reserve_bytes": collector.spool.disk.bounds.reserve_bytes,
            "full": state.full,
        },
        "historian": {
            "behind": state.behind,
            "oldest_age_s": round(drain.age_s(state.oldest_at), 1),
            "rate_per_s": round(drain.rate_per_s, 1),
            "waits": drain.waits,
        },
        "quarantine": {"items": ward.items, "bytes": ward.bytes},
        "noticed": [{**each._asdict(), "at": format_time(each.at)} for each in reversed(collector.noticed())],
    }
