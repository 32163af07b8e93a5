# SPDX-License-Identifier: AGPL-3.0-or-later
"""Faults are switched while the fleet runs, and what cannot be is answered with its reason."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from collector.contract.errors import Misconfigured
from firmware_sim.control import BODY_BYTES_MAX, HttpSwitch, MqttSwitch, strike
from firmware_sim.fleet import Fleet
from firmware_sim.record import StepClock
from firmware_sim.stories import scenario

START = 1_795_399_200.0


@pytest.fixture
def clock() -> StepClock:
    return StepClock(START)


@pytest.fixture
def fleet(clock: StepClock) -> Iterator[Fleet]:
    with Fleet(scenario("three-sites"), clock, host="", port=0) as running:
        yield running


@pytest.fixture
def url(fleet: Fleet) -> Iterator[str]:
    with HttpSwitch(fleet, 0) as switch:
        yield f"http://127.0.0.1:{switch.port}"


def ask(url: str, body: bytes | None = None, **headers: str) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(url, data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_a_fault_over_http_strikes(fleet: Fleet, clock: StepClock, url: str) -> None:
    status, plan = ask(f"{url}/faults", b'{"kind":"door","device":"mill-01","lasts_s":60}')
    clock.at += 10.0
    fleet.live(0.0)
    assert (status, plan["kind"], plan["onset"]) == (200, "door", START)
    assert fleet.accounts()["mill-01"]["faults"] == ["door"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "the body is not JSON"),
        (b"[]", "is not an object"),
        (b'{"kind":"flood","device":"mill-01"}', "fault = 'flood' is none of"),
        (b'{"kind":"door","device":"mill-77"}', "device = 'mill-77' is none of"),
        (b'{"kind":"clog","device":"mill-01"}', "'clog' does not strike a mill"),
        (b'{"kind":"door","device":"mill-01","lasts_s":"x"}', "lasts_s = 'x' is not a number"),
        (b'{"kind":"door","device":"mill-01","lasts_s":0}', "lasts_s = 0 is not within 1"),
        (b'{"kind":"door","device":"mill-01","when":1}', "when is none of device, kind, lasts_s"),
    ],
)
def test_what_cannot_be_is_a_422_that_says_why(fleet: Fleet, url: str, body: bytes, words: str) -> None:
    with pytest.raises(Misconfigured, match=words):
        strike(fleet, body)
    status, problem = ask(f"{url}/faults", body)
    assert status == 422
    assert words in problem["detail"]


def test_machines_and_truth_are_told(fleet: Fleet, url: str) -> None:
    status, machines = ask(f"{url}/machines")
    assert (status, len(machines["items"])) == (200, len(fleet.devices))
    _, truth = ask(f"{url}/truth?after=2")
    assert truth["next"] == len(fleet.truth.entries) == len(truth["items"]) + 2


def test_unknown_paths_browsers_and_large_bodies_are_turned_away(url: str) -> None:
    assert ask(f"{url}/nothing")[0] == 404
    assert ask(f"{url}/truth?after=-1")[0] == 422
    assert ask(f"{url}/faults", b"{}", Origin="http://evil.example")[0] == 403
    assert ask(f"{url}/faults", b"{}", **{"Content-Length": str(BODY_BYTES_MAX + 1)})[0] == 413


def test_a_fault_over_mqtt_is_answered(fleet: Fleet) -> None:
    switch = MqttSwitch(fleet)
    switch.received("cybersyn/sim/fault/mill-02", b'{"kind":"door","lasts_s":60}', 0.0)
    switch.received("cybersyn/sim/fault/mill-02", b'{"kind":"clog"}', 0.0)
    struck, refused = switch.take(10, 0.0)
    assert json.loads(struck.payload)["struck"]["device"] == "mill-02"
    assert "does not strike a mill" in json.loads(refused.payload)["error"]["detail"]
    assert struck.topic == "cybersyn/sim/answer/mill-02"
