# SPDX-License-Identifier: Apache-2.0
"""Lists are paged: items, total, next (contract 6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from collector.contract.errors import Refusal


def page(items: Sequence[Any], *, limit: int, cursor: str | None) -> dict[str, Any]:
    """Return one page of a list and the cursor of the next, or None where there is no more.

    >>> page("abcd", limit=3, cursor=None)
    {'items': ['a', 'b', 'c'], 'total': 4, 'next': '3'}
    """
    if cursor is not None and not (cursor.isdecimal() and len(cursor) <= 9):  # noqa: PLR2004
        raise Refusal("bad_cursor", f"cursor = {cursor[:40]!r} is not one that a page gave out")
    start = int(cursor) if cursor else 0
    end = start + limit
    return {"items": list(items[start:end]), "total": len(items), "next": str(end) if end < len(items) else None}
