# SPDX-License-Identifier: AGPL-3.0-or-later
"""The open set is regenerated from its seeds: the same rows for ever, and only the change differs between cells."""

from __future__ import annotations

import numpy as np
import pytest
from scenarios import CHANGES, FAMILIES, ONSET, PUBLISHED, PUBLISHED_COUNT, SCALE, TUNING, Change, changed, noise, seeds


@pytest.mark.parametrize("family", FAMILIES)
def test_series_depends_on_its_own_seed_alone(family: str) -> None:
    alone, among = noise(family, 50, [7]), noise(family, 50, [3, 7, 9])
    assert np.array_equal(alone[0], among[1], equal_nan=True)


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - {"walk", "trend", "season"}))
def test_noise_has_the_deviation_that_is_said(family: str) -> None:
    rows = noise(family, 2000, range(20))
    assert np.nanstd(rows) == pytest.approx(SCALE.get(family, 1.0), rel=0.1)


def test_autocorrelation_is_that_of_the_name() -> None:
    rows = noise("ar8", 4000, range(5))
    assert (rows[:, 1:] * rows[:, :-1]).mean() == pytest.approx(0.8, abs=0.06)


@pytest.mark.parametrize("change", [c for c in CHANGES if c.kind != "season"], ids=lambda change: change.name)
def test_nothing_differs_before_the_change(change: Change) -> None:
    rows = changed(change, [1, 2])
    assert np.array_equal(rows[:, :ONSET], noise("gauss", change.length, [1, 2])[:, :ONSET])


def test_season_is_there_until_it_stops() -> None:
    change = next(change for change in CHANGES if change.kind == "season")
    rows, plain = changed(change, [1]), noise("gauss", change.length, [1])
    assert np.abs(rows - plain)[:, : change.onset].max() == pytest.approx(2.0)
    assert np.array_equal(rows[:, change.onset :], plain[:, change.onset :])


def test_published_seeds_are_not_those_for_tuning() -> None:
    assert not set(seeds(PUBLISHED, PUBLISHED_COUNT)) & set(seeds(TUNING, PUBLISHED_COUNT))


@pytest.mark.parametrize(
    ("family", "values"),
    [
        ("gauss", [0.345584192064786, 0.8216181435011584, 0.33043707618338714]),
        ("ar8", [-1.2008062553292007, -0.46547037164369653, 0.009705712083291462]),
        ("poisson4", [9.0, 5.0, 6.0]),
        ("index01", [0.8548406002557978, 0.9142715600718142, 0.8975569645632726]),
    ],
)
def test_values_of_a_seed_stay_what_they_were_when_published(family: str, values: list[float]) -> None:
    assert noise(family, 3, [1])[0].tolist() == pytest.approx(values, abs=1e-12)
