# SPDX-License-Identifier: AGPL-3.0-or-later
"""Few messages share an fsync, many don't wait; and neither do states, events, or people."""

from __future__ import annotations

import json
from typing import Any

import pytest

from collector.pace import BUSY_S, Pace
from collector.service import Ways


def test_little_traffic_waits_and_the_first_message_after_a_pause_does_not() -> None:
    pace = Pace(calm_s=3.0)
    assert pace.is_due(1, 100.0)
    pace.committed(1, 100.0)
    assert [pace.is_due(1, now_s) for now_s in (100.5, 102.9, 103.0)] == [False, False, True]


def test_much_traffic_does_not_wait() -> None:
    pace = Pace(calm_s=3.0)
    now_s = 100.0
    for _ in range(100):
        now_s += 0.1
        pace.committed(20, now_s)
    assert [pace.is_due(20, now_s + BUSY_S / 2), pace.is_due(20, now_s + 1.01 * BUSY_S)] == [False, True]


def test_a_burst_after_silence_does_not_wait() -> None:
    pace = Pace(calm_s=3.0)
    pace.committed(1, 100.0)
    assert pace.is_due(80, 101.0)


@pytest.mark.parametrize("topic", ["state/@mk4", "event/@mk4"])
def test_readings_wait_and_what_is_urgent_takes_them_along(make_works: Any, topic: str) -> None:
    works = make_works(Ways(calm_s=60.0))
    for _ in range(3):
        works.say("reading/@mk4", {"v": 1, "m": {"power_w": 1}})
    assert len(works.facts()) == 1
    body = {"state": "running"} if topic.startswith("state") else {"id": "e", "event": "maintenance"}
    works.say(topic, {"v": 1, **body})
    assert len(works.facts()) == 4


def test_what_waits_is_not_acknowledged(make_works: Any) -> None:
    works = make_works(Ways(calm_s=60.0))
    for _ in range(2):
        works.say("reading/@mk4", {"v": 1, "m": {"power_w": 1}})
    again = works.bus("collector")
    assert [json.loads(found.payload)["m"] for found in again.take(most=10, wait_s=0.0)] == [{"power_w": 1}]
