# SPDX-License-Identifier: AGPL-3.0-or-later
"""Machines that nobody registered: found by the form of their topics, offered until they have a place."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.bus.local import LocalBroker, LocalBus
from collector.census import NEWCOMERS_MAX
from collector.contract.errors import Refusal
from collector.contract.ports import Delivery
from collector.contract.tree import Plant, read_plant
from collector.newcomers import FORGOTTEN_S, TOPICS_SHOWN, Newcomers, Scout
from collector.registry import Registry
from deploy.clock import FileClock

EMPTY = Registry(Plant({}, {}))


def heard(*topics: str, at: float = 100.0, retained: bool = False) -> list[Delivery]:
    return [Delivery(topic, b"{}", retained, at) for topic in topics]


def newcomers(registry: Registry = EMPTY, file: Path | None = None) -> Newcomers:
    return Newcomers(lambda: registry, root="cybersyn", file=file)


def offered(found: Newcomers, now: float = 100.0) -> list[tuple[str, str, int]]:
    return [(each.prefix, each.dialect, each.message_count) for each in found.found(now).offered]


def test_machine_is_found_by_the_form_of_its_topics() -> None:
    found = newcomers()
    found.hear(heard("tele/plug-1/SENSOR", "fab/p02/event/PrintDone", "tele/plug-1/STATE", "weather/rain"))
    assert sorted(offered(found)) == [("fab/p02", "octoprint", 1), ("tele/plug-1", "tasmota", 2)]


def test_our_own_words_registered_machines_and_kept_words_are_no_newcomers() -> None:
    row = {"place": "hall/p01", "dialect": "octoprint", "prefix": "octoprint/p01"}
    found = newcomers(Registry(read_plant({"machines": {"p01": row}})))
    found.hear(heard("cybersyn/v1/event/online", "octoprint/p01/mqtt"))
    found.hear(heard("octoprint/p02/mqtt", retained=True))
    assert offered(found) == []


def test_what_we_say_to_other_programs_ourselves_is_no_newcomer() -> None:
    found = Newcomers(lambda: EMPTY, root="cybersyn", ours=("fab/+/event/#",))
    found.hear(heard("fab/p02/event/PrintDone", "hall/p02/event/PrintDone"))
    assert [prefix for prefix, _, _ in offered(found)] == ["hall/p02"]


def test_machine_that_gets_its_place_is_offered_no_more() -> None:
    plants = [EMPTY]
    found = Newcomers(lambda: plants[-1], root="cybersyn")
    found.hear(heard("octoprint/p01/mqtt"))
    row = {"place": "hall/p01", "dialect": "octoprint", "prefix": "octoprint/p01"}
    plants.append(Registry(read_plant({"machines": {"p01": row}})))
    assert offered(found) == []


def test_dismissed_machine_stays_dismissed_across_starts_until_it_is_wanted_again(tmp_path: Path) -> None:
    file = tmp_path / "newcomers.json"
    for wanted, count in ((False, 0), (True, 1)):
        found = newcomers(file=file)
        found.hear(heard("octoprint/p01/mqtt"))
        found.dismiss(found.one("octoprint.p01", 100.0), wanted=wanted)
        after = newcomers(file=file)
        after.hear(heard("octoprint/p01/mqtt"))
        assert len(offered(after)) == count


def test_machine_that_fell_silent_for_a_week_is_forgotten() -> None:
    found = newcomers()
    found.hear(heard("octoprint/p01/mqtt"))
    assert len(offered(found, 100.0 + FORGOTTEN_S - 1)) == 1
    assert offered(found, 100.0 + FORGOTTEN_S) == []


def test_newcomers_and_their_topics_are_bounded_and_the_longest_silent_goes_first() -> None:
    found = newcomers()
    for number in range(NEWCOMERS_MAX + 1):
        found.hear(heard(f"octoprint/p{number}/mqtt", at=float(number)))
    known = {prefix for prefix, _, _ in offered(found)}
    assert (len(known), "octoprint/p0" in known) == (NEWCOMERS_MAX, False)
    found.hear(heard(*(f"octoprint/p1/temperature/tool{n}" for n in range(TOPICS_SHOWN + 3))))
    assert len(found.one("octoprint.p1", 100.0).topics) == TOPICS_SHOWN


def test_unknown_newcomer_is_refused_with_those_that_there_are() -> None:
    found = newcomers()
    found.hear(heard("octoprint/p01/mqtt"))
    with pytest.raises(Refusal, match=r"there is octoprint\.p01"):
        found.one("nobody", 100.0)


def test_scout_hears_what_nobody_registered() -> None:
    broker, clock, found = LocalBroker(), FileClock(100.0), newcomers()
    scout = Scout(LocalBus(broker, "scout", clock, persistent=False), found)
    machine = LocalBus(broker, "machine", clock, persistent=False)
    machine.publish("hall/p02/event/PrintStarted", b"{}")
    machine.publish("shellies/plug-9/relay/0/power", b"3.5")
    scout.turn(wait_s=0.0)
    assert sorted(offered(found)) == [("hall/p02", "octoprint", 1), ("shellies/plug-9", "shelly", 1)]
