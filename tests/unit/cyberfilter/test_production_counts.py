# SPDX-License-Identifier: AGPL-3.0-or-later
"""Parts: counts, their corrections, what nobody counted, and first attempts."""

from __future__ import annotations

from itertools import permutations

import pytest

from collector.contract.event import JobEnded, JobStarted, Outcome, PartCounted
from cyberfilter.production.counts import Count, counts, standing
from cyberfilter.production.facts import Job


def job(key: str, start: float, end: float | None, outcome: Outcome = Outcome.DONE, file: str | None = None) -> Job:
    ended = None if end is None else JobEnded(key, end, outcome, file, started_at=start)
    return Job(start, JobStarted(key, start, file), ended)


def test_a_correction_replaces_a_count_at_its_time_in_any_order() -> None:
    said = [
        PartCounted(5.0, good=4, id="a"),
        PartCounted(9.0, good=3, scrap=1, id="b", corrects="a"),
        PartCounted(8.0, good=9, id="c", corrects="a"),
        PartCounted(9.5, good=2, scrap=2, id="d", corrects="b"),
    ]
    for order in permutations([*said, said[1]]):
        assert standing(order) == [PartCounted(5.0, 2, 2, id="a")]


def test_a_count_that_was_taken_back_never_was() -> None:
    said = [PartCounted(5.0, scrap=1, id="a", job="j"), PartCounted(6.0, id="b", corrects="a")]
    assert counts([job("j", 1.0, 4.0)], said) == [Count(4.0, 1, 0, "j")]


def test_a_correction_of_nothing_known_counts_nothing() -> None:
    assert standing([PartCounted(5.0, good=1, id="b", corrects="a")]) == []


@pytest.mark.parametrize(
    ("outcome", "found"),
    [
        (Outcome.DONE, [(1, 0)]),
        (Outcome.FAILED, [(0, 1)]),
        (Outcome.CANCELLED, []),
        (Outcome.UNKNOWN, []),
    ],
)
def test_a_job_that_nobody_counted_yields_by_its_outcome(outcome: Outcome, found: list[tuple[int, int]]) -> None:
    assert [(count.good, count.scrap) for count in counts([job("j", 1.0, 4.0, outcome)], [])] == found


def test_a_job_that_runs_yields_nothing_yet() -> None:
    assert counts([job("j", 1.0, None)], []) == []


def test_a_count_without_a_job_is_that_of_the_job_begun_last() -> None:
    jobs = [job("a", 1.0, 4.0), job("b", 5.0, 8.0)]
    assert counts(jobs, [PartCounted(4.5, good=6)]) == [Count(4.5, 6, 0, "a"), Count(8.0, 1, 0, "b")]


def test_a_job_after_a_failed_one_of_its_file_is_no_first_attempt() -> None:
    jobs = [
        job("a", 1.0, 2.0, Outcome.FAILED, "x"),
        job("b", 3.0, 4.0, Outcome.DONE, "x"),
        job("c", 5.0, 6.0, Outcome.DONE, "x"),
    ]
    assert [count.first_pass for count in counts(jobs, [])] == [True, False, True]
