# SPDX-License-Identifier: AGPL-3.0-or-later
"""Weeks without a wire: what a collector would hear of machines, and what it would not."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from collector.contract.event import State, StateSeen
from collector.contract.reading import Batch, Samples
from firmware_sim.faults import FaultPlan, Kind
from firmware_sim.lived import SILENT_S, live
from firmware_sim.scenario import Scenario
from firmware_sim.stories import read
from firmware_sim.truth import Truth

START = 1_795_392_000.0
HOUR_S = 3_600.0


def story(voice: str = "native", kind: str = "printer") -> Scenario:
    return read("one", {"machines": [{"name": "m", "kind": kind, "voice": voice, "place": "hall", "sample_s": 5.0}]})


def fault(kind: Kind, at_s: float, lasts_s: float) -> FaultPlan:
    return FaultPlan(kind, "m-01", "hall/m-01", START + at_s, lasts_s)


def times(batches: Iterator[Batch]) -> list[float]:
    return [ts - START for batch in batches for fact in batch.facts if isinstance(fact, Samples) for ts in fact.times]


def states(batches: list[Batch]) -> list[tuple[float, State]]:
    return [(fact.ts - START, fact.state) for batch in batches for fact in batch.facts if isinstance(fact, StateSeen)]


def test_a_machine_tells_every_period_and_a_batch_comes_every_hour() -> None:
    batches = list(live(story(), START, START + 2 * HOUR_S))
    assert [batch.at for batch in batches] == [START + HOUR_S, START + 2 * HOUR_S]
    told = times(iter(batches))
    assert len(told) == 240
    assert {round(after - before, 6) for before, after in pairwise(told)} == {30.0}


def test_the_same_seed_lives_the_same_hours() -> None:
    first, second = (list(live(story(kind="mill"), START, START + 3 * HOUR_S)) for _ in range(2))
    assert first == second


def test_silence_is_told_after_three_minutes_and_everything_afterwards() -> None:
    batches = list(live(story(), START, START + HOUR_S, faults=[fault(Kind.SILENCE, 900.0, 1_200.0)]))
    (offline,) = [at for at, state in states(batches) if state is State.OFFLINE]
    assert 900.0 + SILENT_S <= offline <= 960.0 + SILENT_S
    assert len(times(iter(batches))) == 120


def test_what_a_foreign_voice_says_while_nobody_hears_it_is_lost() -> None:
    cut = [fault(Kind.WIFI_DROP, 900.0, 600.0)]
    assert len(times(live(story(), START, START + HOUR_S, faults=cut))) == 120
    foreign = times(live(story("octoprint"), START, START + HOUR_S, faults=cut))
    assert 98 <= len(foreign) <= 101
    assert not [at for at in foreign if 960.0 < at < 1_500.0]


def test_a_machine_without_power_measures_nothing_and_comes_back() -> None:
    truth = Truth()
    batches = list(live(story(), START, START + HOUR_S, faults=[fault(Kind.POWER_LOSS, 900.0, 900.0)], truth=truth))
    assert not [at for at in times(iter(batches)) if 960.0 < at < 1_770.0]
    seen = [state for at, state in states(batches) if 880.0 < at < 1_900.0]
    assert seen[0] is State.OFFLINE
    assert State.OFFLINE not in seen[1:]
    assert [entry.what for entry in truth.entries if entry.what.startswith("fault")] == ["fault", "fault_ended"]


def test_what_is_measured_can_be_changed_on_its_way() -> None:
    tinted = live(story(), START, START + HOUR_S, tint=lambda spec, now, machine, sense: (250.0, *sense[1:]))
    values = [fact.values["nozzle_degc"] for batch in tinted for fact in batch.facts if isinstance(fact, Samples)]
    assert {value for column in values for value in column} == {250.0}


def test_a_plug_measures_the_machine_behind_it() -> None:
    both = read(
        "two",
        {
            "machines": [
                {"name": "mill", "kind": "mill", "place": "hall"},
                {"name": "plug", "kind": "plug", "place": "hall", "meters": "mill-01", "voice": "tasmota"},
            ]
        },
    )
    last: dict[str, float] = {}
    for batch in live(both, START, START + HOUR_S):
        for fact in batch.facts:
            if isinstance(fact, Samples):
                last[batch.device] = fact.values["power_w"][-1] or 0.0
    assert abs(last["plug-02"] - last["mill-01"]) < 30.0
