# SPDX-License-Identifier: AGPL-3.0-or-later
"""The catalogue of indices: names that can be relied on, and a README that tells them."""

from pathlib import Path

import pytest

import cyberfilter
from collector.contract.indicator import CATALOGUE as INDICATORS
from collector.contract.indicator import is_name
from cyberfilter.filter import TRANSFORMS
from cyberfilter.indices.catalogue import CATALOGUE, Index, Materiality

ROWS = pytest.mark.parametrize("row", CATALOGUE.values(), ids=CATALOGUE)


def test_the_public_names_stay() -> None:
    names = {"nozzle_deviation_degc", "heater_effort_w", "pace_ratio", "energy_w", "availability_ratio"}
    assert set(CATALOGUE) == names


@ROWS
def test_a_name_has_its_unit_last_and_is_no_indicators(row: Index) -> None:
    assert is_name(row.name)
    assert row.name not in INDICATORS


@ROWS
def test_a_row_can_be_filtered(row: Index) -> None:
    assert row.transform in TRANSFORMS
    assert row.cadence_s % 60 == 0
    assert row.materiality.size > 0


@ROWS
def test_the_readme_tells_name_formula_and_gate(row: Index) -> None:
    text = (Path(cyberfilter.__file__).parent / "README.md").read_text(encoding="utf-8")
    assert f"| `{row.name}` | {row.unit} | {row.formula} | {row.gate} |" in text


def test_materiality_is_in_the_unit_or_a_share_of_the_level() -> None:
    assert Materiality(2.0, relative=False).of(200.0) == 2.0
    assert Materiality(0.1, relative=True).of(-30.0) == pytest.approx(3.0)
