# SPDX-License-Identifier: AGPL-3.0-or-later
"""Stories with their truth through the collector's intake: what it understood is what really happened."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from collector import job_book
from collector.bus.local import LocalBroker, LocalBus
from collector.contract.event import PartCounted, StateSeen
from collector.contract.reading import Fact, Samples
from collector.contract.tree import Machine, Plant, Unit
from collector.registry import Registry
from collector.service import Collector
from collector.spool import Spool
from firmware_sim.fleet import Fleet
from firmware_sim.network import CLEAR, Weather
from firmware_sim.record import Air, StepClock
from firmware_sim.scenario import Scenario, faults_of
from firmware_sim.stories import scenario
from firmware_sim.truth import DOWN, TruthEntry

START = 1_795_399_200.0
REPORTS_S = 5.0
"""How often a machine reports, and the step of this test."""
RECEIPTS_S = 20.0
LATE_S = 1_200.0
"""In so long a time at the end the network is good, and what it lost is sent again."""
STORIES = (("bad-spool", 5.5, None), ("power-cut", 3.0, None), ("three-sites", 3.5, None), ("power-cut", 2.0, 0.15))


class Told(NamedTuple):
    """A story's truth, and what the collector made of its words."""

    story: Scenario
    end: float
    truth: tuple[TruthEntry, ...]
    accounts: dict[str, dict[str, Any]]
    jobs: list[job_book.Job]
    facts: dict[str, list[Fact]]


@pytest.fixture(scope="module", params=STORIES, ids=lambda story: f"{story[0]}{'-lossy' if story[2] else ''}")
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Told:
    name, hours, lossy = request.param
    story = scenario(name)
    if lossy:
        story = story._replace(weather=Weather(drop_ratio=lossy, duplicate_ratio=lossy, reorder_ratio=lossy))
    spool = Spool(tmp_path_factory.mktemp(name) / "facts.db")
    try:
        return live(story, spool, START + hours * 3600)
    finally:
        spool.close()


def live(story: Scenario, spool: Spool, end: float) -> Told:
    """Let the machines speak to a collector, and hear its receipts, until the end."""
    clock, broker = StepClock(START), LocalBroker()
    said, heard = (LocalBus(broker, name, clock, persistent=False) for name in ("said", "heard"))
    machines = {m.device: Machine(m.device, m.place, m.voice, m.prefix, m.cadence_s) for m in story.machines}
    plant = Plant({place: Unit(place, title) for place, title in story.units.items()}, machines)
    collector = Collector(spool=spool, bus=heard, clock=clock, registry=Registry(plant))
    native = [spec.device for spec in story.machines if spec.voice == "native"]
    with Fleet(story, clock, host="", port=0, faults=faults_of(story, 7, START, end)) as fleet:
        # Who loses much waits for receipts in real time: slower, so that it can be seen within the story.
        air = Air(fleet, clock, speed=60.0 if story.weather.drop_ratio == 0.0 else 10.0)
        while clock.at < end:
            if clock.at >= end - LATE_S:
                for device in fleet.devices.values():
                    device.network.weather = CLEAR
            for message in air.step(clock.at + REPORTS_S):
                said.publish(message.topic, message.payload, retain=message.retain)
            collector.turn(wait_s=0.0)
            if clock.at % RECEIPTS_S < REPORTS_S:  # what is published is thinned in real time, which a test has not
                for device in native:
                    air.deliver(f"cybersyn/v1/receipt/@{device}", collector.receipt(device))
        accounts, truth = fleet.accounts(), fleet.truth.entries
    collector.finish()
    with spool.reading() as db:
        jobs = job_book.jobs(db, place=None, start=None, end=None)
    facts: dict[str, list[Fact]] = defaultdict(list)
    for _, batch in spool.read_from(1, most=spool.last() + 1):
        facts[batch.device] += batch.facts
    return Told(story, end - LATE_S, truth, accounts, jobs, facts)


def down_s(states: Iterable[tuple[float, str]], end: float) -> float:
    """Return how long a machine was in fault or off, up to the end."""
    seen = [*sorted(states), (end, "")]
    return sum(max(min(after, end) - at, 0.0) for (at, state), (after, _) in pairwise(seen) if state in DOWN)


