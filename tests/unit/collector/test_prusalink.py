# SPDX-License-Identifier: AGPL-3.0-or-later
"""What PrusaLink answers, as our poller puts it onto the broker."""

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
from collector.dialects import DIALECTS, Heard, facts_and_signs
from collector.jobs import JobTrack, follow, settle

PRUSA = DIALECTS["prusalink"]
MADE = Path(__file__).parents[2] / "data/dialects/prusalink.jsonl"


def told(topic: str, at: float, body: Any) -> Heard:
    return Heard(topic, (body if isinstance(body, str) else json.dumps(body)).encode(), False, at)


def status(at: float, state: str, job: int | None = None, printed_s: int = 0, left_s: int = 0, **more: Any) -> Heard:
    body: dict[str, Any] = {"printer": {"state": state, **more}}
    if job is not None:
        body["job"] = {"id": job, "progress": 10, "time_printing": printed_s, "time_remaining": left_s}
    return told("status", at, body)


def file(at: float, job: int, name: str = "box.bgcode") -> Heard:
    return told("job", at, {"id": job, "state": "PRINTING", "file": {"display_name": name}})


def hear(messages: Iterable[Heard]) -> list[Fact]:
    memory, track, facts = PRUSA.state(), JobTrack(), []
    for message in messages:
        memory, said = PRUSA.decode(memory, message)
        track, more = follow(track, facts_and_signs(said))
        facts.extend(more)
    return [*facts, *settle(track, math.inf).facts]


def ends(facts: Iterable[Fact]) -> list[JobEnded]:
    return [fact for fact in facts if isinstance(fact, JobEnded)]


def states(facts: Iterable[Fact]) -> list[tuple[State, str | None]]:
    return [(fact.state, fact.why) for fact in facts if isinstance(fact, StateSeen)]


BEGUN = (status(1, "IDLE"), file(10, 7), status(10, "PRINTING", 7, 1, 600))


def test_a_made_day_has_its_three_jobs() -> None:
    rows = [json.loads(line) for line in MADE.read_text().splitlines()]
    facts = hear(Heard(row["topic"].rpartition("/")[2], row["payload"].encode(), False, row["ts"]) for row in rows)
    assert [(end.file, end.outcome, end.cause, end.held_s, end.duration_s) for end in ends(facts)] == [
        ("spacer_0.2mm.bgcode", Outcome.DONE, None, 0, 602),
        ("clip.bgcode", Outcome.CANCELLED, None, pytest.approx(12), 36),
        ("hinge.bgcode", Outcome.FAILED, "Heating error, nozzle", pytest.approx(12), 52),
    ]


@pytest.mark.parametrize(
    ("word", "state", "why"),
    [
        ("IDLE", State.IDLE, None),
        ("READY", State.IDLE, None),
        ("BUSY", State.SETUP, None),
        ("PRINTING", State.RUNNING, None),
        ("PAUSED", State.HELD, None),
        ("FINISHED", State.WAITING_PERSON, None),
        ("STOPPED", State.WAITING_PERSON, "stopped"),
        ("ATTENTION", State.WAITING_PERSON, "the printer asks for attention"),
        ("ERROR", State.FAULT, "printer error"),
        ("FIN_HARVESTED", State.IDLE, None),
    ],
)
def test_each_word_is_a_state_even_where_nothing_else_is_said(word: str, state: State, why: str | None) -> None:
    assert states(hear([status(1, word)])) == [(state, why)]


def test_a_word_that_nobody_knows_changes_nothing() -> None:
    assert states(hear([status(1, "IDLE"), status(5, "DANCING")])) == [(State.IDLE, None)]


@pytest.mark.parametrize(
    ("word", "outcome", "cause"),
    [
        ("FINISHED", Outcome.DONE, None),
        ("STOPPED", Outcome.CANCELLED, None),
        ("ERROR", Outcome.FAILED, "printer error"),
        ("FIN_OK", Outcome.DONE, None),
        ("FIN_ERROR", Outcome.FAILED, "printer error"),
    ],
)
def test_a_job_ends_by_the_printers_word_with_its_own_print_time(
    word: str, outcome: Outcome, cause: str | None
) -> None:
    (end,) = ends(hear([*BEGUN, status(600, word, 7, 590)]))
    assert (end.job, end.file, end.outcome, end.cause) == ("7", "box.bgcode", outcome, cause)
    assert (end.ts, end.duration_s, end.estimate_s) == (600, 590, 601)


