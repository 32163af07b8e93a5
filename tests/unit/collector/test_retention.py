# SPDX-License-Identifier: AGPL-3.0-or-later
"""How long what is kept: spans that fit each other, and hours that go whole."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from collector.contract.errors import Misconfigured
from collector.contract.ports import Historian, ReadingRow
from collector.historian.embedded import EmbeddedHistorian
from collector.historian.memory import MemoryHistorian
from collector.historian.retention import Retention

HOUR = 1_699_999_200.0
DAY_S = 86_400.0


@pytest.mark.parametrize("make", [lambda _, kept: MemoryHistorian(kept), EmbeddedHistorian])
def test_samples_are_forgotten_when_the_last_of_their_hour_is_too_old(
    make: Callable[[Path, Retention], Historian], tmp_path: Path
) -> None:
    historian = make(tmp_path / "historian.db", Retention(raw_days=2))
    historian.write([ReadingRow("p", "d", "n_degc", HOUR + at, at) for at in (-1.0, 0.0, 3_599.0, 3_600.0)])
    left = []
    for passed_s in (-1e-6, 0.0, 3_600.0 - 1e-6, 3_600.0):
        while historian.tidy(HOUR + 2 * DAY_S + passed_s):
            pass
        left.append([value for _, value in historian.series("p", "n_degc", start=0, end=math.inf, most=9)])
    assert left == [[-1.0, 0.0, 3_599.0, 3_600.0], [0.0, 3_599.0, 3_600.0], [0.0, 3_599.0, 3_600.0], [3_600.0]]
    historian.close()


@pytest.mark.parametrize("days", [(14, 7, 0), (0, 180, 0), (14, 180, 90), (14, 0, 90)])
def test_what_is_coarser_lasts_at_least_as_long(days: tuple[int, int, int]) -> None:
    with pytest.raises(Misconfigured, match=r"_days = .* is less than"):
        Retention(*days)


@pytest.mark.parametrize("days", [(14, 14, 14), (0, 0, 0), (1, 0, 0), (1, 2, 3)])
def test_spans_that_fit_are_taken(days: tuple[int, int, int]) -> None:
    assert (Retention(*days).raw_days, Retention(*days).hour_days) == (days[0], days[2])
