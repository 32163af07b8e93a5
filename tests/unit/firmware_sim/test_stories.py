# SPDX-License-Identifier: AGPL-3.0-or-later
"""Scenario files say what they mean, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from collector.contract.errors import Misconfigured
from firmware_sim.catalogue import CATALOGUE, ROWS
from firmware_sim.faults import Kind
from firmware_sim.machines.kinds import KINDS
from firmware_sim.scenario import faults_of, rates
from firmware_sim.stories import names, read, scenario

START = 1_795_399_200.0
DAY_S = 86_400.0
MILL = {"name": "mill", "kind": "mill", "place": "a/b"}


@pytest.mark.parametrize("name", names())
def test_every_story_that_comes_with_the_simulator_can_be_read(name: str) -> None:
    story = scenario(name)
    assert story.about
    assert {spec.kind for spec in story.machines} <= set(KINDS)
    assert all(any(spec.place.startswith(f"{unit}/") for unit in story.units) for spec in story.machines)


def test_the_named_stories_are_there() -> None:
    assert {"workshop", "normal-weeks", "bad-spool", "heater-failing", "power-cut", "three-sites"} <= set(names())


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, r"machines = 0 is not within 1\.\.5000"),
        ({"colour": 1}, "colour is none of about, machines"),
        ({"machines": 3}, "machines = 3 is not a list of tables"),
        ({"machines": [{"name": "a"}]}, r"machines\[1\]\.place is missing"),
        ({"machines": [MILL | {"kind": "lathe"}]}, r"machines\[1\]\.kind = 'lathe' is none of printer, mill"),
        ({"machines": [MILL | {"count": True}]}, r"machines\[1\]\.count = True is not a whole number"),
        ({"machines": [MILL | {"sample_s": 0}]}, r"machines\[1\]\.sample_s = 0 is not within 0\.1\.\.60"),
        ({"machines": [MILL | {"place": "a//b"}]}, r"machines\[1\]\.place = 'a//b/mill-01'"),
        ({"machines": [MILL | {"meters": "x"}]}, "a plug, and nothing else, meters another device"),
        ({"machines": [MILL, MILL | {"kind": "plug", "meters": "mill-09"}]}, "meters = 'mill-09' of mill-02 is none"),
        ({"machines": [MILL], "network": {"drop_ratio": 2}}, r"network\.drop_ratio = 2 is not within 0\.\.1"),
        ({"machines": [MILL], "rates": {"times": -1}}, r"rates\.times = -1 is not within 0\.\.1000"),
        (
            {"machines": [MILL], "faults": [{"kind": "flood", "device": "mill-01"}]},
            r"faults\[1\]\.kind = 'flood' is none",
        ),
        ({"machines": [MILL], "faults": [{"kind": "door"}]}, r"faults\[1\] needs a device or a circuit"),
        ({"machines": [MILL], "faults": [{"kind": "door", "device": "x"}]}, r"device = 'x' is none of mill-01"),
        ({"machines": [MILL], "faults": [{"kind": "clog", "device": "mill-01"}]}, "'clog' does not strike a mill"),
        (
            {"machines": [MILL], "faults": [{"kind": "door", "device": "mill-01", "lasts_s": 0}]},
            r"faults\[1\]\.lasts_s = 0 is not within 1\.\.",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_key_its_value_and_what_would_do(body: dict[str, Any], words: str) -> None:
    with pytest.raises(Misconfigured, match=words):
        read("story", body)


def test_a_file_that_is_not_there_or_no_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot be read"):
        scenario(str(tmp_path / "none.toml"))
    (tmp_path / "bad.toml").write_text("machines = [")
    with pytest.raises(Misconfigured, match="is not TOML"):
        scenario(str(tmp_path / "bad.toml"))


def test_a_story_with_machines_of_its_own_takes_no_number() -> None:
    with pytest.raises(Misconfigured, match="machines = 5: the scenario power-cut has its own 6"):
        scenario("power-cut", machines=5)


def test_a_circuit_loses_its_power_in_one_moment() -> None:
    plans = faults_of(scenario("power-cut"), 7, START, START + DAY_S)
    assert {plan.device for plan in plans} == {"mk4-01", "mk4-02", "mk4-03", "placer-04"}
    assert {plan.onset for plan in plans} == {START + 5_400}


def test_rates_strike_as_often_as_the_catalogue_says_and_only_what_they_can() -> None:
    story = read("many", {"machines": [MILL | {"count": 200}]})
    plans = rates(story, 7, START, START + 30 * DAY_S)
    doors = sum(plan.kind == Kind.DOOR for plan in plans)
    per_door_s = ROWS[Kind.DOOR].mean_h * 3600 + sum(ROWS[Kind.DOOR].lasts_s) / 2 + ROWS[Kind.DOOR].recovers_s
    assert doors == pytest.approx(200 * 30 * DAY_S / per_door_s, rel=0.03)
    assert all("mill" in ROWS[Kind(plan.kind)].strikes for plan in plans)
    assert rates(story, 7, START, START + 30 * DAY_S) == plans


def test_one_machine_more_does_not_change_what_strikes_the_others() -> None:
    few, many = (read("s", {"machines": [MILL | {"count": count}]}) for count in (2, 3))
    ours = [plan for plan in rates(many, 1, START, START + 9 * DAY_S) if plan.device != "mill-03"]
    assert ours == list(rates(few, 1, START, START + 9 * DAY_S))


def test_every_kind_of_fault_has_its_row() -> None:
    assert [row.kind for row in CATALOGUE] == list(Kind)
    assert all(row.mean_h > 0 and row.lasts_s[0] <= row.lasts_s[1] for row in CATALOGUE)
