# SPDX-License-Identifier: AGPL-3.0-or-later
"""A scripted day whose OEE was worked out by hand: a gap, a reset, a shift boundary, breaks, and a longer night.

Madrid, from Saturday 2026-10-24 22:00 (20:00 UTC) to Sunday 14:00 (13:00 UTC): at 03:00 the clock goes back to 02:00,
so that the night shift from 22:00 to 06:00 lasts nine hours. All times below are hours of UTC after 20:00.

    planned   night 9 h − break 01:30–02:00 (0:30) = 8:30; early 8 h − break 10:00–10:15 (0:15) = 7:45
              16:15 = 58,500 s
    0:00 idle 0:30 setup 0:40 running: job A, until 5:40 (5 h; the break lies in it: 4:30 = 16,200 s planned)
    5:40 waiting for a person                                           30 min =  1,800 s
    6:10 running: job B, until 9:10 (3 h = 10,800 s); nothing is heard from 7:00 to 7:50, 3,000 s: 7,800 s known
    9:10 fault until 10:00                                              50 min =  3,000 s
    10:00 maintenance                                                   30 min =  1,800 s
    10:30 running: job C, until 14:30 (4 h; the break lies in it: 3:45 = 13,500 s planned)
    14:30 idle until 17:00; with 0:00–0:30                               3 h   = 10,800 s
    setup                                                               10 min =    600 s
    running   16,200 + 7,800 + 13,500 = 37,500 s;  37,500 + 3,000 (unknown) + 1,800 + 3,000 + 1,800 + 10,800 + 600
              = 58,500 s

    availability  37,500 / (58,500 − 3,000 unknown − 1,800 maintenance) = 37,500 / 53,700
    estimates     three jobs before took 1.25 times their estimate
    performance   A: estimate 14,400 × 1.25 = 18,000, planned share 16,200 / 18,000 → 16,200
                  C: estimate 10,000 × 1.25 = 12,500, planned share 13,500 / 14,400 → 11,718.75; B failed: not rated
                  (16,200 + 11,718.75) / (16,200 + 13,500)
    quality       A 1 good; B failed: 1 scrap; C counted as 4 good, corrected to 3 good and 1 scrap: 4 / 6
    energy        the meter rises by 1.0 kWh until 5:00, is reset at 5:30, rises by 2.3 kWh until 17:00: 3.3 kWh
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from collector.chronicle import MemoryChronicle
from collector.contract.codec import parse_time
from collector.contract.event import JobEnded, JobStarted, Noted, Outcome, PartCounted, State, StateSeen
from collector.contract.reading import Batch, Fact, Numbered, Samples
from collector.contract.tree import read_plant
from cyberfilter.production.answers import Question, answer
from cyberfilter.production.book import Book
from cyberfilter.production.calendar import By

PLACE = "commons/madrid/printing/mk4"
START = parse_time("2026-10-24T20:00:00Z") or 0.0
END = START + 17 * 3600
PLANT = read_plant(
    {
        "units": {
            "commons/madrid": {
                "timezone": "Europe/Madrid",
                "grid_g_per_kwh": 200.0,
                "shifts": [
                    {"name": "early", "from": "06:00", "to": "14:00", "breaks": ["10:00-10:15"]},
                    {"name": "night", "from": "22:00", "to": "06:00", "breaks": ["01:30-02:00"]},
                ],
            }
        },
        "machines": {"mk4": {"place": PLACE, "cadence_s": 60.0}},
    }
)


PARTS = ("oee_availability_ratio", "performance_ratio", "quality_ratio", "oee_ratio")


def at(hours: int, minutes: int = 0) -> float:
    return START + 3600 * hours + 60 * minutes


def states() -> list[Fact]:
    told = [
        (at(0), State.IDLE),
        (at(0, 30), State.SETUP),
        (at(0, 40), State.RUNNING),
        (at(5, 40), State.WAITING_PERSON),
        (at(6, 10), State.RUNNING),
        (at(9, 10), State.FAULT),
        (at(10), State.MAINTENANCE),
        (at(10, 30), State.RUNNING),
        (at(14, 30), State.IDLE),
    ]
    return [StateSeen(ts, state) for ts, state in told]


def jobs() -> list[Fact]:
    before = [
        JobEnded(f"p{n}", at(-9 + n), Outcome.DONE, duration_s=1250.0, estimate_s=1000.0, material_g=5.0)
        for n in range(3)
    ]
    return [
        *before,
        JobStarted("a", at(0, 40), "a.gcode", 14_400.0),
        JobEnded("a", at(5, 40), Outcome.DONE, "a.gcode", started_at=at(0, 40), duration_s=18_000.0, material_g=50.0),
        JobStarted("b", at(6, 10), "b.gcode", 7_200.0),
        JobEnded("b", at(9, 10), Outcome.FAILED, "b.gcode", started_at=at(6, 10), material_g=20.0),
        JobStarted("c", at(10, 30), "c.gcode", 10_000.0),
        JobEnded("c", at(14, 30), Outcome.DONE, "c.gcode", started_at=at(10, 30), duration_s=14_400.0, material_g=30.0),
        PartCounted(at(14, 40), good=4, id="t1", job="c"),
        PartCounted(at(15), good=3, scrap=1, id="t2", job="c", corrects="t1"),
        Noted(at(-10), "material", {"change": "opened", "spool": "s1", "material": "pla", "grams": 1000}, "m1"),
    ]


def counter_kwh(ts: float) -> float:
    """A meter that was at 100 kWh, rose evenly by 1 until 5:00, stood, and began at 0 again at 5:30."""
    if ts < at(5, 30):
        return 100.0 + min((ts - START) / 18_000, 1.0)
    return 2.3 * (ts - at(5, 30)) / (END - at(5, 30))


def readings() -> list[Fact]:
    """A minute's reading, but for the gap; the last one stands at the end of the window."""
    found: list[Fact] = []
    for n in range(17 * 60 + 1):
        ts = START + 60.0 * n
        if not at(7) < ts < at(7, 50):
            values = {"energy_kwh": (counter_kwh(ts),), "nozzle_degc": (214.0,), "nozzle_target_degc": (215.0,)}
            found.append(Samples((ts,), values))
    return found


