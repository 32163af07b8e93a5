# SPDX-License-Identifier: AGPL-3.0-or-later
"""How much of the disk the log may take, and what happens where there is no room."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.contract.errors import Unavailable
from collector.contract.reading import Batch, Samples
from collector.disk import Bounds, Disk
from collector.spool import Spool
from collector.turn import Turn

MIB = 1024**2


class ToldDisk(Disk):
    """A disk whose free space a test says."""

    free = 1024 * MIB

    def free_bytes(self) -> int:
        return self.free


def turn(*, count: int = 1, size: int = 1) -> Turn:
    facts = (Samples(tuple(map(float, range(size))), {"power_w": (0.1,) * size}),)
    return Turn([Batch("mk4", None, "native", 1.0, facts)] * count)


def note() -> Turn:
    return Turn(made=turn().batches)


def test_row_04_below_the_reserve_no_message_is_taken_and_it_resumes_by_itself(tmp_path: Path) -> None:
    disk = ToldDisk(tmp_path, Bounds(reserve_bytes=100 * MIB))
    spool = Spool(tmp_path / "facts.db", disk=disk)
    disk.free = 100 * MIB - 1
    with pytest.raises(Unavailable, match=r"has \d+ bytes free, 104857600 are the reserve") as told:
        spool.commit(turn())
    assert (told.value.retry_after_s, spool.last()) == (2.0, 0)
    assert spool.state().full is not None
    disk.free = 101 * MIB
    assert [row.n for row in spool.commit(turn())] == [1]
    assert spool.state().full is None
    spool.close()


def test_our_own_facts_go_on_down_to_the_hard_reserve(tmp_path: Path) -> None:
    disk = ToldDisk(tmp_path, Bounds(reserve_bytes=100 * MIB))
    spool = Spool(tmp_path / "facts.db", disk=disk)
    disk.free = 26 * MIB
    assert len(spool.commit(note())) == 1
    disk.free = 25 * MIB
    with pytest.raises(Unavailable, match="are left alone"):
        spool.commit(note())
    spool.close()


def test_log_at_its_bound_takes_no_message_until_it_was_passed(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "facts.db", disk=Disk(tmp_path, Bounds(log_bytes_max=MIB, reserve_bytes=MIB)))
    spool.passed("historian", 0)
    with pytest.raises(Unavailable, match="at most 1048576 are allowed"):
        [spool.commit(turn(count=4, size=1_000)) for _ in range(100)]
    spool.passed("historian", spool.last())
    assert spool.prune() == spool.last()
    assert len(spool.commit(turn())) == 1
    spool.close()


def test_reader_that_alone_keeps_the_log_at_its_bound_is_dropped_before_intake_stops(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "facts.db", disk=Disk(tmp_path, Bounds(log_bytes_max=MIB, reserve_bytes=MIB)))
    spool.passed("elsewhere", 0)
    for _ in range(100):
        spool.passed("historian", spool.commit(turn(count=4, size=1_000))[-1].n)
    (dropped,) = spool.take_dropped()
    assert (dropped.name, dropped.n, spool.readers()) == ("elsewhere", 0, {"historian": spool.last()})
    spool.close()


def test_full_disk_is_unavailable_keeps_nothing_and_is_over_when_there_is_room(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "facts.db")
    spool.commit(turn())
    with spool.reading() as db:
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count = {pages + 8}")
        with pytest.raises(Unavailable, match="full"):
            spool.commit(turn(count=9, size=1_000))
        assert (spool.last(), len(spool.read_from(1, most=9)), spool.counts()) == (1, 1, {})
        db.execute(f"PRAGMA max_page_count = {pages + 1_000}")
    assert [row.n for row in spool.commit(turn(count=9, size=1_000))] == list(range(2, 11))
    spool.close()


def test_ballast_is_real_space_and_comes_back_with_the_room_for_it(tmp_path: Path) -> None:
    disk = Disk(tmp_path, Bounds(reserve_bytes=4 * MIB), ballast=True)
    path = tmp_path / "ballast"
    assert path.stat().st_blocks * 512 >= MIB
    assert (disk.give_up_ballast(), disk.give_up_ballast(), path.exists()) == (True, False, False)
    disk.restore_ballast()
    assert path.stat().st_size == MIB


def test_unused_pages_go_back_to_the_disk(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "facts.db")
    spool.passed("historian", 0)
    for _ in range(40):
        spool.commit(turn(count=70, size=1_000))
    spool.passed("historian", spool.last())
    spool.prune()
    with spool.reading() as db:
        before = db.execute("PRAGMA page_count").fetchone()[0]
        spool.prune()
        assert db.execute("PRAGMA page_count").fetchone()[0] < before - 1_000
    spool.close()
