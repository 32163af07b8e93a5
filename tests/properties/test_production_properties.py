# SPDX-License-Identifier: AGPL-3.0-or-later
"""The account of any day: losses sum to what was planned, cuts to the whole, and the order of facts is irrelevant."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.chronicle import MemoryChronicle
from collector.contract.event import JobEnded, Noted, Outcome, PartCounted, State, StateSeen
from collector.contract.reading import Batch, Fact, Numbered, Samples
from collector.contract.tree import Machine
from cyberfilter.production.account import LOSSES, account, course
from cyberfilter.production.book import Book
from cyberfilter.production.lookup import facts_of
from cyberfilter.production.spans import Span, length, union
from cyberfilter.production.sums import Sums, total

DAY = 36_000
TIMES = st.integers(0, DAY).map(float)
MACHINE = Machine("mk4", "a/mk4", cadence_s=600.0)


def job(key: int, start: float, lasts: float, outcome: Outcome) -> JobEnded:
    weights = {"estimate_s": lasts + 1.0, "material_g": 10.0}
    return JobEnded(f"j{key}", start + lasts, outcome, f"f{key % 3}", started_at=start, duration_s=lasts, **weights)


def sample(ts: float, kwh: float) -> Samples:
    return Samples((ts,), {"energy_kwh": (kwh,), "nozzle_degc": (200.0,), "nozzle_target_degc": (201.0,)})


STATES = st.lists(st.builds(StateSeen, TIMES, st.sampled_from(State)), max_size=20, unique_by=lambda seen: seen.ts)
SAMPLES = st.lists(st.builds(sample, TIMES, st.floats(0, 5)), max_size=40, unique_by=lambda told: told.times)
JOBS = st.lists(
    st.builds(job, st.integers(0, 9), TIMES, st.integers(0, 9_000).map(float), st.sampled_from(Outcome)),
    max_size=6,
    unique_by=lambda ended: ended.job,
)
PARTS = st.lists(
    st.builds(PartCounted, TIMES, st.integers(0, 3), st.integers(0, 3), id=st.uuids().map(str)),
    max_size=5,
    unique_by=lambda part: part.id,
)
NOTES = st.just([Noted(0.0, "material", {"change": "opened", "spool": "s", "material": "pla"}, "n")])
FACTS = st.builds(lambda *lists: [fact for each in lists for fact in each], STATES, SAMPLES, JOBS, PARTS, NOTES)
PLANNED = st.lists(st.tuples(TIMES, TIMES), max_size=5).map(union)


def summed(facts: list[Fact], planned: list[Span], *cuts: float) -> list[Sums]:
    chronicle = MemoryChronicle()
    book = Book(chronicle)
    book.take(Numbered(n, Batch("mk4", "a/mk4", "native", DAY, (fact,))) for n, fact in enumerate(facts, start=1))
    book.save()
    told = course(facts_of(chronicle, MACHINE, 0.0, DAY), now=DAY)
    edges = [0.0, *sorted(cuts), float(DAY)]
    return [account(told, planned, start, end) for start, end in pairwise(edges)]


def close(some: Sums, other: Sums) -> None:
    for name in Sums.__struct_fields__:
        if name not in {"machines", "lost_s", "means", "weighed_jobs"}:
            assert getattr(some, name) == pytest.approx(getattr(other, name), abs=1e-6), name
    assert some.lost_s == pytest.approx(other.lost_s, abs=1e-6)
    assert {n: c for n, (_, c) in some.means.items()} == {n: c for n, (_, c) in other.means.items()}


@given(FACTS, PLANNED)
def test_losses_sum_to_what_was_planned(facts: list[Fact], planned: list[Span]) -> None:
    (found,) = summed(facts, planned)
    assert set(found.lost_s) == set(LOSSES)
    spent_s = found.unknown_s + sum(found.lost_s.values()) + found.running_s
    assert spent_s == pytest.approx(found.planned_s, abs=1e-6)
    assert found.planned_s == pytest.approx(length(planned))


@given(FACTS, PLANNED, st.lists(TIMES, min_size=1, max_size=4))
def test_a_split_at_any_boundary_sums_to_the_whole(facts: list[Fact], planned: list[Span], cuts: list[float]) -> None:
    (whole,) = summed(facts, planned)
    close(total(summed(facts, planned, *cuts)), whole)


@given(FACTS, PLANNED, st.randoms(use_true_random=False))
def test_the_order_of_facts_is_irrelevant(facts: list[Fact], planned: list[Span], chance) -> None:
    shuffled = list(facts)
    chance.shuffle(shuffled)
    close(summed(shuffled, planned)[0], summed(facts, planned)[0])


@given(FACTS, PLANNED)
def test_no_figure_is_negative(facts: list[Fact], planned: list[Span]) -> None:
    (found,) = summed(facts, planned)
    figures = [getattr(found, name) for name in Sums.__struct_fields__ if name not in {"lost_s", "means"}]
    assert min([*figures, *found.lost_s.values()]) >= -1e-9
