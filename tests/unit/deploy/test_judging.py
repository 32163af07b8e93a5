# SPDX-License-Identifier: AGPL-3.0-or-later
"""A floor without a bus: what it raises is dated and named as the service would."""

from __future__ import annotations

from collector.contract.event import State, StateSeen
from collector.contract.reading import Batch, Samples
from cyberfilter.indices.fold import WINDOW_S
from deploy.judging import Judging, after_s, plant_of
from firmware_sim.stories import read

STORY = read("one", {"machines": [{"name": "mill", "kind": "mill", "place": "hall"}]})
PLACE = "hall/mill-01"


def batch(minute: int, power_w: float, *facts: StateSeen) -> Batch:
    times = (60.0 * minute + 15.0, 60.0 * minute + 45.0)
    return Batch("mill-01", PLACE, "native", times[-1], (*facts, Samples(times, {"power_w": (power_w, power_w)})))


def test_a_rise_of_energy_is_an_alarm_two_minutes_after_its_bucket() -> None:
    judging = Judging(plant_of(STORY))
    judging.hear([batch(0, 100.0, StateSeen(1.0, State.RUNNING))])
    for minute in range(1, 200):
        judging.hear([batch(minute, 100.0 + minute * 7919 % 11 / 5 + 40.0 * (minute >= 150))])
    (alarm,) = judging.alarms
    assert (alarm.place, alarm.index, alarm.type) == (PLACE, "energy_w", "step")
    assert (alarm.ts - WINDOW_S) % 60 == 0
    assert 151 * 60 <= alarm.ts - WINDOW_S <= 160 * 60
    assert judging.rows[-1].ts == (200 - 1 - WINDOW_S / 60) * 60


def test_a_lost_line_a_fault_and_a_call_are_told_apart() -> None:
    judging = Judging(plant_of(STORY))
    states = (State.RUNNING, State.FAULT, State.RUNNING, State.OFFLINE)
    judging.hear([Batch("mill-01", PLACE, "native", 60.0, tuple(StateSeen(10.0 * n, s) for n, s in enumerate(states)))])
    assert [(alarm.index, alarm.ts) for alarm in judging.alarms] == [("state", 10.0), ("silence", 30.0)]


def test_an_alarm_of_a_slow_index_may_come_later() -> None:
    assert [after_s(name) for name in ("energy_w", "availability_ratio", "silence")] == [1_800.0, 7_200.0, 1_800.0]
