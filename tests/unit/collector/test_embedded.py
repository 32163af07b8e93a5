# SPDX-License-Identifier: AGPL-3.0-or-later
"""The historian in one SQLite file: what only it can get wrong."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from collector.contract.errors import Misconfigured, Unavailable
from collector.contract.ports import IndexRow, ReadingRow
from collector.historian.embedded import EmbeddedHistorian


def row(ts: float, value: float = 1.0, *, name: str = "n_degc") -> ReadingRow:
    return ReadingRow("p", "d", name, ts, value)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "historian.db"


@pytest.fixture
def historian(path: Path) -> Iterator[EmbeddedHistorian]:
    opened = EmbeddedHistorian(path, busy_s=0)
    yield opened
    opened.close()


def test_a_locked_file_is_unavailable_and_keeps_nothing_of_the_batch(historian: EmbeddedHistorian, path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked"):
        historian.write([row(0, name="new_degc")])
    assert "locked" in (historian.ready() or "")
    other.close()
    historian.write([row(1, name="new_degc")])
    assert historian.ready() is None
    assert historian.series("p", "new_degc", start=0, end=9, most=9) == [(1.0, 1.0)]


def test_a_full_disk_is_unavailable_and_what_was_there_stays_readable(historian: EmbeddedHistorian) -> None:
    historian.write([row(0)])
    pages = historian._writer.execute("PRAGMA page_count").fetchone()[0]
    historian._writer.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(Unavailable, match="full"):
        historian.write([row(n, name=f"new{n % 10}_degc") for n in range(5_000)])
    assert "full" in (historian.ready() or "")
    historian._writer.execute("PRAGMA max_page_count = 100000")
    historian.write([row(n, name=f"new{n % 10}_degc") for n in range(5_000)])
    assert historian.series("p", "n_degc", start=0, end=9, most=9) == [(0.0, 1.0)]
    assert len(historian.series("p", "new3_degc", start=0, end=5_000, most=5_000)) == 500


def test_threads_read_while_one_writes(historian: EmbeddedHistorian) -> None:
    historian.write([row(0)])

    def read(_: int) -> int:
        return len(historian.series("p", "n_degc", start=0, end=1_000, most=1_000))

    with ThreadPoolExecutor(4) as pool:
        counts = pool.map(read, range(100))
        for n in range(1, 50):
            historian.write([row(n)])
        assert all(1 <= count <= 50 for count in counts)
    assert read(0) == 50


def test_another_process_reads_and_writes_the_same_file(historian: EmbeddedHistorian, path: Path) -> None:
    historian.write([row(0)])
    program = (
        "import sys; from pathlib import Path; from collector.contract.ports import ReadingRow;"
        "from collector.historian.embedded import EmbeddedHistorian; h = EmbeddedHistorian(Path(sys.argv[1]));"
        "print(h.series('p', 'n_degc', start=0, end=9, most=9)); h.write([ReadingRow('p', 'd', 'n_degc', 1.0, 2.0)])"
    )
    other = subprocess.run([sys.executable, "-P", "-c", program, str(path)], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == "[(0.0, 1.0)]"
    assert historian.series("p", "n_degc", start=0, end=9, most=9) == [(0.0, 1.0), (1.0, 2.0)]


def test_the_band_of_an_index_is_in_the_file_and_the_last_one_counts(historian: EmbeddedHistorian, path: Path) -> None:
    historian.write([IndexRow("p", "pace", 0.0, 1.0, 0.5, 1.5), IndexRow("p", "pace", 1.0, 1.0, 0.5, 1.5)])
    historian.write([IndexRow("p", "pace", 1.0, 1.0)])
    with sqlite3.connect(path) as other:
        bands = other.execute("SELECT time, lo95, hi95 FROM band ORDER BY time").fetchall()
    other.close()
    assert bands == [(0, 0.5, 1.5), (1_000_000, None, None)]


def test_times_before_1970_fall_into_the_bucket_below(historian: EmbeddedHistorian) -> None:
    historian.write([row(-1, 5), row(1, 7)])
    assert historian.rolled("p", "n_degc", start=-9, end=9, step_s=2, most=9) == [(-2, 5, 5, 5), (0, 7, 7, 7)]


def test_a_file_that_is_no_historian_is_misconfigured(path: Path) -> None:
    path.write_bytes(b"not a database, " * 100)
    with pytest.raises(Misconfigured, match=f"historian {path}"):
        EmbeddedHistorian(path)


def test_a_folder_that_is_not_there_is_misconfigured(path: Path) -> None:
    with pytest.raises(Misconfigured, match="existing"):
        EmbeddedHistorian(path / "historian.db")


def test_a_file_of_a_later_format_is_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version = 99")
    other.close()
    with pytest.raises(Misconfigured, match="format is 99"):
        EmbeddedHistorian(path)
