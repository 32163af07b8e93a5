# SPDX-License-Identifier: AGPL-3.0-or-later
"""One job, one outcome: every order in which a machine may tell the life of a job."""

from __future__ import annotations

import math

import msgspec
import pytest

from collector.contract.event import JobEnded, JobStarted, Outcome
from collector.contract.reading import Fact
from collector.job_track import END_NOT_HEARD, ENDED_IDS_MAX, job_id
from collector.jobs import (
    COME_BACK_S,
    LAST_WORD_S,
    Began,
    Broke,
    Ended,
    Held,
    JobTrack,
    Lost,
    Resumed,
    Running,
    Sign,
    Stopped,
    follow,
    settle,
    track,
)

RUNAWAY = "Thermal Runaway, system stopped! Heater_ID: bed"
AGENT = "agent lost (OctoPrint disconnected, last will)"
SERIAL = "serial connection lost"


def began(ts: float = 100.2, file: str = "a.gcode") -> Began:
    return Began(ts, file, stamp=math.floor(ts))


def ended(ts: float, outcome: Outcome = Outcome.DONE, cause: str | None = None, **more: object) -> Ended:
    fields = {"file": "a.gcode", "stamp": math.floor(ts), "duration_s": ts - 100.2, **more}
    return msgspec.convert({"ts": ts, "outcome": outcome, "cause": cause, **fields}, Ended)


def told(*signs: Sign) -> list[Fact]:
    now, facts = follow(JobTrack(), signs)
    return [*facts, *settle(now, math.inf).facts]


def ends(*signs: Sign) -> list[JobEnded]:
    return [fact for fact in told(*signs) if isinstance(fact, JobEnded)]


def end(*signs: Sign) -> JobEnded:
    (only,) = ends(*signs)
    return only


def test_start_and_end_are_the_arrivals_and_the_duration_is_the_machines() -> None:
    fact = end(began(), ended(150.7, duration_s=50.1))
    assert (fact.started_at, fact.ts, fact.outcome, fact.duration_s) == (100.2, 150.7, Outcome.DONE, 50.1)
    assert (fact.file, fact.cause, fact.held_s) == ("a.gcode", None, 0.0)


def test_every_message_twice_is_the_same_as_once() -> None:
    signs = [began(), Held(110.0, 110), Resumed(115.0, 115), ended(130.0), ended(130.1, Outcome.FAILED)]
    assert told(*(sign for sign in signs for _ in range(2))) == told(*signs)


def test_whole_stream_told_again_changes_nothing() -> None:
    signs = [began(), Running(120.0, "a.gcode", 120), ended(130.0), Running(134.0, "a.gcode", 134)]
    later = [msgspec.structs.replace(sign, ts=sign.ts + 1000) for sign in signs]
    assert told(*signs, *later) == told(*signs)


def test_stream_told_again_while_a_later_job_runs_does_not_touch_it() -> None:
    signs = [began(), Held(110.0, 110), Resumed(115.0, 115), ended(130.0)]
    later = [msgspec.structs.replace(sign, ts=sign.ts + 1000) for sign in signs]
    found = ends(*signs, began(300.0, "b.gcode"), *later, ended(1200.0, file="b.gcode", duration_s=900.0))
    assert [(fact.file, fact.ts, fact.held_s) for fact in found] == [("a.gcode", 130.0, 5.0), ("b.gcode", 1200.0, 0.0)]


def test_cancelled_and_then_failed_is_one_cancelled_job() -> None:
    fact = end(began(), ended(130.0, Outcome.CANCELLED), ended(130.001, Outcome.CANCELLED))
    assert (fact.outcome, fact.ts, fact.cause) == (Outcome.CANCELLED, 130.0, None)


def test_hold_runs_from_paused_to_resumed() -> None:
    assert end(began(), Held(110.0), Held(111.0), Resumed(115.5), Resumed(116.0), ended(130.0)).held_s == 5.5


def test_job_cancelled_while_paused_was_held_until_its_end() -> None:
    fact = end(began(), Held(110.0), ended(130.0, Outcome.CANCELLED, duration_s=None))
    assert (fact.held_s, fact.duration_s) == (20.0, pytest.approx(9.8))


