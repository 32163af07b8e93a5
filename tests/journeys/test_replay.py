# SPDX-License-Identifier: AGPL-3.0-or-later
"""Recordings of real printers over a broker and straight into the intake: the same jobs, told twice, after a kill."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import firmware_sim
from collector import job_book, plant_file
from collector.bus.local import LocalBroker, LocalBus
from collector.contract.tree import Machine, Plant
from collector.historian.memory import MemoryHistorian
from collector.keys import Keys
from collector.register import Register
from collector.registry import Registry
from collector.service import Collector
from collector.spool import Spool
from deploy import direct, wiring
from deploy.clock import FileClock, SystemClock
from deploy.settings import load
from deploy.works import Collecting
from firmware_sim.replay import Line, publish, read_lines

RECORDINGS = Path(firmware_sim.__file__).parent / "recordings"
EXPECTED = json.loads((Path(__file__).parents[1] / "data/recordings.json").read_text())
"""What a correct collector makes of each recording, as it came with them."""
SPEED = 40.0


class Wanted(NamedTuple):
    """A job of a recording: what must be so, within 0.1 s and within 0.3 s."""

    words: dict[str, str]
    times: dict[str, float]
    figures: dict[str, float]


class Recording(NamedTuple):
    """A recording of real machines, who speaks in it, and the jobs that are in it."""

    name: str
    machines: tuple[Machine, ...]
    wanted: tuple[Wanted, ...]

    def lines(self, *, twice: bool = False) -> list[Line]:
        found = read_lines(RECORDINGS / self.name)
        return [line for line in found for _ in range(2)] if twice else found


def recording_of(name: str) -> Recording:
    expected, dialect = EXPECTED[name], name.removesuffix(".jsonl")
    who = {prefix.rstrip("/"): title.split()[-1] for prefix, title in expected["sources"].items()}
    machines = tuple(Machine(device, f"replay/{device}", dialect, prefix) for prefix, device in who.items())
    wanted = []
    for job in expected["jobs"]:
        words = {"machine": job.get("machine", machines[0].device), "file": job["file"], "outcome": job["outcome"]}
        times = {name: job[name] for name in ("start", "end")}
        figures = {name: value for name, value in job.items() if name.endswith("_s")}
        wanted.append(Wanted(words, times, figures))
    return Recording(name, machines, tuple(wanted))


ALL = tuple(recording_of(name) for name, expected in EXPECTED.items() if expected.get("jobs"))


@pytest.fixture(params=ALL, ids=lambda found: found.name)
def recording(request: pytest.FixtureRequest) -> Recording:
    found: Recording = request.param
    return found


@dataclass
class Site:
    """An embedded broker and a collector that listens to it."""

    collected: Collecting
    address: Any

    def jobs(self) -> list[dict[str, Any]]:
        with self.collected.spool.reading() as db:
            found = job_book.jobs(db, place=None, start=None, end=None)
        return sorted((job_book.shown(job) for job in found), key=lambda job: str(job["job"]))


@pytest.fixture
def site(tmp_path: Path, recording: Recording) -> Iterator[Site]:
    path, settings, clock = tmp_path / "plant.toml", load(None, {}), SystemClock()
    plant_file.save(path, Plant({}, {machine.device: machine for machine in recording.machines}))
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


def test_recording_over_a_broker_gives_its_jobs_though_every_word_comes_twice(site: Site, recording: Recording) -> None:
    address = site.address
    said = {"host": address.host, "port": address.port, "user": address.username, "password": address.password}
    publish(recording.lines(twice=True), speed=SPEED, **said)
    end_s = time.monotonic() + 20
    while len([job for job in site.jobs() if job["outcome"]]) < len(recording.wanted) and time.monotonic() < end_s:
        time.sleep(0.1)
    for job, want in zip(site.jobs(), recording.wanted, strict=True):
        assert (job["device"], job["file"], job["outcome"]) == tuple(want.words.values())
        measured = {name: value for name, value in want.figures.items() if name != "held_s"}
        assert {name: job[name] for name in measured} == pytest.approx(measured, abs=1.0)


@pytest.mark.parametrize("twice", [False, True])
def test_recording_straight_into_the_intake_gives_its_jobs_on_its_own_clock(recording: Recording, twice: bool) -> None:
    told = direct.replay(recording.lines(twice=twice), recording.machines)
    for job, want in zip(told["jobs"], recording.wanted, strict=True):
        assert {name: job[name] for name in ("machine", "file", "outcome", "cause")} == {**want.words, "cause": None}
        assert {name: job[name] for name in want.times} == pytest.approx(want.times, abs=0.1)
        assert {name: job[name] for name in want.figures} == pytest.approx(want.figures, abs=0.3)
    assert told["quarantined"] == 0


@pytest.mark.parametrize("part", [0.35, 0.6])
def test_collector_that_died_in_the_middle_goes_on_with_the_same_jobs(
    recording: Recording, part: float, tmp_path: Path
) -> None:
    lines = recording.lines()
    cut = int(len(lines) * part)
    clock, broker = FileClock(), LocalBroker()
    jobs_after(lines[:cut], recording, clock, broker, tmp_path)
    for job, want in zip(jobs_after(lines[cut:], recording, clock, broker, tmp_path), recording.wanted, strict=True):
        assert (job["device"], job["file"], job["outcome"]) == tuple(want.words.values())
        assert {name: job[name] for name in want.figures} == pytest.approx(want.figures, abs=0.3)


def jobs_after(
    words: Sequence[Line], recording: Recording, clock: FileClock, broker: LocalBroker, folder: Path
) -> list[dict[str, Any]]:
    """Return the jobs after a collector on the spool in `folder` heard the words; it ends without a goodbye."""
    plant = Plant({}, {machine.device: machine for machine in recording.machines})
    spool = Spool(folder / "facts.db")
    bus = LocalBus(broker, "collector", clock, persistent=True)
    machine = LocalBus(broker, "machine", clock, persistent=False)
    collector = Collector(spool=spool, bus=bus, clock=clock, registry=Registry(plant))
    for line in words:
        clock.set(line.ts)
        machine.publish(line.topic, line.payload)
        collector.turn(wait_s=0.0)
    if words[-1] == recording.lines()[-1]:
        collector.finish()
    with spool.reading() as db:
        found = job_book.jobs(db, place=None, start=None, end=None)
    spool.close()
    return [job_book.shown(job) for job in reversed(found)]


def test_machines_of_a_recording_are_known_by_their_form(recording: Recording) -> None:
    found = direct.recognised(recording.lines())
    assert [(m.dialect, m.prefix) for m in found] == [(m.dialect, m.prefix) for m in recording.machines]
    assert [m.device for m in found] == [m.prefix for m in recording.machines]
