# SPDX-License-Identifier: AGPL-3.0-or-later
"""Where machines stand, and when faults strike: rules that hold for every seed."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.contract.errors import Misconfigured
from collector.contract.event import State, StateSeen
from collector.contract.place import check_device, check_place
from firmware_sim.faults import FaultPlan, Kind
from firmware_sim.machines.build import build
from firmware_sim.machines.people import Rhythm
from firmware_sim.machines.printer import Printer
from firmware_sim.scenario import MACHINES_MAX, plan_faults
from firmware_sim.stories import scenario, workshop

START = 1_795_399_200.0
seeds = st.integers(0, 10_000)
counts = st.integers(1, 60)
hours = st.floats(0.7, 12.0)


@given(counts, seeds)
@settings(max_examples=30)
def test_devices_and_places_are_valid_and_used_once(count: int, seed: int) -> None:
    machines = workshop(count, seed).machines
    assert len({check_device(spec.device) for spec in machines}) == count
    assert len({check_place(spec.place) for spec in machines}) == count
    assert len({spec.prefix for spec in machines if spec.prefix}) == sum(spec.voice == "octoprint" for spec in machines)


def test_six_of_eight_machines_are_native_and_they_come_first() -> None:
    voices = [spec.voice for spec in workshop(8).machines]
    assert voices.count("native") == 6
    assert voices[:3] == ["native"] * 3


def test_the_same_seed_is_the_same_workshop() -> None:
    assert workshop(8, 3) == workshop(8, 3)
    assert workshop(8, 3) != workshop(8, 4)


@pytest.mark.parametrize("count", [0, MACHINES_MAX + 1])
def test_a_number_of_machines_out_of_bounds_is_named(count: int) -> None:
    with pytest.raises(Misconfigured, match=f"machines = {count} is not within"):
        workshop(count)


def test_an_unknown_scenario_is_named_with_those_that_exist() -> None:
    with pytest.raises(Misconfigured, match=r"scenario = 'nowhere' is none of bad-spool, .*workshop, and no TOML file"):
        scenario("nowhere", machines=2, seed=1)


@given(counts, seeds, hours)
@settings(max_examples=60)
def test_onsets_keep_their_distances(count: int, seed: int, run_h: float) -> None:
    end = START + run_h * 3600
    onsets = [plan.onset for plan in plan_faults(workshop(count, seed), seed, START, end)]
    assert 720 <= onsets[0] - START <= 1500.001
    assert all(b - a >= 1500 - 0.01 for a, b in itertools.pairwise(onsets))
    assert onsets[-1] <= end - 1200 + 0.001


@given(st.integers(4, 60), seeds)
@settings(max_examples=30)
def test_kinds_take_turns_on_different_native_machines(count: int, seed: int) -> None:
    story = workshop(count, seed)
    plans = plan_faults(story, seed, START, START + 7200)
    native = {spec.device for spec in story.machines if spec.voice == "native"}
    assert [plan.kind for plan in plans] == ([Kind.HEATER_WEAK, Kind.CLOG, Kind.SILENCE] * 3)[: len(plans)]
    assert len({plan.device for plan in plans}) == len(plans) >= 2
    assert {plan.device for plan in plans} <= native


@given(seeds, st.floats(60.0, 2399.0))
@settings(max_examples=30)
def test_a_short_run_has_one_weak_heater_at_a_quarter_of_it(seed: int, run_s: float) -> None:
    (plan,) = plan_faults(workshop(8, seed), seed, START, START + run_s)
    assert plan.kind == Kind.HEATER_WEAK
    assert plan.onset == pytest.approx(START + run_s / 4)


def states(seed: int, device: str, mine: list[FaultPlan], until: float) -> list[StateSeen]:
    spec = next(spec for spec in workshop(3, seed).machines if spec.device == device)
    onsets = [plan.onset for plan in mine]
    printer = Printer(
        build(device, spec.seed), seed=seed, start=START, tag="t", rhythm=Rhythm(rests=False), bookings=onsets
    )
    told = printer.begin()
    pending = list(mine)
    while printer.now < until:
        told += printer.advance(printer.now + 5)
        while pending and pending[0].onset <= printer.now:
            printer.strike(pending.pop(0))
    return [each for each in told if isinstance(each, StateSeen)]


@given(seeds)
@settings(max_examples=5, deadline=None)
def test_a_fault_strikes_a_machine_that_has_printed_for_eight_minutes_and_goes_on_for_35(seed: int) -> None:
    end = START + 6 * 3600
    plans = plan_faults(workshop(3, seed), seed, START, end)
    for device in {plan.device for plan in plans}:
        mine = [plan for plan in plans if plan.device == device]
        seen = states(seed, device, mine, end)
        for plan in mine:
            last = [each for each in seen if each.ts <= plan.onset][-1]
            assert last.state is State.RUNNING
            assert plan.onset - last.ts >= min(480, plan.onset - START)
            ends = [each.ts for each in seen if each.ts > plan.onset]
            assert plan.kind == Kind.CLOG or not ends or ends[0] >= plan.onset + 2100


def test_without_native_machines_or_time_nothing_is_planned() -> None:
    story = workshop(8, 1)
    foreign = story._replace(machines=tuple(spec for spec in story.machines if spec.voice != "native"))
    assert plan_faults(foreign, 1, START, START + 7200) == ()
    assert plan_faults(story, 1, START, START) == ()