def told(facts: Sequence[Fact], again: int = 0) -> MemoryChronicle:
    """Return what the book kept of these facts in this order; the last `again` of them came once more."""
    chronicle, book = MemoryChronicle(), None
    numbered = [Numbered(n, Batch("mk4", PLACE, "native", END, (fact,))) for n, fact in enumerate(facts, start=1)]
    for given in (numbered, numbered[len(numbered) - again :]):
        book = Book(chronicle)
        book.take(given)
        book.save()
    return chronicle


def ask(chronicle: MemoryChronicle, by: By, start: float = START, end: float = END) -> list[dict[str, Any]]:
    return answer(chronicle, PLANT, Question(PLACE, start, end, by), END)


@pytest.fixture(scope="module")
def day() -> MemoryChronicle:
    return told([*states(), *jobs(), *readings()])


@pytest.fixture(scope="module")
def item(day: MemoryChronicle) -> dict[str, Any]:
    return ask(day, By.WHOLE)[0]


def test_losses_are_those_of_the_hand_calculation(item) -> None:
    lost = {name: seconds for name, seconds in item["losses"].items() if name not in {"speed_s", "scrap_s"}}
    assert lost == {
        "planned_s": 58_500.0,
        "unknown_s": 3_000.0,
        "fault_s": 3_000.0,
        "setup_s": 600.0,
        "held_s": 0.0,
        "waiting_person_s": 1_800.0,
        "starved_s": 0.0,
        "maintenance_s": 1_800.0,
        "idle_s": 10_800.0,
        "running_s": 37_500.0,
        "effective_s": pytest.approx(37_500 * (27_918.75 / 29_700) * 4 / 6),
    }


