# SPDX-License-Identifier: AGPL-3.0-or-later
"""Refused messages: kept, counted, replayable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from collector.contract.codec import encode, format_time
from collector.contract.page import offset_of, page_of
from collector.contract.ports import ReadingRow, RefusedRow
from collector.spool import Spool
from collector.turn import Quarantined, Turn

_COLUMNS = "id, topic, device, reason, detail, at, bytes, replayable, replayed_at"


class Item(NamedTuple):
    """A refused message with its number in quarantine."""

    id: int
    topic: str
    device: str
    reason: str
    detail: str
    at: float
    bytes: int
    replayable: bool
    replayed_at: float | None


def keep_rows(spool: Spool, rows: Sequence[RefusedRow], *, at: float) -> None:
    """Keep rows that the historian will never take, under their device; their messages count as stored.

    The rest of those messages is stored. A row has no topic: it came through the fact log.
    """
    turn = Turn()
    for refused_row in rows:
        text, row = encode(refused_row.row), refused_row.row
        device = row.device if isinstance(row, ReadingRow) else ""
        turn.quarantined.append(
            Quarantined("", device, "historian", refused_row.reason, at, text, len(text), replayable=False)
        )
    spool.commit(turn)


def items(spool: Spool, *, most: int = -1, skip: int = 0) -> list[Item]:
    """Return what is in quarantine, newest first: at most `most` (-1: all) after the first `skip`."""
    asked = f"SELECT {_COLUMNS} FROM quarantine ORDER BY id DESC LIMIT ? OFFSET ?"  # noqa: S608
    with spool.looking() as db:
        return [Item(*row) for row in db.execute(asked, (most, skip))]


def listed(spool: Spool, *, limit: int, cursor: str | None) -> dict[str, Any]:
    """Return a page of quarantine as the API gives it, newest first."""
    skip = offset_of(cursor)
    found = items(spool, most=limit, skip=skip)
    return page_of([shown(item) for item in found], total=spool.ward().items, start=skip)


def find(spool: Spool, item_id: int) -> Item | None:
    """Return an item, or None where there is no such one."""
    with spool.looking() as db:
        row = db.execute(f"SELECT {_COLUMNS} FROM quarantine WHERE id = ?", (item_id,)).fetchone()  # noqa: S608
    return Item(*row) if row else None


def payload(spool: Spool, item_id: int) -> bytes:
    """Return what is kept of an item's payload; nothing where there is no such one."""
    with spool.looking() as db:
        row = db.execute("SELECT payload FROM quarantine WHERE id = ?", (item_id,)).fetchone()
    return bytes(row[0]) if row else b""


def replayed(spool: Spool, item_id: int, *, at: float) -> None:
    """Note that the item was published again; it stays as a record."""
    with spool.writing() as db:
        db.execute("UPDATE quarantine SET replayed_at = ? WHERE id = ?", (at, item_id))


def shown(item: Item) -> dict[str, Any]:
    """Return the item as the API gives it (contract 6)."""
    return {
        "id": str(item.id),
        "topic": item.topic,
        "device": item.device or None,
        "reason": item.reason,
        "detail": item.detail,
        "at": format_time(item.at),
        "bytes": item.bytes,
        "replayable": bool(item.replayable),
        "replayed_at": None if item.replayed_at is None else format_time(item.replayed_at),
    }
