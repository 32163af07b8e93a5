# SPDX-License-Identifier: AGPL-3.0-or-later
"""Whatever a machine tells, in whatever order: a job starts at most once and ends at most once."""

from __future__ import annotations

import math
from collections import Counter

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.contract.event import JobEnded, JobStarted, Outcome
from collector.contract.reading import Fact
from collector.jobs import (
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

STEPS_S = (0.0, 0.01, 1.0, 5.0, 11.0, 61.0)
WORDS = (None, "Heater failed")
STEADY = settings(derandomize=True, database=None, deadline=None, max_examples=200)
CHOICES = st.lists(
    st.tuples(st.integers(0, 7), st.sampled_from(STEPS_S), st.integers(0, 63), st.integers(0, 500)), max_size=25
)


def _sign(kind: int, ts: float, stamp: float | None, choice: int, seconds: float) -> Sign:
    file, words = "ab"[choice % 2], WORDS[choice // 2 % 2]
    known_s = seconds if choice // 4 % 2 else None
    signs: tuple[Sign, ...] = (
        Began(ts, file, stamp),
        Running(ts, file if choice // 8 % 4 else None, stamp, known_s),
        Held(ts, stamp),
        Resumed(ts, stamp),
        Ended(ts, tuple(Outcome)[choice // 8 % 4], file, stamp, words, known_s),
        Broke(ts, "serial connection lost", words, stamp),
        Stopped(ts, stamp),
        Lost(ts, "agent lost"),
    )
    return signs[kind]


def _stream(choices: list[tuple[int, float, int, int]], *, stamped: bool) -> list[Sign]:
    ts, signs = 1_000_000.0, []
    for kind, step_s, choice, seconds in choices:
        ts += step_s
        signs.append(_sign(kind, ts, float(math.floor(ts)) if stamped else None, choice, float(seconds)))
    return signs


def streams() -> st.SearchStrategy[list[Sign]]:
    return st.builds(_stream, CHOICES, stamped=st.booleans())


def told(signs: list[Sign]) -> list[Fact]:
    now, facts = follow(JobTrack(), signs)
    return [*facts, *settle(now, math.inf).facts]


@STEADY
@given(streams())
def test_job_starts_and_ends_at_most_once(signs: list[Sign]) -> None:
    facts = told(signs)
    for kind in (JobStarted, JobEnded):
        counts = Counter(fact.job for fact in facts if isinstance(fact, kind))
        assert set(counts.values()) <= {1}


@STEADY
@given(streams())
def test_at_most_one_job_is_open(signs: list[Sign]) -> None:
    running: set[str] = set()
    for fact in told(signs):
        if isinstance(fact, JobStarted):
            assert not running
            running.add(fact.job)
        elif isinstance(fact, JobEnded):
            running.discard(fact.job)


@STEADY
@given(streams())
def test_every_sign_twice_gives_the_same_facts(signs: list[Sign]) -> None:
    assert told([sign for sign in signs for _ in range(2)]) == told(signs)


@STEADY
@given(streams())
def test_durations_are_never_negative_and_no_end_comes_before_its_start(signs: list[Sign]) -> None:
    for fact in told(signs):
        if isinstance(fact, JobEnded):
            assert (fact.held_s or 0) >= 0
            assert (fact.duration_s or 0) >= 0
            if fact.ts is not None and fact.started_at is not None:
                assert fact.started_at <= fact.ts


@STEADY
@given(streams())
def test_unknown_end_has_no_time_unless_the_machine_gave_one(signs: list[Sign]) -> None:
    said = {sign.ts for sign in signs if isinstance(sign, Ended) and sign.outcome is Outcome.UNKNOWN}
    for fact in told(signs):
        if isinstance(fact, JobEnded) and fact.outcome is Outcome.UNKNOWN:
            assert fact.ts is None or fact.ts in said


@STEADY
@given(streams())
def test_stored_track_goes_on_as_if_never_stopped(signs: list[Sign]) -> None:
    now, stored = JobTrack(), JobTrack()
    for sign in signs:
        stored = msgspec.json.decode(msgspec.json.encode(stored), type=JobTrack)
        now, facts = track(now, sign)
        stored, again = track(stored, sign)
        assert again == facts
