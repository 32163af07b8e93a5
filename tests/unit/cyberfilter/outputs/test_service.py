# SPDX-License-Identifier: AGPL-3.0-or-later
"""The loop that lets others read us: what is retained, what is cleared, and how often."""

from __future__ import annotations

import json
from typing import Any

import pytest

from collector.contract.errors import Misconfigured, Unavailable
from collector.contract.event import PartCounted, State, StateSeen
from collector.contract.ports import Posting
from collector.contract.reading import Samples
from collector.contract.topics import matches
from cyberfilter.contract.alert import Alert, AlertClass, AlertState
from cyberfilter.contract.index import IndexValue, Verdict
from cyberfilter.outputs import service
from cyberfilter.outputs.home_assistant import Home
from cyberfilter.outputs.ports import Wanted
from cyberfilter.outputs.service import EVENT_S, OWNERS_PER_TURN_MAX, VALUES_S
from cyberfilter.outputs.sparkplug import Node
from cyberfilter.outputs.uns import Namespace

HOME, MIRROR = Home("homeassistant", "cybersyn", "1"), Namespace("umh/v1")
CONFIG = "homeassistant/device/cybersyn_mk4/config"
STATE = "homeassistant/cybersyn/mk4/state"
ONLINE = "homeassistant/cybersyn/availability"
MIRRORED = "umh/v1/hall/mk4/_cybersyn/state"
RUNNING = StateSeen(4.0, State.RUNNING)
FAILED = Alert(
    "a", AlertClass.CALL, "failed", "hall/mk4", "mk4", None, AlertState.RAISED, 5.0, "hall/mk4", "It failed.", {}
)


def test_machine_is_announced_with_its_state_and_mirrored(works: Any) -> None:
    works.say(RUNNING)
    works.start()
    works.turn()
    assert works.kept.keys() == {CONFIG, STATE, MIRRORED, ONLINE}
    assert (works.kept[ONLINE], json.loads(works.kept[STATE])["state"]) == (b"online", "running")


def test_nothing_is_published_twice(works: Any) -> None:
    works.say(RUNNING)
    works.start()
    works.turn()
    works.say(StateSeen(6.0, State.RUNNING))
    assert works.turn(after_s=60.0) == []


def test_restart_after_a_kill_leaves_the_same_retained(works: Any) -> None:
    works.say(RUNNING, Samples((1.0,), {"power_w": (80.0,)}), PartCounted(3.0, good=2, id="a"))
    works.start()
    works.turn()
    before = dict(works.kept)
    works.bus.close()
    works.start()
    works.turn()
    assert works.kept == before


def test_parts_are_counted_once_across_a_restart(works: Any) -> None:
    works.say(PartCounted(3.0, good=2, id="a"))
    works.start()
    works.turn()
    works.outputs.close()
    works.say(PartCounted(4.0, good=1, id="b"))
    works.start()
    works.turn()
    assert json.loads(works.kept["umh/v1/hall/mk4/_cybersyn/parts_good_count"])["value"] == 3
    assert works.log.passed_until == 1  # the second fact is in no file yet: the log keeps it


def test_machine_that_is_revoked_leaves_nothing_behind(works: Any) -> None:
    works.say(RUNNING)
    works.start()
    works.turn()
    works.replant()
    works.turn(after_s=EVENT_S)
    assert works.kept.keys() == {ONLINE}


def test_machine_that_was_revoked_while_we_were_away_leaves_nothing_behind(works: Any) -> None:
    works.say(RUNNING)
    works.start()
    works.turn()
    works.bus.close()
    works.start(devices=())
    works.turn()
    assert works.kept.keys() == {ONLINE}


def test_machine_that_moves_is_mirrored_at_its_new_place_alone(works: Any) -> None:
    works.say(RUNNING)
    works.start()
    works.turn()
    works.replant("mk4", hall="attic")
    works.turn(after_s=EVENT_S)
    assert {topic for topic in works.kept if topic.startswith("umh")} == {"umh/v1/attic/mk4/_cybersyn/state"}


def test_output_that_is_switched_off_is_cleared_and_the_other_stays(works: Any) -> None:
    works.say(RUNNING)
    works.start()
    works.turn()
    works.outputs.close()
    works.start(wanted=Wanted(namespace=MIRROR))
    works.turn()
    assert works.kept.keys() == {MIRRORED, ONLINE}
    assert works.kept[ONLINE] == b"offline"


def test_values_wait_for_their_round_and_events_do_not(works: Any) -> None:
    works.say(RUNNING, Samples((1.0,), {"power_w": (80.0,)}))
    works.start()
    works.turn()
    works.say(Samples((2.0,), {"power_w": (81.0,)}))
    assert works.turn(after_s=EVENT_S) == []
    assert works.turn(after_s=VALUES_S - EVENT_S) == [STATE]
    works.say(StateSeen(6.0, State.FAULT))
    assert works.turn(after_s=EVENT_S / 2) == []
    assert set(works.turn(after_s=EVENT_S / 2)) == {STATE, MIRRORED}


def test_many_machines_take_turns(works: Any) -> None:
    devices = tuple(f"m{n}" for n in range(OWNERS_PER_TURN_MAX + 1))
    works.start(devices=devices)
    told = [{topic for topic in works.turn() if topic.endswith("/config")} for _ in range(3)]
    assert [len(topics) for topics in told] == [OWNERS_PER_TURN_MAX, 1, 0]


