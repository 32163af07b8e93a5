# SPDX-License-Identifier: AGPL-3.0-or-later
"""Beer's triple: productivity, latency, performance."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.contract.tree import Capacity
from cyberfilter.contract.index import Triple
from cyberfilter.indices.catalogue import CATALOGUE, ENERGY, HEATER_EFFORT, PACE, Index
from cyberfilter.indices.triple import vector

FIGURES = st.floats(0, 1e6)


def test_eighty_of_a_hundred_of_a_hundred_and_twentyfive() -> None:
    assert vector(PACE, 80.0, Capacity(100.0, 125.0)).triple == Triple(0.8, 0.8, 0.64)


def test_where_less_is_better_every_ratio_is_turned_over() -> None:
    assert vector(ENERGY, 125.0, Capacity(100.0, 80.0)).triple == Triple(0.8, 0.8, 0.64)


@pytest.mark.parametrize("row", [PACE, ENERGY])
def test_without_a_potentiality_latency_is_four_fifths_and_said_to_be_assumed(row: Index) -> None:
    found = vector(row, 100.0, Capacity(100.0))
    assert found.potentiality_assumed
    assert found.triple == Triple(1.0, pytest.approx(0.8), pytest.approx(0.8))


def test_without_a_capability_there_is_no_triple() -> None:
    assert vector(HEATER_EFFORT, 30.0, None) == (None, None, False, None)


def test_without_a_value_there_is_a_capability_and_no_triple() -> None:
    assert vector(PACE, None, None).capability == 1.0
    assert vector(PACE, None, None).triple is None


def test_more_than_capable_is_shown_as_one() -> None:
    assert vector(PACE, 3.0, Capacity(1.0, 2.0)).triple == Triple(1.0, 0.5, 0.5)


@given(row=st.sampled_from(list(CATALOGUE.values())), actuality=FIGURES, capability=FIGURES, potentiality=FIGURES)
def test_performance_is_productivity_times_latency_within_nought_and_one(
    row: Index, actuality: float, capability: float, potentiality: float
) -> None:
    triple = vector(row, actuality, Capacity(capability, potentiality)).triple
    assert triple is not None
    assert triple.performance == pytest.approx(triple.productivity * triple.latency, abs=1e-11)
    assert all(0 <= part <= 1 for part in (triple.productivity, triple.latency, triple.performance))
