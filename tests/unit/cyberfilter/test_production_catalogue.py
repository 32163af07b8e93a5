# SPDX-License-Identifier: AGPL-3.0-or-later
"""The catalogue of production indicators: public names, a README made of it, and figures for every row."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import cyberfilter
from collector.contract.indicator import CATALOGUE as MEASURED
from collector.contract.indicator import is_name
from cyberfilter.indices.catalogue import CATALOGUE as INDICES
from cyberfilter.production.catalogue import CATALOGUE, listed, table
from cyberfilter.production.ratios import indicators
from cyberfilter.production.sums import NOTHING

COUNTERS = {"maintenance_running_h", "maintenance_jobs", "maintenance_material_g"}
STOCKS = {"stock_spools", "stock_parts"}


def test_a_name_has_its_unit_last_and_is_nobody_elses() -> None:
    assert [name for name in CATALOGUE if not is_name(name) or name in INDICES] == []
    assert CATALOGUE.keys() & MEASURED.keys() == {"energy_kwh", "queue_jobs", "voc_ppb"}
    assert MEASURED["energy_kwh"].unit == CATALOGUE["energy_kwh"].unit


def test_every_row_has_a_figure_and_every_figure_a_row() -> None:
    assert indicators(NOTHING).keys() | COUNTERS | STOCKS == CATALOGUE.keys()


def test_of_nothing_nothing_is_known_and_no_count_is_0() -> None:
    assert {name: value for name, value in indicators(NOTHING).items() if value is not None} == {}


def test_the_readme_holds_the_table() -> None:
    assert table() in (Path(cyberfilter.__file__).parent / "README.md").read_text(encoding="utf-8")


def test_the_list_holds_what_is_made_and_what_is_measured() -> None:
    kinds = Counter(row["kind"] for row in listed())
    assert kinds == {"production": len(CATALOGUE), "index": len(INDICES), "measured": len(MEASURED)}
