# SPDX-License-Identifier: AGPL-3.0-or-later
"""Indices are said at once and then at most once a second per device; the newest wins."""

import msgspec
import pytest

from cyberfilter.contract.index import IndexValue, Verdict
from cyberfilter.publisher import Publisher


@pytest.fixture
def publisher(workshop) -> Publisher:
    return Publisher(workshop.ears, "cybersyn")


def value(actuality: float, index: str = "pace_ratio", place: str = "commons/mk4") -> IndexValue:
    return IndexValue(place, index, "1", 60.0, actuality, 1.0, 1.25, None, None, None, Verdict.STEADY)


def heard(workshop) -> dict[str, float]:
    return {topic: msgspec.json.decode(payload)["actuality"] for topic, payload in workshop.heard().items()}


def test_the_first_value_is_said_at_once(workshop, publisher: Publisher) -> None:
    publisher.index("mk4", value(0.9))
    publisher.flush(100.0)
    assert heard(workshop) == {"cybersyn/v1/index/commons/mk4/_pace_ratio": 0.9}


def test_within_a_second_the_newest_waits_and_wins(workshop, publisher: Publisher) -> None:
    publisher.index("mk4", value(0.9))
    publisher.flush(100.0)
    workshop.heard()
    for n in (1, 2, 3):
        publisher.index("mk4", value(n))
        publisher.flush(100.0 + n / 4)
    assert heard(workshop) == {}
    publisher.flush(101.0)
    assert list(heard(workshop).values()) == [3]


def test_all_indices_of_a_device_are_said_together_and_devices_do_not_wait_for_each_other(
    workshop, publisher: Publisher
) -> None:
    publisher.index("mk4", value(0.9))
    publisher.index("mk4", value(100.0, "energy_w"))
    publisher.flush(100.0)
    publisher.index("core", value(0.8, place="commons/core"))
    publisher.flush(100.1)
    assert sorted(heard(workshop).values()) == [0.8, 0.9, 100.0]
