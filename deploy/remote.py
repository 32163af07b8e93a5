# SPDX-License-Identifier: AGPL-3.0-or-later
"""Services in processes of their own: the fact log over HTTP, and the room's port that asks the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import httpx
import msgspec
from fastapi import APIRouter, Request, Response

from collector.contract.errors import Unavailable
from collector.contract.limits import PAGE_ITEMS_MAX
from collector.contract.reading import Batch, Numbered
from deploy.wiring import CLOSED_SHOWN

_ANSWER_S: Final = 40.0
_HOP: Final = frozenset(("connection", "transfer-encoding", "keep-alive", "content-length", "content-encoding", "host"))
_FILTERS_WORDS: Final = frozenset(
    ("indices", "alerts", "outlook", "production", "indicators", "triples", "commissioning", "interventions", "belief")
)
"""The first words below /api/v1 that the cyberfilter answers; the collector answers the others."""


class HttpFactLog:
    """The collector's fact log, read over `GET /api/v1/facts` with a long poll; `passed` travels with the next read."""

    def __init__(self, collector_url: str) -> None:
        self._client = httpx.Client(base_url=collector_url, timeout=_ANSWER_S)
        self._passed: tuple[str, int] | None = None
        self._last = 0

    def read_from(self, n: int, *, most: int, wait_s: float = 0.0) -> Sequence[Numbered]:
        """Return batches with numbers >= n in order, after waiting up to `wait_s`. Raises Unavailable."""
        asked: dict[str, Any] = {"after": n - 1, "limit": most, "wait_s": wait_s}
        if self._passed is not None and self._passed[1] == n - 1:
            asked["reader"] = self._passed[0]
        try:
            answer = self._client.get("/api/v1/facts", params=asked, timeout=_ANSWER_S + wait_s)
            answer.raise_for_status()
            told = answer.json()
            self._last = told["last"]
            return [Numbered(row["n"], msgspec.convert(row, Batch)) for row in told["items"]]
        except (httpx.HTTPError, ValueError, KeyError, msgspec.ValidationError) as error:
            raise Unavailable(f"the collector's facts at {self._client.base_url}: {error}") from error

    def last(self) -> int:
        """Return the newest number that was told."""
        return self._last

    def passed(self, reader: str, n: int) -> None:
        """Note that this reader needs nothing up to and including n."""
        self._passed = reader, n

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()


def asking(collector_url: str, cyberfilter_url: str) -> APIRouter:
    """Return routes that answer everything below /api/v1 by asking the service whose answer it is (contract 6)."""
    router = APIRouter(prefix="/api/v1", include_in_schema=False)
    client = httpx.AsyncClient(timeout=_ANSWER_S)

    async def ask(path: str, request: Request) -> Response:
        url = cyberfilter_url if path.partition("/")[0] in _FILTERS_WORDS else collector_url
        headers = {name: value for name, value in request.headers.items() if name not in _HOP}
        body = await request.body()
        try:
            answer = await client.request(
                request.method, f"{url}/api/v1/{path}", params=request.query_params, headers=headers, content=body
            )
        except httpx.HTTPError as error:
            raise Unavailable(f"the service at {url} does not answer: {error!r}") from error
        kept = {name: value for name, value in answer.headers.items() if name not in _HOP}
        return Response(answer.content, status_code=answer.status_code, headers=kept)

    router.add_api_route("/{path:path}", ask, methods=["GET", "POST", "DELETE"])
    return router


def seed_of(collector_url: str, cyberfilter_url: str) -> dict[str, Any]:
    """Return what the room begins with, asked of the services; raises Unavailable."""
    alerts = f"{cyberfilter_url}/api/v1/alerts"
    return {
        "machines": _all_items(f"{collector_url}/api/v1/machines"),
        "units": _all_items(f"{collector_url}/api/v1/tree"),
        "indices": _all_items(f"{cyberfilter_url}/api/v1/indices"),
        "alerts": _all_items(alerts, open="true") + _all_items(alerts, open="false", most=CLOSED_SHOWN),
    }


def _all_items(url: str, *, most: int | None = None, **asked: Any) -> list[Any]:
    items: list[Any] = []
    asked["limit"] = most or PAGE_ITEMS_MAX
    try:
        with httpx.Client(timeout=_ANSWER_S) as client:
            while True:
                answer = client.get(url, params=asked)
                answer.raise_for_status()
                told = answer.json()
                items += told["items"]
                if told["next"] is None or most is not None:
                    return items
                asked["cursor"] = told["next"]
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise Unavailable(f"{url}: {error}") from error
