# SPDX-License-Identifier: AGPL-3.0-or-later
"""Past hours are packed and rolled up, what is late is merged, and what is too old goes, at the exact bound."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from collector import space
from collector.contract.errors import Unavailable
from collector.contract.ports import IndexRow, ReadingColumn, ReadingRow
from collector.historian import embedded, packing
from collector.historian.embedded import EmbeddedHistorian
from collector.historian.retention import FOR_EVER, Retention

HOUR_S, DAY_S = 3_600.0, 86_400.0
T0 = 1_699_999_200.0
"""A full hour."""
PACKED_AT = T0 + HOUR_S + 300.0
"""When the hour from T0 is packed."""
Opener = Callable[[Retention], EmbeddedHistorian]
OLD = """
CREATE TABLE series (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, place TEXT NOT NULL, name TEXT NOT NULL, device TEXT NOT NULL,
    UNIQUE (kind, place, name, device));
CREATE TABLE sample (
    series INTEGER NOT NULL, time INTEGER NOT NULL, value REAL NOT NULL, PRIMARY KEY (series, time)) WITHOUT ROWID;
CREATE TABLE band (
    series INTEGER NOT NULL, time INTEGER NOT NULL, lo95 REAL, hi95 REAL, PRIMARY KEY (series, time)) WITHOUT ROWID;
INSERT INTO series VALUES (1, 'reading', 'p', 'n_degc', 'd'), (2, 'index', 'p', 'pace', '');
INSERT INTO sample VALUES (1, 1699999200000000, 20.5), (1, 1699999260000000, 21.5), (2, 1699999200000000, 0.5);
INSERT INTO band VALUES (2, 1699999200000000, 0.25, NULL);
PRAGMA user_version = 1;
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "historian.db"


@pytest.fixture
def open_(path: Path) -> Iterator[Opener]:
    opened: list[EmbeddedHistorian] = []

    def opener(retention: Retention) -> EmbeddedHistorian:
        opened.append(EmbeddedHistorian(path, retention, busy_s=0))
        return opened[-1]

    yield opener
    for each in opened:
        each.close()


@pytest.fixture
def historian(open_: Opener) -> EmbeddedHistorian:
    return open_(FOR_EVER)


def row(ts: float, value: float = 1.0) -> ReadingRow:
    return ReadingRow("p", "d", "n_degc", T0 + ts, value)


def tidy(historian: EmbeddedHistorian, now: float) -> list[int]:
    """Tidy until all is done, and return what every step did."""
    return list(iter(lambda: historian.tidy(now), 0))


