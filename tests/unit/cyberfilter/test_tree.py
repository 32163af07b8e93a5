# SPDX-License-Identifier: AGPL-3.0-or-later
"""Beer's triple up the tree: sums in a common unit, the bottleneck of a flow, never a mean of ratios."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.contract.tree import Plant, read_plant
from cyberfilter.contract.index import IndexValue, Triple, Verdict
from cyberfilter.indices.catalogue import CATALOGUE, HEATER_EFFORT, PACE, Index
from cyberfilter.indices.tree import FRESH_S, UnitVector, aggregate

NOW = 1_795_399_200.0


def plant(unit: dict | None = None, **weights: dict) -> Plant:
    machines = {name: {"place": f"site/cell/{name}", "indices": {"pace_ratio": w}} for name, w in weights.items()}
    return read_plant({"units": {"site/cell": unit or {}}, "machines": machines})


def value(name: str, actuality: float, could: float, should: float, **more: Any) -> IndexValue:
    return IndexValue(
        **{
            "place": f"site/cell/{name}",
            "index": "pace_ratio",
            "unit": "1",
            "at": NOW,
            "actuality": actuality,
            "capability": could,
            "potentiality": should,
            "triple": None,
            "forecast": None,
            "expected": None,
            "verdict": Verdict.STEADY,
            **more,
        }
    )


def told(found: list[UnitVector], place: str = "site/cell") -> UnitVector:
    return next(row for row in found if row.place == place)


def test_a_unit_is_the_weighted_sum_of_its_machines_up_to_the_root() -> None:
    small, large = {"capability": 10, "weight": 2}, {"capability": 100, "weight": 0.5}
    found = aggregate(plant(a=small, b=large), [value("a", 5, 10, 20), value("b", 100, 100, 120)], NOW)
    for row in (told(found), told(found, "site")):
        assert (row.actuality, row.capability, row.potentiality) == (60, 70, 100)
        assert row.triple == Triple(pytest.approx(6 / 7), pytest.approx(0.7), pytest.approx(0.6))
        assert (row.known, row.of, row.bottleneck) == (2, 2, None)


def test_a_serial_flow_is_as_wide_as_its_narrowest_stage() -> None:
    line = plant({"flow": "serial"}, cut={"capability": 60, "usage": 4}, bend={"capability": 12})
    row = told(aggregate(line, [value("cut", 48, 60, 80), value("bend", 12, 12, 30)], NOW))
    assert (row.actuality, row.capability, row.potentiality) == (12, 12, 20)
    assert (row.flow, row.bottleneck) == ("serial", "site/cell/bend")


def test_what_is_spent_adds_up_in_any_flow() -> None:
    line = read_plant({"units": {"site": {"flow": "serial"}}, "machines": {n: {"place": f"site/{n}"} for n in "ab"}})
    spent = [value(n, 125.0, 100.0, 80.0, place=f"site/{n}", index="energy_w", unit="W") for n in "ab"]
    row = told(aggregate(line, spent, NOW), "site")
    assert (row.actuality, row.triple) == (250, Triple(0.8, 0.8, pytest.approx(0.64)))


def test_an_assumed_potentiality_is_said_of_the_unit_too() -> None:
    assumed = value("a", 80, 100, 125, potentiality_assumed=True)
    assert told(aggregate(plant(a={"capability": 100}), [assumed], NOW)).potentiality_assumed


def test_stale_values_and_indices_without_a_capability_do_not_count() -> None:
    stale = value("b", 1, 1, 1, at=NOW - FRESH_S - 2 * PACE.cadence_s - 1)
    none = value("a", 30.0, 1.0, 1.0, index=HEATER_EFFORT.name, capability=None, potentiality=None)
    found = aggregate(plant(a={"capability": 1}, b={"capability": 1}), [value("a", 1, 2, 4), stale, none], NOW)
    assert {row.index for row in found} == {"pace_ratio"}
    assert (told(found).known, told(found).of) == (1, 2)
    assert aggregate(plant(), [], NOW) == []


FIGURES = st.floats(0.1, 1e6)


@given(rows=st.lists(st.tuples(FIGURES, FIGURES, FIGURES), min_size=1, max_size=5), row=st.sampled_from([PACE]))
def test_the_order_of_machines_does_not_matter(rows: list[tuple[float, float, float]], row: Index) -> None:
    values = [value(f"m{n}", *figures) for n, figures in enumerate(rows)]
    line = plant({"flow": "serial"}, **{f"m{n}": {"capability": 1} for n in range(len(rows))})
    assert CATALOGUE[row.name] is row
    assert aggregate(line, values, NOW) == aggregate(line, values[::-1], NOW)
