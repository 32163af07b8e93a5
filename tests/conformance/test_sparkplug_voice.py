# SPDX-License-Identifier: AGPL-3.0-or-later
"""The Sparkplug voice keeps the rules of the specification 3.0; each test names the one that it checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from collector.contract.event import State, StateSeen
from firmware_sim.machines.build import build
from firmware_sim.machines.people import Rhythm
from firmware_sim.machines.printer import Printer
from firmware_sim.voices import protobuf_bytes as pb
from firmware_sim.voices.sparkplug import SparkplugVoice
from firmware_sim.voices.voice import Publication

START = 1_795_399_200.0
REBIRTH = pb.delimited(
    2, pb.delimited(1, "Node Control/Rebirth") + pb.integer(4, 11) + pb.integer(14, True)
)  # as a host sends it
Read = Callable[[bytes], Any]


class Node:
    """An edge node with a printer; what it said is read by the protobuf runtime."""

    def __init__(self, read: Read) -> None:
        self.printer = Printer(build("m", 1), seed=1, start=START, tag="t", rhythm=Rhythm(rests=False))
        self.voice = SparkplugVoice("coop/cell1")
        self._read = read
        self.real_s = 0.0

    def connect(self) -> Publication:
        will = self.voice.will
        self.voice.connected(self.printer, self.real_s)
        return will

    def live(self, ticks: int) -> None:
        for _ in range(ticks):
            self.real_s += 5.0
            for happening in self.printer.advance(self.printer.now + 5.0):
                self.voice.happened(happening, self.printer, self.real_s)
            self.voice.sampled(self.printer, self.real_s)

    def said(self) -> list[tuple[str, Any]]:
        due = self.voice.take(100_000, self.real_s)
        assert all((each.qos, each.retain) == (0, False) for each in due)
        return [(each.topic.split("/")[2], self._read(each.payload)) for each in due]


@pytest.fixture
def node(sparkplug_payload: Read) -> Node:
    return Node(sparkplug_payload)


def bd_seq(read: Read, payload: bytes) -> int:
    (metric,) = (metric for metric in read(payload).metrics if metric.name == "bdSeq")
    return int(metric.long_value)


def test_a_birth_comes_before_any_data_and_has_seq_0(node: Node) -> None:
    node.live(3)
    node.connect()
    node.live(3)
    words = node.said()
    assert [word for word, _ in words][:3] == ["NBIRTH", "DBIRTH", "DDATA"]
    assert [payload.seq for _, payload in words][:3] == [0, 1, 2]


def test_seq_counts_every_message_and_wraps_after_255(node: Node) -> None:
    node.connect()
    found = []
    for _ in range(20):
        node.live(20)
        found += [payload.seq for _, payload in node.said()]
    assert len(found) > 300
    assert found == [number % 256 for number in range(len(found))]


def test_data_has_aliases_alone_and_every_one_was_born(node: Node) -> None:
    node.connect()
    node.live(40)
    words = node.said()
    born = {metric.alias: metric.name for word, payload in words if word == "DBIRTH" for metric in payload.metrics}
    data = [metric for word, payload in words if word == "DDATA" for metric in payload.metrics]
    assert len(set(born)) == len(set(born.values())) == 15
    assert data
    assert all(metric.alias in born and not metric.name and not metric.HasField("datatype") for metric in data)
    assert all(metric.HasField("timestamp") for metric in data)


def test_the_node_offers_rebirth_and_its_software(node: Node) -> None:
    node.connect()
    _, birth = node.said()[0]
    rebirth = next(metric for metric in birth.metrics if metric.name == "Node Control/Rebirth")
    assert (rebirth.datatype, rebirth.HasField("boolean_value"), rebirth.boolean_value) == (11, True, False)
    assert not rebirth.HasField("alias")


def test_the_will_has_the_births_bdseq_and_no_seq(node: Node, sparkplug_payload: Read) -> None:
    will = node.connect()
    _, birth = node.said()[0]
    assert (will.topic, will.qos, will.retain) == ("spBv1.0/coop/NDEATH/cell1", 1, False)
    assert not sparkplug_payload(will.payload).HasField("seq")
    assert [metric.name for metric in sparkplug_payload(will.payload).metrics] == ["bdSeq"]
    assert bd_seq(sparkplug_payload, will.payload) == bd_seq(sparkplug_payload, birth.SerializeToString())


def test_bdseq_grows_by_one_with_every_connect_and_wraps(node: Node, sparkplug_payload: Read) -> None:
    found = [bd_seq(sparkplug_payload, node.connect().payload) for _ in range(258)]
    assert found == [number % 256 for number in range(258)]


def test_a_rebirth_is_answered_with_all_births_and_the_same_bdseq(node: Node, sparkplug_payload: Read) -> None:
    will = node.connect()
    node.live(10)
    node.said()
    node.voice.received("spBv1.0/coop/NCMD/cell1", REBIRTH, node.real_s)
    words = node.said()
    assert [(word, payload.seq) for word, payload in words] == [("NBIRTH", 0), ("DBIRTH", 1)]
    birth = words[0][1].SerializeToString()
    assert bd_seq(sparkplug_payload, birth) == bd_seq(sparkplug_payload, will.payload)


@pytest.mark.parametrize("command", [b"", REBIRTH[:-1] + b"\x00", b"\xff\xff", pb.integer(1, 5)])
def test_any_other_command_changes_nothing(node: Node, command: bytes) -> None:
    node.connect()
    node.said()
    node.voice.received("spBv1.0/coop/NCMD/cell1", command, node.real_s)
    assert node.said() == []


def test_a_lost_device_dies_is_silent_and_is_born_again(node: Node) -> None:
    node.connect()
    node.said()
    node.voice.happened(StateSeen(node.printer.now, State.OFFLINE), node.printer, 0.0)
    node.voice.sampled(node.printer, 5.0)
    assert [word for word, _ in node.said()] == ["DDEATH"]
    node.voice.happened(StateSeen(node.printer.now, State.IDLE), node.printer, 0.0)
    assert [word for word, _ in node.said()] == ["DBIRTH"]


def test_values_have_their_datatype_and_unit(node: Node) -> None:
    node.voice.sampled(node.printer, 1.0)
    node.connect()
    birth = node.said()[1][1]
    metrics = {metric.name: metric for metric in birth.metrics}
    energy, good = metrics["Energy/Total"], metrics["Parts/Good"]
    assert (energy.datatype, energy.HasField("double_value")) == (10, True)
    assert energy.properties.keys == ["engUnit"]
    assert energy.properties.values[0].string_value == "Wh"
    assert (good.datatype, good.HasField("int_value"), good.int_value) == (7, True, 0)
    assert metrics["Job/File"].is_null
