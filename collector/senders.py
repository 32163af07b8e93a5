# SPDX-License-Identifier: AGPL-3.0-or-later
"""What is kept beside the facts: boots, decoder states, event ids, the account's counts, the readers' positions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from collector.order import Boot
from collector.turn import Turn

_ADD_COUNT: Final = (
    "INSERT INTO counts VALUES (?, ?, ?) ON CONFLICT (device, word) DO UPDATE SET count = count + excluded.count"
)


def keep_senders(db: sqlite3.Connection, turn: Turn) -> None:
    """Write what the turn changed."""
    boots = [(device, boot, msgspec.msgpack.encode(record)) for (device, boot), record in turn.boots.items()]
    db.executemany("INSERT OR REPLACE INTO boots VALUES (?, ?, ?)", boots)
    db.executemany("INSERT OR REPLACE INTO devices VALUES (?, ?)", list(turn.devices.items()))
    events = [(device, event, at) for (device, event), at in turn.events.items()]
    db.executemany("INSERT OR IGNORE INTO events VALUES (?, ?, ?)", events)
    names = [(device, name) for device, found in turn.names.items() for name in found]
    db.executemany("INSERT OR IGNORE INTO indicators VALUES (?, ?)", names)


def keep_counts(db: sqlite3.Connection, counts: Mapping[tuple[str, str], int]) -> None:
    """Add to the account's counts."""
    db.executemany(_ADD_COUNT, [(device, word, n) for (device, word), n in counts.items()])


def keep_positions(db: sqlite3.Connection, rows: Iterable[tuple[str, int, float]]) -> None:
    """Write how far the readers have come, in place of what was written before."""
    db.execute("DELETE FROM readers")
    db.executemany("INSERT INTO readers VALUES (?, ?, ?)", rows)


def boots(db: sqlite3.Connection) -> dict[tuple[str, str], Boot]:
    """Return the records of all senders."""
    rows = db.execute("SELECT device, boot, record FROM boots")
    return {(device, boot): msgspec.msgpack.decode(blob, type=Boot) for device, boot, blob in rows}


def indicators(db: sqlite3.Connection) -> dict[str, set[str]]:
    """Return the indicators that each device has brought."""
    found: dict[str, set[str]] = {}
    for device, name in db.execute("SELECT device, name FROM indicators"):
        found.setdefault(device, set()).add(name)
    return found


def forget(db: sqlite3.Connection, before: float) -> int:
    """Forget boots and event ids that were last heard before then (plant's Unix s); return how many."""
    old = [key for key, boot in boots(db).items() if boot.heard_at < before]
    db.executemany("DELETE FROM boots WHERE device = ? AND boot = ?", old)
    return len(old) + db.execute("DELETE FROM events WHERE at < ?", (before,)).rowcount


def event_known(db: sqlite3.Connection, device: str, event: str) -> bool:
    """Tell whether this device's event is on disk."""
    return db.execute("SELECT 1 FROM events WHERE device = ? AND id = ?", (device, event)).fetchone() is not None


def events(db: sqlite3.Connection, device: str, most: int) -> list[str]:
    """Return the ids of the device's newest events, oldest first."""
    asked = "SELECT id FROM events WHERE device = ? ORDER BY at DESC LIMIT ?"
    return [row[0] for row in reversed(db.execute(asked, (device, most)).fetchall())]
