# SPDX-License-Identifier: Apache-2.0
"""Lists are paged: items, total, next (contract 6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from collector.contract.errors import Refusal


def offset_of(cursor: str | None) -> int:
    """Return where a page begins; a Refusal where no page gave this cursor out."""
    if cursor is not None and not (cursor.isdecimal() and len(cursor) <= 9):  # noqa: PLR2004
        raise Refusal("bad_cursor", f"cursor = {cursor[:40]!r} is not one that a page gave out")
    return int(cursor) if cursor else 0


def page_of(items: Sequence[Any], *, total: int, start: int) -> dict[str, Any]:
    """Return the page that begins at `start` of a list of `total` items.

    >>> page_of("bc", total=4, start=1)
    {'items': ['b', 'c'], 'total': 4, 'next': '3'}
    """
    end = start + len(items)
    return {"items": list(items), "total": total, "next": str(end) if end < total else None}


def page(items: Sequence[Any], *, limit: int, cursor: str | None) -> dict[str, Any]:
    """Return one page of a list and the cursor of the next, or None where there is no more.

    >>> page("abcd", limit=3, cursor=None)
    {'items': ['a', 'b', 'c'], 'total': 4, 'next': '3'}
    """
    start = offset_of(cursor)
    return page_of(items[start : start + limit], total=len(items), start=start)
