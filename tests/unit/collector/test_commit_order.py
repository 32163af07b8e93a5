# SPDX-License-Identifier: AGPL-3.0-or-later
"""Nothing is acknowledged before it is on disk, and what comes again is counted, not stored."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from collector import listing
from collector.bus.local import LocalBroker, LocalBus
from collector.contract.errors import Unavailable
from collector.contract.ports import Delivery
from collector.contract.tree import read_plant
from collector.disk import Bounds, Disk
from collector.drain import Drain
from collector.historian.memory import MemoryHistorian
from collector.registry import Registry
from collector.service import Collector
from collector.spool import Spool
from deploy.clock import FileClock

NOW = 1_795_400_000.0
PLANT = read_plant({"machines": {"mk4": {"place": "commons/mk4"}}})


class Watched(LocalBus):
    """A bus that notes, when it is told to acknowledge, what another process would find on disk."""

    path: Path
    seen: list[tuple[int, int]]

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        with closing(sqlite3.connect(self.path)) as db:
            (count,) = db.execute("SELECT coalesce(sum(messages), 0) FROM facts").fetchone()
        self.seen.append((len(deliveries), count))
        super().acknowledge(deliveries)


class Works:
    """A collector that a test feeds."""

    def __init__(self, path: Path) -> None:
        self.clock, self.broker = FileClock(NOW), LocalBroker()
        self.disk = Disk(path, Bounds())
        self.spool = Spool(path / "facts.db", disk=self.disk)
        self.bus = Watched(self.broker, "collector", self.clock, persistent=True)
        self.bus.path, self.bus.seen = path / "facts.db", []
        self.machine = LocalBus(self.broker, "machine", self.clock, persistent=True)
        self.collector = Collector(spool=self.spool, bus=self.bus, clock=self.clock, registry=Registry(PLANT))

    def say(self, seq: int) -> None:
        body = {"v": 1, "boot": "9f1c6b0e2d7a4415", "seq": seq, "ts": round(NOW * 1_000), "m": {"power_w": seq}}
        self.machine.publish("cybersyn/v1/reading/@mk4", json.dumps(body).encode())


@pytest.fixture
def works(tmp_path: Path) -> Iterator[Works]:
    made = Works(tmp_path)
    yield made
    made.spool.close()


def test_row_05_what_is_acknowledged_is_already_on_disk(works: Works) -> None:
    for seq in range(3):
        works.say(seq)
        works.collector.turn(wait_s=0.0)
    assert [seen for seen in works.bus.seen if seen[0]] == [(1, 1), (1, 2), (1, 3)]


def test_row_05_what_could_not_be_kept_is_not_acknowledged_and_is_kept_later(works: Works) -> None:
    works.say(0)
    works.disk.bounds = Bounds(reserve_bytes=2**60)
    with pytest.raises(Unavailable, match="are the reserve"):
        works.collector.turn(wait_s=0.0)
    assert [seen for seen in works.bus.seen if seen[0]] == []
    works.disk.bounds = Bounds()
    works.collector.turn(wait_s=0.0)
    assert (works.bus.seen[-1], works.spool.boots()["mk4", "9f1c6b0e2d7a4415"].through) == ((1, 1), 0)


def test_row_06_the_same_message_three_times_counts_once_and_twice_as_a_duplicate(works: Works) -> None:
    for _ in range(3):
        works.say(7)
        works.collector.turn(wait_s=0.0)
    historian = MemoryHistorian()
    Drain(works.spool, historian, works.clock).turn(wait_s=0.0)
    account = listing.accounts(works.spool)["mk4"]
    assert (account["received"], account["stored"], account["duplicate"], account["pending"]) == (3, 1, 2, 0)
    assert len(historian.series("commons/mk4", "power_w", start=0.0, end=NOW + 1, most=9)) == 1
