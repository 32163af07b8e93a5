# SPDX-License-Identifier: AGPL-3.0-or-later
"""A disk that fills up, for real: acknowledging stops, nothing acknowledged is lost, and it resumes by itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from collector.bus.local import LocalBroker, LocalBus
from collector.contract.errors import Unavailable
from collector.contract.tree import read_plant
from collector.disk import Bounds, Disk
from collector.drain import Drain
from collector.historian.memory import MemoryHistorian
from collector.registry import Registry
from collector.service import Collector
from collector.spool import Spool
from deploy.clock import FileClock

NOW = 1_795_400_000.0
DISK_BYTES = 12 * 1024**2
BOUNDS = Bounds(reserve_bytes=3 * 1024**2)
PLANT = read_plant({"machines": {"mk4": {"place": "commons/mk4"}}})


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a file system of its own, of 12 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small tmpfs takes root: run as root, or in a container with CAP_SYS_ADMIN")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", folder],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        pytest.skip(f"a small tmpfs can't be mounted here ({done.stderr.strip()}): it takes CAP_SYS_ADMIN")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


class Works:
    """A collector on a small disk, and a sender that counts what was acknowledged."""

    def __init__(self, folder: Path) -> None:
        self.filler = folder / "filler"
        clock, self.broker = FileClock(NOW), LocalBroker()
        self.spool = Spool(folder / "facts.db", disk=Disk(folder, BOUNDS, ballast=True))
        self.historian = MemoryHistorian()
        self.drain = Drain(self.spool, self.historian, clock)
        self.bus = LocalBus(self.broker, "collector", clock, persistent=True)
        self.machine = LocalBus(self.broker, "machine", clock, persistent=True)
        self.collector = Collector(spool=self.spool, bus=self.bus, clock=clock, registry=Registry(PLANT))
        self.sent_count = self.kept_count = 0

    def say(self, count: int) -> None:
        for _ in range(count):
            times, values = list(range(0, 200, 2)), [self.sent_count + k / 100 for k in range(100)]
            body = {"v": 1, "boot": "9f1c6b0e2d7a4415", "seq": self.sent_count, "ts": round(NOW * 1e3), "dt_ms": times}
            self.machine.publish("cybersyn/v1/reading/@mk4", json.dumps({**body, "m": {"power_w": values}}).encode())
            self.sent_count += 1

    def turn(self) -> bool:
        """Tell whether everything that had come was kept and acknowledged."""
        with suppress(Unavailable):
            self.kept_count += self.collector.turn(wait_s=0.0)
            return True
        return False

    def fill(self, left_bytes: int) -> None:
        """Let another program take the disk, down to so many free bytes, or all that it gets."""
        with self.filler.open("ab", buffering=0) as file, suppress(OSError):
            while (free := self.spool.disk.free_bytes()) > left_bytes:
                file.write(b"x" * min(free - left_bytes, 65_536))

    def through(self) -> int:
        return self.spool.boots()["mk4", "9f1c6b0e2d7a4415"].through


@pytest.fixture
def works(small: Path) -> Iterator[Works]:
    made = Works(small)
    yield made
    made.spool.close()


def test_row_04_intake_stops_at_the_watermark_and_resumes_by_itself(works: Works) -> None:
    works.say(50)
    assert works.turn()
    works.fill(BOUNDS.reserve_bytes - 1)
    works.say(50)
    assert not works.turn()
    assert "are the reserve" in (works.spool.state().full or "")
    assert (works.kept_count, works.through()) == (50, 49)
    works.filler.unlink()
    assert works.turn()
    assert (works.kept_count, works.through(), works.spool.pending("historian")) == (100, 99, {"mk4": 100})


def test_row_04_log_that_outgrows_its_disk_stops_above_the_reserve(works: Works) -> None:
    while works.turn():
        works.say(100)
    assert works.spool.disk.free_bytes() > BOUNDS.hard_reserve_bytes
    while works.drain.turn(wait_s=0.0):
        pass
    works.spool.prune()
    assert works.turn()
    works.drain.turn(wait_s=0.0)
    assert (works.kept_count, works.spool.boots()["mk4", "9f1c6b0e2d7a4415"].gaps) == (works.sent_count, ())
    assert works.spool.pending("historian") == {}


def test_disk_that_is_full_to_the_last_byte_is_cleared_with_the_ballast(works: Works) -> None:
    works.say(300)
    assert works.turn()
    works.fill(0)
    works.say(1)
    assert (works.spool.disk.free_bytes(), works.turn()) == (0, False)
    assert [works.drain.turn(wait_s=0.0), works.spool.pending("historian")] == [300, {}]
    works.spool.prune()
    assert not (works.filler.parent / "ballast").exists()
    works.filler.unlink()
    assert works.turn()
    works.spool.prune()
    assert (works.kept_count, works.through()) == (301, 300)
    assert (works.filler.parent / "ballast").stat().st_size == BOUNDS.ballast_bytes


def test_what_was_acknowledged_on_a_disk_that_filled_up_is_there_after_a_restart(works: Works, small: Path) -> None:
    works.say(300)
    assert works.turn()
    works.fill(0)
    works.say(50)
    assert not works.turn()
    works.spool.close()
    again = Spool(small / "facts.db", disk=Disk(small, BOUNDS))
    assert [row.batch.seq for row in again.read_from(1, most=999)] == list(range(300))
    again.close()
