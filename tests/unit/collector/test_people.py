# SPDX-License-Identifier: AGPL-3.0-or-later
"""What people say of machines is counted once, whatever the machine speaks, and never says who said it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from collector import intake, people
from collector.contract.codec import encode
from collector.contract.errors import Refusal
from collector.contract.event import Noted, PartCounted, State, StateSeen, Trouble
from collector.contract.topics import Kind
from collector.contract.tree import read_plant
from collector.listing import machines
from collector.people import Hand

PLANT = read_plant(
    {
        "machines": {
            "mk4": {"place": "commons/mk4", "cadence_s": 10.0},
            "octo": {"place": "commons/cell/octo", "dialect": "octoprint", "prefix": "op/octo"},
        }
    }
)
OCTO = "commons/cell/octo"


@pytest.fixture
def hall(works: Any) -> Any:
    works.collector.replant(PLANT)
    return works


def post(works: Any, **body: Any) -> Any:
    """Return what becomes of an event over HTTP."""
    told = encode({"v": 1, "id": "e1", **body})
    return intake.decide_posted(
        Kind.EVENT, told, works.collector.memory, works.collector.registry, now=works.clock.now()
    )


def finished(works: Any) -> None:
    """Let the OctoPrint finish a job, and wait for somebody."""
    events = "op/octo/event/"
    for event, more in (
        ("PrinterStateChanged", {"state_id": "OPERATIONAL", "state_string": "Operational"}),
        ("PrintStarted", {"name": "a.gcode", "path": "a.gcode", "origin": "local"}),
        ("PrinterStateChanged", {"state_id": "PRINTING", "state_string": "Printing"}),
        ("PrintDone", {"name": "a.gcode", "path": "a.gcode", "origin": "local", "time": 60.0}),
        ("PrinterStateChanged", {"state_id": "OPERATIONAL", "state_string": "Operational"}),
    ):
        works.clock.set(works.clock.now() + 60.0)
        body = {"_event": event, "_timestamp": int(works.clock.now()), **more}
        works.machine.publish(events + event, json.dumps(body).encode())
        works.turn()


def states(works: Any) -> list[str]:
    return [fact.state.value for fact in works.facts() if isinstance(fact, StateSeen)]


@pytest.mark.parametrize("where", ["event/@octo", f"event/{OCTO}"])
def test_a_person_counts_parts_at_a_machine_that_speaks_another_dialect(hall: Any, where: str) -> None:
    for _ in range(2):
        hall.say(where, {"v": 1, "id": "p1", "event": "part", "good": 1})
    assert [fact.good for fact in hall.facts() if isinstance(fact, PartCounted)] == [1]
    assert (hall.account("octo")["received"], hall.account("octo")["duplicate"]) == (2, 1)


def test_a_button_speaks_about_a_machine_under_its_own_name(hall: Any) -> None:
    hall.say("event/@button-7", {"v": 1, "id": "p1", "event": "part", "scrap": 1, "cause": "warped", "about": "octo"})
    ((_, batch),) = hall.spool.read_from(1, most=10)
    assert (batch.device, batch.place, batch.facts[0].cause) == ("octo", OCTO, "warped")
    assert [row["device"] for row in machines(hall.collector.memory, hall.collector.registry, hall.spool)] == [
        "octo",
        "mk4",
    ]


def test_a_reading_at_a_foreign_machines_address_is_still_refused(hall: Any) -> None:
    hall.say("reading/@octo", {"v": 1, "m": {"power_w": 1}})
    hall.say("event/@octo", {"v": 1, "id": "j", "event": "job_ended", "outcome": "done"})
    assert [reason for _, reason in hall.quarantined()] == ["mis_addressed", "mis_addressed"]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"event": "part", "good": 1, "about": "nobody"}, "about = 'nobody'"),
        ({"event": "job_started", "about": "octo"}, "event = 'job_started'"),
        ({"event": "part", "good": -1, "device": "octo"}, "good = -1"),
        ({"event": "part", "scrap": 1_000_001, "about": "octo"}, "0..1e+06"),
        ({"event": "presence", "count": 1_001, "about": "commons/cell"}, "count = 1001"),
        ({"event": "presence", "count": 1.5, "about": "commons/cell"}, "count = 1.5"),
        ({"event": "presence", "count": True, "about": "commons/cell"}, "count = True"),
        ({"event": "material", "change": "eaten", "about": "octo"}, "opened, emptied"),
        ({"event": "material", "change": "opened", "grams": 1e7, "about": "octo"}, "grams = 10000000.0"),
        ({"event": "maintenance", "change": "begun", "item": "x" * 257, "about": "octo"}, "256 signs"),
        ({"event": "plate", "change": "undone", "about": "octo"}, "without corrects"),
    ],
)
def test_a_body_that_says_nothing_sensible_is_refused_by_name_value_and_bound(
    hall: Any, body: dict[str, Any], named: str
) -> None:
    assert named in post(hall, **body).detail


def test_a_correction_of_what_is_not_known_is_taken_and_noticed(hall: Any) -> None:
    hall.say("event/@octo", {"v": 1, "id": "p2", "event": "part", "corrects": "p1"})
    hall.say("event/@octo", {"v": 1, "id": "p3", "event": "part", "corrects": "p2"})
    assert [fact.corrects for fact in hall.facts() if isinstance(fact, PartCounted)] == ["p1", "p2"]
    assert [(notice.event, notice.detail) for notice in hall.collector.noticed()] == [("corrects_unknown", "p1, p2")]


def test_presence_is_counted_at_a_unit_where_no_machine_stands(hall: Any) -> None:
    hall.say("event/commons/cell", {"v": 1, "id": "p1", "event": "presence", "count": 3})
    ((_, batch),) = hall.spool.read_from(1, most=10)
    assert (batch.place, batch.facts) == ("commons/cell", (Noted(hall.clock.now(), "presence", {"count": 3}, "p1"),))
    assert len(machines(hall.collector.memory, hall.collector.registry, hall.spool)) == 2


def test_a_tap_does_not_make_a_machine_heard(hall: Any) -> None:
    hall.say("event/@octo", {"v": 1, "id": "p1", "event": "part", "good": 1})
    (row, _) = machines(hall.collector.memory, hall.collector.registry, hall.spool)
    assert (row["device"], row["last_seen"]) == ("octo", None)


def test_clearing_the_plate_makes_a_foreign_machine_idle_until_its_next_job(hall: Any) -> None:
    finished(hall)
    hall.say("event/@octo", {"v": 1, "id": "c1", "event": "plate", "change": "cleared"})
    assert states(hall)[-2:] == ["waiting_person", "idle"]
    finished(hall)
    assert states(hall)[-1] == "waiting_person"


def test_undoing_the_clearing_lets_it_wait_again(hall: Any) -> None:
    finished(hall)
    hall.say("event/@octo", {"v": 1, "id": "c1", "event": "plate", "change": "cleared"})
    hall.say("event/@octo", {"v": 1, "id": "c2", "event": "plate", "change": "undone", "corrects": "c1"})
    assert states(hall)[-2:] == ["idle", "waiting_person"]


def test_a_plate_that_was_cleared_before_this_job_ended_clears_nothing(hall: Any) -> None:
    finished(hall)
    early = int(1000 * (hall.clock.now() - 30))
    hall.say("event/@octo", {"v": 1, "id": "c1", "event": "plate", "change": "cleared", "ts": early})
    assert states(hall)[-1] == "waiting_person"


def test_maintenance_covers_the_machines_own_words_and_ends_with_them(hall: Any) -> None:
    hall.say("state/@mk4", {"v": 1, "state": "idle"})
    hall.say("event/@phone", {"v": 1, "id": "m1", "event": "maintenance", "change": "begun", "about": "mk4"})
    hall.say("state/@mk4", {"v": 1, "state": "running"})
    hall.say("event/@phone", {"v": 1, "id": "m2", "event": "maintenance", "change": "ended", "about": "mk4"})
    assert states(hall) == ["idle", "maintenance", "running"]


def test_a_machine_in_maintenance_may_be_silent(hall: Any) -> None:
    hall.say("reading/@mk4", {"v": 1, "m": {"power_w": 1}})
    hall.say("state/@mk4", {"v": 1, "state": "idle"})
    hall.say("event/@phone", {"v": 1, "id": "m1", "event": "maintenance", "change": "begun", "about": "mk4"})
    for _ in range(120):
        hall.turn(after_s=0.9)
    assert states(hall) == ["idle", "maintenance"]


def test_a_foreign_machines_sample_beyond_its_limit_is_stated(works: Any) -> None:
    octo = {"place": OCTO, "dialect": "octoprint", "prefix": "op/octo", "limits": {"nozzle_degc": {"high": 260}}}
    works.collector.replant(read_plant({"machines": {"octo": octo}}))
    for actual in (20.0, 271.5, 272.0):
        body = {"_timestamp": int(works.clock.now()), "actual": actual, "target": 0.0}
        works.machine.publish("op/octo/temperature/tool0", json.dumps(body).encode())
        works.turn(after_s=1.0)
    found = [fact for fact in works.facts() if isinstance(fact, Trouble)]
    assert [(fact.kind, fact.indicator, fact.value, fact.bound) for fact in found] == [
        ("limit", "nozzle_degc", 271.5, 260.0)
    ]


def test_a_fault_is_never_covered() -> None:
    fault = StateSeen(5.0, State.FAULT, "MAXTEMP")
    assert people.laid_over(Hand(maintenance="belt"), fault) is fault


def test_no_fact_says_who(hall: Any) -> None:
    who = {"person": "Ana", "operator": "Ana", "more": [{"name": "Ana"}]}
    hall.say("event/@octo", {"v": 1, "id": "p1", "event": "part", "good": 1, "user": "Ana", **who})
    hall.say("event/@octo", {"v": 1, "id": "p2", "event": "material", "change": "opened", "material": "PLA", **who})
    hall.say("event/@mk4", {"v": 1, "id": "p3", "event": "door_opened", "by": "Ana", **who})
    facts = hall.spool.read_from(1, most=10)
    assert len(facts) == 3
    assert "Ana" not in repr(facts)


def test_a_count_of_half_a_part_is_refused(hall: Any) -> None:
    with pytest.raises(Refusal):
        people.check_part(1, True)
