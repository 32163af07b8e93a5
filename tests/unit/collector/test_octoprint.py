# SPDX-License-Identifier: AGPL-3.0-or-later
# tidy: one story after another, each short
"""What an OctoPrint says, against what one really said: the recording, and stories of faults in its own words."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from collector.contract.errors import Refusal
from collector.contract.event import JobEnded, JobStarted, Outcome, State, StateSeen
from collector.contract.reading import Fact, Samples
from collector.dialects import DIALECTS, Heard, recognise
from collector.jobs import JobTrack, follow, settle

ROOT = Path(__file__).parents[3]
RECORDING = ROOT / "firmware_sim/recordings/octoprint.jsonl"
PAYLOADS = ROOT / "tests/data/octoprint"
OCTOPRINT = DIALECTS["octoprint"]
RUNAWAY = "Thermal Runaway, system stopped! Heater_ID: bed - Printer halted. kill() called!"
LONG = {"name": "long.gcode", "path": "long.gcode", "origin": "local", "size": 29458, "owner": "_api"}


def hear(messages: Iterable[Heard]) -> list[Fact]:
    memory, track, facts = OCTOPRINT.state(), JobTrack(), []
    for message in messages:
        memory, said = OCTOPRINT.decode(memory, message)
        track, more = follow(track, said)
        facts.extend(more)
    return [*facts, *settle(track, math.inf).facts]


def recorded(prefix: str) -> list[Heard]:
    rows = (json.loads(line) for line in RECORDING.read_text().splitlines())
    mine = (row for row in rows if row["topic"].startswith(prefix))
    return [Heard(row["topic"].removeprefix(prefix), row["payload"].encode(), False, row["ts"]) for row in mine]


def told(topic: str, at: float, body: dict[str, Any] | str, *, retained: bool = False) -> Heard:
    text = body if isinstance(body, str) else json.dumps({**body, "_timestamp": int(at)})
    return Heard(topic, text.encode(), retained, at)


def event(name: str, at: float, /, **body: Any) -> Heard:
    return told(f"event/{name}", at, {**body, "_event": name})


def state(word: str, at: float, text: str = "") -> Heard:
    return event("PrinterStateChanged", at, state_id=word, state_string=text or word.capitalize())


def payload(name: str) -> Heard:
    row = json.loads((PAYLOADS / f"{name}.json").read_text())
    topic = "/".join(row["topic"].split("/")[-2:]) if "/mqtt" not in row["topic"] else "mqtt"
    return Heard(topic, row["payload"].encode(), False, row["ts"])


def temperature(at: float, actual: float | None, target: float, heater: str = "tool0") -> Heard:
    return told(f"temperature/{heater}", at, {"actual": actual, "target": target})


def progress(at: float, percent: int, path: str = "long.gcode", **more: Any) -> Heard:
    return told("progress/printing", at, {"location": "local", "path": path, "progress": percent, **more})


def started(at: float = 1000.0) -> list[Heard]:
    return [told("mqtt", at - 10, "connected"), state("STARTING", at - 0.01), event("PrintStarted", at, **LONG),
            state("PRINTING", at + 0.01)]  # fmt: skip


def states(facts: Iterable[Fact]) -> list[State]:
    return [fact.state for fact in facts if isinstance(fact, StateSeen)]


def end(facts: Iterable[Fact]) -> JobEnded:
    (only,) = [fact for fact in facts if isinstance(fact, JobEnded)]
    return only


@pytest.mark.parametrize("times", [1, 2])
def test_recorded_printer_a_did_one_job(times: int) -> None:
    job = end(hear(message for message in recorded("octoPrint/") for _ in range(times)))
    assert (job.file, job.outcome, job.cause, job.held_s) == ("tower.gcode", Outcome.DONE, None, 0.0)
    assert (job.started_at, job.ts) == (1795399265.805, 1795399311.969)
    assert job.duration_s == pytest.approx(46.2, abs=0.01)


@pytest.mark.parametrize("times", [1, 2])
def test_recorded_printer_b_had_one_cancelled_job(times: int) -> None:
    job = end(hear(message for message in recorded("fab/north/octoprint/p02/") for _ in range(times)))
    assert (job.file, job.outcome, job.cause) == ("long.gcode", Outcome.CANCELLED, None)
    assert (job.started_at, job.ts) == (1795399326.048, 1795399426.236)
    assert (job.held_s, job.duration_s) == (pytest.approx(8.1, abs=0.01), pytest.approx(90.1, abs=0.02))
    assert job.estimate_s == pytest.approx(5259.25, abs=0.01)


def test_whole_recording_told_again_gives_the_same_jobs() -> None:
    messages = recorded("fab/north/octoprint/p02/")
    again = [message._replace(at=message.at + 500) for message in messages]
    jobs = [fact for fact in hear([*messages, *again]) if isinstance(fact, JobStarted | JobEnded)]
    assert jobs == [fact for fact in hear(messages) if isinstance(fact, JobStarted | JobEnded)]


def test_recorded_printer_a_waits_for_a_person_after_its_job_and_goes_offline_once() -> None:
    found = states(hear(recorded("octoPrint/")))
    assert found == [State.UNKNOWN, State.SETUP, State.RUNNING, State.WAITING_PERSON, State.OFFLINE]


def test_recorded_printer_b_is_idle_after_a_cancelled_job() -> None:
    found = states(hear(recorded("fab/north/octoprint/p02/")))
    assert found == [State.UNKNOWN, State.IDLE, State.SETUP, State.RUNNING, State.HELD, State.RUNNING, State.IDLE]


def test_recording_heard_from_the_middle_knows_the_start_from_the_print_time() -> None:
    late = [message for message in recorded("fab/north/octoprint/p02/") if message.at > 1795399365]
    facts = hear(late)
    job = end(facts)
    assert (states(facts)[0], job.outcome, job.ts) == (State.RUNNING, Outcome.CANCELLED, 1795399426.236)
    assert job.started_at == pytest.approx(1795399326.048, abs=1)
    assert job.held_s == pytest.approx(8.1, abs=0.01)


def test_recording_without_printer_data_heard_from_the_middle_knows_the_start_at_the_end() -> None:
    facts = hear(message for message in recorded("octoPrint/") if message.at > 1795399280)
    job = end(facts)
    assert [fact.ts for fact in facts if isinstance(fact, JobStarted)] == [None]
    assert (job.ts, job.outcome) == (1795399311.969, Outcome.DONE)
    assert job.started_at == pytest.approx(1795399265.805, abs=0.1)
    assert job.duration_s == pytest.approx(46.2, abs=0.01)


def test_thermal_runaway_is_a_fault_at_once_and_a_failed_job_in_its_own_words() -> None:
    error, over = payload("error_thermal_runaway"), payload("print_failed_error")
    at = error.at
    facts = hear([*started(at - 31), error, state("ERROR", at + 0.005, "Error"), over, state("OFFLINE", at + 1),
                  progress(at + 4, 0)])  # fmt: skip
    job = end(facts)
    assert states(facts)[-1] is State.FAULT
    assert next(fact for fact in facts if isinstance(fact, StateSeen) and fact.state is State.FAULT) == StateSeen(
        at, State.FAULT, RUNAWAY
    )
    assert (job.outcome, job.cause, job.ts) == (Outcome.FAILED, RUNAWAY, over.at)
    assert job.duration_s == pytest.approx(30.78, abs=0.01)


def failed(at: float, error: Any = None) -> Heard:
    return event("PrintFailed", at, **LONG, time=60.0, reason="error", error=error)


def error(at: float, words: str = RUNAWAY) -> Heard:
    return event("Error", at, error=words, reason="firmware")


@pytest.mark.parametrize(
    "story",
    [
        [error(1060), state("ERROR", 1060.001), failed(1060.02, RUNAWAY)],
        [state("ERROR", 1060), error(1060.001), failed(1060.02, RUNAWAY)],
        [state("ERROR", 1060), error(1060.001), failed(1060.02, False)],
        [failed(1060.02, RUNAWAY), error(1060.03), state("ERROR", 1060.04)],
        [error(1060), state("OFFLINE", 1060.01), event("Disconnected", 1060.015), failed(1060.02, RUNAWAY)],
        [state("OFFLINE", 1060.01, "Offline after error"), failed(1060.02, RUNAWAY), progress(1064, 0)],
        [event("Disconnected", 1060), failed(1060.02, RUNAWAY), told("mqtt", 1062, "disconnected")],
    ],
)
def test_error_is_one_failed_job_in_whatever_order_octoprint_tells_it(story: list[Heard]) -> None:
    facts = hear([*started(), *(message for message in story for _ in range(2))])
    job = end(facts)
    assert (job.outcome, job.cause, job.ts, job.duration_s) == (Outcome.FAILED, RUNAWAY, 1060.02, 60.0)
    faults = [fact for fact in facts if isinstance(fact, StateSeen) and fact.state is State.FAULT]
    assert faults[-1].why == RUNAWAY


@pytest.mark.parametrize(
    "story",
    [
        [state("OFFLINE", 1060.02), event("Disconnected", 1060.03)],
        [event("Disconnected", 1060.02), state("CLOSED", 1060.03)],
        [failed(1060.02), state("OFFLINE", 1060.04), event("Disconnected", 1060.05)],
        [failed(1060.02, ""), state("OFFLINE", 1060.04, "Offline after error")],
        [state("OFFLINE", 1060.0), failed(1060.02, False), state("CONNECTING", 1070), state("OPERATIONAL", 1073)],
        [state("OFFLINE", 1060.02), told("mqtt", 1065, "disconnected"), told("mqtt", 1066, "disconnected")],
    ],
)
def test_serial_connection_lost_in_a_print_is_a_fault_and_a_failed_job(story: list[Heard]) -> None:
    facts = hear([*started(), *story])
    job = end(facts)
    assert (job.outcome, job.cause, job.ts) == (Outcome.FAILED, "serial connection lost", 1060.02)
    faults = [fact for fact in facts if isinstance(fact, StateSeen) and fact.state is State.FAULT]
    assert [fact.why for fact in faults] == ["serial connection lost"]


def test_serial_connection_lost_while_paused_has_no_report_and_fails_the_job() -> None:
    paused = [event("PrintPaused", 1030.0, **LONG), state("PAUSED", 1030.0)]
    job = end(hear([*started(), *paused, state("OFFLINE", 1060.0)]))
    assert (job.outcome, job.held_s, job.duration_s) == (Outcome.FAILED, 30.0, 30.0)


def test_printer_that_is_switched_off_between_jobs_is_offline_and_no_fault() -> None:
    facts = hear([state("OPERATIONAL", 10.0), event("Disconnected", 20.0), state("OFFLINE", 20.1)])
    assert states(facts) == [State.IDLE, State.OFFLINE]


def test_fault_ends_when_the_printer_connects_again() -> None:
    facts = hear(
        [*started(), error(1060), state("ERROR", 1060.1), state("CONNECTING", 1090), state("OPERATIONAL", 1093)]
    )
    assert states(facts)[-3:] == [State.FAULT, State.SETUP, State.IDLE]


def test_killed_agent_leaves_an_unknown_outcome_without_an_end() -> None:
    facts = hear([*started(), progress(1050, 10), told("mqtt", 1090, "disconnected")])
    job = end(facts)
    assert (job.outcome, job.ts, job.duration_s) == (Outcome.UNKNOWN, None, None)
    assert job.cause == "agent lost (OctoPrint disconnected, last will)"
    assert states(facts)[-1] is State.OFFLINE


@pytest.mark.parametrize(
    "story",
    [
        [told("mqtt", 1060, "disconnected"), event("Shutdown", 1060.001), told("mqtt", 1061.2, "disconnected")],
        [event("Shutdown", 1060), told("mqtt", 1060.1, "disconnected"), told("mqtt", 1061.2, "disconnected")],
        [told("mqtt", 1060, "disconnected"), event("Shutdown", 1060.001), state("OFFLINE", 1060.5)],
    ],
)
def test_shutdown_in_a_print_is_a_lost_agent_told_once(story: list[Heard]) -> None:
    facts = hear([*started(), *story])
    assert (end(facts).outcome, end(facts).ts) == (Outcome.UNKNOWN, None)
    assert "agent lost" in str(end(facts).cause)
    assert states(facts)[-2:] == [State.RUNNING, State.OFFLINE]


def test_restart_after_a_kill_does_not_revive_the_job_from_stale_words() -> None:
    stale = [progress(1050, 10)._replace(retained=True, at=1200.0), temperature(1050, 60, 60)._replace(retained=True)]
    again = [told("mqtt", 1200, "connected"), *stale, progress(1200, 0, path="")]
    facts = hear([*started(), progress(1050, 10), told("mqtt", 1090, "disconnected"), *again])
    assert end(facts).outcome is Outcome.UNKNOWN
    assert states(facts)[-2:] == [State.OFFLINE, State.UNKNOWN]


def test_will_of_an_old_connection_does_not_end_a_job_that_goes_on() -> None:
    # The cut network's will comes after the new connection's first words, and `connected` not at all.
    cut = [told("mqtt", 1090, "disconnected"), temperature(1100, 60.2, 60), progress(1140, 20)]
    facts = hear([*started(), *cut, event("PrintDone", 1300, **LONG, time=300.0), state("OPERATIONAL", 1302)])
    assert (end(facts).outcome, end(facts).ts) == (Outcome.DONE, 1300)
    assert states(facts)[-3:] == [State.OFFLINE, State.RUNNING, State.WAITING_PERSON]


def test_progress_after_the_end_of_a_job_opens_no_other() -> None:
    done = [event("PrintDone", 1060, **LONG, time=60.0), progress(1060.5, 98), state("OPERATIONAL", 1062)]
    facts = hear([*started(), *done, progress(1064, 100), progress(1069, 0)])
    assert [type(fact) for fact in facts if isinstance(fact, JobStarted | JobEnded)] == [JobStarted, JobEnded]


def test_next_job_ends_the_waiting_for_a_person() -> None:
    done = [event("PrintDone", 1060, **LONG, time=60.0), state("OPERATIONAL", 1062)]
    assert states(hear([*started(), *done, *started(1100)[1:]]))[-3:] == [
        State.WAITING_PERSON,
        State.SETUP,
        State.RUNNING,
    ]


def test_finished_print_waits_for_a_person_across_a_restart_of_the_agent() -> None:
    done = [event("PrintDone", 1060, **LONG, time=60.0), state("OPERATIONAL", 1062), told("mqtt", 1070, "disconnected")]
    again = [told("mqtt", 1090, "connected"), state("OPERATIONAL", 1095)]
    assert states(hear([*started(), *done, *again]))[-3:] == [State.OFFLINE, State.UNKNOWN, State.WAITING_PERSON]


def test_paused_for_user_waits_for_a_person_until_the_print_moves() -> None:
    ask = [event("PausedForUser", 1060), event("PausedForUser", 1062), progress(1063, 11)]
    facts = hear([*started(), progress(1050, 10), *ask, event("PausedForUser", 1064), progress(1080, 12)])
    assert states(facts)[-3:] == [State.RUNNING, State.WAITING_PERSON, State.RUNNING]
    assert facts[-1] == StateSeen(1080, State.RUNNING)


def test_firmware_that_cancels_by_itself_fails_the_job() -> None:
    words = {"firmwareError": "Probing failed"}
    story = [event("PrintCancelled", 1060, **LONG, time=60.0, reason="cancelled", **words),
             event("PrintFailed", 1060.1, **LONG, time=60.0, reason="cancelled", **words)]  # fmt: skip
    job = end(hear([*started(), *story]))
    assert (job.outcome, job.cause, job.ts) == (Outcome.FAILED, "Probing failed", 1060)


def test_temperature_is_measured_at_its_arrival() -> None:
    (facts,) = hear([temperature(100.7, 209.8, 210.0)])
    assert facts == Samples((100.7,), {"nozzle_degc": (209.8,), "nozzle_target_degc": (210.0,)}, assigned=True)


@pytest.mark.parametrize(
    ("heater", "indicator"),
    [("tool0", "nozzle_degc"), ("tool1", "nozzle1_degc"), ("bed", "bed_degc"), ("chamber", "chamber_degc")],
)
def test_heaters_have_public_names(heater: str, indicator: str) -> None:
    (facts,) = hear([temperature(100.7, 40.0, 50.0, heater)])
    assert isinstance(facts, Samples)
    assert facts.values[indicator] == (40.0,)


def test_null_temperature_is_no_sample() -> None:
    (facts,) = hear([payload("temperature_null")])
    assert isinstance(facts, Samples)
    assert facts.values == {"bed_target_degc": (40.0,)}


def test_retained_temperature_is_no_sample() -> None:
    assert hear([temperature(100.0, 60.0, 60.0)._replace(retained=True)]) == []


def test_temperature_that_was_queued_while_the_broker_was_away_has_its_own_time() -> None:
    queued = temperature(1100, 61.0, 60.0)._replace(at=1200.4)
    facts = hear([*started(), event("ZChange", 1090.4), queued, temperature(1201, 62.0, 60.0)])
    assert [fact.times for fact in facts if isinstance(fact, Samples)] == [(pytest.approx(1100.4),), (1201,)]


def test_temperature_outside_the_possible_is_refused_with_its_bound() -> None:
    with pytest.raises(Refusal, match=r"off_scale: nozzle_degc = 1200.0 is not within -50..600 °C"):
        hear([temperature(100.0, 1200.0, 60.0)])


def test_progress_is_a_ratio_with_the_estimate_where_octoprint_tells_its_model() -> None:
    facts = hear([payload("progress_printer_data")])
    assert isinstance(facts[0], Samples)
    assert facts[0].values["progress_ratio"][0] == pytest.approx(0.2878, abs=1e-4)
    assert facts[0].values["estimate_s"][0] == pytest.approx(5259.25, abs=0.01)
    assert states(facts) == [State.RUNNING]


def test_stale_model_does_not_contradict_a_state_of_just_now() -> None:
    flags = {"printer_data": {"state": {"flags": {"operational": True, "printing": True}}}}
    paused = [event("PrintPaused", 1030.0, **LONG), state("PAUSED", 1030.0), progress(1030.1, 12, **flags)]
    assert states(hear([*started(), *paused]))[-1] is State.HELD


def test_estimate_of_the_analysis_goes_with_the_next_job_of_that_file() -> None:
    facts = hear([payload("metadata_analysis_finished"), *started(1795399500.0)])
    assert [fact.estimate_s for fact in facts if isinstance(fact, JobStarted)] == [pytest.approx(5259.25, abs=0.01)]


@pytest.mark.parametrize("topic", ["event/plugin_achievements_achievement_unlocked", "event/Upload", "hass/x", "", "x"])
def test_what_is_not_known_is_passed_over_unread(topic: str) -> None:
    assert hear([Heard(topic, b"\xff not json", False, 1.0)]) == []


@pytest.mark.parametrize(
    ("topic", "prefix"),
    [
        ("octoPrint/mqtt", "octoPrint"),
        ("fab/north/octoprint/p02/event/PrintDone", "fab/north/octoprint/p02"),
        ("a/b/progress/printing", "a/b"),
        ("a/temperature/tool0", "a"),
        ("a/event/plugin_x_y", "a"),
    ],
)
def test_topics_of_its_form_are_recognised(topic: str, prefix: str) -> None:
    found = recognise(topic)
    assert found is not None
    assert (found[0].name, found[1].prefix) == ("octoprint", prefix)


@pytest.mark.parametrize("topic", ["mqtt", "/mqtt", "a/event/", "a/event/lower", "a/temperature/x", "$SYS/mqtt", "a/b"])
def test_topics_of_another_form_are_not_recognised(topic: str) -> None:
    assert recognise(topic) is None


def test_filters_lie_under_the_prefix() -> None:
    assert OCTOPRINT.filters("a/b") == ("a/b/#",)
