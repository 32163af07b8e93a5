# SPDX-License-Identifier: AGPL-3.0-or-later
"""A recording is read line by line and keeps its pace."""

from __future__ import annotations

import itertools
import socket
from pathlib import Path

import pytest

import firmware_sim
from collector.contract.errors import Misconfigured, Unavailable
from firmware_sim.replay import PAUSE_S, Line, parse_line, publish, read_lines, timeline

RECORDING = Path(firmware_sim.__file__).parent / "recordings" / "octoprint.jsonl"
LINES = [Line(10.0, "a", 0, False, b"1"), Line(12.5, "b", 1, True, b"2")]


def test_the_shipped_recording_is_read_whole() -> None:
    lines = read_lines(RECORDING)
    assert len(lines) == RECORDING.read_bytes().count(b"\n")
    assert (lines[0].topic, lines[0].qos, lines[0].retain, lines[0].payload) == (
        "octoPrint/mqtt",
        1,
        True,
        b"connected",
    )


def test_a_payload_may_be_hexadecimal() -> None:
    assert parse_line('{"ts":1,"topic":"t","payload_hex":"00ff"}', "f:1").payload == b"\x00\xff"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"ts":"x","topic":"t","payload":""}', '{"ts":1,"topic":"t"}'])
def test_a_line_that_is_no_message_is_named(text: str) -> None:
    with pytest.raises(Misconfigured, match=r"recording f:7: not a message"):
        parse_line(text, "f:7")


def test_a_recording_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"none\.jsonl"):
        read_lines(tmp_path / "none.jsonl")


def test_messages_keep_their_distances_and_begin_at_the_shift() -> None:
    assert [(at, line.topic) for at, line in timeline(LINES, shift_s=3.0)] == [(3.0, "a"), (5.5, "b")]


def test_a_repeated_recording_begins_again_after_a_pause() -> None:
    first = list(itertools.islice(timeline(LINES, repeat=True), 4))
    assert [at for at, _ in first] == [0.0, 2.5, 2.5 + PAUSE_S, 5.0 + PAUSE_S]


def test_an_empty_recording_is_over_at_once() -> None:
    assert list(timeline([], repeat=True)) == []


def test_a_speed_of_zero_is_named() -> None:
    with pytest.raises(Misconfigured, match="speed = 0 is not above 0"):
        publish(LINES, host="127.0.0.1", port=1, speed=0.0)


def test_a_broker_that_is_not_there_is_unavailable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        with pytest.raises(Unavailable, match=f"broker 127.0.0.1:{port}"):
            publish(LINES, host="127.0.0.1", port=port)