def test_hold_whose_end_nobody_heard_has_no_length() -> None:
    assert end(began(), Held(110.0), Lost(120.0, AGENT)).held_s is None


@pytest.mark.parametrize(
    "signs",
    [
        (Broke(130.0, "machine error", RUNAWAY), ended(130.02, Outcome.FAILED, RUNAWAY)),
        (Broke(130.0, "machine error", RUNAWAY), ended(130.02, Outcome.FAILED)),
        (Broke(130.0, SERIAL), Broke(130.01, SERIAL, RUNAWAY), ended(130.02, Outcome.FAILED)),
        (Broke(130.0, SERIAL), ended(130.02, Outcome.FAILED, RUNAWAY), Broke(131.0, SERIAL)),
        (ended(130.02, Outcome.FAILED, RUNAWAY), Broke(130.1, "machine error", RUNAWAY), Broke(131.0, SERIAL)),
        (ended(130.02, Outcome.FAILED), Broke(130.1, "machine error", RUNAWAY)),
        (Broke(130.0, "machine error", RUNAWAY), ended(130.02, Outcome.CANCELLED)),
        (Broke(130.0, "machine error", RUNAWAY), Stopped(130.01), ended(130.02, Outcome.FAILED), Lost(131.0, AGENT)),
    ],
)
def test_error_ends_the_job_at_the_report_with_the_machines_own_words(signs: tuple[Sign, ...]) -> None:
    fact = end(began(), *signs)
    assert (fact.outcome, fact.ts, fact.cause) == (Outcome.FAILED, 130.02, RUNAWAY)


@pytest.mark.parametrize(
    "signs",
    [
        (Broke(130.02, SERIAL),),
        (Broke(130.02, SERIAL), Broke(130.05, SERIAL), Stopped(135.0)),
        (ended(130.02, Outcome.FAILED), Broke(130.1, SERIAL)),
        (Broke(130.0, SERIAL), ended(130.02, Outcome.FAILED)),
        (Broke(130.02, SERIAL), Lost(133.0, AGENT)),
        (Broke(130.02, SERIAL), began(160.0, "b.gcode"), ended(170.0, file="b.gcode")),
    ],
)
def test_connection_lost_without_a_word_gets_our_phrase(signs: tuple[Sign, ...]) -> None:
    fact = ends(began(), *signs)[0]
    assert (fact.outcome, fact.ts, fact.cause) == (Outcome.FAILED, 130.02, SERIAL)


def test_break_without_a_report_is_certain_after_the_time_for_a_last_word() -> None:
    now, _ = follow(JobTrack(), [began(), Broke(130.2, SERIAL)])
    assert settle(now, 130.2 + LAST_WORD_S - 0.1).facts == ()
    (fact,) = settle(now, 130.2 + LAST_WORD_S).facts
    assert isinstance(fact, JobEnded)
    assert fact.duration_s == pytest.approx(30.0)


def test_end_that_gives_no_cause_is_taken_when_none_comes() -> None:
    fact = end(began(), ended(130.0, Outcome.FAILED))
    assert (fact.outcome, fact.ts, fact.cause) == (Outcome.FAILED, 130.0, None)


def test_lost_agent_leaves_an_unknown_outcome_and_invents_no_end() -> None:
    fact = end(began(), Running(120.0, stamp=120), Lost(130.0, AGENT), Lost(131.2, AGENT))
    assert (fact.outcome, fact.ts, fact.duration_s, fact.cause) == (Outcome.UNKNOWN, None, None, AGENT)
    assert fact.started_at == 100.2


@pytest.mark.parametrize("after", [Stopped(140.0), began(140.0, "b.gcode"), Running(190.0, "b.gcode", 190)])
def test_agent_that_returns_without_the_job_makes_the_loss_certain(after: Sign) -> None:
    assert ends(began(), Lost(130.0, AGENT), after)[0].outcome is Outcome.UNKNOWN


def test_agent_that_returns_in_time_with_the_job_goes_on_with_it() -> None:
    fact = end(began(), Lost(130.0, AGENT), Running(130.0 + COME_BACK_S - 1), ended(200.0))
    assert (fact.outcome, fact.ts) == (Outcome.DONE, 200.0)