def count(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as db:
        found: int = db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    return found


def points(historian: EmbeddedHistorian) -> list[tuple[float, float]]:
    found = historian.series("p", "n_degc", start=-math.inf, end=math.inf, most=10_000)
    return [(ts - T0, value) for ts, value in found]


def rolled(historian: EmbeddedHistorian, step_s: float, *, start: float = -1e9, end: float = 1e9) -> list[object]:
    found = historian.rolled("p", "n_degc", start=T0 + start, end=T0 + end, step_s=step_s, most=10_000)
    return [(at - T0, low, mean, high) for at, low, mean, high in found]


def test_hour_is_packed_five_minutes_after_its_end(historian: EmbeddedHistorian, path: Path) -> None:
    historian.write([row(0), row(3_599.5, 2.0), row(HOUR_S, 3.0)])
    assert tidy(historian, PACKED_AT - 1e-6) == []
    assert tidy(historian, PACKED_AT) == [2]
    assert (count(path, "sample"), count(path, "chunk")) == (1, 1)
    assert points(historian) == [(0, 1.0), (3_599.5, 2.0), (HOUR_S, 3.0)]


def test_late_samples_are_rows_until_the_next_tidying_merges_them(historian: EmbeddedHistorian, path: Path) -> None:
    historian.write([row(0, 1.0), row(90, 3.0)])
    tidy(historian, PACKED_AT)
    historian.write([row(90, 5.0), row(30, 2.0)])
    before = [points(historian), *(rolled(historian, step_s) for step_s in (10, 60, 3_600))]
    assert count(path, "sample") == 2
    assert tidy(historian, PACKED_AT) == [3]
    assert [points(historian), *(rolled(historian, step_s) for step_s in (10, 60, 3_600))] == before
    assert (count(path, "sample"), count(path, "chunk")) == (0, 1)
    assert (before[0], before[3]) == ([(0, 1.0), (30, 2.0), (90, 5.0)], [(0, 1.0, 8 / 3, 5.0)])


def test_hour_of_many_samples_makes_chunks_of_whole_minutes(
    historian: EmbeddedHistorian, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "CHUNK_SAMPLES", 150)
    times = [T0 + 3_599.0 - n for n in range(3_600)]
    historian.write([ReadingColumn("p", "d", "n_degc", times, [n * 0.5 for n in range(3_600)])])
    tidy(historian, PACKED_AT)
    with closing(sqlite3.connect(path)) as db:
        starts = [(at - round(T0 * 1e6)) / 60e6 for (at,) in db.execute("SELECT start FROM chunk ORDER BY start")]
    assert starts == list(range(0, 60, 2))
    assert points(historian) == [(n, (3_599 - n) * 0.5) for n in range(3_600)]


def test_step_does_a_bounded_part_and_the_rest_waits(historian: EmbeddedHistorian) -> None:
    times = [T0 - n for n in range(1, 40_001)]
    historian.write([ReadingColumn("p", "d", "n_degc", times, [1.0] * len(times))])
    did = tidy(historian, PACKED_AT)
    assert sum(did) == 40_000
    assert len(did) > 1
    assert max(did) <= packing.STEP_WORK + 3_600


def test_series_are_looked_at_in_bounded_steps_and_nothing_to_do_ends_it(
    historian: EmbeddedHistorian, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "STEP_WORK", 50)
    historian.write([ReadingRow("p", "d", f"n{n}_degc", T0 + 9 * HOUR_S, 1.0) for n in range(10)])
    assert tidy(historian, PACKED_AT) == [1, 1, 1]
    assert historian.tidy(PACKED_AT) > 0


def test_bands_are_packed_with_their_values_and_the_last_one_counts(historian: EmbeddedHistorian, path: Path) -> None:
    historian.write([IndexRow("p", "pace", T0, 1.0, 0.5, 1.5), IndexRow("p", "pace", T0 + 1, 2.0, 0.5, None)])
    tidy(historian, PACKED_AT)
    historian.write([IndexRow("p", "pace", T0, 3.0)])
    tidy(historian, PACKED_AT)
    with closing(sqlite3.connect(path)) as db:
        [(body,)] = db.execute("SELECT body FROM chunk").fetchall()
    times, values, lows, highs = packing.column.unpack(body)
    assert (times, values) == ([round(T0 * 1e6), round(T0 * 1e6) + 1_000_000], [3.0, 2.0])
    assert ([math.isnan(low) for low in lows], lows[1], all(map(math.isnan, highs))) == ([True, False], 0.5, True)
    assert (count(path, "band"), count(path, "sample")) == (0, 0)


def test_samples_go_at_the_bound_and_their_minutes_and_hours_answer(open_: Opener, path: Path) -> None:
    historian = open_(Retention(raw_days=1, minute_days=2, hour_days=3))
    historian.write([row(30, 1.0), row(40, 2.0), row(3_599, 6.0)])
    tidy(historian, PACKED_AT)
    tidy(historian, T0 + HOUR_S + DAY_S - 1e-6)
    assert len(points(historian)) == 3
    tidy(historian, T0 + HOUR_S + DAY_S)
    assert points(historian) == []
    assert rolled(historian, 60) == rolled(historian, 10) == [(0, 1.0, 1.5, 2.0), (3_540, 6.0, 6.0, 6.0)]
    tidy(historian, T0 + HOUR_S + 2 * DAY_S)
    assert rolled(historian, 60) == rolled(historian, 7_200) == [(0, 1.0, 3.0, 6.0)]
    tidy(historian, T0 + HOUR_S + 3 * DAY_S - 1e-6)
    assert rolled(historian, 3_600) == [(0, 1.0, 3.0, 6.0)]
    tidy(historian, T0 + HOUR_S + 3 * DAY_S)
    assert [rolled(historian, 3_600), *(count(path, table) for table in ("chunk", "minutes", "hours"))] == [[], 0, 0, 0]


def test_what_is_left_of_forgotten_samples_counts_where_it_begins(open_: Opener) -> None:
    historian = open_(Retention(raw_days=1, minute_days=0))
    historian.write([row(30, 1.0), row(60, 2.0), row(119, 4.0), row(120, 8.0)])
    tidy(historian, PACKED_AT + 2 * DAY_S)
    assert rolled(historian, 60, start=59, end=120) == [(60, 2.0, 3.0, 4.0)]
    assert rolled(historian, 3_600, start=1, end=121) == [(0, 2.0, 14 / 3, 8.0)]
    assert rolled(historian, 45, start=0, end=61) == [(0, 1.0, 1.0, 1.0), (45, 2.0, 3.0, 4.0)]


def test_history_that_comes_older_than_the_bound_is_rolled_up_before_it_goes(open_: Opener) -> None:
    historian = open_(Retention(raw_days=1))
    historian.write([row(n, float(n)) for n in range(100)])
    tidy(historian, PACKED_AT + 30 * DAY_S)
    assert points(historian) == []
    assert rolled(historian, 3_600) == [(0, 0.0, 49.5, 99.0)]


def test_sample_that_is_late_for_a_forgotten_hour_is_not_counted_twice(open_: Opener, path: Path) -> None:
    historian = open_(Retention(raw_days=1))
    historian.write([row(0, 1.0), row(1, 3.0)])
    tidy(historian, PACKED_AT + 2 * DAY_S)
    historian.write([row(0, 1.0), row(2, 9.0)])
    assert rolled(historian, 3_600) == [(0, 1.0, 2.0, 3.0)]
    tidy(historian, PACKED_AT + 2 * DAY_S)
    assert (points(historian), rolled(historian, 3_600)) == ([], [(0, 1.0, 2.0, 3.0)])
    assert count(path, "sample") == 0


def test_hours_are_kept_for_ever_unless_told(open_: Opener) -> None:
    historian = open_(Retention())
    historian.write([row(0)])
    tidy(historian, PACKED_AT + 20_000 * DAY_S)
    assert rolled(historian, 86_400)[0] == (-T0 % 86_400 - 86_400, 1.0, 1.0, 1.0)


def test_pages_that_are_freed_go_back_to_the_disk(
    historian: EmbeddedHistorian, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(space, "SPARE_BYTES_MAX", 100_000)
    monkeypatch.setattr(embedded, "SPARE_BYTES_MAX", 100_000)
    times = [T0 - n for n in range(1, 50_001)]
    historian.write([ReadingColumn("p", "d", "n_degc", times, [1.0] * len(times))])
    pages = historian._writer.execute("PRAGMA page_count").fetchone()[0]
    tidy(historian, PACKED_AT)
    assert historian._writer.execute("PRAGMA page_count").fetchone()[0] < pages / 4
    assert len(historian.series("p", "n_degc", start=0, end=T0, most=99_999)) == 50_000


def test_tidying_a_locked_file_is_unavailable_and_changes_nothing(historian: EmbeddedHistorian, path: Path) -> None:
    historian.write([row(0)])
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="locked"):
            historian.tidy(PACKED_AT)
    assert points(historian) == [(0, 1.0)]
    assert tidy(historian, PACKED_AT) == [1]


def test_reader_that_began_before_a_tidying_sees_the_file_as_it_was(historian: EmbeddedHistorian) -> None:
    historian.write([row(n, float(n)) for n in range(3)])
    with historian._reader() as reader:
        loose = reader.execute("SELECT count(*) FROM sample").fetchone()
        tidy(historian, PACKED_AT)
        assert reader.execute("SELECT count(*) FROM chunk").fetchone() == (0,)
    assert loose == (3,)
    assert len(points(historian)) == 3


def test_file_of_format_1_is_kept_beside_and_its_rows_are_packed(path: Path, open_: Opener) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.executescript("PRAGMA journal_mode = WAL;" + OLD)
    historian = open_(FOR_EVER)
    assert points(historian) == [(0, 20.5), (60, 21.5)]
    assert tidy(historian, PACKED_AT) == [3]
    assert points(historian) == [(0, 20.5), (60, 21.5)]
    assert rolled(historian, 3_600) == [(0, 20.5, 21.0, 21.5)]
    assert historian.series("p", "pace", start=T0, end=T0 + 1, most=9) == [(T0, 0.5)]
    assert (count(path.with_name("historian.db.v1.bak"), "sample"), count(path, "sample")) == (3, 0)
