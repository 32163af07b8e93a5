# SPDX-License-Identifier: AGPL-3.0-or-later
"""The embedded historian: one SQLite file, the last hour as rows, before that packed, after that rolled up.

Write-ahead log with synchronous=FULL: what `write` returned from is on disk. One connection writes; any number of
threads and processes read meanwhile, each from a consistent state. Large loads go through `write` in batches of
20,000 to 50,000 rows: a batch is one transaction, and so one fsync. `tidy` packs and forgets (packing.py). Pages that
it frees are used again; beyond 16 MiB of them they go back to the disk, from the file's end.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice, repeat
from pathlib import Path
from threading import Lock
from typing import Final

from collector.contract.errors import Unavailable
from collector.contract.ports import RefusedRow
from collector.durable import open_file, told, transaction
from collector.historian import answers, packing, rollup
from collector.historian.admission import Rows, Run, admit, micros, micros_bound
from collector.historian.layout import FORMAT
from collector.historian.retention import KEPT, Retention
from collector.space import SPARE_BYTES_MAX, give_back, taken

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
_KINDS: Final = ("reading", "index")
_Series = tuple[str, str, str, str]


class EmbeddedHistorian:
    """A Historian in one file, which is made where there is none; its folder must be there.

    Where several devices at a place have the same indicator, `series` merges their points, and at an equal time
    the device whose id sorts last is shown; `rolled` counts every device's sample. Where a place has readings and
    index values of the same name within the range, the readings are returned.
    """

    def __init__(self, path: Path, retention: Retention = KEPT, *, busy_s: float = 5.0) -> None:
        self._path = path
        self._retention = retention
        self._round = packing.Round()
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
        with self._reader() as reader:
            for kind in _KINDS:
                merged: dict[int, float] = {}
                for (number,) in reader.execute(_DEVICES, (kind, place, name)).fetchall():
                    found = answers.samples(reader, number, micros_bound(start), micros_bound(end), most + 1)
                    merged.update(zip(*found, strict=True))
                if merged:
                    return [(time_us / 1e6, value) for time_us, value in sorted(merged.items())][: most + 1]
        return []

    def rolled(
        self, place: str, name: str, *, start: float, end: float, step_s: float, most: int
    ) -> list[tuple[float, float, float, float]]:
        """Return at most `most` + 1 buckets (start, min, mean, max), aligned to multiples of `step_s`."""
        span = (micros_bound(start), micros_bound(end), micros(step_s))
        with self._reader() as reader:
            for kind in _KINDS:
                numbers = reader.execute(_DEVICES, (kind, place, name)).fetchall()
                parts = [answers.parts(reader, number, *span) for (number,) in numbers]
                found = list(islice(rollup.buckets(parts, micros(step_s)), most + 1))
                if found:
                    return [(at / 1e6, tally.low, tally.total / tally.samples, tally.high) for at, tally in found]
        return []

    def tidy(self, now: float) -> int:
        """Do a step of packing what is over an hour old and of forgetting what is too old; return 0 when all is done.

        Raises Unavailable where the disk is full or another process holds the file; then nothing was changed.
        """
        with self._writing, told(self._path, FORMAT):
            with transaction(self._writer):
                did, self._round = packing.step(self._writer, micros(now), self._retention, self._round)
            return did or self._give_back()

    def _give_back(self) -> int:
        """Cut some unused pages off the file where there are many; return how many bytes."""
        spare = taken(self._writer, self._path).spare
        if spare <= SPARE_BYTES_MAX:
            return 0
        give_back(self._writer, self._path)
        return spare - taken(self._writer, self._path).spare

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
        """Lend a connection that only reads, within one transaction: as many as ever read at one time."""
        with told(self._path, FORMAT):
            try:
                reader = self._free.pop()
            except IndexError:
                reader = _open(self._path, busy_s=self._busy_s)
                reader.execute("PRAGMA query_only = ON")
            try:
                reader.execute("BEGIN")  # else a tidying between two questions would move samples out of sight
                yield reader
            finally:
                if reader.in_transaction:
                    reader.execute("ROLLBACK")
                if self._closed:
                    reader.close()
                else:
                    self._free.append(reader)


def _open(path: Path, *, busy_s: float) -> sqlite3.Connection:
    db = open_file(path, FORMAT, busy_s=busy_s)
    db.execute("PRAGMA cache_size = -32000")
    return db
