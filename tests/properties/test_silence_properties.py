# SPDX-License-Identifier: AGPL-3.0-or-later
"""Learned silence: who is regular is never missed, who stops is missed once, a restart changes nothing."""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.census import Hearing, Presence, hear, silence_s, silent
from collector.contract.event import State, StateSeen
from collector.contract.reading import Samples
from collector.rhythm import GAPS_LONGER, HEARD_GAPS_MIN, LEARNED_S_MIN, WORKED_S_MIN

STEADY = settings(derandomize=True, database=None, deadline=None, max_examples=20)
LEARN = Hearing(None)
START = 1_795_400_000.0
SEEDS, CADENCES = st.integers(0, 10_000), st.floats(30.0, 300.0)


def gaps(seed: int, cadence_s: float, times: float = 1.0) -> list[float]:
    """Return the gaps of a machine at work: jitter of half a cadence, and one message in twenty is lost."""
    rng = random.Random(seed)
    heard_s, found = 0.0, list[float]()
    while heard_s < times * max(WORKED_S_MIN, HEARD_GAPS_MIN * 2.5 * cadence_s):
        found.append(cadence_s * (rng.uniform(0.5, 1.5) + (rng.random() < 0.05)))
        heard_s += found[-1]
    return found


def say(before: Presence, at: float) -> Presence:
    return hear(before, [Samples((at,), {"power_w": (1.0,)})], LEARN, at=at)[0]


def heard(gaps_s: Sequence[float], before: Presence | None = None) -> tuple[Presence, float]:
    """Return the presence of a machine that works and speaks so, and its longest gap of those that were missed (s)."""
    now = before or hear(Presence(START), [StateSeen(START, State.RUNNING)], LEARN, at=START)[0]
    missed_s = 0.0
    for gap_s in gaps_s:
        limit_s = silence_s(now)
        missed_s = max(missed_s, gap_s if limit_s is not None and gap_s >= limit_s else 0.0)
        now = say(now, now.heard_at + gap_s)
    return now, missed_s


@given(seed=SEEDS, cadence_s=CADENCES)
@STEADY
def test_regular_machine_with_jitter_is_never_missed(seed: int, cadence_s: float) -> None:
    now, missed_s = heard(gaps(seed, cadence_s, times=2.0))
    assert silence_s(now) is not None
    assert missed_s == 0.0


@given(seed=SEEDS, cadence_s=CADENCES)
@STEADY
def test_machine_that_stops_in_mid_job_is_missed_once_within_the_bound(seed: int, cadence_s: float) -> None:
    gaps_s = gaps(seed, cadence_s)
    now, _ = heard(gaps_s)
    last, bound_s = now.heard_at, max(LEARNED_S_MIN, GAPS_LONGER * max(gaps_s))
    found = []
    for step in range(1, 500):
        for each in silent({"m": now}, last + step * bound_s / 50, listening_since=0.0):
            now = each.presence
            found.append(each.fact)
    (fact,) = found
    assert LEARNED_S_MIN <= fact.ts - last <= bound_s
    assert (fact.state, fact.missed) == (State.OFFLINE, True)


@given(seed=SEEDS, cadence_s=CADENCES, cut=st.floats(0.0, 1.0))
@STEADY
def test_restart_anywhere_changes_nothing(seed: int, cadence_s: float, cut: float) -> None:
    gaps_s = gaps(seed, cadence_s)
    at = round(cut * len(gaps_s))
    kept = msgspec.json.decode(msgspec.json.encode(heard(gaps_s[:at])[0]), type=Presence)
    assert heard(gaps_s[at:], kept)[0] == heard(gaps_s)[0]


@given(seed=SEEDS, away_s=st.floats(1.0, 1e6))
@STEADY
def test_our_own_absence_teaches_nothing_of_a_machine(seed: int, away_s: float) -> None:
    before, _ = heard(gaps(seed, 60.0))
    back = before.heard_at + away_s
    now, _ = hear(before, (), Hearing(None, since=back - 0.5), at=back)
    assert now.rhythm == before.rhythm
