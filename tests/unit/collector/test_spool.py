# SPDX-License-Identifier: AGPL-3.0-or-later
"""The numbered fact log on disk, and what is true together with it."""

import random
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
    for n in (1, 2, 3):
        spool.commit(Turn([batch(n)]))
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


def turn(*devices: str, made: int = 0) -> Turn:
    batches = [Batch(device, None, "native", 1.0, (Samples((1.0,), {"power_w": (1.0,)}),)) for device in devices]
    return Turn(batches, made=[batch(9)] * made)


def test_reader_may_begin_anywhere_in_a_turn(tmp_path: Path) -> None:
    first = Spool(tmp_path / "facts.db")
    told = first.commit(Turn([batch(n) for n in range(1, 6)])) + first.commit(Turn([batch(6)]))
    first.close()
    again = Spool(tmp_path / "facts.db")
    for start in range(1, 8):
        assert list(again.read_from(start, most=3)) == told[start - 1 : start + 2]
    again.close()


def test_read_from_disk_is_bounded_in_bytes_but_never_empty(tmp_path: Path) -> None:
    first = Spool(tmp_path / "facts.db")
    for n in range(1, 6):
        first.commit(Turn([batch(n)]))
    first.close()
    again = Spool(tmp_path / "facts.db")
    assert [row.n for row in again.read_from(2, most=10, bytes_max=1)] == [2]
    again.close()


def test_turn_larger_than_a_row_is_kept_in_several(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.log_tables.LOG_ROW_BYTES_MAX", 300)
    told = spool.commit(turn("a", "b", "a", "c", "a", made=2))
    with spool.looking() as db:
        spans = db.execute("SELECT first_n, last_n, messages FROM facts ORDER BY last_n").fetchall()
    assert (spans[0][0], spans[-1][1]) == (1, 7)
    assert (len(spans) > 1, sum(row[2] for row in spans)) == (True, 5)
    assert [row.n for row in told] == list(range(1, 8))
    assert spool.pending("r") == {"a": 3, "b": 1, "c": 1}


def test_waiting_reader_does_not_spin_where_numbers_were_lifted(tmp_path: Path) -> None:
    first = Spool(tmp_path / "facts.db")
    first.commit(Turn([batch(1)]))
    with first.writing() as db:
        db.execute("UPDATE sqlite_sequence SET seq = 1000")
    first.close()
    again = Spool(tmp_path / "facts.db")
    assert (again.last(), list(again.read_from(2, most=5, wait_s=0.01))) == (1000, [])
    assert [row.n for row in again.commit(Turn([batch(2)]))] == [1001]
    assert [row.n for row in again.read_from(1, most=5)] == [1, 1001]
    again.close()


def test_position_of_a_reader_is_on_disk_after_pruning_and_after_closing(tmp_path: Path) -> None:
    first = Spool(tmp_path / "facts.db")
    first.commit(turn("a", "b"))
    first.passed("r", 1)
    first.close()
    again = Spool(tmp_path / "facts.db")
    assert (again.readers(), again.pending("r")) == ({"r": 1}, {"b": 1})
    again.close()


def test_log_is_held_by_one_process(tmp_path: Path, spool: Spool) -> None:
    with pytest.raises(Misconfigured, match="is in use by process"):
        Spool(tmp_path / "facts.db")
    spool.close()
    Spool(tmp_path / "facts.db").close()


def test_state_tells_how_far_the_historian_is_behind_and_how_old_the_oldest_is(spool: Spool) -> None:
    spool.commit(Turn([batch(3), batch(4)]))
    spool.commit(Turn([batch(5)]))
    spool.passed("historian", 2)
    state = spool.state()
    assert (state.behind, state.oldest_at, state.full) == (1, 5.0, None)
    spool.passed("historian", 3)
    assert (spool.state().behind, spool.state().oldest_at) == (0, None)


def test_boots_and_events_not_heard_for_long_are_forgotten(spool: Spool) -> None:
    boots = {("mk4", "old"): Boot(7, heard_at=10.0), ("mk4", "new"): Boot(8, heard_at=30.0)}
    spool.commit(Turn([batch(1)], boots, events={("mk4", "e1"): 10.0, ("mk4", "e2"): 30.0}))
    assert spool.forget(before=20.0) == 2
    assert (set(spool.boots()), spool.events("mk4", 10)) == ({("mk4", "new")}, ["e2"])


def test_pending_is_what_counting_again_would_give(tmp_path: Path) -> None:
    rng, spool = random.Random(4), Spool(tmp_path / "facts.db")
    spool.pending("r")
    for _ in range(60):
        spool.commit(turn(*rng.choices("abc", k=rng.randint(0, 5)), made=rng.randint(0, 2)))
        spool.passed("r", rng.randint(0, spool.last()))
    kept = spool.pending("r")
    spool.close()
    again = Spool(tmp_path / "facts.db")
    assert again.pending("r") == kept
    again.close()
