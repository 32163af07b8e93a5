# SPDX-License-Identifier: AGPL-3.0-or-later
"""Rows of past hours become chunks and tallies, and what is too old goes: step by step, each a bounded transaction."""

from __future__ import annotations

import math
import sqlite3
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from collector.historian import column
from collector.historian.retention import Retention, oldest_us
from collector.historian.rollup import HOUR_US, MINUTE_US, Part, merge, pack_minutes, read_minutes, split

LATE_US: Final = 300_000_000
"""An hour is packed so long after its end: most of what is late has come then, and needs no second packing."""
CHUNK_SAMPLES: Final = 16_384
"""Samples of a chunk, so that packing one takes no long: an hour at 4 Hz; a single minute may have more."""
STEP_WORK: Final = 10_000
"""What one step does, in samples packed; a series that is only looked at counts as `_LOOK_WORK`."""
_LOOK_WORK: Final = 20
_FORGET_ROWS: Final = 200

_NEXT: Final = "SELECT id, kind FROM series WHERE id > ? ORDER BY id LIMIT 1"
_FIRST: Final = "SELECT time FROM sample WHERE series = ? AND time < ? ORDER BY time LIMIT 1"
_LOOSE: Final = {
    "reading": "SELECT time, value FROM sample WHERE series = ? AND time >= ? AND time < ? ORDER BY time LIMIT ?",
    "index": "SELECT time, value, lo95, hi95 FROM sample LEFT JOIN band USING (series, time) "
    "WHERE series = ? AND time >= ? AND time < ? ORDER BY time LIMIT ?",
}
_TAKE: Final = (
    "DELETE FROM sample WHERE series = ? AND time >= ? AND time <= ?",
    "DELETE FROM band WHERE series = ? AND time >= ? AND time <= ?",
)
_CHUNK: Final = (
    "SELECT start, body FROM chunk WHERE series = ? AND start >= ? AND start <= ? ORDER BY start DESC LIMIT 1"
)
_CHUNK_AFTER: Final = "SELECT start FROM chunk WHERE series = ? AND start > ? AND start < ? ORDER BY start LIMIT 1"
_MINUTES: Final = "SELECT body FROM minutes WHERE series = ? AND start = ?"
_KNOWN: Final = "SELECT 1 FROM hours WHERE series = ? AND start = ?"
_ROWIDS: Final = "DELETE FROM {0} WHERE rowid IN (SELECT rowid FROM {0} WHERE series = ? AND start < ? LIMIT ?)"
_FORGET: Final = (
    _ROWIDS.format("chunk"),
    _ROWIDS.format("minutes"),
    "DELETE FROM hours WHERE (series, start) IN (SELECT series, start FROM hours WHERE series=? AND start<? LIMIT ?)",
)
_Bounds = tuple[int | None, int | None, int | None]
"""Times before which chunks, minutes and hours go."""


class Round(NamedTuple):
    """How far the way through all series is: those up to `series` are done.

    `bounds` are this round's; `forgotten` those up to which an earlier round has forgotten already.
    """

    series: int = 0
    bounds: _Bounds = (None, None, None)
    forgotten: _Bounds = (None, None, None)


def step(db: sqlite3.Connection, now_us: int, retention: Retention, at: Round) -> tuple[int, Round]:
    """Do a part of the work, inside a transaction; return how much, 0 when all is done, and how far the round is."""
    if at.series == 0:
        days = (retention.raw_days, retention.minute_days, retention.hour_days)
        raw, minute, hour = (oldest_us(span, now_us) for span in days)
        at = at._replace(bounds=(raw, minute, hour))
    before_us = (now_us - LATE_US) // HOUR_US * HOUR_US
    spent = done = 0
    while spent < STEP_WORK:
        found = db.execute(_NEXT, (at.series,)).fetchone()
        if found is None:
            return done, Round(forgotten=at.bounds)
        number, kind = found
        did = _pack(db, number, kind, before_us)
        if did == 0 and at.bounds != at.forgotten:
            did = _forget(db, number, at.bounds)
        if did == 0:
            at = at._replace(series=number)
        done += did
        spent += did or _LOOK_WORK
    return max(done, 1), at