def test_oee_and_its_parts_are_those_of_the_hand_calculation(item) -> None:
    found = {name: item["indicators"][name] for name in PARTS}
    assert found == {
        "oee_availability_ratio": pytest.approx(37_500 / 53_700),
        "performance_ratio": pytest.approx(27_918.75 / 29_700),
        "quality_ratio": pytest.approx(4 / 6),
        "oee_ratio": pytest.approx(37_500 / 53_700 * 27_918.75 / 29_700 * 4 / 6),
    }


def test_energy_and_material_are_those_of_the_hand_calculation(item) -> None:
    found = item["indicators"]
    assert found["energy_kwh"] == pytest.approx(3.3)
    assert found["energy_per_part_wh"] == pytest.approx(3_300 / 4)
    assert found["carbon_g"] == pytest.approx(3.3 * 200)
    assert (found["material_g"], found["scrap_g"]) == (pytest.approx(100.0), pytest.approx(20.0 + 30.0 / 4))
    assert found["downtime_s"] == 3_000.0 + 1_800.0


def test_what_is_unknown_is_told(item) -> None:
    assert item["coverage"] == {
        "state_ratio": pytest.approx(55_500 / 58_500),
        "performance_ratio": pytest.approx(29_700 / 37_500),
        "energy_ratio": pytest.approx(1.0),
    }


def test_the_longer_night_has_nine_hours(day) -> None:
    early, night = ask(day, By.SHIFT)
    assert (early["name"], early["losses"]["planned_s"]) == ("early", 27_900.0)
    assert (night["name"], night["losses"]["planned_s"]) == ("night", 30_600.0)


def test_the_two_shifts_sum_to_the_day(day, item) -> None:
    shifts = ask(day, By.SHIFT)
    for name in ("planned_s", "unknown_s", "fault_s", "waiting_person_s", "idle_s", "running_s"):
        assert sum(each["losses"][name] for each in shifts) == pytest.approx(item["losses"][name])
    for name in ("energy_kwh", "material_g", "scrap_g", "good_parts", "scrap_parts"):
        assert sum(each["indicators"][name] for each in shifts) == pytest.approx(item["indicators"][name])


def test_a_job_is_judged_by_itself(day) -> None:
    newest = ask(day, By.JOB)[0]
    assert (newest["job"], newest["outcome"], newest["learned_ratio"], newest["learned_jobs"]) == ("c", "done", 1.25, 4)


def test_facts_in_any_order_and_twice_give_the_same_day(item) -> None:
    facts = [*states(), *jobs(), *readings()]
    random.Random(5).shuffle(facts)
    found = ask(told(facts, again=400), By.WHOLE)[0]
    assert found["losses"] == pytest.approx(item["losses"])
    assert found["indicators"] == pytest.approx(item["indicators"])


def test_a_window_of_which_half_is_unknown_has_no_ratio(day) -> None:
    found = ask(day, By.WHOLE, at(7), at(8))[0]
    assert found["coverage"]["state_ratio"] == pytest.approx(10 / 60)
    assert [found["indicators"][name] for name in ("oee_ratio", "oee_availability_ratio", "downtime_s")] == [None] * 3


def test_a_link_that_was_lost_hides_nothing_that_was_sent_later(item) -> None:
    lost = [StateSeen(at(1), State.OFFLINE), StateSeen(at(2), State.RUNNING)]
    assert ask(told([*states(), *jobs(), *readings(), *lost]), By.WHOLE)[0]["losses"] == item["losses"]


def test_a_window_that_begins_while_the_link_is_lost_knows_the_machines_own_word(day) -> None:
    lost = [StateSeen(at(1), State.OFFLINE), StateSeen(at(2), State.RUNNING)]
    chronicle = told([*states(), *jobs(), *readings(), *lost])
    assert ask(chronicle, By.WHOLE, at(1, 30))[0]["losses"] == ask(day, By.WHOLE, at(1, 30))[0]["losses"]
