# SPDX-License-Identifier: AGPL-3.0-or-later
"""Every chronicle keeps records by their name, finds them by time, and knows how far it has come."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.chronicle import MemoryChronicle, SqliteChronicle
from collector.contract.errors import Misconfigured, Unavailable
from collector.contract.ports import Chronicle, Record


def record(key: str, start: float, end: float | None = None, *, device: str = "mk4", body: bytes = b"") -> Record:
    return Record("job", device, key, start, start if end is None else end, body)


@pytest.fixture(params=["memory", "sqlite"])
def chronicle(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Chronicle]:
    opened = MemoryChronicle() if request.param == "memory" else SqliteChronicle(tmp_path / "production.db")
    yield opened
    opened.close()


def test_a_new_chronicle_has_no_number_and_no_records(chronicle: Chronicle) -> None:
    assert (chronicle.n(), chronicle.get("job", "mk4", "a"), chronicle.newest("job", "mk4", before=1e12)) == (
        0,
        None,
        None,
    )


def test_the_later_record_of_a_name_counts(chronicle: Chronicle) -> None:
    chronicle.keep([record("a", 1.0), record("a", 2.0, 3.0, body=b"x")], n=7)
    assert chronicle.find("job", "mk4", start=0.0, end=9.0) == [record("a", 2.0, 3.0, body=b"x")]
    assert chronicle.n() == 7


def test_records_are_found_where_they_touch_a_span_in_order(chronicle: Chronicle) -> None:
    kept = [record("late", 9.0), record("long", 1.0, 6.0), record("at", 5.0), record("other", 5.0, device="core")]
    chronicle.keep(kept)
    assert [row.key for row in chronicle.find("job", "mk4", start=5.0, end=9.0)] == ["long", "at"]
    assert [row.key for row in chronicle.find("job", "mk4", start=6.0, end=9.0)] == ["long"]


def test_the_newest_before_a_moment_is_found(chronicle: Chronicle) -> None:
    chronicle.keep([record("a", 1.0), record("b", 2.0), record("c", 3.0)])
    found = chronicle.newest("job", "mk4", before=3.0)
    assert found is not None
    assert found.key == "b"


def test_what_ended_before_is_forgotten_a_piece_at_a_time(chronicle: Chronicle) -> None:
    chronicle.keep([record(f"{n}", n) for n in range(5)])
    assert [chronicle.forget(3.0, most=2), chronicle.forget(3.0, most=2), chronicle.forget(3.0, most=2)] == [2, 1, 0]
    assert [row.key for row in chronicle.find("job", "mk4", start=0.0, end=9.0)] == ["3", "4"]


def test_records_without_a_number_leave_it_as_it_is(chronicle: Chronicle) -> None:
    chronicle.keep([], n=3)
    chronicle.keep([record("a", 1.0)])
    assert chronicle.n() == 3


def test_a_file_gives_back_what_was_kept_before_it_was_closed(tmp_path: Path) -> None:
    first = SqliteChronicle(tmp_path / "production.db")
    first.keep([record("a", 1.0)], n=5)
    first.close()
    second = SqliteChronicle(tmp_path / "production.db")
    assert (second.n(), second.get("job", "mk4", "a")) == (5, record("a", 1.0))
    second.close()


def test_nothing_of_a_call_that_failed_is_kept(tmp_path: Path) -> None:
    chronicle = SqliteChronicle(tmp_path / "production.db", busy_s=0.01)
    other = sqlite3.connect(tmp_path / "production.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked"):
        chronicle.keep([record("a", 1.0)], n=1)
    other.execute("ROLLBACK")
    other.close()
    assert (chronicle.n(), chronicle.get("job", "mk4", "a")) == (0, None)
    chronicle.close()


def test_one_process_holds_the_file(tmp_path: Path) -> None:
    chronicle = SqliteChronicle(tmp_path / "production.db")
    with pytest.raises(Misconfigured, match="in use"):
        SqliteChronicle(tmp_path / "production.db")
    chronicle.close()
