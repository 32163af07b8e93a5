# SPDX-License-Identifier: AGPL-3.0-or-later
"""A recording of real printers over a broker and straight into the intake: the same jobs, also when told twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import firmware_sim
from collector import job_book, plant_file
from collector.contract.tree import Machine, Plant
from collector.historian.memory import MemoryHistorian
from collector.keys import Keys
from collector.register import Register
from deploy import direct, wiring
from deploy.clock import SystemClock
from deploy.settings import load
from deploy.works import Collecting
from firmware_sim.replay import Line, publish, read_lines

RECORDING = Path(firmware_sim.__file__).parent / "recordings" / "octoprint.jsonl"
MACHINES = (
    Machine("A", "replay/A", "octoprint", "octoPrint"),
    Machine("B", "replay/B", "octoprint", "fab/north/octoprint/p02"),
)
WANTED = [("A", "tower.gcode", "done", 46.2), ("B", "long.gcode", "cancelled", 90.1)]
SPEED = 20.0


@dataclass
class Site:
    """An embedded broker and a collector that listens to it."""

    collected: Collecting
    address: Any

    def jobs(self) -> list[dict[str, Any]]:
        with self.collected.spool.reading() as db:
            found = job_book.jobs(db, place=None, start=None, end=None)
        return sorted((job_book.shown(job) for job in found), key=lambda job: job["device"])


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    path, settings, clock = tmp_path / "plant.toml", load(None, {}), SystemClock()
    plant_file.save(path, Plant({}, {machine.device: machine for machine in MACHINES}))
    keys = Keys(tmp_path)
    halt = threading.Event()
    with wiring.embedded_broker(settings, tmp_path, None) as broker:
        register = Register(path, keys, now=clock.now)
        parts = wiring.Parts(tmp_path, broker.address, clock, register, keys, MemoryHistorian(), settings)
        collected = wiring.collecting(parts)

        def listen() -> None:
            while not halt.is_set():
                collected.collector.turn()

        listener = threading.Thread(target=listen)
        listener.start()
        yield Site(collected, broker.address)
        halt.set()
        listener.join()
        collected.close()


def lines(*, twice: bool) -> list[Line]:
    found = read_lines(RECORDING)
    return [line for line in found for _ in range(2)] if twice else found


@pytest.mark.parametrize("twice", [False, True])
def test_recording_over_a_broker_gives_its_jobs(site: Site, twice: bool) -> None:
    address = site.address
    said = {"host": address.host, "port": address.port, "user": address.username, "password": address.password}
    publish(lines(twice=twice), speed=SPEED, **said)
    end_s = time.monotonic() + 20
    while len([job for job in site.jobs() if job["outcome"]]) < len(WANTED) and time.monotonic() < end_s:
        time.sleep(0.1)
    jobs = site.jobs()
    assert [(j["device"], j["file"], j["outcome"]) for j in jobs] == [want[:3] for want in WANTED]
    assert [j["duration_s"] for j in jobs] == pytest.approx([want[3] for want in WANTED], abs=1.0)


@pytest.mark.parametrize("twice", [False, True])
def test_recording_straight_into_the_intake_gives_its_jobs_on_its_own_clock(twice: bool) -> None:
    told = direct.replay(lines(twice=twice), MACHINES)
    first, second = told["jobs"]
    assert (first["machine"], first["file"], first["outcome"], first["cause"]) == ("A", "tower.gcode", "done", None)
    assert (first["start"], first["end"]) == pytest.approx((1795399265.805, 1795399311.969), abs=0.1)
    assert (second["machine"], second["file"], second["outcome"]) == ("B", "long.gcode", "cancelled")
    assert (second["start"], second["end"]) == pytest.approx((1795399326.048, 1795399426.236), abs=0.1)
    assert (second["held_s"], second["duration_s"]) == pytest.approx((8.1, 90.1), abs=0.3)
    assert told["quarantined"] == 0


def test_machines_of_a_recording_are_known_by_their_form() -> None:
    found = direct.recognised(read_lines(RECORDING))
    assert [(m.device, m.dialect, m.prefix) for m in found] == [
        ("octoPrint", "octoprint", "octoPrint"),
        ("fab/north/octoprint/p02", "octoprint", "fab/north/octoprint/p02"),
    ]
