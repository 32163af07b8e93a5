# SPDX-License-Identifier: AGPL-3.0-or-later
"""The mirror in a Unified Namespace: one value a topic, two keys a payload, no topic twice."""

from __future__ import annotations

import json
from typing import Any

import pytest

from collector.contract.event import State
from cyberfilter.contract.index import IndexValue, Verdict
from cyberfilter.outputs.machine import Machine, Newest, View
from cyberfilter.outputs.uns import Namespace, postings

VALUES = {"progress_ratio": Newest(5.5, 0.25), "power_w": Newest(5.5, 80.0)}
MACHINE = Machine(State.RUNNING, 4.0, values=VALUES, good_count=3, parts_at=2.0)


def index(actuality: float | None) -> IndexValue:
    return IndexValue("a/b", "pace_ratio", "1", 5.0, actuality, None, None, None, None, None, Verdict.STEADY)


def mirrored(place: str = "a/b", above: str = "", **changes: Any) -> dict[str, Any]:
    known: dict[str, Any] = {"device": "mk4.1", "area": "", "dialect": "native", "is_alone": True, "machine": MACHINE}
    found = postings(View(place=place, **known | changes), Namespace("umh/v1", above))
    return {topic: json.loads(payload) for topic, payload in found.items()}


def test_payload_has_exactly_two_keys_and_one_value() -> None:
    found = mirrored(indices=(index(0.9),))
    assert {tuple(body) for body in found.values()} == {("timestamp_ms", "value")}
    assert found["umh/v1/a/b/_cybersyn/pace_ratio"] == {"timestamp_ms": 5_000, "value": 0.9}
    assert found["umh/v1/a/b/_cybersyn/state"] == {"timestamp_ms": 4_000, "value": "running"}


def test_indicators_stay_at_home_but_for_progress_and_parts() -> None:
    names = {topic.rpartition("/")[2] for topic in mirrored()}
    assert names == {"state", "progress_ratio", "parts_good_count", "parts_scrap_count"}


@pytest.mark.parametrize(
    ("place", "above", "location"),
    [
        ("mk4", "", "mk4"),
        ("net/site/cell/mk4", "", "net/site/cell/mk4"),
        ("net/site/cell/mk4", "acme", "acme/net/site/cell/mk4"),
        ("a/b/c/d/e/f/g/h", "", "a/b/c/d/e/f/g/h"),
    ],
)
def test_place_of_any_depth_has_its_location(place: str, above: str, location: str) -> None:
    assert f"umh/v1/{location}/_cybersyn/state" in mirrored(place, above)


def test_value_that_is_not_known_has_no_topic() -> None:
    assert mirrored(machine=None, indices=(index(None),)) == {}
    assert mirrored(machine=Machine()) == {}


def test_two_devices_at_one_place_do_not_write_over_each_other() -> None:
    one, other = mirrored(is_alone=False), mirrored(is_alone=False, device="plug")
    assert one.keys() & other.keys() == set()
    assert "umh/v1/a/b/mk4_2e1/_cybersyn/state" in one
