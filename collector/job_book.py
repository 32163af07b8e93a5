# SPDX-License-Identifier: AGPL-3.0-or-later
"""The book of jobs: what started and ended, kept in the same transaction as the facts that say so."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec

from collector.contract.codec import format_time
from collector.contract.event import JobEnded, JobStarted
from collector.contract.page import offset_of, page_of
from collector.contract.reading import Batch

STILL_RUNS: Final = 1e12
"""When a job that has not ended was last at work: now, whenever that is."""
_WHERE: Final = (
    "WHERE (?1 IS NULL OR place = ?1 OR place LIKE ?2 ESCAPE '!') AND (?3 IS NULL OR last_at >= ?3)"
    " AND (?4 IS NULL OR started_at IS NULL OR started_at < ?4)"
)
_COUNTED: Final = "SELECT count(*) FROM jobs " + _WHERE  # noqa: S608 - constants
_LISTED: Final = "SELECT record FROM jobs " + _WHERE + " ORDER BY last_at DESC, device, job LIMIT ?5 OFFSET ?6"  # noqa: S608 - likewise


class Job(msgspec.Struct, frozen=True):
    """A job of a device: `ended` is None while it runs."""

    device: str
    place: str | None
    started: JobStarted | None = None
    ended: JobEnded | None = None


def keep_jobs(db: sqlite3.Connection, batches: Iterable[Batch]) -> None:
    """Write what the batches say of jobs; the same fact twice changes nothing."""
    for batch in batches:
        for fact in batch.facts:
            if isinstance(fact, JobStarted | JobEnded):
                _keep(db, batch, fact)


def _keep(db: sqlite3.Connection, batch: Batch, fact: JobStarted | JobEnded) -> None:
    row = db.execute("SELECT record FROM jobs WHERE device = ? AND job = ?", (batch.device, fact.job)).fetchone()
    job = msgspec.msgpack.decode(row[0], type=Job) if row else Job(batch.device, batch.place)
    started, ended = (fact, job.ended) if isinstance(fact, JobStarted) else (job.started, fact)
    job = Job(batch.device, batch.place, started, ended)
    times = (_started_at(job), ended.ts if ended else None)
    last = max((t for t in times if t is not None), default=batch.at) if ended else STILL_RUNS
    db.execute(
        "INSERT OR REPLACE INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?)",
        (batch.device, fact.job, batch.place, *times, last, msgspec.msgpack.encode(job)),
    )


def _started_at(job: Job) -> float | None:
    """Return when the job began; its end may know better, where we came late."""
    if job.ended is not None and job.ended.started_at is not None:
        return job.ended.started_at
    return job.started.ts if job.started is not None else None


def jobs(
    db: sqlite3.Connection, *, place: str | None, start: float | None, end: float | None, most: int = -1, skip: int = 0
) -> list[Job]:
    """Return jobs at the place or below it that overlap [start, end), those that still run first, then newest first.

    At most `most` (-1: all) after the first `skip`.
    """
    asked = (place, f"{_escaped(place)}/%" if place else None, start, end, most, skip)
    rows = db.execute(_LISTED, asked)
    return [msgspec.msgpack.decode(row[0], type=Job) for row in rows.fetchall()]


def listed(
    db: sqlite3.Connection, *, place: str | None, start: float | None, end: float | None, limit: int, cursor: str | None
) -> dict[str, Any]:
    """Return a page of jobs as the API gives it."""
    skip = offset_of(cursor)
    asked = (place, f"{_escaped(place)}/%" if place else None, start, end)
    (total,) = db.execute(_COUNTED, asked).fetchone()
    found = jobs(db, place=place, start=start, end=end, most=limit, skip=skip)
    return page_of([shown(job) for job in found], total=total, start=skip)


def _escaped(text: str) -> str:
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")


class JobTimes(NamedTuple):
    """When a job began and ended, as far as known (Unix s)."""

    started_at: float | None
    ended_at: float | None


def times(job: Job) -> JobTimes:
    """Return when the job began and ended."""
    return JobTimes(_started_at(job), job.ended.ts if job.ended is not None else None)


def shown(job: Job) -> dict[str, Any]:
    """Return the job as the API gives it (contract 6); `outcome` is null while it runs."""
    ended = job.ended
    began, finished = times(job)
    first = job.started or ended
    return {
        "device": job.device,
        "place": job.place,
        "job": first.job if first else None,
        "file": (ended.file if ended and ended.file else None) or (job.started.file if job.started else None),
        "outcome": ended.outcome.value if ended else None,
        "cause": ended.cause if ended else None,
        "started_at": None if began is None else format_time(began),
        "ended_at": None if finished is None else format_time(finished),
        "held_s": ended.held_s if ended else None,
        "duration_s": ended.duration_s if ended else None,
        "print_duration_s": ended.print_duration_s if ended else None,
        "total_duration_s": ended.total_duration_s if ended else None,
        "estimate_s": (ended.estimate_s if ended else None) or (job.started.estimate_s if job.started else None),
        "material_g": ended.material_g if ended else None,
        "material_mm": ended.material_mm if ended else None,
        "energy_kwh": ended.energy_kwh if ended else None,
    }
