# SPDX-License-Identifier: AGPL-3.0-or-later
"""Our Sparkplug node, read byte by byte: its messages are parsed here by hand, without the library that wrote them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import pytest

from collector.contract.event import State
from collector.contract.ports import Posting
from cyberfilter.outputs.machine import Machine, Newest, View
from cyberfilter.outputs.sparkplug import Node, asks_for_rebirth

TIMESTAMP, METRICS, SEQ = 1, 2, 3
NAME, ALIAS, KIND, IS_NULL, LONG, DOUBLE, FLAG, TEXT = 1, 2, 4, 7, 11, 13, 14, 15


def fields(blob: bytes) -> Iterator[tuple[int, Any]]:
    """Yield number and value of every field of a protobuf message (wire types 0, 1, 2, 5)."""

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = blob[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    at = 0
    while at < len(blob):
        key = varint()
        number, kind = key >> 3, key & 7
        if kind == 0:
            yield number, varint()
        elif kind == 2:
            size = varint()
            yield number, blob[at : at + size]
            at += size
        else:
            size = {1: 8, 5: 4}[kind]
            yield number, struct.unpack("<d" if kind == 1 else "<f", blob[at : at + size])[0]
            at += size


class Read:
    """A message as a host sees it."""

    def __init__(self, posting: Posting) -> None:
        self.kind = posting.topic.split("/")[2]
        self.topic = posting.topic
        rows = list(fields(posting.payload))
        self.top = {number: value for number, value in rows if number != METRICS}
        self.metrics = [dict(fields(value)) for number, value in rows if number == METRICS]

    def metric(self, name: str) -> dict[int, Any]:
        (found,) = [metric for metric in self.metrics if metric.get(NAME) == name.encode()]
        return found


def view(device: str = "mk4", state: State = State.RUNNING, **values: float) -> View:
    machine = Machine(state, 4.0, values={name: Newest(5.0, value) for name, value in values.items()})
    return View(device, f"hall/{device}", "hall", "native", is_alone=True, machine=machine)


def read(postings: list[Posting]) -> list[Read]:
    return [Read(posting) for posting in postings]


@pytest.fixture
def node() -> Node:
    return Node("g", "n")


def test_will_holds_the_number_of_its_connection_and_nothing_else(node: Node) -> None:
    death = Read(node.will(258))
    assert (death.topic, death.top, len(death.metrics)) == ("spBv1.0/g/NDEATH/n", {}, 1)
    assert {k: death.metric("bdSeq")[k] for k in (KIND, LONG)} == {KIND: 4, LONG: 2}


def test_birth_begins_at_0_with_the_wills_number_and_an_order_for_rebirth(node: Node) -> None:
    birth = Read(node.born(7, now=10.0)[0])
    assert (birth.topic, birth.top) == ("spBv1.0/g/NBIRTH/n", {TIMESTAMP: 10_000, SEQ: 0})
    assert birth.metric("bdSeq")[LONG] == 7
    rebirth = birth.metric("Node Control/Rebirth")
    assert (rebirth[KIND], rebirth[FLAG], ALIAS in rebirth) == (11, 0, False)


def test_nothing_is_said_before_the_node_is_born(node: Node) -> None:
    assert node.shown(view(power_w=1.0), 1.0) == []
    assert [each.kind for each in read(node.born(0, 2.0))] == ["NBIRTH", "DBIRTH"]


def test_device_is_born_with_names_kinds_and_aliases_that_no_other_metric_has(node: Node) -> None:
    node.shown(view("a", power_w=1.0), 1.0)
    node.shown(view("b", power_w=2.0), 1.0)
    births = read(node.born(0, 2.0))[1:]
    aliases = [metric[ALIAS] for birth in births for metric in birth.metrics]
    assert len(aliases) == len(set(aliases)) == 6
    assert births[1].metric("indicator/power_w")[DOUBLE] == 2.0
    assert births[1].metric("state")[TEXT] == b"running"


def test_data_go_by_alias_alone_and_only_what_changed(node: Node) -> None:
    node.shown(view(power_w=1.0, bed_degc=60.0), 1.0)
    alias = Read(node.born(0, 2.0)[1]).metric("indicator/power_w")[ALIAS]
    assert node.shown(view(power_w=1.0, bed_degc=60.0), 3.0) == []
    (data,) = read(node.shown(view(power_w=9.0, bed_degc=60.0), 3.0))
    assert (data.topic, len(data.metrics)) == ("spBv1.0/g/DDATA/n/mk4", 1)
    assert (data.metrics[0][ALIAS], data.metrics[0][DOUBLE], NAME in data.metrics[0]) == (alias, 9.0, False)


def test_seq_counts_every_message_of_the_node_and_begins_again_after_255(node: Node) -> None:
    node.shown(view(power_w=0.0), 1.0)
    told = [each.top[SEQ] for each in read(node.born(0, 2.0))]
    for value in range(1, 600):
        told += [each.top[SEQ] for each in read(node.shown(view(power_w=float(value)), 3.0))]
    assert told == [n % 256 for n in range(601)]


def test_new_metric_brings_a_new_birth_of_its_device_alone(node: Node) -> None:
    node.shown(view(power_w=1.0), 1.0)
    node.born(0, 2.0)
    (birth,) = read(node.shown(view(power_w=1.0, bed_degc=60.0), 3.0))
    assert (birth.kind, birth.top[SEQ], birth.metric("indicator/bed_degc")[DOUBLE]) == ("DBIRTH", 2, 60.0)


def test_machine_that_is_offline_dies_once_and_is_born_again(node: Node) -> None:
    node.shown(view(power_w=1.0), 1.0)
    node.born(0, 2.0)
    kinds = [
        [each.kind for each in read(node.shown(view(state=state, power_w=1.0), 3.0))]
        for state in (State.OFFLINE, State.OFFLINE, State.IDLE)
    ]
    assert kinds == [["DDEATH"], [], ["DBIRTH"]]


def test_dead_device_is_not_born_with_the_node(node: Node) -> None:
    node.shown(view(state=State.OFFLINE, power_w=1.0), 1.0)
    assert [each.kind for each in read(node.born(0, 2.0))] == ["NBIRTH"]


def test_rebirth_keeps_the_connections_number_and_says_everything_again(node: Node) -> None:
    node.shown(view(power_w=1.0), 1.0)
    node.born(5, 2.0)
    node.shown(view(power_w=2.0), 3.0)
    again = read(node.reborn(4.0))
    assert [(each.kind, each.top[SEQ]) for each in again] == [("NBIRTH", 0), ("DBIRTH", 1)]
    assert (again[0].metric("bdSeq")[LONG], again[1].metric("indicator/power_w")[DOUBLE]) == (5, 2.0)


def test_lost_connection_silences_the_node_until_its_next_birth(node: Node) -> None:
    node.shown(view(power_w=1.0), 1.0)
    node.born(5, 2.0)
    node.lost()
    assert (node.shown(view(power_w=2.0), 3.0), node.reborn(3.0), node.gone("nobody", 3.0)) == ([], [], [])
    assert Read(node.born(6, 4.0)[1]).metric("indicator/power_w")[DOUBLE] == 2.0


def test_machine_that_leaves_dies_and_is_forgotten(node: Node) -> None:
    node.shown(view(power_w=1.0), 1.0)
    node.born(0, 2.0)
    assert [each.kind for each in read(node.gone("mk4", 3.0))] == ["DDEATH"]
    assert [each.kind for each in read(node.reborn(4.0))] == ["NBIRTH"]


def test_machine_that_never_spoke_is_no_device_yet(node: Node) -> None:
    node.shown(view()._replace(machine=Machine()), 1.0)
    assert len(node.born(0, 2.0)) == 1


@pytest.mark.parametrize(
    ("metric", "asks"),
    [
        (b"\x0a\x14Node Control/Rebirth\x70\x01", True),
        (b"\x0a\x14Node Control/Rebirth\x70\x00", False),
        (b"\x0a\x13Node Control/Reboot\x70\x01", False),
    ],
)
def test_only_the_order_for_rebirth_is_heard(metric: bytes, asks: bool) -> None:
    assert asks_for_rebirth(b"\x12" + bytes([len(metric)]) + metric) is asks


@pytest.mark.parametrize("payload", [b"", b"\xff\xff\xff", b"\x12\x7f\x00", b"{}"])
def test_command_that_is_no_payload_asks_for_nothing(payload: bytes) -> None:
    assert asks_for_rebirth(payload) is False