def test_end_that_comes_while_the_agent_seems_lost_is_believed() -> None:
    assert end(began(), Lost(130.0, AGENT), ended(140.0)).outcome is Outcome.DONE


def test_agent_that_returns_too_late_does_not_open_the_same_job_again() -> None:
    evidence = [Running(300.0, "a.gcode", 300, print_time_s=199), Running(305.0, "a.gcode", 305), ended(400.0)]
    assert len(told(began(), Lost(130.0, AGENT), *evidence)) == 2


def test_start_while_a_job_is_open_ends_it_as_unknown() -> None:
    first, second = ends(began(), began(200.0, "b.gcode"), ended(250.0, file="b.gcode", duration_s=50.0))
    assert (first.outcome, first.ts, first.cause) == (Outcome.UNKNOWN, None, END_NOT_HEARD)
    assert (second.file, second.outcome) == ("b.gcode", Outcome.DONE)


def test_end_of_another_file_ends_the_open_job_as_unknown() -> None:
    first, second = ends(began(), ended(250.0, file="b.gcode", duration_s=50.0))
    assert (first.file, first.outcome) == ("a.gcode", Outcome.UNKNOWN)
    assert (second.file, second.outcome, second.started_at) == ("b.gcode", Outcome.DONE, None)


def test_machine_that_stands_still_after_a_missed_end_has_an_unknown_one() -> None:
    fact = end(began(), Stopped(130.0, 130))
    assert (fact.outcome, fact.ts, fact.cause) == (Outcome.UNKNOWN, None, END_NOT_HEARD)


def test_end_that_follows_the_standstill_is_the_end() -> None:
    assert end(began(), Stopped(130.0, 130), ended(130.5)).outcome is Outcome.DONE


def test_evidence_that_the_job_runs_refutes_a_standstill() -> None:
    assert end(began(), Stopped(130.0, 130), Running(135.0, "a.gcode", 135), ended(180.0)).ts == 180.0


def test_late_start_tells_when_the_job_began_where_the_machine_knows() -> None:
    started, over = told(Running(150.0, "a.gcode", 150, print_time_s=40.0), ended(170.0, duration_s=60.0))
    assert isinstance(started, JobStarted)
    assert isinstance(over, JobEnded)
    assert (started.ts, over.started_at, over.duration_s, over.held_s) == (110.0, 110.0, 60.0, None)


def test_late_start_is_the_earliest_that_the_machines_figures_allow() -> None:
    evidence = [Running(150.9, "a.gcode", 150, print_time_s=40.0), Running(156.2, "a.gcode", 156, print_time_s=46.0)]
    assert end(*evidence, ended(170.0, duration_s=None)).started_at == pytest.approx(110.2)
    assert end(*evidence, ended(170.0, duration_s=59.9)).started_at == pytest.approx(110.1)
    assert end(*evidence, Held(160.0), Resumed(161.0), ended(170.0, duration_s=58.0)).started_at == pytest.approx(110.2)


def test_late_start_without_a_figure_has_no_start() -> None:
    started, over = told(Running(150.0, "a.gcode", 150), Running(155.0, "a.gcode", 155), ended(170.0, duration_s=None))
    assert isinstance(started, JobStarted)
    assert isinstance(over, JobEnded)
    assert (started.ts, over.started_at, over.ts, started.job) == (None, None, 170.0, over.job)


def test_end_without_a_start_still_ends_a_job() -> None:
    fact = end(ended(170.0))
    assert (fact.started_at, fact.ts, fact.outcome, fact.file) == (None, 170.0, Outcome.DONE, "a.gcode")


def test_end_without_a_start_counts_only_if_its_job_began_after_the_last_end() -> None:
    echo = ended(140.0, Outcome.FAILED, duration_s=39.0)
    another = ended(900.0, duration_s=600.0)
    assert [fact.ts for fact in ends(began(), ended(130.0), echo, another)] == [130.0, 900.0]


def test_progress_that_comes_after_the_end_opens_nothing() -> None:
    assert len(told(began(), ended(130.0), Running(134.0, "a.gcode", 134), Running(139.9, "b.gcode", 139))) == 2