def unreachable_s(truth: Iterable[TruthEntry], device: str) -> float:
    """Return how long a machine that worked was off for everybody else."""
    mine = [
        entry for entry in truth if entry.device == device and entry.body.get("kind") in {"wifi-drop", "agent-crash"}
    ]
    signs = {"fault": -1.0, "fault_ended": 1.0}
    return sum(signs[entry.what] * entry.ts for entry in mine)


def test_jobs_outcomes_and_causes_are_all_right(told: Told) -> None:
    true = {
        (entry.device, entry.body["job"]): (str(entry.body["outcome"]), entry.body.get("cause"), entry.ts)
        for entry in told.truth
        if entry.what == "job_ended" and entry.ts < told.end
    }
    heard = {
        (job.device, job.ended.job): (str(job.ended.outcome), job.ended.cause, job.ended.ts)
        for job in told.jobs
        if job.ended is not None and job.ended.ts is not None and job.ended.ts < told.end
    }
    assert heard == {key: (outcome, cause, pytest.approx(ts, abs=0.01)) for key, (outcome, cause, ts) in true.items()}
    assert len(true) > 5


def test_downtime_is_right_within_one_reporting_period(told: Told) -> None:
    lossy = told.story.weather.drop_ratio > 0
    if lossy:
        pytest.skip("a state has no receipt: one that the network drops is not said again before the next connect")
    for spec in told.story.machines:
        true = [(e.ts, str(e.body["state"])) for e in told.truth if e.device == spec.device and e.what == "state"]
        heard = [(fact.ts, str(fact.state)) for fact in told.facts[spec.device] if isinstance(fact, StateSeen)]
        wanted_s = down_s(true, told.end) + unreachable_s(told.truth, spec.device)
        assert down_s(heard, told.end) == pytest.approx(wanted_s, abs=REPORTS_S), spec.device
    assert any(down_s([(e.ts, str(e.body["state"]))], told.end) for e in told.truth if e.what == "state")


def test_energy_and_material_are_right_within_a_percent(told: Told) -> None:
    ended = [job.ended for job in told.jobs if job.ended is not None]
    true_g = sum(entry.body["material_g"] for entry in told.truth if entry.what == "job_ended")
    assert sum(job.material_g or 0.0 for job in ended) == pytest.approx(true_g, rel=0.01)
    for spec in told.story.machines:
        samples = [fact for fact in told.facts[spec.device] if isinstance(fact, Samples)]
        meter = sorted(pair for each in samples for pair in zip(each.times, each.values["energy_kwh"], strict=True))
        used_kwh = (meter[-1][1] or 0.0) - (meter[0][1] or 0.0)
        assert used_kwh == pytest.approx(told.accounts[spec.device]["energy_kwh"], rel=0.01), spec.device


def test_parts_are_counted_once_each(told: Told) -> None:
    for spec in told.story.machines:
        # A printer does not see its parts: only the truth knows them.
        seen = {fact.id for fact in told.facts[spec.device] if isinstance(fact, PartCounted) and fact.ts < told.end}
        known = [e for e in told.truth if e.what == "part" and e.device == spec.device and e.ts < told.end]
        counts = sum(isinstance(fact, PartCounted) and fact.ts < told.end for fact in told.facts[spec.device])
        assert len(seen) == counts
        assert spec.kind == "printer" or seen == {entry.body["id"] for entry in known}


def test_the_truth_says_what_the_network_did(told: Told) -> None:
    dropped = sum(sum(account["dropped"].values()) for account in told.accounts.values())
    assert (dropped > 0) == (told.story.weather.drop_ratio > 0)


def test_the_stories_are_files_that_others_can_copy() -> None:
    folder = Path(__file__).parents[2] / "firmware_sim" / "scenarios"
    firsts = {path.read_text(encoding="utf-8").splitlines()[0] for path in folder.iterdir()}
    assert firsts == {"# SPDX-License-Identifier: CC0-1.0"}
