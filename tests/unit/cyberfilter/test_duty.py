# SPDX-License-Identifier: AGPL-3.0-or-later
"""A call goes to the nearest unit where somebody is; a hazard to everybody at the place."""

import msgspec

from collector.contract.event import JobEnded, JobStarted, Noted, Outcome, State, StateSeen, Trouble
from collector.contract.reading import PEOPLE, Batch
from collector.contract.tree import read_plant
from cyberfilter.alerts.duty import Duty, on_duty
from cyberfilter.contract.alert import shown

PLANT = read_plant(
    {
        "units": {"hub": {"name": "Hub", "duty": ["Ana"]}, "hub/cell": {"name": "Cell"}},
        "machines": {"m": {"place": "hub/cell/m"}},
    }
)
CELL = "commons/valparaiso/printing"


def test_a_unit_that_names_people_is_asked() -> None:
    assert on_duty("hub/cell/m", PLANT, {}) == Duty("hub", ("Ana",))


def test_people_who_are_counted_nearer_are_asked_first() -> None:
    assert on_duty("hub/cell/m", PLANT, {"hub/cell": 2}) == Duty("hub/cell")
    assert on_duty("hub/cell/m", PLANT, {"hub/cell": 0}) == Duty("hub", ("Ana",))


def test_where_nobody_is_known_the_unit_above_the_machine_is_asked() -> None:
    plant = read_plant({"machines": {"m": {"place": "hub/cell/m"}}})
    assert on_duty("hub/cell/m", plant, {}) == Duty("hub/cell")


def test_an_alert_says_to_whom_it_goes(workshop) -> None:
    workshop.say(JobStarted("j1", 1.0), JobEnded("j1", 50.0, Outcome.DONE), StateSeen(51.0, State.WAITING_PERSON))
    workshop.say(Trouble(60.0, "limit", "", "nozzle_degc", 271.0, 260.0))
    found = {alert.kind: shown(alert)["to"] for alert in workshop.service.alerts()}
    assert found == {"finished": f"on duty at {CELL}", "limit": f"everybody at {CELL}/mk4-01"}


def test_presence_is_remembered_across_a_restart_and_makes_no_machine(workshop) -> None:
    here = (Noted(1.0, "presence", {"count": 2}),)
    workshop.log.batches.append(Batch("commons.valparaiso", "commons/valparaiso", PEOPLE, 1.0, here))
    workshop.service.turn(0.0)
    workshop.service.close()
    workshop.restart()
    workshop.say(JobEnded("j1", 50.0, Outcome.FAILED, cause="clog"))
    (alert,) = workshop.service.alerts()
    assert shown(alert)["to"] == "on duty at commons/valparaiso"


def test_two_indicators_beyond_their_limits_are_two_alerts_and_each_only_one(workshop) -> None:
    for ts in (60.0, 70.0):
        workshop.say(Trouble(ts, "limit", "", "nozzle_degc", 271.0, 260.0))
    workshop.say(Trouble(80.0, "limit", "", "bed_degc", 131.0, 120.0))
    whys = [alert.why for alert in workshop.service.alerts()]
    assert len(whys) == 2
    assert "nozzle_degc = 271 °C, the bound is 260 °C" in whys[1] + whys[0]


def test_what_is_said_on_the_topic_is_what_the_api_shows(workshop) -> None:
    workshop.say(Trouble(60.0, "smoke", "input 3 is on"))
    (alert,) = workshop.service.alerts()
    heard = workshop.heard()[f"cybersyn/v1/alert/{CELL}/mk4-01/_{alert.id}"]
    assert msgspec.json.decode(heard)["to"] == f"everybody at {CELL}/mk4-01"
