# SPDX-License-Identifier: AGPL-3.0-or-later
"""An older file becomes one of this version, whole or not at all, and the old one is kept."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from collector import migrate
from collector.contract.codec import encode_batch
from collector.contract.errors import Misconfigured, Unavailable
from collector.contract.reading import Batch, Samples
from collector.durable import open_file
from collector.migrate import Format, Step
from collector.order import Boot
from collector.spool import Spool

FACTS_1 = """
CREATE TABLE facts (n INTEGER PRIMARY KEY AUTOINCREMENT, device TEXT NOT NULL, batch BLOB NOT NULL,
  is_message INTEGER NOT NULL);
CREATE TABLE readers (name TEXT PRIMARY KEY, n INTEGER NOT NULL);
CREATE TABLE boots (device TEXT, boot TEXT, record BLOB NOT NULL, PRIMARY KEY (device, boot)) WITHOUT ROWID;
CREATE TABLE devices (device TEXT PRIMARY KEY, record BLOB NOT NULL);
CREATE TABLE events (device TEXT, id TEXT, at REAL NOT NULL, PRIMARY KEY (device, id)) WITHOUT ROWID;
CREATE INDEX events_by_time ON events (device, at);
CREATE TABLE counts (device TEXT, word TEXT, count INTEGER NOT NULL, PRIMARY KEY (device, word)) WITHOUT ROWID;
CREATE TABLE jobs (device TEXT, job TEXT, place TEXT, started_at REAL, ended_at REAL,
  last_at REAL NOT NULL, record BLOB NOT NULL, PRIMARY KEY (device, job)) WITHOUT ROWID;
CREATE TABLE quarantine (id INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT, device TEXT, reason TEXT,
  detail TEXT, at REAL, payload BLOB, bytes INTEGER, replayable INTEGER, replayed_at REAL);
PRAGMA user_version = 1;
"""


def batch(n: int) -> Batch:
    return Batch(f"mk{n % 2}", "commons/mk4", "native", float(n), (Samples((float(n),), {"power_w": (1.0,)}),))


def old_log(path: Path, numbers: range) -> None:
    """Write a log of format 1; every fifth batch was made by the collector itself."""
    with closing(sqlite3.connect(path)) as db, db:
        db.executescript("PRAGMA journal_mode = WAL;" + FACTS_1)
        rows = [(n, batch(n).device, encode_batch(batch(n)), n % 5 != 0) for n in numbers]
        db.executemany("INSERT INTO facts VALUES (?, ?, ?, ?)", rows)
        db.execute("INSERT INTO readers VALUES ('historian', ?)", (numbers[2],))
        db.execute("INSERT INTO boots VALUES ('mk1', 'b', ?)", (msgspec.msgpack.encode(Boot(7)),))
        db.execute("INSERT INTO counts VALUES ('mk1', 'kept', 4)")
        db.execute("INSERT INTO quarantine (topic, device, payload) VALUES ('t', 'mk1', x'00')")


def test_log_of_format_1_reads_the_same(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    old_log(tmp_path / "facts.db", range(3, 5_000))
    with caplog.at_level(logging.WARNING, logger="cybersyn"):
        spool = Spool(tmp_path / "facts.db")
    found = spool.read_from(1, most=10_000)
    assert [(row.n, row.batch) for row in found] == [(n, batch(n)) for n in range(3, 5_000)]
    assert spool.pending("historian") == {
        f"mk{k}": sum(n % 5 != 0 and n % 2 == k for n in range(6, 5_000)) for k in (0, 1)
    }
    assert (spool.readers(), spool.boots(), spool.ward().items) == ({"historian": 5}, {("mk1", "b"): Boot(7)}, 1)
    assert "from format 1 to 3" in caplog.text
    spool.close()


def test_numbers_go_on_where_an_empty_log_of_format_1_ended(tmp_path: Path) -> None:
    old_log(tmp_path / "facts.db", range(1, 8))
    with closing(sqlite3.connect(tmp_path / "facts.db")) as db, db:
        db.execute("DELETE FROM facts")
    spool = Spool(tmp_path / "facts.db")
    assert spool.last() == 7
    spool.close()


def test_old_file_is_kept_beside_as_it_was(tmp_path: Path) -> None:
    old_log(tmp_path / "facts.db", range(1, 8))
    Spool(tmp_path / "facts.db").close()
    with closing(sqlite3.connect(tmp_path / "facts.db.v1.bak")) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
        assert db.execute("SELECT count(*) FROM facts").fetchone() == (7,)


def test_migrated_log_gives_pages_back(tmp_path: Path) -> None:
    old_log(tmp_path / "facts.db", range(1, 8))
    spool = Spool(tmp_path / "facts.db")
    with spool.reading() as db:
        assert db.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    spool.close()


def test_step_that_fails_leaves_the_file_of_its_version(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    open_file(path, Format("a", 1, "CREATE TABLE t (x);")).close()

    def broken(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO t VALUES (1)")
        db.execute("SELECT x FROM nowhere")

    with pytest.raises(Unavailable, match="nowhere"):
        open_file(path, Format("a", 2, "CREATE TABLE IF NOT EXISTS u (y);", (Step(2, broken),)))
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
        assert db.execute("SELECT * FROM t").fetchall() == []


def test_steps_run_in_order_from_where_the_file_is(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    steps = tuple(Step(to, lambda db, to=to: db.execute("INSERT INTO t VALUES (?)", (to,))) for to in (2, 3, 4))  # type: ignore[misc]
    open_file(path, Format("a", 2, "CREATE TABLE t (x);")).close()
    with closing(open_file(path, Format("a", 4, "CREATE TABLE IF NOT EXISTS u (y);", steps))) as db:
        assert db.execute("SELECT x FROM t").fetchall() == [(3,), (4,)]
        assert db.execute("SELECT count(*) FROM u").fetchone() == (0,)


def test_migration_without_room_for_both_is_refused_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.db"
    open_file(path, Format("a", 1, "CREATE TABLE t (x);")).close()
    monkeypatch.setattr(migrate, "SPACE_FACTOR", 10**12)
    with pytest.raises(Misconfigured, match=r"needs \d+ free bytes beside it"):
        open_file(path, Format("a", 2, "CREATE TABLE IF NOT EXISTS u (y);"))
    assert [found.name for found in tmp_path.glob("*.bak")] == []
