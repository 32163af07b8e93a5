# SPDX-License-Identifier: AGPL-3.0-or-later
"""Samples and tallies of one series, read back from rows, chunks and roll-ups; the reader holds one transaction."""

from __future__ import annotations

import sqlite3
from bisect import bisect_left
from collections.abc import Iterator
from heapq import merge as in_time_order
from itertools import groupby
from operator import itemgetter
from typing import Final

from collector.historian import column
from collector.historian.rollup import HOUR_US, MINUTE_US, Part, Tally, coarsest, read_minutes, split

_ROWS: Final = "SELECT time, value FROM sample WHERE series = ? AND time >= ? AND time < ? ORDER BY time LIMIT ?"
_CHUNKS: Final = (
    "SELECT body FROM chunk WHERE series = :series AND start < :end AND start >= "
    "ifnull((SELECT max(start) FROM chunk WHERE series = :series AND start <= :first), :first) ORDER BY start"
)
_FIRST: Final = "SELECT time FROM sample WHERE series = ? AND time >= ? AND time < ? ORDER BY time LIMIT 1"
_HOURS: Final = (
    "SELECT start, samples, total, low, high FROM hours WHERE series = ? AND start >= ? AND start < ? ORDER BY start"
)
_MINUTES: Final = "SELECT body FROM minutes WHERE series = ? AND start = ?"
_HAS_CHUNK: Final = "SELECT 1 FROM chunk WHERE series = ? AND start = ?"


def samples(
    db: sqlite3.Connection, number: int, first_us: int, end_us: int, most: int = -1
) -> tuple[list[int], list[float]]:
    """Return times and values, first <= t < end, oldest first; at most so many, where that is not negative.

    At an equal time the row counts: it came after the chunk was packed.
    """
    times: list[int] = []
    values: list[float] = []
    for (body,) in db.execute(_CHUNKS, {"series": number, "first": first_us, "end": end_us}):
        packed_times, packed_values = column.unpack(body)[:2]
        part = slice(bisect_left(packed_times, first_us), bisect_left(packed_times, end_us))
        times.extend(packed_times[part])  # type: ignore[arg-type] # times are ints
        values.extend(packed_values[part])
        if 0 <= most <= len(times):
            break
    rows = db.execute(_ROWS, (number, first_us, end_us, most)).fetchall()
    if rows and times:
        merged = sorted((dict(zip(times, values, strict=True)) | dict(rows)).items())
        times, values = [at for at, _ in merged], [value for _, value in merged]
    elif rows:
        times, values = [at for at, _ in rows], [value for _, value in rows]
    return (times, values) if most < 0 else (times[:most], values[:most])


def parts(db: sqlite3.Connection, number: int, first_us: int, end_us: int, step_us: int) -> Iterator[Part]:
    """Yield tallies of what is in the range, oldest first, each within a bucket: hours, minutes, or less.

    What was rolled up is taken from there; it gives the same bits as its samples. Where the samples are gone, the
    finest that is left stands for them: a minute or an hour counts where it begins.
    """
    for hour, tally, has_rows in _hours(db, number, first_us, end_us):
        start, end = max(first_us, hour), min(end_us, hour + HOUR_US)
        if tally is not None and not has_rows and step_us % HOUR_US == 0 and end - start == HOUR_US:
            yield hour, tally
        elif tally is None or (
            (has_rows or any(bound % MINUTE_US for bound in (start, end, step_us)))
            and db.execute(_HAS_CHUNK, (number, hour)).fetchone()
        ):
            yield from coarsest(split(*samples(db, number, start, end), step_us), step_us)
        else:
            found = db.execute(_MINUTES, (number, hour)).fetchone()
            minutes = read_minutes(hour, found[0]) if found else [(hour, tally)]
            yield from coarsest([part for part in minutes if start <= part[0] < end], step_us)


def _hours(db: sqlite3.Connection, number: int, first_us: int, end_us: int) -> Iterator[tuple[int, Tally | None, bool]]:
    """Yield every hour that has something: its start, its tally where there is one, whether it has rows."""
    first_hour = first_us // HOUR_US * HOUR_US
    known = ((start, Tally(*rest)) for start, *rest in db.execute(_HOURS, (number, first_hour, end_us)))
    rows = ((hour, None) for hour in _hours_with_rows(db, number, first_us, end_us))
    for hour, group in groupby(in_time_order(known, rows, key=itemgetter(0)), key=itemgetter(0)):
        found = [tally for _, tally in group]
        yield hour, found[0], found[-1] is None


def _hours_with_rows(db: sqlite3.Connection, number: int, first_us: int, end_us: int) -> Iterator[int]:
    while True:
        found = db.execute(_FIRST, (number, first_us, end_us)).fetchone()
        if found is None:
            return
        hour = found[0] // HOUR_US * HOUR_US
        yield hour
        first_us = hour + HOUR_US
