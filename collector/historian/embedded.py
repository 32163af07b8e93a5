# SPDX-License-Identifier: AGPL-3.0-or-later
"""The embedded historian: one SQLite file, raw rows by series and time.

Write-ahead log with synchronous=FULL: what `write` returned from is on disk. One connection writes; any number of
threads and processes read meanwhile, each from a consistent state. Large loads go through `write` in batches of
20,000 to 50,000 rows: a batch is one transaction, and so one fsync.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path
from threading import Lock
from typing import Final

from collector.contract.errors import Unavailable
from collector.contract.ports import RefusedRow
from collector.durable import Format, open_file, told, transaction
from collector.historian.admission import Rows, Run, admit, micros, micros_bound

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, place TEXT NOT NULL, name TEXT NOT NULL, device TEXT NOT NULL,
    UNIQUE (kind, place, name, device));
CREATE TABLE IF NOT EXISTS sample (
    series INTEGER NOT NULL, time INTEGER NOT NULL, value REAL NOT NULL, PRIMARY KEY (series, time)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS band (
    series INTEGER NOT NULL, time INTEGER NOT NULL, lo95 REAL, hi95 REAL, PRIMARY KEY (series, time)) WITHOUT ROWID;
"""
"""`time` is in microseconds since 1970; `kind` is reading or index, and an index's `device` is ''."""
FORMAT: Final = Format("historian", 1, _TABLES)

_ADD_SERIES: Final = "INSERT INTO series (kind, place, name, device) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
_FIND_SERIES: Final = "SELECT id FROM series WHERE kind = ? AND place = ? AND name = ? AND device = ?"
_ADD_SAMPLE: Final = (
    "INSERT INTO sample VALUES (?, ?, ?) ON CONFLICT (series, time) DO UPDATE SET value = excluded.value"
)
_ADD_BAND: Final = (
    "INSERT INTO band VALUES (?, ?, ?, ?) "
    "ON CONFLICT (series, time) DO UPDATE SET lo95 = excluded.lo95, hi95 = excluded.hi95"
)
_DEVICES: Final = "SELECT id FROM series WHERE kind = ? AND place = ? AND name = ? ORDER BY device"
_SERIES: Final = "SELECT time, value FROM sample WHERE series = ? AND time >= ? AND time < ? ORDER BY time LIMIT ?"
_ROLLED: Final = """
SELECT time - ((time % :step) + :step) % :step AS bucket, min(value), avg(value), max(value) FROM sample
WHERE series IN (SELECT id FROM series WHERE kind = :kind AND place = :place AND name = :name)
AND time >= :start AND time < :end GROUP BY bucket ORDER BY bucket LIMIT :limit
"""
_KINDS: Final = ("reading", "index")
_Series = tuple[str, str, str, str]


class EmbeddedHistorian:
    """A Historian in one file, which is made where there is none; its folder must be there.

    Where several devices at a place have the same indicator, `series` merges their points, and at an equal time
    the device whose id sorts last is shown; `rolled` counts every device's sample. Where a place has readings and
    index values of the same name within the range, the readings are returned.
    """

    def __init__(self, path: Path, *, busy_s: float = 5.0) -> None:
        self._path = path
        self._busy_s = busy_s
        self._ids: dict[_Series, int] = {}
        self._writing = Lock()
        self._free: list[sqlite3.Connection] = []
        self._closed = False
        self._trouble: str | None = None
        self._writer = _open(path, busy_s=busy_s)

    def write(self, rows: Rows) -> Sequence[RefusedRow]:
        """Keep the rows in one transaction; return those that can never be kept.

        Raises Unavailable where the disk is full or another process holds the file; then nothing was kept.
        """
        runs, refused = admit(rows)
        with self._writing:
            found: dict[_Series, int] = {}
            try:
                with told(self._path, FORMAT), transaction(self._writer):
                    self._keep(runs, found)
            except Unavailable as error:
                self._trouble = str(error)
                raise
            self._ids |= found
            self._trouble = None
        return refused

    def _keep(self, runs: Sequence[Run], found: dict[_Series, int]) -> None:
        """Insert the samples by series and time, as the file is sorted; ids that were looked up go into `found`."""
        numbered: list[tuple[int, Run]] = []
        for run in runs:
            series = ("index" if run.device is None else "reading", run.place, run.name, run.device or "")
            number = self._ids.get(series) or found.get(series)
            if number is None:
                number = found[series] = self._number(series)
            numbered.append((number, run))
        for number, run in sorted(numbered, key=lambda pair: pair[0]):
            self._writer.executemany(_ADD_SAMPLE, zip(repeat(number), *run.in_order()))
            if run.device is None:
                self._writer.executemany(
                    _ADD_BAND, zip(repeat(number), run.times_us, run.lows, run.highs, strict=False)
                )

    def _number(self, series: _Series) -> int:
        self._writer.execute(_ADD_SERIES, series)
        number: int = self._writer.execute(_FIND_SERIES, series).fetchone()[0]
        return number

    def series(self, place: str, name: str, *, start: float, end: float, most: int) -> list[tuple[float, float]]:
        """Return at most `most` + 1 points (Unix s, value), start <= t < end, oldest first."""
        span = (micros_bound(start), micros_bound(end), most + 1)
        with self._reader() as reader:
            for kind in _KINDS:
                merged: dict[int, float] = {}
                for (number,) in reader.execute(_DEVICES, (kind, place, name)).fetchall():
                    merged.update(reader.execute(_SERIES, (number, *span)).fetchall())
                if merged:
                    return [(time_us / 1e6, value) for time_us, value in sorted(merged.items())][: most + 1]
        return []

    def rolled(
        self, place: str, name: str, *, start: float, end: float, step_s: float, most: int
    ) -> list[tuple[float, float, float, float]]:
        """Return at most `most` + 1 buckets (start, min, mean, max), aligned to multiples of `step_s`."""
        asked = {"place": place, "name": name, "start": micros_bound(start), "end": micros_bound(end)}
        asked |= {"step": micros(step_s), "limit": most + 1}
        with self._reader() as reader:
            for kind in _KINDS:
                rows = reader.execute(_ROLLED, asked | {"kind": kind}).fetchall()
                if rows:
                    return [(at / 1e6, low, mean, high) for at, low, mean, high in rows]
        return []

    def tidy(self, now: float) -> int:  # noqa: ARG002 - the port's
        """Return 0: everything is kept as it came."""
        return 0

    def ready(self) -> str | None:
        """Return None where the file can be read and the last write went well, else what is wrong."""
        try:
            with self._reader() as reader:
                reader.execute("SELECT id FROM series LIMIT 1").fetchall()
        except Unavailable as error:
            return str(error)
        return self._trouble

    def close(self) -> None:
        """Let go of the file; readers that are busy in other threads close when they have finished."""
        self._closed = True
        while self._free:
            self._free.pop().close()
        with self._writing:
            self._writer.close()

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection that only reads: there are as many as there ever were reads at one time."""
        with told(self._path, FORMAT):
            try:
                reader = self._free.pop()
            except IndexError:
                reader = _open(self._path, busy_s=self._busy_s)
                reader.execute("PRAGMA query_only = ON")
            try:
                yield reader
            finally:
                if self._closed:
                    reader.close()
                else:
                    self._free.append(reader)


def _open(path: Path, *, busy_s: float) -> sqlite3.Connection:
    db = open_file(path, FORMAT, busy_s=busy_s)
    db.execute("PRAGMA cache_size = -32000")
    return db
