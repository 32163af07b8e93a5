# SPDX-License-Identifier: AGPL-3.0-or-later
"""Which device stands where, and whose words come under which topic."""

from pathlib import Path

import pytest

from collector.contract.errors import Misconfigured, Refusal
from collector.contract.topics import Kind, Topic
from collector.contract.tree import read_plant
from collector.registry import Registry, load_plant, wished

PLANT = read_plant(
    {
        "machines": {
            "mk4": {"place": "commons/mk4"},
            "plug": {"place": "commons/cell"},
            "mill": {"place": "commons/cell"},
            "octo": {"place": "commons/octo", "dialect": "octoprint", "prefix": "octoPrint/"},
            "octo2": {"place": "commons/octo2", "dialect": "octoprint", "prefix": "octoPrint/two"},
        }
    }
)
REGISTRY = Registry(PLANT)


def at(place: str) -> Topic:
    return Topic(Kind.READING, place=place)


def test_native_device_is_found_by_its_place_and_by_its_id() -> None:
    assert REGISTRY.who(at("commons/mk4"), device=None, place=None) == ("mk4", "commons/mk4")
    assert REGISTRY.who(Topic(Kind.STATE, device="mill"), device="mill", place=None) == ("mill", "commons/cell")


def test_unknown_place_is_a_newcomer_known_by_its_path_with_dots() -> None:
    assert REGISTRY.who(at("demo/new/x"), device=None, place=None) == ("demo.new.x", None)
    assert REGISTRY.who(Topic(Kind.READING, device="new-1"), device=None, place=None) == ("new-1", None)


@pytest.mark.parametrize(
    ("topic", "device", "place", "word"),
    [
        (at("commons/cell"), None, None, "several devices"),
        (at("commons/octo"), None, None, "octoprint"),
        (Topic(Kind.READING, device="octo"), None, None, "octoprint"),
        (Topic(Kind.READING, device="mk4"), "mk5", None, "contradicts"),
        (at("commons/mk4"), None, "commons/mk5", "contradicts"),
        (at("commons/elsewhere"), "mk4", None, "stands at"),
    ],
)
def test_mis_addressed_message_is_refused_in_words(topic: Topic, device: str, place: str, word: str) -> None:
    with pytest.raises(Refusal, match=word) as refusal:
        REGISTRY.who(topic, device=device, place=place)
    assert refusal.value.reason == "mis_addressed"


def test_longest_prefix_wins_for_a_foreign_topic() -> None:
    found = REGISTRY.foreign("octoPrint/two/event/PrintDone")
    assert found is not None
    assert (found.who.device, found.rest) == ("octo2", "event/PrintDone")
    assert REGISTRY.foreign("octoPrinter/mqtt") is None


def test_plant_file_that_does_not_parse_is_named(tmp_path: Path) -> None:
    (tmp_path / "plant.toml").write_text('[machines.mk4]\nplace = "a/../b"\n')
    with pytest.raises(Misconfigured, match=r"plant\.toml.*'\.\.'"):
        load_plant(tmp_path / "plant.toml")
    with pytest.raises(Misconfigured, match=r"none\.toml"):
        load_plant(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("dialect", "given_s", "cadence_s"),
    [("moonraker", None, 10.0), ("moonraker", 2.0, 2.0), ("moonraker", 0.0, 0.0), ("native", None, None)],
)
def test_machine_that_comes_keeps_its_dialects_usual_cadence_unless_told(
    dialect: str, given_s: float | None, cadence_s: float | None
) -> None:
    came = wished("hall/v1", device=None, dialect=dialect, prefix=None, cadence_s=given_s, clock="own")
    assert came.cadence_s == cadence_s
