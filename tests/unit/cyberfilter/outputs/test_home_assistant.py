# SPDX-License-Identifier: AGPL-3.0-or-later
"""What Home Assistant is told: the rules of its documentation that a broken announcement would break."""

from __future__ import annotations

import json
from typing import Any

import pytest

from collector.contract.event import State
from cyberfilter.contract.alert import Alert, AlertClass, AlertState
from cyberfilter.contract.index import Forecast, IndexValue, Verdict
from cyberfilter.outputs.home_assistant import COMPONENTS_MAX, Home, postings
from cyberfilter.outputs.machine import Machine, Newest, View

HOME = Home("homeassistant", "cybersyn", "1.2")
PLACE = "commons/hall/mk4"
PACE = IndexValue(
    PLACE, "pace_ratio", "1", 5.0, 0.9, None, None, None, Forecast(6.0, 1.0, 0.8, 1.2), None, Verdict.STEADY
)
DEVIATION = IndexValue(PLACE, "nozzle_deviation_degc", "°C", 5.0, 0.4, None, None, None, None, None, Verdict.STEADY)
FAULT = Alert("a1", AlertClass.HAZARD, "fault", PLACE, "mk4", None, AlertState.RAISED, 7.0, PLACE, "It burns.", {})
NAMES = ("nozzle_degc", "power_w", "energy_kwh", "estimate_s", "progress_ratio", "spindle_rpm")


def view(**changes: Any) -> View:
    machine = Machine(State.RUNNING, 4.0, values={name: Newest(5.0, 1.5) for name in NAMES})
    known: dict[str, Any] = {"device": "mk4", "place": PLACE, "area": "Hall", "dialect": "native", "is_alone": True}
    known |= {"machine": machine, "indices": (PACE, DEVIATION), "alerts": (FAULT,)}
    return View(**known | changes)


def announced(seen: View) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return announcement and state of a machine."""
    found = {topic: json.loads(payload) for topic, payload in postings(seen, HOME).items()}
    (config,) = [body for topic, body in found.items() if topic.endswith("/config")]
    return config, found[config["state_topic"]]


def component(config: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = config["cmps"][f"cybersyn_mk4_{name}"]
    return found


def test_announcement_has_what_home_assistant_asks_of_a_device() -> None:
    config, _ = announced(view())
    assert config["dev"]["ids"] == ["cybersyn_mk4"]
    assert config["o"]["name"]
    assert config["availability_topic"] == "homeassistant/cybersyn/availability"
    assert {each["p"] for each in config["cmps"].values()} == {"sensor", "binary_sensor"}
    assert [key for key, each in config["cmps"].items() if each["unique_id"] != key] == []


def test_devices_of_one_place_have_ids_and_topics_of_their_own() -> None:
    first, second = postings(view(), HOME), postings(view(device="mk4.b", is_alone=False, indices=()), HOME)
    assert first.keys() & second.keys() == set()
    (one, _), (other, _) = announced(view()), announced(view(device="mk4.b", is_alone=False, indices=()))
    assert one["cmps"].keys() & other["cmps"].keys() == set()


@pytest.mark.parametrize(
    ("name", "measure"),
    [
        ("nozzle_degc", ("temperature", "°C", "measurement")),
        ("power_w", ("power", "W", "measurement")),
        ("energy_kwh", ("energy", "kWh", "total_increasing")),
        ("estimate_s", ("duration", "s", "measurement")),
        ("progress_ratio", (None, None, "measurement")),
        ("spindle_rpm", (None, "rpm", "measurement")),
        ("index_pace_ratio", (None, None, "measurement")),
        ("index_nozzle_deviation_degc", (None, "°C", "measurement")),
    ],
)
def test_measure_is_what_the_unit_allows(name: str, measure: tuple[str | None, str | None, str]) -> None:
    found = component(announced(view())[0], name)
    assert (found.get("device_class"), found.get("unit_of_measurement"), found["state_class"]) == measure


def test_state_is_one_of_the_announced_options_and_no_measure() -> None:
    config, state = announced(view())
    sensor = component(config, "state")
    assert sensor["device_class"] == "enum"
    assert state["state"] in sensor["options"]
    assert "state_class" not in sensor


def test_index_is_read_where_it_is_published_with_its_forecast_as_attributes() -> None:
    sensor = component(announced(view())[0], "index_pace_ratio")
    topic = "cybersyn/v1/index/commons/hall/mk4/_pace_ratio"
    assert (sensor["state_topic"], sensor["json_attributes_topic"]) == (topic, topic)


def test_every_announced_value_has_its_place_in_the_state() -> None:
    config, state = announced(view())
    wanted = {f"{{{{ value_json.m.{name} }}}}" for name in state["m"]}
    told = {each["value_template"] for each in config["cmps"].values() if "value_json.m." in each["value_template"]}
    assert told == wanted != set()


def test_alert_is_a_problem_while_it_is_open() -> None:
    assert component(announced(view())[0], "alert")["device_class"] == "problem"
    counts = [announced(view(alerts=alerts))[1]["alerts"]["count"] for alerts in ((FAULT,), ())]
    assert counts == [1, 0]


def test_values_of_a_machine_that_is_offline_are_unknown_and_its_state_is_not() -> None:
    _, state = announced(view(machine=Machine(State.OFFLINE, 4.0, values={"power_w": Newest(1.0, 2.0)})))
    assert (state["state"], state["m"]) == ("offline", {"power_w": None})


def test_announcement_is_bounded_and_what_came_first_stays() -> None:
    many = {f"x{n}_w": Newest(1.0, 2.0) for n in range(100)}
    config, _ = announced(view(machine=Machine(values=many)))
    assert len(config["cmps"]) == COMPONENTS_MAX
    assert "cybersyn_mk4_x0_w" in config["cmps"]
    assert max(len(payload) for payload in postings(view(machine=Machine(values=many)), HOME).values()) < 32 * 1024


def test_unit_without_a_machine_is_no_device() -> None:
    assert postings(view(machine=None), HOME) == {}