def _forget(db: sqlite3.Connection, number: int, bounds: _Bounds) -> int:
    """Delete some of what is too old; return how much work that was."""
    return sum(
        _LOOK_WORK * db.execute(delete, (number, before_us, _FORGET_ROWS)).rowcount
        for delete, before_us in zip(_FORGET, bounds, strict=True)
        if before_us is not None
    )


def _pack(db: sqlite3.Connection, number: int, kind: str, before_us: int) -> int:
    """Move the oldest rows into their chunk and make the hour's tallies anew; return how many samples that touched.

    A sample whose hour has tallies and no chunk any more is dropped: nothing tells a new one from one that is counted.
    """
    found = db.execute(_FIRST, (number, before_us)).fetchone()
    if found is None:
        return 0
    first: int = found[0]
    hour = first // HOUR_US * HOUR_US
    chunk = db.execute(_CHUNK, (number, hour, first)).fetchone()
    after = db.execute(_CHUNK_AFTER, (number, first, hour + HOUR_US)).fetchone()
    end: int = hour + HOUR_US if after is None else after[0]
    rows = db.execute(_LOOSE[kind], (number, first, end, CHUNK_SAMPLES)).fetchall()
    for delete in _TAKE:
        db.execute(delete, (number, first, rows[-1][0]))
    if chunk is None and db.execute(_KNOWN, (number, hour)).fetchone() is not None:
        return len(rows)
    start: int = hour if chunk is None else chunk[0]
    columns = _merged([] if chunk is None else column.unpack(chunk[1]), rows)
    for begin, part in _pieces(start, columns[0]):
        body = column.pack(*(numbers[part] for numbers in columns))
        db.execute("INSERT OR REPLACE INTO chunk VALUES (?, ?, ?)", (number, begin, body))
    _tally(db, number, hour, (start, end), split(columns[0], columns[1], MINUTE_US))
    return len(columns[0])


def _merged(old: list[column.Column], rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    """Return the columns of both, oldest first; at an equal time the row counts. A bound that is None becomes NaN."""
    if old and old[0][-1] >= rows[0][0]:
        by_time = {row[0]: row for row in zip(*old, strict=True)} | {row[0]: row for row in rows}
        old, rows = [], [by_time[time_us] for time_us in sorted(by_time)]
    times, values, *bounds = (list(numbers) for numbers in zip(*rows, strict=True))
    new = [times, values, *([math.nan if bound is None else bound for bound in numbers] for numbers in bounds)]
    return [[*before, *numbers] for before, numbers in zip(old, new, strict=True)] if old else new


def _pieces(start: int, times_us: Sequence[int]) -> Iterator[tuple[int, slice]]:
    """Yield start and extent of the chunks that the samples make: whole minutes, if possible few enough samples."""
    first = 0
    while first < len(times_us):
        after = first + CHUNK_SAMPLES
        if after < len(times_us):
            minutes = times_us[after] // MINUTE_US, times_us[first] // MINUTE_US + 1
            after = bisect_left(times_us, max(minutes) * MINUTE_US, first)
        yield start, slice(first, after)
        first = after
        start = times_us[first] // MINUTE_US * MINUTE_US if first < len(times_us) else start


def _tally(db: sqlite3.Connection, number: int, hour: int, span: tuple[int, int], minutes: list[Part]) -> None:
    """Put these minutes in the place of those that the hour had within the span."""
    start, end = span
    known = db.execute(_MINUTES, (number, hour)).fetchone()
    if known is not None:
        kept = [part for part in read_minutes(hour, known[0]) if not start <= part[0] < end]
        minutes = sorted([*kept, *minutes])
    db.execute("INSERT OR REPLACE INTO minutes VALUES (?, ?, ?)", (number, hour, pack_minutes(hour, minutes)))
    tally = merge(tally for _, tally in minutes)
    db.execute("INSERT OR REPLACE INTO hours VALUES (?, ?, ?, ?, ?, ?)", (number, hour, *tally))
