# SPDX-License-Identifier: AGPL-3.0-or-later
"""Ask the running system over its API; what it refuses is told in its own words."""

from __future__ import annotations

from typing import Any

import httpx

from collector.contract.errors import Refusal, Unavailable
from collector.contract.limits import PAGE_ITEMS_MAX
from deploy.where import Running


def ask_all(system: Running, path: str) -> list[Any]:
    """Return all items of a list, page after page."""
    items: list[Any] = []
    cursor = ""
    while True:
        told = ask(system, "GET", f"{path}?limit={PAGE_ITEMS_MAX}{cursor}")
        items += told["items"]
        if told["next"] is None:
            return items
        cursor = f"&cursor={told['next']}"


def ask(system: Running, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """Return the JSON of an answer. Raises Unavailable where nobody answers, Refusal with the problem's detail."""
    headers = {"Authorization": f"Bearer {system.token}"} if system.token else {}
    try:
        answer = httpx.request(method, system.api_url + path, json=body, headers=headers, timeout=30.0)
    except httpx.HTTPError as error:
        raise Unavailable(f"{system.api_url} does not answer ({error}); is it still running?") from None
    if answer.is_success:
        return answer.json()
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError):
        detail = answer.text[:200]
    if answer.is_server_error:
        raise Unavailable(str(detail))
    raise Refusal(str(answer.status_code), str(detail))
