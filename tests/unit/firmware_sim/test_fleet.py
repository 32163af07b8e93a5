# SPDX-License-Identifier: AGPL-3.0-or-later
"""A fleet lives on its clock; whether a broker is there changes nothing in the plant."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest

from collector.contract.errors import Misconfigured
from firmware_sim.faults import FaultPlan, Kind
from firmware_sim.fleet import Fleet
from firmware_sim.scenario import plan_faults
from firmware_sim.stories import workshop

START = 1_795_399_200.0


class SetClock:
    """A clock that stands where the test puts it."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> float:
        return self.at

    def real_s(self, plant_s: float) -> float:
        return plant_s / 60


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        yield free.getsockname()[1]


def fleet(clock: SetClock, port: int, *, machines: int = 4, faults: tuple[FaultPlan, ...] = ()) -> Fleet:
    boots = iter(f"{number:016x}" for number in range(100))
    return Fleet(workshop(machines, 7), clock, host="127.0.0.1", port=port, faults=faults, boots=lambda: next(boots))


def live(plant: Fleet, clock: SetClock, for_s: float, *, step_s: float = 3.0) -> None:
    end = clock.at + for_s
    while clock.at < end:
        clock.at = min(clock.at + step_s, end)
        plant.step()


def test_two_fleets_of_one_seed_live_the_same_whatever_the_steps(closed_port: int) -> None:
    truths = []
    for step_s in (2.0, 45.0):
        clock = SetClock()
        with fleet(clock, closed_port) as plant:
            live(plant, clock, 1800, step_s=step_s)
            truths.append(sorted(plant.truth.entries, key=lambda entry: (entry.device, entry.ts, entry.what)))
    assert truths[0] == truths[1]


def test_planned_faults_strike_at_their_onset_and_pass(clock: SetClock, closed_port: int) -> None:
    plans = plan_faults(workshop(4, 7), 7, START, START + 7200)
    with fleet(clock, closed_port, faults=plans) as plant:
        live(plant, clock, 7200 + 3600, step_s=30.0)
        assert plant.truth.faults == plans
        ended = [entry.device for entry in plant.truth.entries if entry.what == "fault_ended"]
    assert sorted(ended) == sorted(plan.device for plan in plans)


def test_silence_holds_back_what_was_measured_and_sends_it_afterwards(clock: SetClock, closed_port: int) -> None:
    with fleet(clock, closed_port, machines=1) as plant:
        device = plant.devices["mk4-01"]
        plant.inject(Kind.SILENCE, "mk4-01", lasts_s=600.0)
        live(plant, clock, 300)
        assert device.take(1000, 0.0) == []
        live(plant, clock, 600)
        sent = [json.loads(each.payload) for each in device.take(1000, 0.0) if "/reading/" in each.topic]
    assert [each["seq"] for each in sent] == list(range(len(sent)))
    assert len(sent) >= 14


def test_a_fault_can_be_switched_on_by_hand(clock: SetClock, closed_port: int) -> None:
    with fleet(clock, closed_port) as plant:
        plan = plant.inject(Kind.HEATER_WEAK, "mk4-02")
        live(plant, clock, 30)
        assert plant.truth.faults == (plan,)
    assert plan.onset == START


@pytest.mark.parametrize(("kind", "device"), [("flood", "mk4-01"), ("clog", "mk9-99")])
def test_an_unknown_fault_or_device_is_named(clock: SetClock, closed_port: int, kind: str, device: str) -> None:
    with fleet(clock, closed_port) as plant, pytest.raises(Misconfigured, match="is none of"):
        plant.inject(kind, device)


def test_a_device_without_credentials_is_named(clock: SetClock, closed_port: int) -> None:
    with pytest.raises(Misconfigured, match="credentials: none for mk4-02"):
        Fleet(workshop(2, 7), clock, host="127.0.0.1", port=closed_port, credentials={"mk4-01": ("u", "p")})


def test_a_meter_goes_on_where_history_left_it(clock: SetClock, closed_port: int) -> None:
    meters = {"mk4-01": 321.5}
    with Fleet(workshop(1, 7), clock, host="127.0.0.1", port=closed_port, meters_kwh=meters) as plant:
        assert plant.devices["mk4-01"].machine.energy_kwh == 321.5
