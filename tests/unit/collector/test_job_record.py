# SPDX-License-Identifier: AGPL-3.0-or-later
"""A machine's own record of a job, which comes after its end and knows better."""

from __future__ import annotations

import math

from collector.contract.event import JobEnded, JobStarted, Outcome
from collector.jobs import Began, Ended, JobTrack, Lost, Sign, follow, settle, track


def began() -> Began:
    return Began(100.2, "a.gcode")


def ends(*signs: Sign) -> list[JobEnded]:
    now, facts = follow(JobTrack(), signs)
    return [fact for fact in (*facts, *settle(now, math.inf).facts) if isinstance(fact, JobEnded)]


def end(*signs: Sign) -> JobEnded:
    (found,) = ends(*signs)
    return found


def recorded(ts: float, outcome: Outcome = Outcome.DONE, **more: object) -> Ended:
    return Ended(ts, outcome, "a.gcode", started_at=99.5, ended_at=149.25, **more)  # type: ignore[arg-type]


def test_end_that_a_record_follows_waits_for_it_and_takes_its_times() -> None:
    first = Ended(150.0, Outcome.DONE, "a.gcode", total_duration_s=50.0, record_due_s=10.0)
    now, facts = follow(JobTrack(), [began(), first, first])
    assert [type(fact) for fact in facts] == [JobStarted]
    _, facts = track(now, recorded(150.5, total_duration_s=49.7, material_g=3.0))
    (fact,) = facts
    assert isinstance(fact, JobEnded)
    assert (fact.started_at, fact.ts, fact.total_duration_s, fact.material_g) == (99.5, 149.25, 50.0, 3.0)


def test_record_that_does_not_come_costs_only_its_time() -> None:
    now, _ = follow(JobTrack(), [began(), Ended(150.0, Outcome.DONE, "a.gcode", record_due_s=10.0)])
    assert settle(now, 159.9).facts == ()
    (fact,) = settle(now, 160.0).facts
    assert isinstance(fact, JobEnded)
    assert (fact.ts, fact.outcome) == (150.0, Outcome.DONE)


def test_record_told_twice_or_late_makes_no_second_end() -> None:
    first = Ended(150.0, Outcome.DONE, "a.gcode", record_due_s=10.0)
    assert len(ends(began(), first, recorded(150.5), recorded(150.5), recorded(400.0))) == 1


def test_record_of_a_lost_job_says_how_it_ended() -> None:
    fact = end(began(), Lost(150.0, "agent lost"), recorded(155.0))
    assert (fact.outcome, fact.ts, fact.cause) == (Outcome.DONE, 149.25, None)


def test_failure_of_a_lost_job_has_the_loss_for_its_cause() -> None:
    fact = end(began(), Lost(150.0, "host lost"), recorded(155.0, Outcome.FAILED))
    assert (fact.outcome, fact.ts, fact.cause) == (Outcome.FAILED, 149.25, "host lost")


def test_record_of_a_job_that_nobody_saw_leaves_the_running_one_alone() -> None:
    now, facts = follow(JobTrack(), [began(), recorded(150.0, job="000007-90")])
    assert now.open is not None
    assert (facts[-1].job, facts[-1].started_at, facts[-1].ts) == ("000007-90", 99.5, 149.25)
