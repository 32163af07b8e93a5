# SPDX-License-Identifier: AGPL-3.0-or-later
"""The Moonraker voice has the form of the recorded one, and its traps."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from collector.contract.event import JobEnded, JobStarted, Outcome, State, StateSeen
from firmware_sim.machines.printer import Printer
from firmware_sim.voices.moonraker import MoonrakerVoice

DATA = Path(__file__).parents[2] / "data/moonraker"
REQUEST = "voron-01/moonraker/api/request"
Json = dict[str, Any]


@pytest.fixture
def printer(make_printer: Callable[..., Printer]) -> Printer:
    made = make_printer()
    made.begin()
    return made


@pytest.fixture
def voice(printer: Printer) -> MoonrakerVoice:
    made = MoonrakerVoice("voron-01")
    made.sampled(printer, 0.0)
    made.connected(printer, 0.0)
    return made


def statuses(voice: MoonrakerVoice) -> list[Json]:
    due = [each for each in voice.take(1000, 0.0) if each.topic == "voron-01/klipper/status"]
    assert all((each.qos, each.retain) == (0, False) for each in due)
    return [json.loads(each.payload) for each in due]


def begin(voice: MoonrakerVoice, printer: Printer) -> None:
    job = printer.job
    assert job is not None
    voice.happened(JobStarted(job.id, printer.now, job.file, job.estimate_s), printer, 1.0)
    later(voice, printer)


def later(voice: MoonrakerVoice, printer: Printer, *, after_s: float = 5.0) -> None:
    printer.advance(printer.now + after_s)
    voice.sampled(printer, printer.now)


def end(voice: MoonrakerVoice, printer: Printer, outcome: Outcome, cause: str | None = None) -> None:
    job = printer.job
    assert job is not None
    ended = JobEnded(job.id, printer.now, outcome, job.file, cause, duration_s=300.0, print_duration_s=240.0)
    voice.happened(ended, printer, printer.now)
    later(voice, printer)


def answer(voice: MoonrakerVoice, method: str, params: Json | None = None) -> Json:
    body = {"jsonrpc": "2.0", "method": method, "id": 41, **({} if params is None else {"params": params})}
    voice.received(REQUEST, json.dumps(body).encode(), 0.0)
    (due,) = (each for each in voice.take(1000, 0.0) if each.topic == "voron-01/moonraker/api/response")
    found: Json = json.loads(due.payload)
    assert found["id"] == 41
    return found


def test_the_whole_status_has_the_recorded_objects_and_fields(voice: MoonrakerVoice) -> None:
    recorded = json.loads((DATA / "status_whole.json").read_text())["payload"]["status"]
    (whole,) = statuses(voice)
    assert {name: set(fields) for name, fields in whole["status"].items()} == {
        name: set(fields) for name, fields in recorded.items()
    }


def test_a_message_has_only_the_fields_that_changed(voice: MoonrakerVoice, printer: Printer) -> None:
    begin(voice, printer)
    statuses(voice)
    later(voice, printer)
    (partial,) = statuses(voice)
    assert "webhooks" not in partial["status"]
    assert "filename" not in partial["status"]["print_stats"]
    assert set(partial["status"]["extruder"]) <= {"temperature", "power"}


def test_eventtime_is_monotonic_and_no_date(voice: MoonrakerVoice, printer: Printer) -> None:
    for _ in range(5):
        later(voice, printer)
    times = [body["eventtime"] for body in statuses(voice)]
    assert times == sorted(set(times))
    assert times[-1] < 1e6


def test_two_messages_are_a_second_apart_at_least(voice: MoonrakerVoice, printer: Printer) -> None:
    for _ in range(8):
        later(voice, printer, after_s=0.25)
    times = [body["eventtime"] for body in statuses(voice)]
    assert len(times) > 1
    assert min(after - before for before, after in pairwise(times)) >= 1.0


def test_while_it_heats_up_the_print_has_no_duration(voice: MoonrakerVoice, printer: Printer) -> None:
    printer.state = State.SETUP
    begin(voice, printer)
    words = answer(voice, "printer.objects.query", {"objects": {"print_stats": None}})
    stats = words["result"]["status"]["print_stats"]
    assert (stats["state"], stats["print_duration"]) == ("printing", 0.0)
    assert stats["total_duration"] > 0


def test_a_heater_that_fails_shuts_down_and_leaves_the_print_paused(voice: MoonrakerVoice, printer: Printer) -> None:
    begin(voice, printer)
    end(voice, printer, Outcome.FAILED, "heater not heating at expected rate")
    last = statuses(voice)[-1]["status"]
    assert last["webhooks"]["state"] == "shutdown"
    assert last["webhooks"]["state_message"].startswith("Heater extruder not heating at expected rate")
    assert last["print_stats"]["state"] == "paused"


def test_after_a_restart_it_stands_by_with_an_empty_filename(voice: MoonrakerVoice, printer: Printer) -> None:
    begin(voice, printer)
    end(voice, printer, Outcome.FAILED, "heater not heating at expected rate")
    statuses(voice)
    voice.happened(StateSeen(printer.now, State.IDLE), printer, printer.now)
    printer.job, printer.state, printer._until = None, State.FAULT, printer.now + 60.0
    later(voice, printer)
    later(voice, printer)
    starting, ready = statuses(voice)
    assert starting["status"]["webhooks"]["state"] == "startup"
    assert ready["status"]["webhooks"]["state"] == "ready"
    assert (ready["status"]["print_stats"]["state"], ready["status"]["print_stats"]["filename"]) == ("standby", "")


@pytest.mark.parametrize(
    ("outcome", "cause", "words"),
    [
        (Outcome.DONE, None, ("complete", "completed")),
        (Outcome.CANCELLED, "a person", ("cancelled", "cancelled")),
        (Outcome.FAILED, "filament does not move", ("error", "error")),
        (Outcome.FAILED, "thermistor open", ("paused", "klippy_shutdown")),
        (Outcome.FAILED, "power lost", ("standby", "interrupted")),
    ],
)
def test_the_history_knows_how_a_job_ended(
    voice: MoonrakerVoice, printer: Printer, outcome: Outcome, cause: str | None, words: tuple[str, str]
) -> None:
    spent_s = 0.0 if cause == "power lost" else 300.0
    begin(voice, printer)
    end(voice, printer, outcome, cause)
    assert statuses(voice)[-1]["status"]["print_stats"]["state"] == words[0]
    recorded = json.loads((DATA / "history.json").read_text())["payload"]["result"]
    result = answer(voice, "server.history.list", {"limit": 2})["result"]
    assert set(result) == set(recorded)
    assert set(result["jobs"][0]) == set(recorded["jobs"][0])
    assert (result["jobs"][0]["status"], result["jobs"][0]["total_duration"]) == (words[1], spent_s)


def test_unknown_methods_and_repeated_timestamps_get_the_recorded_errors(voice: MoonrakerVoice) -> None:
    assert answer(voice, "no.such.method")["error"] == {"code": -32601, "message": "Method not found"}
    assert answer(voice, "server.info", {"mqtt_timestamp": 1})["result"]["klippy_state"] == "ready"
    again = answer(voice, "server.info", {"mqtt_timestamp": 1})
    assert again["error"] == {"code": -10000, "message": "Duplicate MQTT Request"}
    assert answer(voice, "server.job_queue.status")["result"]["queued_jobs"] == []


def test_split_mode_retains_every_field_on_a_topic_of_its_own(printer: Printer) -> None:
    voice = MoonrakerVoice("voron-01", split=True)
    voice.sampled(printer, 0.0)
    voice.connected(printer, 0.0)
    due = voice.take(1000, 0.0)
    field = next(each for each in due if each.topic == "voron-01/klipper/state/extruder/temperature")
    assert (field.qos, field.retain, set(json.loads(field.payload))) == (0, True, {"eventtime", "value"})
    assert all(each.retain for each in due)


def test_after_a_reconnect_only_online_is_said(voice: MoonrakerVoice, printer: Printer) -> None:
    later(voice, printer)
    voice.connected(printer, printer.now)
    assert [each.payload for each in voice.take(1000, 0.0)] == [b'{"server":"online"}']
