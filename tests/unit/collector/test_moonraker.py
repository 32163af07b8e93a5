# SPDX-License-Identifier: AGPL-3.0-or-later
# tidy: one story after another, each short
"""What a Moonraker says, against what one really said: the recording, and stories of faults in its own words."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector.bus.local import LocalBroker, LocalBus
from collector.contract.errors import Refusal
from collector.contract.event import JobEnded, JobStarted, Noted, Outcome, State, StateSeen
from collector.contract.reading import Fact, Samples
from collector.contract.tree import read_plant
from collector.dialects import DIALECTS, Heard, facts_and_signs, recognise
from collector.dialects.dialect import Ask
from collector.jobs import JobTrack, follow, settle
from collector.registry import Registry
from collector.service import Collector
from collector.spool import Spool
from deploy.clock import FileClock

ROOT = Path(__file__).parents[3]
RECORDING = ROOT / "firmware_sim/recordings/moonraker.jsonl"
PAYLOADS = ROOT / "tests/data/moonraker"
MOONRAKER = DIALECTS["moonraker"]
BEGIN = 1_795_000_000.0
UP_S = 5000.0
"""How long the host had been up when the stories begin."""
HEATER = "Heater extruder not heating at expected rate"
WORDS = f"{HEATER}\nSee the 'verify_heater' section\nPrinter is shutdown\n"
SNAPSHOT = {
    "eventtime": 90.0,
    "status": {
        "webhooks": {"state": "ready", "state_message": "Printer is ready"},
        "print_stats": {"filename": "a.gcode", "state": "printing", "total_duration": 50.0, "print_duration": 40.0},
    },
}


class Told:
    """Everything that was said about a stream of words."""

    def __init__(self, messages: Iterable[Heard]) -> None:
        self.memory, track = MOONRAKER.state(), JobTrack()
        self.facts: list[Fact] = []
        self.asks: list[Ask] = []
        for message in messages:
            self.memory, said = MOONRAKER.decode(self.memory, message)
            self.memory = msgspec.json.decode(msgspec.json.encode(self.memory), type=MOONRAKER.state)
            self.asks += [item for item in said if isinstance(item, Ask)]
            track, more = follow(track, facts_and_signs(said))
            self.facts += more
        self.facts += settle(track, math.inf).facts

    @property
    def starts(self) -> list[JobStarted]:
        return [fact for fact in self.facts if isinstance(fact, JobStarted)]

    @property
    def ends(self) -> list[JobEnded]:
        return [fact for fact in self.facts if isinstance(fact, JobEnded)]

    @property
    def end(self) -> JobEnded:
        (found,) = self.ends
        return found

    @property
    def states(self) -> list[State]:
        return [fact.state for fact in self.facts if isinstance(fact, StateSeen)]

    @property
    def whys(self) -> list[str | None]:
        return [fact.why for fact in self.facts if isinstance(fact, StateSeen)]

    @property
    def last(self) -> dict[str, float | None]:
        samples = [fact for fact in self.facts if isinstance(fact, Samples)]
        return {name: column[-1] for fact in samples for name, column in fact.values.items()}


def word(topic: str, at: float, body: Any, *, retained: bool = False) -> Heard:
    payload = body if isinstance(body, str) else json.dumps(body)
    return Heard(topic, payload.encode(), retained, BEGIN + at)


def agent(at: float, server: str, *, retained: bool = False) -> Heard:
    return word("moonraker/status", at, {"server": server}, retained=retained)


def status(at: float, lag: float = 0.0, /, *, boot: float = -UP_S, **objects: Any) -> Heard:
    named = {name.replace("__", " "): fields for name, fields in objects.items()}
    return word("klipper/status", at + lag, {"eventtime": at - boot, "status": named})


def split(at: float, name: str, field: str, value: Any, *, retained: bool = False) -> Heard:
    return word(f"klipper/state/{name}/{field}", at, {"eventtime": at + UP_S, "value": value}, retained=retained)


def stats(state: str | None = None, total: float | None = None, **more: Any) -> dict[str, Any]:
    told = {"state": state, "total_duration": total, **more}
    return {name: value for name, value in told.items() if value is not None}


def ready(at: float, *, boot: float = -UP_S) -> Heard:
    idle = stats("standby", 0.0, filename="", print_duration=0.0, filament_used=0.0)
    webhooks = {"state": "ready", "state_message": "Printer is ready"}
    toolhead = {"estimated_print_time": at - boot}
    return status(at, boot=boot, webhooks=webhooks, print_stats=idle, toolhead=toolhead)


def begun(at: float = 100.0, file: str = "arm.gcode") -> list[Heard]:
    """A machine that came online, and a job that began at `at`."""
    first = stats("printing", 0.3, filename=file, print_duration=0.0)
    return [
        agent(at - 20, "online"),
        ready(at - 10),
        status(at + 0.3, print_stats=first),
    ]


def runs(start: float, end: float, begun_at: float = 100.0) -> list[Heard]:
    """Statuses of a job that extrudes, one a second."""
    times = [start + step for step in range(int(end - start))]
    return [
        status(at, print_stats=stats(total=at - begun_at, print_duration=at - begun_at - 5, filament_used=at / 10))
        for at in times
    ]


def over(at: float, state: str, begun_at: float = 100.0, **more: Any) -> Heard:
    return status(at, print_stats=stats(state, at - begun_at, **more))


def answered(at: float, number: int | str, result: Any) -> Heard:
    return word("moonraker/api/response", at, {"jsonrpc": "2.0", "result": result, "id": number})


def asked(at: float, number: int | str, method: str) -> Heard:
    return word("moonraker/api/request", at, {"jsonrpc": "2.0", "method": method, "id": number})


def record(start: float, end: float | None, outcome: str, file: str = "arm.gcode", **more: Any) -> dict[str, Any]:
    times = {"start_time": BEGIN + start, "end_time": end and BEGIN + end}
    return {"job_id": "000007", "filename": file, "status": outcome, **times, "metadata": {}, **more}


def history(at: float, *records: dict[str, Any], number: int = 9) -> list[Heard]:
    """Somebody asks for the records, and the answer."""
    answer = answered(at + 0.1, number, {"count": len(records), "jobs": list(records)})
    return [asked(at, number, "server.history.list"), answer]


def recorded() -> list[Heard]:
    rows = [json.loads(line) for line in RECORDING.read_text().splitlines()]
    prefix = "voron-01/"
    return [Heard(row["topic"].removeprefix(prefix), row["payload"].encode(), False, row["ts"]) for row in rows]


def payload(name: str) -> Heard:
    row = json.loads((PAYLOADS / f"{name}.json").read_text())
    said = row["payload"] if isinstance(row["payload"], str) else json.dumps(row["payload"])
    return Heard(row["topic"].partition("/")[2], said.encode(), False, row.get("ts", row.get("received")))


def test_recorded_jobs_are_exact_by_moonrakers_own_record() -> None:
    bracket, casing = Told(recorded()).ends
    assert (bracket.file, bracket.outcome, bracket.material_mm) == ("bracket.gcode", Outcome.DONE, 79.2)
    assert (bracket.started_at, bracket.ts) == pytest.approx((1795400780.6005, 1795400914.4031), abs=1e-3)
    assert (bracket.print_duration_s, bracket.total_duration_s) == pytest.approx((50.92, 133.83), abs=0.01)
    assert (casing.file, casing.outcome, casing.material_mm) == ("casing.gcode", Outcome.CANCELLED, pytest.approx(13.2))
    assert (casing.started_at, casing.ts) == pytest.approx((1795400925.7, 1795401003.99), abs=0.01)
    assert (casing.held_s, casing.print_duration_s) == pytest.approx((8.0, 9.47), abs=0.02)


def test_recorded_jobs_are_right_within_a_tenth_of_a_second_without_the_record() -> None:
    bracket, casing = Told(heard for heard in recorded() if "/api/" not in heard.topic).ends
    assert (bracket.started_at, bracket.ts) == pytest.approx((1795400780.6005, 1795400914.4031), abs=0.1)
    assert (casing.started_at, casing.ts) == pytest.approx((1795400925.7, 1795401003.99), abs=0.1)


def test_recorded_states_follow_klipper() -> None:
    assert Told(recorded()).states == [
        *(State.UNKNOWN, State.OFFLINE, State.UNKNOWN, State.IDLE, State.SETUP, State.RUNNING, State.WAITING_PERSON),
        *(State.SETUP, State.HELD, State.SETUP, State.RUNNING, State.IDLE),
    ]


def test_start_is_total_duration_before_the_word_that_tells_it_however_late_that_comes() -> None:
    late = status(100.9, 0.6, print_stats=stats("printing", 0.9, filename="arm.gcode"))
    (start,) = Told([*begun()[:2], late]).starts
    assert start.ts == pytest.approx(BEGIN + 100.15, abs=0.11)


def test_finished_job_waits_for_a_person_until_the_next_begins() -> None:
    told = Told([*begun(), *runs(106, 130), over(130, "complete"), *begun(200)[2:]])
    assert told.states[-2:] == [State.WAITING_PERSON, State.SETUP]
    assert (told.ends[0].outcome, told.ends[0].ts) == (Outcome.DONE, pytest.approx(BEGIN + 130, abs=0.1))


def test_pause_is_held_from_the_word_paused_to_the_word_printing() -> None:
    told = Told([*begun(), *runs(106, 110), over(110, "paused"), over(111, "paused"), over(122, "printing"),
                 over(140, "complete")])  # fmt: skip
    assert told.end.held_s == pytest.approx(12.0)
    assert told.states[-3:] == [State.HELD, State.RUNNING, State.WAITING_PERSON]


def test_heater_fault_fails_the_job_in_the_machines_words_before_the_restart_forgets_it() -> None:
    fault = status(110, webhooks={"state": "shutdown", "state_message": WORDS}, print_stats=stats("paused", 10.0))
    told = Told([*begun(), *runs(106, 109), fault, over(111, "paused"), ready(118)])
    assert (told.end.outcome, told.end.cause, told.end.ts) == (Outcome.FAILED, HEATER, BEGIN + 110)
    assert (told.end.print_duration_s, told.end.total_duration_s) == (3.0, 10.0)
    assert told.states[-2:] == [State.FAULT, State.IDLE]
    assert HEATER in told.whys


def test_fault_told_field_by_field_still_has_the_machines_words() -> None:
    told = Told([*begun(), split(110, "print_stats", "state", "paused"), split(110, "webhooks", "state", "shutdown"),
                 split(110, "webhooks", "state_message", WORDS), ready(118)])  # fmt: skip
    assert (told.end.outcome, told.end.cause) == (Outcome.FAILED, HEATER)


def test_heater_fault_of_the_samples_is_a_fault_with_its_first_line() -> None:
    told = Told(
        [payload("status_online"), payload("snapshot_ready"), payload("print_started"), payload("heater_fault")]
    )
    assert (told.states[-1], told.whys[-1]) == (State.FAULT, HEATER)
    assert told.end.cause == HEATER


def test_open_thermistor_of_an_idle_machine_is_a_fault_without_a_job() -> None:
    told = Told([payload("snapshot_ready"), payload("open_thermistor")])
    assert (told.states[-1], told.whys[-1]) == (State.FAULT, "MCU 'mcu' shutdown: ADC out of range")
    assert told.ends == []


def test_error_in_the_file_fails_the_job_with_print_stats_message() -> None:
    told = Told([*begun(), *runs(106, 109), over(109, "error", message="Move out of range: 300 0 0")])
    assert (told.end.outcome, told.end.cause) == (Outcome.FAILED, "Move out of range: 300 0 0")
    assert told.states[-1] is State.FAULT


def test_host_that_crashed_loses_the_job_and_calls_a_person() -> None:
    told = Told([*begun(), *runs(106, 120), ready(131)])
    assert (told.end.outcome, told.end.ts) == (Outcome.UNKNOWN, None)
    assert told.states[-1] is State.WAITING_PERSON
    assert told.whys[-1] is not None


def test_klipper_that_counts_its_seconds_anew_lost_the_job_even_where_it_does_not_say_so() -> None:
    started = status(107.5, toolhead={"estimated_print_time": 1.0}, print_stats=stats("standby", 0.0, filename=""))
    told = Told([*begun(), *runs(106, 107), started])
    assert (told.end.outcome, told.end.cause) == (Outcome.UNKNOWN, "Klipper started anew in the middle of the job")


@pytest.mark.parametrize("words", [("startup",), ("startup", "ready")])
def test_job_of_a_host_that_starts_is_lost_though_its_reset_is_told_later(words: tuple[str, ...]) -> None:
    starts = [status(131 + number, webhooks={"state": said}) for number, said in enumerate(words)]
    reset = status(134, print_stats=stats("standby", 0.0, filename="", print_duration=0.0, filament_used=0.0))
    told = Told([*begun(), *runs(106, 120), *starts, reset])
    assert [(end.outcome, end.ts) for end in told.ends] == [(Outcome.UNKNOWN, None)]
    assert told.states[-1] is State.WAITING_PERSON


def test_record_says_what_became_of_a_job_whose_host_crashed() -> None:
    told = Told([*begun(), *runs(106, 120), ready(131), *history(131.2, record(100.3, 121.0, "klippy_disconnect"))])
    assert (told.end.outcome, told.end.ts) == (Outcome.FAILED, BEGIN + 121.0)


def test_job_that_was_reset_without_a_word_was_cancelled() -> None:
    reset = stats("standby", 0.0, filename="", print_duration=0.0, filament_used=0.0)
    told = Told([*begun(), *runs(106, 120), status(120, print_stats=reset)])
    assert (told.end.outcome, told.end.file, told.end.print_duration_s) == (Outcome.CANCELLED, "arm.gcode", 14.0)


def test_reset_told_field_by_field_is_one_cancelled_job_with_its_figures() -> None:
    fields = {"filename": "", "total_duration": 0.0, "print_duration": 0.0, "filament_used": 0.0, "state": "standby"}
    told = Told([*begun(), *runs(106, 120), *(split(120, "print_stats", *field) for field in fields.items())])
    assert (told.end.outcome, told.end.file, told.end.total_duration_s) == (Outcome.CANCELLED, "arm.gcode", 19.0)


def test_host_that_was_switched_off_is_known_by_its_clock() -> None:
    boot = 300.0
    again = status(360.3, boot=boot, print_stats=stats("printing", 0.3, filename="arm.gcode"))
    told = Told([*begun(), *runs(106, 120), agent(180, "offline"), agent(340, "online"), ready(350, boot=boot), again,
                 status(380, boot=boot, print_stats=stats("complete", 20.0))])  # fmt: skip
    assert [(end.outcome, end.ts is None) for end in told.ends] == [(Outcome.UNKNOWN, True), (Outcome.DONE, False)]
    assert told.ends[1].started_at == pytest.approx(BEGIN + 360.0, abs=0.3)


def test_rest_told_before_the_host_counts_anew_is_still_known() -> None:
    idle = stats("standby", 0.0, filename="", print_duration=0.0, filament_used=0.0)
    alone = status(131, webhooks={"state": "ready"}, print_stats=idle)
    told = Told([*begun(), *runs(106, 120), alone, status(132, toolhead={"estimated_print_time": 1.0})])
    assert told.states[-1] is State.WAITING_PERSON


def test_job_after_a_lost_one_begins_with_heating() -> None:
    later = status(200.3, print_stats=stats("printing", 0.3, filename="arm.gcode"))
    assert Told([*begun(), *runs(106, 120), ready(131), later]).states[-1] is State.SETUP


def test_end_told_late_is_where_the_seconds_say_and_a_shutdown_in_the_middle_of_its_delay() -> None:
    late = status(130.9, 0.4, print_stats=stats("complete", 30.2))
    assert Told([*begun(), *runs(106, 130), late]).end.ts == pytest.approx(BEGIN + 130.2, abs=0.1)
    fault = status(110, 0.4, webhooks={"state": "shutdown", "state_message": WORDS})
    assert Told([*begun(), *runs(106, 110), fault]).end.ts == pytest.approx(BEGIN + 110.2, abs=0.01)


def test_memory_is_bounded_whatever_is_told() -> None:
    story = [*begun()]
    for n in range(300):
        long = f"{n}" + "x" * 5_000
        sensor = {f"filament_switch_sensor__{long}": {"filament_detected": False, "enabled": False}}
        story += [
            status(106 + n, webhooks={"state": "ready", "state_message": long},
                   print_stats=stats("printing", 0.5, filename=long, message=long), **sensor),
            asked(106.1 + n, long, "server.history.list"), asked(106.2 + n, n, "server.info"),
            *history(106.3 + n, record(n, n + 101, "completed", file=long)), word("klipper/alert", 106.4 + n, long),
        ]  # fmt: skip
    assert len(msgspec.json.encode(Told(story).memory)) < 16 * 1024


def test_words_that_were_told_before_say_nothing() -> None:
    story = [*begun(), *runs(106, 130), over(130, "complete")]
    again = [heard._replace(at=heard.at + 600) for heard in story if heard.topic == "klipper/status"]
    assert Told([*story, *again]).facts == Told(story).facts


def test_last_will_without_return_leaves_the_job_unknown_with_no_end() -> None:
    told = Told([*begun(), *runs(106, 120), agent(180, "offline"), agent(180, "offline")])
    assert (told.end.outcome, told.end.ts) == (Outcome.UNKNOWN, None)
    assert told.end.cause == "agent lost (Moonraker is offline)"
    assert told.states[-1] is State.OFFLINE


def test_moonraker_restarted_in_the_middle_costs_no_job() -> None:
    snapshot = status(131, webhooks={"state": "ready"}, print_stats=stats("printing", 31.0, filename="arm.gcode"))
    told = Told([*begun(), *runs(106, 120), agent(120, "offline"), agent(130, "online"), snapshot, *runs(132, 140),
                 over(140, "complete")])  # fmt: skip
    assert (told.end.outcome, told.end.ts) == (Outcome.DONE, pytest.approx(BEGIN + 140, abs=0.1))
    assert told.states[4:7] == [State.OFFLINE, State.UNKNOWN, State.RUNNING]


def test_will_of_an_old_connection_does_not_silence_the_new_one() -> None:
    told = Told([*begun(), *runs(106, 120), agent(119.5, "offline"), *runs(120, 130), over(130, "complete")])
    assert (told.end.outcome, told.states[-2:]) == (Outcome.DONE, [State.RUNNING, State.WAITING_PERSON])


def test_run_out_while_paused_waits_for_a_person_and_then_is_held() -> None:
    empty, full = ({"filament_switch_sensor__runout": {"filament_detected": found}} for found in (False, True))
    told = Told([*begun(), *runs(106, 110), status(110, **empty), over(111, "paused"), status(150, **full),
                 over(160, "printing"), over(170, "complete")])  # fmt: skip
    assert told.states[3:] == [State.RUNNING, State.WAITING_PERSON, State.HELD, State.RUNNING, State.WAITING_PERSON]
    assert "out of filament (runout)" in told.whys


def test_sensor_that_is_switched_off_asks_for_nobody() -> None:
    off = {"filament_switch_sensor__runout": {"filament_detected": False, "enabled": False}}
    assert Told([*begun(), *runs(106, 110), status(110, **off), over(111, "paused")]).states[-1] is State.HELD


def test_alert_of_a_macro_is_the_reason_of_the_pause_and_of_the_end() -> None:
    alert = word("klipper/alert", 110, "bed_adhesion_lost")
    told = Told([*begun(), *runs(106, 110), alert, alert, over(111, "paused"), over(130, "cancelled")])
    assert (State.WAITING_PERSON, "bed_adhesion_lost") in zip(told.states, told.whys, strict=True)
    assert told.end.cause == "bed_adhesion_lost"
    assert [fact.body for fact in told.facts if isinstance(fact, Noted)] == [{"text": "bed_adhesion_lost"}]


def test_alert_of_long_ago_is_no_reason() -> None:
    alert = word("klipper/alert", 110, "bed_adhesion_lost")
    told = Told([*begun(), *runs(106, 110), alert, *runs(111, 200), over(200, "paused"), over(201, "cancelled")])
    assert (told.end.cause, told.states[-2]) == (None, State.HELD)


def test_somebody_who_comes_online_is_asked_for_everything_once() -> None:
    told = Told([agent(80, "online"), agent(80.1, "online"), ready(81)])
    methods = [json.loads(ask.payload)["method"] for ask in told.asks]
    assert methods == ["server.info", "printer.objects.query", "server.history.list", "server.job_queue.status"]
    assert {ask.topic for ask in told.asks} == {"moonraker/api/request"}
    assert all(json.loads(ask.payload)["id"] >= 0x43590000 for ask in told.asks)


def test_record_is_asked_for_at_a_jobs_end() -> None:
    told = Told([*begun(), *runs(106, 130), over(130, "complete")])
    assert [json.loads(ask.payload)["method"] for ask in told.asks[-2:]] == [
        "server.history.list",
        "server.job_queue.status",
    ]


def test_answer_to_our_question_is_known_by_its_id() -> None:
    told = Told(begun())
    number = next(json.loads(ask.payload)["id"] for ask in told.asks if b"history" in ask.payload)
    weighed = {"filament_weight_total": 30.0, "filament_total": 10_000.0, "estimated_time": 25.0}
    found = record(100.3, 130.4, "completed", filament_used=9_000.0, metadata=weighed)
    told = Told([*begun(), *runs(106, 130), over(130, "complete"), answered(130.6, number, {"jobs": [found]})])
    assert (told.end.ts, told.end.started_at) == pytest.approx((BEGIN + 130.4, BEGIN + 100.3))
    assert (told.end.material_g, told.end.estimate_s) == (pytest.approx(27.0), 25.0)


def test_answers_to_questions_that_nobody_was_heard_to_ask_are_passed_over() -> None:
    found = {"jobs": [record(60, 70, "completed")]}
    assert Told([agent(50, "online"), answered(90, 77, found), answered(90, "x", found)]).ends == []


def test_estimate_comes_from_the_record_of_the_running_job() -> None:
    running = record(100.3, None, "in_progress", metadata={"estimated_time": 1234.0})
    told = Told([*begun(), *history(101, running), *runs(106, 130), over(130, "complete")])
    assert (told.last["estimate_s"], told.end.estimate_s) == (1234.0, 1234.0)


def test_job_that_came_and_went_unheard_is_told_once_by_the_record() -> None:
    missed = record(300, 400, "completed", file="lid.gcode", total_duration=99.0)
    told = Told([*begun(), *runs(106, 130), over(130, "complete"), *history(500, missed), *history(700, missed)])
    assert [(end.file, end.outcome) for end in told.ends] == [("arm.gcode", Outcome.DONE), ("lid.gcode", Outcome.DONE)]
    assert (told.ends[1].started_at, told.ends[1].ts) == (BEGIN + 300, BEGIN + 400)


def test_jobs_before_our_time_stay_where_they_are() -> None:
    told = Told([*begun(), *history(101, record(20, 60, "completed"), record(70, 75, "error"))])
    assert told.ends == []


def test_record_from_a_clock_that_runs_ahead_makes_no_job() -> None:
    assert Told([*begun(), *history(101, record(4000, 5000, "completed"))]).ends == []


def test_job_that_ended_while_the_collector_was_down_has_its_recorded_end() -> None:
    number = next(json.loads(ask.payload)["id"] for ask in Told(begun()).asks if b"history" in ask.payload)
    idle = stats("standby", 0.0, filename="")
    query = {"eventtime": UP_S + 900.0, "status": {"webhooks": {"state": "ready"}, "print_stats": idle}}
    told = Told([*begun(), *runs(106, 120), agent(900, "online", retained=True), answered(900.1, 0x43590002, query),
                 answered(900.2, number, {"jobs": [record(100.3, 456.0, "completed")]})])  # fmt: skip
    assert (told.end.outcome, told.end.ts) == (Outcome.DONE, BEGIN + 456.0)


def test_completed_job_found_later_ended_when_its_seconds_say() -> None:
    snapshot = status(900, webhooks={"state": "ready"}, print_stats=stats("complete", 400.0, filename="arm.gcode"))
    assert Told([*begun(), *runs(106, 120), snapshot]).end.ts == pytest.approx(BEGIN + 500.0, abs=0.3)


def test_who_comes_late_knows_the_start_by_its_seconds_once_the_file_is_told() -> None:
    found = stats("printing", 800.0, filename="arm.gcode", print_duration=700.0)
    query = {"eventtime": UP_S + 900.0, "status": {"webhooks": {"state": "ready"}, "print_stats": found}}
    told = Told([agent(890, "online", retained=True), answered(900, 0x43590002, query),
                 status(901, print_stats=stats("complete", 801.0))])  # fmt: skip
    assert (told.end.file, told.end.started_at) == ("arm.gcode", pytest.approx(BEGIN + 100, abs=0.3))
    assert told.end.held_s is None


def test_who_comes_late_and_never_hears_the_file_still_counts_the_job() -> None:
    told = Told([*runs(500, 510), over(510, "complete")])
    assert (told.end.outcome, told.end.file) == (Outcome.DONE, None)
    assert told.end.started_at == pytest.approx(BEGIN + 100, abs=0.3)
    assert told.states[-2:] == [State.RUNNING, State.WAITING_PERSON]


def test_record_tells_who_came_late_the_file_of_the_job_that_ended() -> None:
    told = Told([*runs(500, 510), over(510, "complete"), *history(511, record(100.3, 510.2, "completed"))])
    assert (told.end.file, told.end.started_at, told.end.ts) == ("arm.gcode", BEGIN + 100.3, BEGIN + 510.2)


def test_job_whose_first_word_was_lost_is_known_by_its_seconds() -> None:
    told = Told([*begun()[:2], *runs(102, 130), over(130, "complete")])
    assert (told.end.outcome, told.end.started_at) == (Outcome.DONE, pytest.approx(BEGIN + 100, abs=0.3))
    assert any(b"objects.query" in ask.payload for ask in told.asks[4:])


@pytest.mark.parametrize("missing", range(20, 140, 10))
def test_recorded_jobs_are_found_from_wherever_we_begin_to_listen(missing: int) -> None:
    bracket, casing = Told(recorded()[missing:]).ends
    assert (bracket.file, bracket.started_at) == ("bracket.gcode", pytest.approx(1795400780.6005, abs=1e-3))
    assert (casing.started_at, casing.ts) == pytest.approx((1795400925.7, 1795401003.99), abs=0.1)


def test_snapshot_of_another_client_does_not_hide_the_status_that_waits_in_moonraker() -> None:
    query = {"eventtime": UP_S + 130.4, "status": {"extruder": {"temperature": 200.0}}}
    told = Told([*begun(), *runs(106, 130), asked(130, 5, "printer.objects.query"), answered(130.4, 5, query),
                 status(130.2, 0.5, print_stats=stats("complete", 30.2))])  # fmt: skip
    assert told.end.outcome is Outcome.DONE


def test_status_that_waited_behind_a_snapshot_is_no_start_of_klipper() -> None:
    def seconds(at: float) -> dict[str, Any]:
        return {"toolhead": {"estimated_print_time": UP_S + at}, "print_stats": stats(total=at - 100)}

    query = {"eventtime": UP_S + 130.4, "status": seconds(130.4)}
    told = Told([*begun(), *runs(106, 130), status(130, **seconds(130)), asked(130, 5, "printer.objects.query"),
                 answered(130.4, 5, query), status(130.2, 0.5, **seconds(130.2)), over(131, "complete")])  # fmt: skip
    assert (told.end.outcome, told.states[-2:]) == (Outcome.DONE, [State.RUNNING, State.WAITING_PERSON])


def test_split_mode_gives_the_same_job_as_whole_status() -> None:
    fields = {"filename": "arm.gcode", "total_duration": 0.3, "print_duration": 0.0, "state": "printing"}
    starts = [split(100.3, "print_stats", *field) for field in fields.items()]
    ends = [split(130, "print_stats", *field) for field in {"total_duration": 30.0, "state": "complete"}.items()]
    told, whole = (Told([*begun()[:2], *words]) for words in ([*starts, *ends], [begun()[2], over(130, "complete")]))
    assert (told.end.started_at, told.end.ts) == pytest.approx((whole.end.started_at, whole.end.ts), abs=0.01)
    assert told.states == whole.states


def test_kept_fields_are_learnt_and_the_job_begins_with_the_first_live_word() -> None:
    kept = {"filename": "arm.gcode", "total_duration": 50.0, "print_duration": 40.0, "state": "printing"}
    words = [split(150, "print_stats", *field, retained=True) for field in kept.items()]
    assert Told(words).starts == []
    told = Told([*words, split(151, "print_stats", "total_duration", 51.0)])
    assert (told.starts[0].file, told.starts[0].ts) == ("arm.gcode", pytest.approx(BEGIN + 100, abs=0.3))


def test_two_jobs_of_one_file_at_once_are_two() -> None:
    second = status(140.3, print_stats=stats("printing", 0.3))
    told = Told([*begun(), *runs(106, 130), over(130, "complete"), second, over(160, "cancelled", 140.0)])
    assert [end.outcome for end in told.ends] == [Outcome.DONE, Outcome.CANCELLED]


def test_klipper_that_is_away_behind_its_moonraker_is_told_by_moonraker() -> None:
    info = {"klippy_connected": False, "klippy_state": "disconnected"}
    told = Told([agent(80, "online"), answered(80.1, 0x43590001, info)])
    assert (told.states[-1], told.whys[-1]) == (State.OFFLINE, "Klipper is away, Moonraker is there")
    busy = Told([*begun(), answered(101, 0x43590001, info)])
    assert busy.states[-1] is State.FAULT


def test_start_of_klipper_is_over_with_the_first_job_even_where_ready_is_not_told() -> None:
    told = Told([agent(80, "online"), status(81, webhooks={"state": "startup"}), begun()[2]])
    assert told.states[1:] == [State.SETUP, State.SETUP]
    assert told.whys[1:] == ["Klipper starts", None]


def test_every_tool_bed_and_chamber_is_measured_and_the_impossible_left_out() -> None:
    told = Told([status(50, extruder={"temperature": 201.5, "target": 200, "power": 0.4}, extruder1={"temperature": 50},
                        heater_bed={"temperature": 900, "target": 60, "power": 1.0},
                        heater_generic__chamber={"temperature": 41.0},
                        temperature_sensor__pi={"temperature": 50})])  # fmt: skip
    assert told.last == {
        "nozzle_degc": 201.5, "nozzle_target_degc": 200.0, "heater_power_ratio": 0.4, "nozzle1_degc": 50.0,
        "bed_target_degc": 60.0, "bed_heater_power_ratio": 1.0, "chamber_degc": 41.0,
    }  # fmt: skip


def test_progress_is_the_slicers_where_it_tells_one_and_only_of_a_job() -> None:
    both = {"virtual_sdcard": {"progress": 0.5}, "display_status": {"progress": 0.4}}
    assert "progress_ratio" not in Told([*begun()[:2], status(95, **both)]).last
    assert Told([*begun(), status(106, **both), status(107, virtual_sdcard={"progress": 0.6})]).last[
        "progress_ratio"
    ] == pytest.approx(0.4)


def test_queue_is_counted() -> None:
    told = Told([agent(80, "online"), answered(80.1, 0x43590004, {"queued_jobs": [{}, {}], "queue_state": "ready"})])
    assert told.last == {"queue_jobs": 2.0}


def test_questions_reach_the_machine_and_its_answers_the_collector(tmp_path: Path) -> None:
    clock, broker, spool = FileClock(BEGIN + 80), LocalBroker(), Spool(tmp_path / "facts.db")
    machine = LocalBus(broker, "machine", clock, persistent=True)
    machine.subscribe(["voron-01/moonraker/api/request"])
    plant = read_plant({"machines": {"v": {"place": "hall/v", "dialect": "moonraker", "prefix": "voron-01"}}})
    bus = LocalBus(broker, "collector", clock, persistent=True)
    collector = Collector(spool=spool, bus=bus, clock=clock, registry=Registry(plant))
    machine.publish("voron-01/moonraker/status", b'{"server":"online"}', retain=True)
    collector.turn(wait_s=0.0)
    questions = [json.loads(delivery.payload) for delivery in machine.take(most=10, wait_s=0.0)]
    assert len(questions) == 4
    number = next(body["id"] for body in questions if body["method"] == "printer.objects.query")
    machine.publish("voron-01/moonraker/api/response", answered(80, number, SNAPSHOT).payload)
    collector.turn(wait_s=0.0)
    collector.turn(wait_s=0.0)
    facts = [fact for _, batch in spool.read_from(1, most=100) for fact in batch.facts]
    spool.close()
    assert [fact.state for fact in facts if isinstance(fact, StateSeen)] == [State.UNKNOWN, State.RUNNING]


@pytest.mark.parametrize("name", sorted(path.stem for path in PAYLOADS.glob("*.json")))
def test_every_sample_is_recognised_and_decoded(name: str) -> None:
    row = json.loads((PAYLOADS / f"{name}.json").read_text())
    found = recognise(row["topic"])
    assert found is not None
    assert found[0].name == "moonraker"
    MOONRAKER.decode(MOONRAKER.state(), payload(name))


@pytest.mark.parametrize(
    ("topic", "body"),
    [("moonraker/status", {"server": "asleep"}), ("klipper/status", {"status": 3}), ("klipper/status", "no"),
     ("klipper/state/extruder/power", {"eventtime": 1})],
)  # fmt: skip
def test_what_has_not_the_form_is_refused(topic: str, body: Any) -> None:
    with pytest.raises(Refusal):
        MOONRAKER.decode(MOONRAKER.state(), word(topic, 1.0, body))


@pytest.mark.parametrize("word_", ["shrugging", 7, None, ["printing"]])
def test_words_of_klipper_that_are_not_known_change_nothing(word_: Any) -> None:
    told = Told([*begun(), status(106, print_stats={"state": word_}, webhooks={"state": word_}), over(130, "complete")])
    assert told.end.outcome is Outcome.DONE