@pytest.mark.parametrize(
    ("topic", "payload", "is_heard"),
    [
        ("homeassistant/status", b"online", True),
        ("homeassistant/status", b"offline", False),
        (ONLINE, b"offline", True),
    ],
)
def test_everything_is_said_again_where_home_assistant_comes_or_we_were_given_up(
    works: Any, topic: str, payload: bytes, is_heard: bool
) -> None:
    works.start()
    works.turn()
    works.ears.publish(topic, payload)
    assert (CONFIG in works.turn(after_s=EVENT_S)) is is_heard
    assert works.kept[ONLINE] == b"online"


def test_broker_that_comes_back_is_told_everything(works: Any) -> None:
    works.start()
    works.turn()
    works.broker.stop()
    works.turn()
    works.broker.start()
    assert {CONFIG, ONLINE} <= set(works.turn(after_s=EVENT_S))


def test_every_topic_of_ours_is_known_as_ours(works: Any) -> None:
    works.say(RUNNING)
    works.start()
    works.turn()
    node = Node("g", "n")
    told = [*works.kept, *[posting.topic for posting in (node.will(0), *node.born(0, 1.0))]]
    patterns = Wanted(HOME, MIRROR, node).topics
    assert [t for t in told if not any(matches(p, t) for p in patterns)] == [CONFIG]  # announced where others announce


def test_farewell_says_offline(works: Any) -> None:
    works.start()
    works.turn()
    works.outputs.close()
    assert works.ears.take(most=10, wait_s=0.0)[-1][:2] == (ONLINE, b"offline")


def test_index_and_alert_are_said_by_the_first_device_of_their_place(works: Any) -> None:
    works.start()
    works.turn()
    works.filter.known_indices = [
        IndexValue("hall/mk4", "pace_ratio", "1", 5.0, 0.9, None, None, None, None, None, Verdict.STEADY),
        IndexValue("hall", "oee_ratio", "1", 5.0, 0.7, None, None, None, None, None, Verdict.STEADY),
    ]
    works.filter.known_alerts = [FAILED]
    works.turn(after_s=EVENT_S)
    assert json.loads(works.kept["umh/v1/hall/mk4/_cybersyn/pace_ratio"])["value"] == 0.9
    assert json.loads(works.kept["umh/v1/hall/_cybersyn/oee_ratio"])["value"] == 0.7
    assert json.loads(works.kept[STATE])["alerts"]["count"] == 1


def test_stranger_is_not_told(works: Any) -> None:
    works.say(RUNNING, device="newcomer")
    works.start()
    works.turn()
    assert [topic for topic in works.kept if "newcomer" in topic] == []


def test_node_is_born_with_its_connection_and_again_when_a_host_asks(works: Any) -> None:
    works.say(RUNNING)
    works.start(wanted=Wanted(node=Node("g", "n"))).attach(works.wire)
    works.turn()
    assert works.wire.sent == []
    works.wire.up = 4
    works.turn()
    assert (works.wire.sent, works.outputs.bd_seq) == (["NBIRTH", "DBIRTH"], 5)
    works.wire.commands = [Posting("", b"\x12\x18\x0a\x14Node Control/Rebirth\x70\x01")] * 3
    works.turn()
    assert works.wire.sent[2:] == ["NBIRTH", "DBIRTH"]


def test_new_connection_of_the_node_has_a_new_birth_and_its_number_is_kept(works: Any) -> None:
    works.start(wanted=Wanted(node=Node("g", "n"))).attach(works.wire)
    for number in (1, None, 2):
        works.wire.up = number
        works.turn()
    assert works.wire.sent == ["NBIRTH", "NBIRTH"]
    assert works.start().bd_seq == 3


def test_disk_that_is_full_delays_and_loses_nothing(works: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    works.say(RUNNING)
    works.start()
    with monkeypatch.context() as full:
        full.setattr(service, "save", refuse)
        with pytest.raises(Unavailable, match="No space left"):
            works.turn()
    works.turn(after_s=EVENT_S)
    assert works.kept.keys() == {CONFIG, STATE, MIRRORED, ONLINE}


def test_home_assistant_is_answered_while_the_collector_is_away(works: Any) -> None:
    works.start()
    works.turn()
    works.log.is_away = True
    works.ears.publish(HOME.birth, b"online")
    with pytest.raises(Unavailable, match="collector is away"):
        works.turn(after_s=EVENT_S)
    assert CONFIG in {heard.topic for heard in works.ears.take(most=10, wait_s=0.0)}


def test_what_nobody_wants_any_more_is_withdrawn(works: Any) -> None:
    works.say(RUNNING)
    works.start()
    works.turn()
    works.outputs.close()
    service.withdraw(works.path, works.ears)
    assert {one.topic for one in works.ears.take(most=10, wait_s=0.0) if not one.payload} == {CONFIG, STATE, MIRRORED}
    assert not works.path.exists()


def test_broken_memory_is_named(works: Any) -> None:
    works.path.write_text("{")
    with pytest.raises(Misconfigured, match=r"outputs\.json"):
        works.start()
