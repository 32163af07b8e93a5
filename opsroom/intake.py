# SPDX-License-Identifier: AGPL-3.0-or-later
"""How the intake stands, asked of our own API every few seconds while somebody looks at the room."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final, TypeVar

import httpx
import msgspec

from collector.contract.limits import PAGE_ITEMS_MAX
from opsroom.live import Hub
from opsroom.seen import GapSeen, IntakeSeen, Listed, ListsSeen, MachineSeen, RefusedSeen
from opsroom.views.intake import ADDRESS, Intake, intake

Told = TypeVar("Told")
PERIOD_S: Final = 5.0
"""Real seconds between two questions."""
PAUSE_S: Final = 1.0
"""Real seconds between two questions at least, however many pages are opened."""
ANSWER_S: Final = 10.0
REFUSED_SHOWN: Final = 20
"""Newest messages in quarantine that are shown."""


async def keep_asking(api: httpx.AsyncClient, hub: Hub) -> None:
    """Ask until cancelled, at once when a page opens; nobody is asked while nobody looks."""
    while True:
        hub.looked.clear()
        if hub.clients:
            hub.know(await asked(api, whole=hub.is_watched(ADDRESS)))
        await asyncio.sleep(PAUSE_S)
        with suppress(TimeoutError):
            await asyncio.wait_for(hub.looked.wait(), PERIOD_S - PAUSE_S)


async def asked(api: httpx.AsyncClient, *, whole: bool) -> Intake:
    """Return how the intake stands, with its lists where `whole`; where the API gives no answer that it is away."""
    try:
        async with asyncio.timeout(ANSWER_S):
            seen = await _get(api, "intake", IntakeSeen)
            return intake(seen, await _lists(api) if whole else None)
    except (httpx.HTTPError, msgspec.DecodeError, TimeoutError):
        return intake(None)


async def _lists(api: httpx.AsyncClient) -> ListsSeen:
    machines: list[MachineSeen] = []
    cursor: str | None = ""
    while cursor is not None:
        after = {"cursor": cursor} if cursor else {}
        page = await _get(api, "machines", Listed[MachineSeen], limit=str(PAGE_ITEMS_MAX), **after)
        machines += page.items
        cursor = page.next
    gaps = await _get(api, "gaps", Listed[GapSeen], limit=str(PAGE_ITEMS_MAX))
    refused = await _get(api, "quarantine", Listed[RefusedSeen], limit=str(REFUSED_SHOWN))
    return ListsSeen(machines, gaps, refused)


async def _get(api: httpx.AsyncClient, path: str, kind: type[Told], **query: str) -> Told:
    answer = await api.get(f"/api/v1/{path}", params=query)
    answer.raise_for_status()
    return msgspec.json.decode(answer.content, type=kind)
