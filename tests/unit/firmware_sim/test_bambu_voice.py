# SPDX-License-Identifier: AGPL-3.0-or-later
"""The Bambu voice: deltas and whole objects, an end that is told in codes, and answers to two questions."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from collector.contract.event import JobEnded, JobStarted, Outcome, State, StateSeen
from firmware_sim.machines.printer import Printer
from firmware_sim.voices.bambu import BambuVoice

Json = dict[str, Any]
REQUEST = "device/01P00A123456789/request"
PUSHALL = b'{"pushing":{"sequence_id":"0","command":"pushall"}}'


@pytest.fixture
def printer(make_printer: Callable[..., Printer]) -> Printer:
    made = make_printer()
    made.begin()
    return made


@pytest.fixture
def voice() -> BambuVoice:
    return BambuVoice("01P00A123456789")


def reports(voice: BambuVoice) -> list[Json]:
    due = voice.take(1000, 0.0)
    assert all((each.topic, each.qos, each.retain) == ("device/01P00A123456789/report", 0, False) for each in due)
    return [json.loads(each.payload) for each in due]


def later(voice: BambuVoice, printer: Printer) -> None:
    printer.advance(printer.now + 5.0)
    voice.sampled(printer, printer.now)


def printing(voice: BambuVoice, printer: Printer) -> None:
    job = printer.job
    assert job is not None
    voice.happened(JobStarted(job.id, printer.now, job.file, job.estimate_s), printer, 0.0)
    voice.sampled(printer, printer.now)
    voice.happened(StateSeen(printer.now, State.RUNNING), printer, 0.0)
    later(voice, printer)


def end(voice: BambuVoice, printer: Printer, outcome: Outcome, cause: str | None = None) -> Json:
    printing(voice, printer)
    reports(voice)
    assert printer.job is not None
    voice.happened(JobEnded(printer.job.id, printer.now, outcome, printer.job.file, cause), printer, 0.0)
    voice.sampled(printer, printer.now)
    (report,) = reports(voice)
    found: Json = report["print"]
    return found


def test_a_p1_says_only_what_changed(voice: BambuVoice, printer: Printer) -> None:
    printing(voice, printer)
    reports(voice)
    later(voice, printer)
    (delta,) = (report["print"] for report in reports(voice))
    assert (delta["msg"], delta["command"]) == (1, "push_status")
    assert "nozzle_diameter" not in delta
    assert "gcode_state" not in delta


def test_an_x1_says_everything_with_its_clock(printer: Printer) -> None:
    voice = BambuVoice("01P00A123456789", model="X1C")
    later(voice, printer)
    (whole,) = (report["print"] for report in reports(voice))
    assert whole["msg"] == 0
    assert whole["t_utc"] == round(printer.now * 1000)
    assert {"gcode_state", "nozzle_diameter", "ams", "hms", "stg_cur"} <= set(whole)


def test_pushall_brings_the_whole_and_get_version_the_modules(voice: BambuVoice, printer: Printer) -> None:
    later(voice, printer)
    reports(voice)
    voice.received(REQUEST, b'{"pushing":{"command":"pushall"},"info":{"command":"get_version"}}', 0.0)
    whole, version = reports(voice)
    assert whole["print"]["msg"] == 0
    assert whole["print"]["gcode_state"] == "IDLE"
    assert version["info"]["module"][0]["sn"] == "01P00A123456789"


@pytest.mark.parametrize(
    ("outcome", "cause", "words"),
    [
        (Outcome.DONE, None, {"gcode_state": "FINISH", "mc_percent": 100}),
        (Outcome.CANCELLED, "a person", {"gcode_state": "FAILED", "print_error": 50348044}),
        (Outcome.FAILED, "extrusion stopped", {"gcode_state": "FAILED", "print_error": 0x03004006}),
        (Outcome.FAILED, "power lost", {"gcode_state": "FAILED", "print_error": 0x0300400D}),
        (Outcome.FAILED, "a table fell on it", {"gcode_state": "FAILED", "print_error": 0x03008000}),
        (Outcome.FAILED, "heater", {"gcode_state": "FAILED", "hms": [{"attr": 0x03000200, "code": 0x00010006}]}),
    ],
)
def test_every_end_has_its_codes(
    voice: BambuVoice, printer: Printer, outcome: Outcome, cause: str | None, words: Json
) -> None:
    report = end(voice, printer, outcome, cause)
    assert {name: report[name] for name in words} == words


def test_the_code_of_a_cancelled_job_is_gone_soon_and_failed_stays(voice: BambuVoice, printer: Printer) -> None:
    end(voice, printer, Outcome.CANCELLED)
    later(voice, printer)
    voice.received(REQUEST, PUSHALL, 0.0)
    whole = reports(voice)[-1]["print"]
    assert (whole["gcode_state"], whole["print_error"]) == ("FAILED", 0)


def test_filament_that_is_gone_is_a_stage_and_a_code(voice: BambuVoice, printer: Printer) -> None:
    printing(voice, printer)
    reports(voice)
    voice.happened(StateSeen(printer.now, State.HELD, "filament is gone"), printer, 0.0)
    voice.sampled(printer, printer.now)
    (report,) = (body["print"] for body in reports(voice))
    assert (report["gcode_state"], report["stg_cur"], report["print_error"]) == ("PAUSE", 6, 0x07008011)


def test_the_remaining_time_is_in_minutes_and_the_percent_whole(voice: BambuVoice, printer: Printer) -> None:
    printing(voice, printer)
    job = printer.job
    assert job is not None
    job.printed_s = job.takes_s / 2
    later(voice, printer)
    report = reports(voice)[-1]["print"]
    assert report["mc_percent"] == 50
    assert report["mc_remaining_time"] == pytest.approx(job.estimate_s / 120, abs=1)