def test_attention_in_the_middle_of_a_job_is_held_and_ends_nothing() -> None:
    words = {"status_printer": {"ok": False, "message": "Filament runout"}}
    facts = hear([*BEGUN, status(20, "ATTENTION", 7, 9, **words), status(50, "PRINTING", 7, 9), status(90, "FINISHED")])
    assert (State.WAITING_PERSON, "Filament runout") in states(facts)
    (end,) = ends(facts)
    assert (end.outcome, end.held_s, end.duration_s) == (Outcome.DONE, 30, 50)


def test_a_printer_that_is_idle_again_has_an_end_that_nobody_heard() -> None:
    (end,) = ends(hear([*BEGUN, status(300, "IDLE")]))
    assert (end.outcome, end.cause, end.ts) == (Outcome.UNKNOWN, "end not heard", None)


def test_another_number_is_another_job() -> None:
    facts = hear([*BEGUN, file(299, 8, "lid.bgcode"), status(300, "PRINTING", 8, 2), status(400, "FINISHED", 8, 100)])
    assert [(end.job, end.file, end.outcome) for end in ends(facts)] == [
        ("7", "box.bgcode", Outcome.UNKNOWN),
        ("8", "lid.bgcode", Outcome.DONE),
    ]


def test_what_began_while_nobody_polled_began_by_its_print_time() -> None:
    late = [status(5000, "PRINTING", 7, 900, 60), file(5003, 7), status(5060, "FINISHED", 7, 960)]
    (began,) = [fact for fact in hear(late) if isinstance(fact, JobStarted)]
    assert (began.ts, began.file, began.estimate_s) == (4100, "box.bgcode", None)
    after_gap = [status(1000, "IDLE"), told("link", 1010, "offline: no answer"), told("link", 4000, "online")]
    begun = hear([*after_gap, status(4001, "PRINTING", 7, 900), file(4002, 7)])
    (began,) = [fact for fact in begun if isinstance(fact, JobStarted)]
    assert began.ts == 3101


def test_a_lost_line_is_told_and_ends_no_job() -> None:
    facts = hear([*BEGUN, told("link", 40, "offline: no answer within 5 s"), told("link", 400, "online")])
    assert states(facts)[-2:] == [
        (State.OFFLINE, "agent up, machine lost: no answer within 5 s"),
        (State.UNKNOWN, None),
    ]
    facts = hear([*BEGUN, told("link", 40, "offline: x"), told("link", 400, "online"), status(401, "FINISHED", 7, 350)])
    assert [(end.outcome, end.duration_s) for end in ends(facts)] == [(Outcome.DONE, 350)]


def test_connects_flat_words_are_read_too() -> None:
    flat = {"job_id": 42, "time_printing": 0, "time_remaining": 300, "progress": 12, "state": "PRINTING"}
    named = {"job_id": 42, "data": {"state": "PRINTING", "display_name": "box.gcode"}, "state": "PRINTING"}
    over = {"job_id": 42, "data": {"state": "FIN_OK"}, "state": "FINISHED"}
    facts = hear([status(1, "IDLE"), told("job", 9, named), told("status", 10, flat), told("job", 300, over)])
    assert [(end.file, end.outcome, end.estimate_s) for end in ends(facts)] == [("box.gcode", Outcome.DONE, 300)]


def test_temperatures_and_progress_are_measured_as_far_as_they_are_possible() -> None:
    facts = hear([*BEGUN[:2], status(10, "PRINTING", 7, temp_nozzle=214.9, temp_bed=4_000, target_nozzle=215)])
    measured = [fact.values for fact in facts if isinstance(fact, Samples)]
    assert {"nozzle_degc": (214.9,), "nozzle_target_degc": (215.0,), "progress_ratio": (0.1,)} in measured
    assert "bed_degc" not in {name for row in measured for name in row}


def test_a_link_says_one_of_two_words() -> None:
    with pytest.raises(Refusal, match="not online or offline"):
        PRUSA.decode(PRUSA.state(), told("link", 1, "yes"))
