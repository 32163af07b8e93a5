# SPDX-License-Identifier: AGPL-3.0-or-later
"""The numbered fact log on disk, and what is true together with it."""

import sqlite3
from pathlib import Path

import pytest

from collector import job_book, quarantine
from collector.contract.errors import Misconfigured
from collector.contract.event import JobEnded, JobStarted, Outcome
from collector.contract.reading import Batch, Samples
from collector.order import Boot
from collector.spool import Spool
from collector.turn import Quarantined, Turn


def batch(n: int, *facts: object) -> Batch:
    return Batch("mk4", "commons/mk4", "native", float(n), facts or (Samples((float(n),), {"power_w": (1.0,)}),))


@pytest.fixture
def spool(tmp_path: Path):
    opened = Spool(tmp_path / "facts.db")
    yield opened
    opened.close()


def test_batches_are_numbered_from_one_without_end(spool: Spool) -> None:
    first = spool.commit(Turn([batch(1), batch(2)]))
    second = spool.commit(Turn([batch(3)]))
    assert [row.n for row in (*first, *second)] == [1, 2, 3]
    assert list(spool.read_from(2, most=10)) == first[1:] + second


def test_log_reads_the_same_after_a_restart(tmp_path: Path) -> None:
    with_facts = Spool(tmp_path / "facts.db")
    with_facts.commit(Turn([batch(1), batch(2)], {("mk4", "b"): Boot(7)}, {"mk4": b"state"}))
    with_facts.close()
    again = Spool(tmp_path / "facts.db")
    assert [row.batch for row in again.read_from(1, most=10)] == [batch(1), batch(2)]
    assert (again.last(), again.boots(), again.devices()) == (2, {("mk4", "b"): Boot(7)}, {"mk4": b"state"})
    again.close()


def test_numbers_are_never_reused_after_pruning(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "facts.db")
    spool.commit(Turn([batch(1), batch(2)]))
    spool.passed("only", 2)
    assert spool.prune() == 2
    spool.close()
    again = Spool(tmp_path / "facts.db")
    assert [row.n for row in again.commit(Turn([batch(3)]))] == [3]
    again.close()


def test_facts_stay_until_the_slowest_reader_has_passed(spool: Spool) -> None:
    spool.commit(Turn([batch(1), batch(2), batch(3)]))
    spool.passed("fast", 3)
    spool.passed("slow", 1)
    assert spool.prune() == 1
    assert spool.pending("slow") == {"mk4": 2}


def test_turn_that_cannot_be_kept_leaves_nothing_behind(spool: Spool) -> None:
    turn = Turn([batch(1)])
    turn.counts[("mk4", "kept")] += 1
    turn.devices["mk4"] = object()  # type: ignore[assignment]
    with pytest.raises(sqlite3.ProgrammingError):
        spool.commit(turn)
    assert (spool.read_from(1, most=1), spool.counts(), spool.last()) == ([], {}, 0)


def test_job_is_one_row_from_start_to_end(spool: Spool) -> None:
    started, ended = JobStarted("j", 10.0, "a.gcode"), JobEnded("j", 20.0, Outcome.DONE, "a.gcode", started_at=10.0)
    spool.commit(Turn([batch(1, started)]))
    spool.commit(Turn([batch(2, ended), batch(2, ended)]))
    with spool.reading() as db:
        (job,) = job_book.jobs(db, place="commons", start=None, end=None)
    told = job_book.shown(job)
    assert (told["file"], told["outcome"], told["started_at"]) == ("a.gcode", "done", "1970-01-01T00:00:10.000Z")


def test_quarantine_keeps_the_whole_payload_up_to_the_bound_and_the_head_of_a_larger_one(spool: Spool) -> None:
    whole, large = b"x" * 262_144, b"y" * 262_145
    rows = [Quarantined.of("t", p, device="", reason="r", detail="d", at=1.0) for p in (whole, large)]
    spool.commit(Turn(quarantined=rows))
    newest, oldest = quarantine.items(spool)
    assert (newest.bytes, bool(newest.replayable)) == (262_145, False)
    assert len(quarantine.payload(spool, newest.id)) == 4_096
    assert (oldest.bytes, bool(oldest.replayable), quarantine.payload(spool, oldest.id)) == (262_144, True, whole)


def test_file_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "facts.db")
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(Misconfigured, match="its format is 99"):
        Spool(tmp_path / "facts.db")
