# SPDX-License-Identifier: AGPL-3.0-or-later
"""The OctoPrint voice has the form of the recorded one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import firmware_sim
from collector.contract.event import JobEnded, JobStarted, Outcome, State, StateSeen
from firmware_sim.machines.printer import Printer
from firmware_sim.replay import read_lines
from firmware_sim.voices.octoprint import OUTBOX_MAX, OctoprintVoice
from firmware_sim.voices.voice import Publication

RECORDING = Path(firmware_sim.__file__).parent / "recordings" / "octoprint.jsonl"
Shape = tuple[str, int, bool, Any]


def shape(topic: str, qos: int, retain: bool, payload: bytes) -> Shape:
    word = topic.partition("/")[2] if topic.startswith("octoPrint/") else topic.partition("p02/")[2]
    return (word, qos, retain, keys(json.loads(payload)) if payload.startswith(b"{") else payload)


def keys(body: Any) -> Any:
    return {name: keys(value) for name, value in body.items()} if isinstance(body, dict) else None


@pytest.fixture(scope="module")
def recorded() -> list[Shape]:
    return [shape(*line[1:]) for line in read_lines(RECORDING)]


@pytest.fixture
def printer(make_printer: Callable[..., Printer]) -> Printer:
    made = make_printer()
    made.begin()
    return made


@pytest.fixture
def voice() -> OctoprintVoice:
    return OctoprintVoice("farm/p02")


def said(voice: OctoprintVoice) -> Iterator[tuple[str, Any]]:
    for each in voice.take(1000, 0.0):
        body = json.loads(each.payload) if each.payload.startswith(b"{") else each.payload
        yield each.topic.removeprefix("farm/p02/"), body


def a_job(voice: OctoprintVoice, printer: Printer, outcome: Outcome, cause: str | None = None) -> list[Publication]:
    job = printer.job
    assert job is not None
    voice.connected(printer, 0.0)
    voice.happened(JobStarted(job.id, printer.now, job.file, job.estimate_s), printer, 0.0)
    for step in range(1, 120):
        printer.advance(printer.now + 5)
        voice.sampled(printer, float(step))
    ended = JobEnded(job.id, printer.now, outcome, job.file, cause, duration_s=300.0)
    voice.happened(ended, printer, 121.0)
    return voice.take(1000, 122.0)


@pytest.mark.parametrize("outcome", [Outcome.DONE, Outcome.CANCELLED])
def test_every_message_of_a_job_has_the_keys_qos_and_retain_of_a_recorded_one(
    voice: OctoprintVoice, printer: Printer, recorded: list[Shape], outcome: Outcome
) -> None:
    spoken = [
        shape(each.topic.replace("farm/", ""), *each[2:], each.payload) for each in a_job(voice, printer, outcome)
    ]
    assert len(spoken) > 20
    assert [each for each in spoken if each not in recorded] == []


def test_a_cancelled_job_is_cancelled_and_failed_in_this_order(voice: OctoprintVoice, printer: Printer) -> None:
    topics = [each.topic for each in a_job(voice, printer, Outcome.CANCELLED)]
    ends = [topic.rpartition("/")[2] for topic in topics if topic.endswith(("PrintCancelled", "PrintFailed"))]
    assert ends == ["PrintCancelled", "PrintFailed"]


def test_a_failed_job_says_its_error_and_a_fraction(voice: OctoprintVoice, printer: Printer) -> None:
    due = a_job(voice, printer, Outcome.FAILED, "extruder stuck")
    body = next(json.loads(each.payload) for each in due if each.topic.endswith("PrintFailed"))
    assert (body["reason"], body["error"]) == ("error", "extruder stuck")
    assert 0.0 < body["progress"] < 1.0


def test_after_an_error_it_connects_again_when_it_is_repaired(voice: OctoprintVoice, printer: Printer) -> None:
    a_job(voice, printer, Outcome.FAILED, "extruder stuck")
    voice.happened(StateSeen(printer.now, State.IDLE), printer, 0.0)
    assert [body["state_id"] for _, body in said(voice)] == ["CONNECTING", "OPERATIONAL"]


def test_the_percent_comes_once_more_four_seconds_after_the_end(voice: OctoprintVoice, printer: Printer) -> None:
    a_job(voice, printer, Outcome.DONE)
    printer.advance(printer.now + 5)
    voice.sampled(printer, 200.0)
    assert "progress/printing" in dict(said(voice))


def test_times_are_whole_seconds_of_the_plant(voice: OctoprintVoice, printer: Printer) -> None:
    voice.sampled(printer, 1.0)
    assert all(body["_timestamp"] == int(printer.now) for _, body in said(voice))


def test_a_temperature_that_stands_still_is_not_said(voice: OctoprintVoice, printer: Printer) -> None:
    printer.hotend.target_degc = printer.bed.target_degc = 0.0
    for step in range(400):
        printer.advance(printer.now + 5)
        voice.sampled(printer, float(step))
        dict(said(voice))
    counted = []
    for step in range(400, 420):
        printer.advance(printer.now + 5)
        voice.sampled(printer, float(step))
        counted += [topic for topic, _ in said(voice)]
    assert len(counted) < 40


def test_while_nobody_listens_the_oldest_words_are_lost(voice: OctoprintVoice, printer: Printer) -> None:
    for step in range(2 * OUTBOX_MAX):
        voice.happened(JobStarted(str(step), printer.now, "a.gcode", 1.0), printer, 0.0)
    assert len(voice.take(10_000, 0.0)) == OUTBOX_MAX


def test_connected_is_an_event_only_after_a_second_connect(voice: OctoprintVoice, printer: Printer) -> None:
    voice.connected(printer, 0.0)
    assert "event/Connected" not in dict(said(voice))
    voice.connected(printer, 1.0)
    words = dict(said(voice))
    assert words["mqtt"] == b"connected"
    assert "event/Connected" in words


def test_the_will_is_the_plain_word_disconnected(voice: OctoprintVoice) -> None:
    assert voice.will == Publication("farm/p02/mqtt", b"disconnected", 1, True)