def test_progress_of_the_ended_job_does_not_end_the_next_one() -> None:
    signs = [began(), ended(130.0), began(131.0, "b.gcode"), Running(134.0, "a.gcode", 134)]
    assert [fact.file for fact in ends(*signs, ended(190.0, file="b.gcode", duration_s=59.0))] == ["a.gcode", "b.gcode"]


def test_clock_that_was_set_back_in_the_middle_does_not_cost_the_end() -> None:
    assert end(began(), Running(200.0, "a.gcode", 200), ended(260.0, stamp=150)).ts == 260.0


def test_machine_without_stamps_that_tells_a_start_twice_starts_once() -> None:
    twice = [Began(100.0, "a.gcode"), Began(100.001, "a.gcode")]
    assert len(told(*twice, Ended(130.0, Outcome.DONE, "a.gcode"))) == 2


def test_native_reports_keep_the_senders_id_and_count_once() -> None:
    signs = [Began(10.0, "x", job="j-1"), Began(10.0, "x", job="j-1")]
    signs_end = [Ended(20.0, Outcome.FAILED, "x", job="j-1"), Ended(20.0, Outcome.FAILED, "x", job="j-1")]
    started, over = told(*signs, *signs_end)
    assert (started, over.job, over.outcome) == (JobStarted("j-1", 10.0, "x"), "j-1", Outcome.FAILED)
    assert over.duration_s == 10.0


def test_native_report_is_taken_at_once_even_without_a_cause() -> None:
    now, _ = track(JobTrack(), Began(10.0, "x", job="j-1"))
    assert len(track(now, Ended(20.0, Outcome.FAILED, "x", job="j-1")).facts) == 1


def test_native_end_of_another_job_leaves_the_open_one_open() -> None:
    now, facts = follow(JobTrack(), [Began(10.0, "x", job="j-2"), Ended(12.0, Outcome.DONE, "w", job="j-1")])
    assert now.open is not None
    assert (now.open.id, facts[-1]) == ("j-2", JobEnded("j-1", 12.0, Outcome.DONE, file="w"))


def test_native_figures_are_passed_on() -> None:
    report = Ended(20.0, Outcome.DONE, "x", held_s=3.0, material_g=7.5, energy_kwh=0.1, estimate_s=9.0, job="j-1")
    fact = end(Began(10.0, "x", job="j-1"), report)
    assert (fact.held_s, fact.duration_s, fact.material_g, fact.energy_kwh, fact.estimate_s) == (3, 7, 7.5, 0.1, 9)


def test_job_id_comes_of_the_machines_own_words() -> None:
    assert job_id("a.gcode", 1795399265) == job_id("a.gcode", 1795399265) != job_id("b.gcode", 1795399265)
    assert job_id("a.gcode", 1795399265).startswith("1795399265000-")


def test_track_is_bounded_and_survives_json() -> None:
    now = JobTrack()
    for n in range(ENDED_IDS_MAX + 10):
        now, _ = follow(now, [began(1000.0 * n + 100, "a" * 5000), ended(1000.0 * n + 200, file="a" * 5000)])
    blob = msgspec.json.encode(now)
    assert len(now.ended) == ENDED_IDS_MAX
    assert len(blob) < 4096
    assert msgspec.json.decode(blob, type=JobTrack) == now


def test_end_without_an_outcome_waits_for_one_and_keeps_its_time() -> None:
    unsure = Ended(130.0, Outcome.UNKNOWN, "a.gcode")
    assert end(began(), unsure).outcome is Outcome.UNKNOWN
    fact = end(began(), unsure, Ended(134.0, Outcome.DONE, "a.gcode"))
    assert (fact.outcome, fact.ts) == (Outcome.DONE, 130.0)


def test_machine_that_names_no_files_opens_a_job_at_once_where_its_decoder_is_sure() -> None:
    first = [Began(100.0), Ended(120.0, Outcome.DONE)]
    assert len(ends(*first, Running(123.0), Ended(140.0, Outcome.DONE))) == 1
    second = ends(*first, Running(123.0, opens=True), Ended(140.0, Outcome.DONE))[1]
    assert (second.started_at, second.ts) == (None, 140.0)
