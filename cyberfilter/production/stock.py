# SPDX-License-Identifier: AGPL-3.0-or-later
"""What stands at a machine at a moment: open spools, parts not yet taken, what it did since its last maintenance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from collector.contract.event import Noted, State
from cyberfilter.production.account import Course
from cyberfilter.production.spans import length, within


class Upkept(NamedTuple):
    """What a machine did since an item was maintained (Unix s): hours of running, jobs ended, grams of material."""

    item: str
    since: float
    running_h: float
    jobs: int
    material_g: float


class Stock(NamedTuple):
    """Open spools and parts not yet taken, None where nobody ever said; counters by item."""

    place: str
    spools: int | None
    parts: int | None
    upkept: tuple[Upkept, ...]


def begins(notes: Sequence[Noted]) -> float | None:
    """Return since when (Unix s) a machine's course must be known for its stock; None: it needs none."""
    return min((*_done(notes).values(), *_cleared(notes)[-1:]), default=None)


def stock(place: str, course: Course, notes: Sequence[Noted], at: float) -> Stock:
    """Return what stands there at a moment (Unix s); `notes` are in order of time, and none is later."""
    cleared = _cleared(notes)
    parts = sum(count.good for count in course.counts if cleared[-1] < count.ts <= at) if cleared else None
    upkept = [_since(course, item, ts, at) for item, ts in sorted(_done(notes).items())]
    return Stock(place, _open_spools(notes), parts, tuple(upkept))


def _open_spools(notes: Sequence[Noted]) -> int | None:
    found: set[str] = set()
    told = [note for note in notes if note.event == "material"]
    for note in told:
        spool = str(note.body.get("spool") or "")
        if note.body.get("change") == "opened":
            found.add(spool)
        elif note.body.get("change") == "emptied":
            found.discard(spool)
    return len(found) if told else None


def _cleared(notes: Sequence[Noted]) -> list[float]:
    return [note.ts for note in notes if note.event == "plate" and note.body.get("change") == "cleared"]


def _done(notes: Sequence[Noted]) -> dict[str, float]:
    """Return by item when it was maintained last (Unix s)."""
    return {
        str(note.body.get("item") or ""): note.ts
        for note in notes
        if note.event == "maintenance" and note.body.get("change") == "done"
    }


def _since(course: Course, item: str, since: float, at: float) -> Upkept:
    ended = [made for made in course.jobs if since < made.job.end <= at]
    running = within(course.spans.get(State.RUNNING, ()), since, at)
    return Upkept(item, since, length(running) / 3600, len(ended), sum(made.material_g or 0.0 for made in ended))
