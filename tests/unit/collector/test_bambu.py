# SPDX-License-Identifier: AGPL-3.0-or-later
# tidy: one story after another, each short
"""What a Bambu printer says, in stories of its own form: whole reports, changes alone, cancels, failures, gaps."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from collector.contract.errors import Refusal
from collector.contract.event import JobEnded, JobStarted, Noted, Outcome, State, StateSeen
from collector.contract.reading import Fact, Samples
from collector.dialects import DIALECTS, Heard, facts_and_signs
from collector.dialects.bambu_codes import CANCELLED
from collector.jobs import JobTrack, follow, settle

BAMBU = DIALECTS["bambu"]
MADE = Path(__file__).parents[2] / "data/dialects/bambu.jsonl"
SPAGHETTI, NOZZLE, RUN_OUT = 0x03008003, 0x03008008, 0x07008011
FIRST = {"gcode_state": "IDLE", "print_error": 0, "hms": [], "subtask_name": "", "mc_percent": 0}
START = {"gcode_state": "PREPARE", "subtask_name": "vase", "task_id": "88", "mc_percent": 0, "mc_remaining_time": 12}
RUNS = {"gcode_state": "RUNNING", "stg_cur": 0}


def said(at: float, **told: Any) -> Heard:
    body = {"print": {**told, "command": "push_status", "sequence_id": str(2_000 + int(at))}}
    return Heard("report", json.dumps(body).encode(), False, at)


def link(at: float, word: str) -> Heard:
    return Heard("link", word.encode(), False, at)


def hear(messages: Iterable[Heard]) -> list[Fact]:
    memory, track, facts = BAMBU.state(), JobTrack(), []
    for message in messages:
        memory, told = BAMBU.decode(memory, message)
        track, more = follow(track, facts_and_signs(told))
        facts.extend(more)
    return [*facts, *settle(track, math.inf).facts]


def ends(facts: Iterable[Fact]) -> list[JobEnded]:
    return [fact for fact in facts if isinstance(fact, JobEnded)]


def states(facts: Iterable[Fact]) -> list[tuple[State, str | None]]:
    return [(fact.state, fact.why) for fact in facts if isinstance(fact, StateSeen)]


def values(facts: Iterable[Fact], name: str) -> list[float | None]:
    return [value for fact in facts if isinstance(fact, Samples) for value in fact.values.get(name, ())]


def begun(at: float = 10.0) -> list[Heard]:
    return [said(1, **FIRST), said(at, **START), said(at + 20, **RUNS)]


def made() -> list[Heard]:
    rows = [json.loads(line) for line in MADE.read_text().splitlines()]
    return [Heard(row["topic"].rpartition("/")[2], row["payload"].encode(), False, row["ts"]) for row in rows]


def test_a_made_day_has_its_three_jobs() -> None:
    found = [(end.file, end.outcome, end.cause) for end in ends(hear(made()))]
    heat = "nozzle temperature malfunction (print error 0300-8008)"
    assert found == [
        ("shelf_bracket", Outcome.DONE, None),
        ("lamp shade", Outcome.CANCELLED, None),
        ("drawer front", Outcome.FAILED, heat),
    ]


def test_finished_waits_for_a_person_until_the_next_start() -> None:
    facts = hear([*begun(), said(90, gcode_state="FINISH", mc_percent=100), said(200, wifi_signal="-50dBm")])
    assert states(facts)[-1] == (State.WAITING_PERSON, None)
    (end,) = ends(facts)
    assert (end.started_at, end.ts, end.outcome, end.duration_s, end.estimate_s) == (10, 90, Outcome.DONE, 80, 720)


@pytest.mark.parametrize(
    "told",
    [
        [{"gcode_state": "FAILED", "print_error": CANCELLED}, {"print_error": 0}],
        [{"print_error": CANCELLED}, {"gcode_state": "FAILED"}, {"print_error": 0}],
        [{"gcode_state": "FAILED"}, {"print_error": CANCELLED}, {"print_error": 0}],
        [{"gcode_state": "FAILED", "fail_reason": str(CANCELLED)}],
    ],
    ids=["together", "code first", "code later", "as the reason"],
)
def test_a_cancel_is_one_however_its_code_comes(told: list[dict[str, Any]]) -> None:
    facts = hear([*begun(), *(said(60 + n, **body) for n, body in enumerate(told)), said(75, wifi_signal="x")])
    (end,) = ends(facts)
    assert (end.outcome, end.cause) == (Outcome.CANCELLED, None)
    assert end.ts == next(60 + n for n, body in enumerate(told) if "gcode_state" in body)
    assert states(facts)[-1] == (State.IDLE, None)
    assert State.FAULT not in [state for state, _ in states(facts)]


@pytest.mark.parametrize(
    ("told", "cause"),
    [
        ({"print_error": SPAGHETTI}, "spaghetti (print error 0300-8003)"),
        ({"print_error": 0x0A0B0C0D}, "print error 0A0B-0C0D"),
        ({"fail_reason": str(NOZZLE)}, "nozzle temperature malfunction (print error 0300-8008)"),
        ({"stg_cur": 35}, "nozzle clogged"),
        ({"hms": [{"attr": 0x03000100, "code": 0x00010003}]}, "bed temperature malfunction (HMS 0300_0100_0001_0003)"),
        ({}, "stopped, no reason given"),
    ],
)
def test_a_failure_has_its_cause_in_words_and_is_a_fault_until_the_next_start(told: dict[str, Any], cause: str) -> None:
    after = [said(61, print_error=0), said(70, wifi_signal="x"), said(80, print_error=0)]
    facts = hear([*begun(), said(60, gcode_state="FAILED", **told), *after])
    (end,) = ends(facts)
    assert (end.ts, end.outcome, end.cause) == (60, Outcome.FAILED, cause)
    assert states(facts)[-1] == (State.FAULT, cause)
    again = hear([*begun(), said(60, gcode_state="FAILED", **told), *after, said(300, **START | {"hms": []})])
    assert states(again)[-1] == (State.SETUP, None)


def test_a_cancel_after_the_printer_paused_itself_keeps_why() -> None:
    pause = said(50, gcode_state="PAUSE", print_error=SPAGHETTI)
    facts = hear([*begun(), pause, said(80, gcode_state="FAILED", print_error=CANCELLED)])
    (end,) = ends(facts)
    assert (end.outcome, end.cause, end.held_s) == (Outcome.CANCELLED, "spaghetti (print error 0300-8003)", 30)


@pytest.mark.parametrize(
    ("told", "state", "why"),
    [
        ({"stg_cur": 16}, State.HELD, None),
        ({"stg_cur": 30}, State.HELD, None),
        ({"stg_cur": "5"}, State.HELD, None),
        ({"print_error": 0x03008001}, State.HELD, None),
        ({"stg_cur": 6}, State.WAITING_PERSON, "filament out"),
        ({"print_error": RUN_OUT}, State.WAITING_PERSON, "filament out"),
        ({"hms": [{"attr": 0x07012300, "code": 0x00020001}]}, State.WAITING_PERSON, "filament out"),
        ({"stg_cur": 17}, State.WAITING_PERSON, "front cover fell off"),
        ({"print_error": SPAGHETTI}, State.WAITING_PERSON, "spaghetti (print error 0300-8003)"),
        ({"stg_cur": 20}, State.FAULT, "nozzle temperature malfunction"),
        ({"print_error": NOZZLE}, State.FAULT, "nozzle temperature malfunction (print error 0300-8008)"),
    ],
)
def test_a_pause_is_a_persons_will_a_persons_errand_or_a_fault(
    told: dict[str, Any], state: State, why: str | None
) -> None:
    facts = hear([*begun(), said(50, gcode_state="PAUSE", **told)])
    assert states(facts)[-1] == (state, why)


def test_held_runs_from_every_pause_to_its_end() -> None:
    pauses = [said(40, gcode_state="PAUSE", stg_cur=16), said(55, **RUNS), said(60, gcode_state="PAUSE", stg_cur=6)]
    facts = hear([*begun(), *pauses, said(90, **RUNS), said(100, gcode_state="FINISH")])
    assert ends(facts)[0].held_s == 45


@pytest.mark.parametrize("severity", [1, 2])
def test_a_serious_health_message_is_a_fault_and_a_lesser_one_is_none(severity: int) -> None:
    facts = hear([*begun(), said(50, hms=[{"attr": 0x05000600, "code": severity << 16 | 7}]), said(60, hms=[])])
    assert states(facts)[-2:] == [(State.FAULT, f"HMS 0500_0600_{severity:04X}_0007"), (State.RUNNING, None)]
    lesser = hear([*begun(), said(50, hms=[{"attr": 0x05000600, "code": 3 << 16 | 7}])])
    assert states(lesser)[-1] == (State.RUNNING, None)


@pytest.mark.parametrize("stage", [1, "2", 7, 13, 14])
def test_heating_and_homing_are_setup(stage: object) -> None:
    assert states(hear([*begun(), said(50, stg_cur=stage)]))[-1] == (State.SETUP, None)


@pytest.mark.parametrize("stage", [-1, 255, 0, 4])
def test_printing_and_changing_filament_are_running(stage: int) -> None:
    assert states(hear([*begun(), said(50, stg_cur=stage)]))[-1] == (State.RUNNING, None)


def test_the_name_that_comes_after_the_start_is_the_jobs() -> None:
    one = [*begun(), said(90, gcode_state="FINISH"), said(120, gcode_state="PREPARE"), said(121, subtask_name="lid")]
    facts = hear([*one, said(140, **RUNS), said(200, gcode_state="FINISH")])
    assert [(end.file, end.duration_s) for end in ends(facts)] == [("vase", 80), ("lid", 80)]
    assert [fact.file for fact in facts if isinstance(fact, JobStarted)] == ["vase", "lid"]


def test_the_same_file_again_is_a_second_job_though_no_name_comes() -> None:
    one = [*begun(), said(90, gcode_state="FINISH"), said(120, gcode_state="PREPARE"), said(140, **RUNS)]
    assert [end.file for end in ends(hear([*one, said(200, gcode_state="FINISH")]))] == ["vase", "vase"]


def test_whoever_comes_late_knows_no_start_and_counts_the_end() -> None:
    facts = hear([said(50, **START | RUNS | {"mc_percent": 40}), said(90, gcode_state="FINISH")])
    (end,) = ends(facts)
    assert (end.file, end.outcome, end.started_at, end.estimate_s) == ("vase", Outcome.DONE, None, None)


@pytest.mark.parametrize("word", ["FINISH", "FAILED"])
def test_what_was_over_before_we_came_is_no_job_and_no_fault(word: str) -> None:
    facts = hear([said(50, **START | {"gcode_state": word, "mc_remaining_time": 759}), said(60, wifi_signal="x")])
    assert not [fact for fact in facts if isinstance(fact, JobStarted | JobEnded)]
    assert states(facts) == [(State.WAITING_PERSON if word == "FINISH" else State.IDLE, None)]


def test_a_lost_line_ends_no_job_and_its_end_counts_when_heard() -> None:
    gap = [link(40, "offline: nothing heard for 60 s"), link(400, "online")]
    facts = hear([*begun(), *gap, said(401, gcode_state="FINISH")])
    assert (State.OFFLINE, "agent up, machine lost: nothing heard for 60 s") in states(facts)
    assert [(end.outcome, end.ts) for end in ends(facts)] == [(Outcome.DONE, 401)]


def test_a_printer_that_comes_back_idle_has_an_end_that_nobody_heard() -> None:
    gap = [link(40, "offline: gone"), link(400, "online"), said(401, **FIRST)]
    (end,) = ends(hear([*begun(), *gap]))
    assert (end.outcome, end.ts, end.cause) == (Outcome.UNKNOWN, None, "end not heard")


@pytest.mark.parametrize(
    "other",
    [{"task_id": "89"}, {"task_id": "0", "subtask_name": "lid"}, {"task_id": "0", "mc_percent": 3}],
    ids=["number", "name", "progress"],
)
def test_another_job_after_a_gap_ends_the_one_before_unheard(other: dict[str, Any]) -> None:
    gap = [said(39, mc_percent=70), link(40, "offline: gone"), link(400, "online")]
    facts = hear(
        [*begun(), *gap, said(401, **START | RUNS | {"mc_percent": 70} | other), said(500, gcode_state="FINISH")]
    )
    names = ["vase", str(other.get("subtask_name", "vase"))]
    assert [(end.file, end.outcome) for end in ends(facts)] == list(
        zip(names, [Outcome.UNKNOWN, Outcome.DONE], strict=True)
    )


def test_end_of_another_job_after_a_gap_is_not_the_end_of_the_one_before() -> None:
    gap = [said(39, mc_percent=30), link(40, "offline: gone"), link(7_000, "online")]
    (end,) = ends(hear([*begun(), *gap, said(7_001, gcode_state="FINISH", subtask_name="cup", task_id="89")]))
    assert (end.file, end.outcome, end.ts) == ("vase", Outcome.UNKNOWN, None)


def test_the_same_job_after_a_gap_goes_on() -> None:
    gap = [said(39, mc_percent=20), link(40, "offline: gone"), link(400, "online")]
    facts = hear([*begun(), *gap, said(401, **START | RUNS | {"mc_percent": 70}), said(500, gcode_state="FINISH")])
    assert [(end.file, end.outcome, end.started_at) for end in ends(facts)] == [("vase", Outcome.DONE, 10)]


def test_words_told_again_by_the_broker_do_not_end_the_job() -> None:
    again = [message._replace(at=message.at + 40) for message in begun()]
    facts = hear([*begun(), *again, said(90, gcode_state="FINISH")])
    assert [end.outcome for end in ends(facts)] == [Outcome.DONE]


def test_a_printer_that_starts_anew_counts_from_its_beginning() -> None:
    restarted = Heard("report", b'{"print":{"gcode_state":"IDLE","sequence_id":"3"}}', False, 60.0)
    assert states(hear([*begun(), restarted]))[-1] == (State.IDLE, None)


def test_its_own_calibration_is_no_job() -> None:
    facts = hear([said(1, **FIRST), said(5, **START | {"print_type": "system"}), said(9, gcode_state="FINISH")])
    assert ends(facts) == []


def test_five_degrees_are_a_missing_sensor_and_texts_are_numbers() -> None:
    facts = hear([said(1, **FIRST, chamber_temper=5, nozzle_temper="219.5", bed_temper=60, nozzle_target_temper=None)])
    assert values(facts, "chamber_degc") == []
    assert values(facts, "nozzle_degc") == [219.5]
    assert values(hear([said(1, chamber_temper=38.5)]), "chamber_degc") == [38.5]


def test_a_value_off_the_scale_is_left_out_alone() -> None:
    facts = hear([said(1, nozzle_temper=9_000, bed_temper=60.5)])
    assert values(facts, "nozzle_degc") == []
    assert values(facts, "bed_degc") == [60.5]


def test_progress_is_of_a_job_that_runs_alone() -> None:
    over = [said(90, gcode_state="FAILED", print_error=SPAGHETTI), said(95, mc_percent=44, mc_remaining_time=5)]
    assert values(hear([*begun(), said(50, mc_percent="44"), *over]), "progress_ratio") == [0.0, 0.44]


def test_the_filament_changer_tells_climate_and_what_is_left_on_the_spool_in_use() -> None:
    tray = [{"id": "0", "remain": 10}, {"id": "1", "remain": 64}]
    units = [{"id": "0", "humidity": "2", "temp": "0.0", "tray": tray}]
    units += [{"id": "1", "humidity": "5", "humidity_raw": "18", "temp": "27.5", "tray": tray}]
    facts = hear([said(1, **FIRST, ams={"tray_now": "5", "ams": units})])
    assert values(facts, "spool_left_pct") == [64]
    assert values(facts, "ams_dryness_grade") == [2]
    assert values(facts, "ams_degc") == []
    assert (values(facts, "ams1_degc"), values(facts, "ams1_humidity_pct")) == ([27.5], [18])
    untagged = hear([said(1, ams={"tray_now": "255", "ams": units}), said(2, ams={"tray_now": "0", "ams": []})])
    assert values(untagged, "spool_left_pct") == []


def test_a_door_that_opens_is_noted() -> None:
    facts = hear([said(1, home_flag=-1066967617 & ~0x800000), said(2, home_flag=-1058546177), said(3, stat="0")])
    assert [fact.body for fact in facts if isinstance(fact, Noted)] == [{"open": True}, {"open": False}]


def test_answers_to_commands_say_nothing() -> None:
    memory = BAMBU.state()
    for body in ({"info": {"command": "get_version"}}, {"print": {"command": "pause", "gcode_state": "PAUSE"}}, {}):
        heard = Heard("report", json.dumps(body).encode(), False, 1.0)
        assert BAMBU.decode(memory, heard) == (memory, ())


def test_a_link_says_one_of_two_words() -> None:
    with pytest.raises(Refusal, match="not online or offline"):
        BAMBU.decode(BAMBU.state(), link(1, "perhaps"))
