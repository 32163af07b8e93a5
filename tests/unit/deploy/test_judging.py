# SPDX-License-Identifier: AGPL-3.0-or-later
"""A floor without a bus: what it raises is dated and named as the service would."""

from __future__ import annotations

from collector.contract.event import State, StateSeen
from collector.contract.reading import Batch, Samples
from cyberfilter.alerts.lifecycle import Happening
from cyberfilter.alerts.signal import Begins, Whose
from cyberfilter.contract.alert import AlertClass
from cyberfilter.floor import Told
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
    for minute in range(1, 350):
        judging.hear([batch(minute, 100.0 + minute * 7919 % 11 / 5 + 40.0 * (minute >= 300))])
    (alarm,) = judging.alarms
    assert (alarm.place, alarm.index, alarm.type) == (PLACE, "energy_w", "step")
    assert (alarm.ts - WINDOW_S) % 60 == 0
    assert 301 * 60 <= alarm.ts - WINDOW_S <= 310 * 60
    assert judging.rows[-1].ts == (350 - 1 - WINDOW_S / 60) * 60


def test_a_lost_line_a_fault_and_a_call_are_told_apart() -> None:
    judging = Judging(plant_of(STORY))
    states = (State.RUNNING, State.FAULT, State.RUNNING, State.OFFLINE)
    judging.hear([Batch("mill-01", PLACE, "native", 60.0, tuple(StateSeen(10.0 * n, s) for n, s in enumerate(states)))])
    assert [(alarm.index, alarm.ts) for alarm in judging.alarms] == [("state", 10.0), ("silence", 30.0)]


def test_an_alarm_of_a_slow_index_may_come_later() -> None:
    assert [after_s(name) for name in ("energy_w", "availability_ratio", "silence")] == [1_800.0, 7_200.0, 1_800.0]


def energy(device: str, ts: float, change: str, *, how: Happening | None = None, **more: str) -> tuple[Whose, Begins]:
    """Return a signal about energy: of a device, or with `members` of the hall that they stand in."""
    known = {"size": 40.0, "level": 140.0, "expected": 100.0, "lo": 85.0, "hi": 115.0, "clock_s": 60.0, "block_s": 60.0}
    told = {"change": change, "sign": "pain", "unit": "W", "since": "1970-01-01T00:01:00.000Z"}
    facts: dict[str, float | str] = {**known, **told, "learned": 240, "count": 2, "like": 3, **more}
    place = "hall" if more else f"hall/{device}"
    begins = Begins(AlertClass.ALGEDONIC, f"energy_{change}", "energy_w", ts, facts, index_name="energy_w", how=how)
    return Whose(place if more else device, place), begins


def test_an_alarm_is_of_the_sort_that_was_said_last() -> None:
    judging = Judging(plant_of(STORY))
    judging.note(Told([energy("mill-01", 60.0, "slope")], [], []))
    judging.note(Told([energy("mill-01", 960.0, "step", how=Happening.CORRECT)], [], []))
    assert [(alarm.ts, alarm.type) for alarm in judging.alarms] == [(60.0 + WINDOW_S, "step")]


def test_an_alarm_of_all_is_one_of_each_machine_from_when_it_joins() -> None:
    mills = {"machines": [{"name": "mill", "kind": "mill", "place": "hall", "count": 3}]}
    judging = Judging(plant_of(read("three", mills)))
    judging.note(Told([energy("", 60.0, "step", members="mill-01, mill-02")], [], []))
    joined = energy("", 360.0, "step", how=Happening.JOIN, members="mill-01, mill-02, mill-03")
    judging.note(Told([joined], [], []))
    assert [(alarm.place, alarm.ts - WINDOW_S) for alarm in judging.alarms] == [
        ("hall/mill-01", 60.0),
        ("hall/mill-02", 60.0),
        ("hall/mill-03", 360.0),
    ]
