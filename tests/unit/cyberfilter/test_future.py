# SPDX-License-Identifier: AGPL-3.0-or-later
"""Where an index is going: the past of each horizon is read in its own steps, and what is worth nothing is not told."""

from __future__ import annotations

import numpy as np
import pytest

from collector.contract.errors import Refusal
from collector.contract.ports import IndexRow
from collector.historian.memory import MemoryHistorian
from cyberfilter.contract.index import IndexValue, Verdict
from cyberfilter.future import HORIZONS, future
from cyberfilter.indices.catalogue import AVAILABILITY, ENERGY

PLACE = "commons/valparaiso/mk4"
NOW = 1_795_399_200.0


def newest(row):
    return IndexValue(PLACE, row.name, row.unit, NOW, 1.0, None, None, None, None, None, Verdict.STEADY)


def told(values, row, cadence_s):
    historian = MemoryHistorian()
    times = NOW - cadence_s * np.arange(len(values))[::-1]
    historian.write(
        [IndexRow(PLACE, row.name, float(ts), float(value)) for ts, value in zip(times, values, strict=True)]
    )
    return historian


def test_hours_are_told_in_minutes_and_a_shift_in_quarters_of_an_hour() -> None:
    rng = np.random.default_rng(1)
    historian = told(100 + rng.normal(0, 5, 4 * 1440), ENERGY, 60.0)
    hours, shift = (future(historian, newest(ENERGY), ENERGY, name) for name in ("hours", "shift"))
    assert np.diff(hours.times)[0] == 60.0
    assert np.diff(shift.times)[0] == 900.0
    assert hours.times[-1] == NOW + 3600
    assert shift.times[-1] == NOW + 28_800
    assert shift.hi[0] - shift.lo[0] < hours.hi[0] - hours.lo[0]


def test_the_pattern_of_a_day_is_gone_on_with() -> None:
    hours = np.arange(28 * 24)
    values = 0.6 + 0.2 * np.sin(2 * np.pi * hours / 24) + np.random.default_rng(2).normal(0, 0.05, len(hours))
    found = future(told(values, AVAILABILITY, 3600.0), newest(AVAILABILITY), AVAILABILITY, "days")
    assert found.model.endswith("season of 24")
    assert len(found.mean) == 72
    expected = 0.6 + 0.2 * np.sin(2 * np.pi * (hours[-1] + 1 + np.arange(72)) / 24)
    np.testing.assert_allclose(found.mean, expected, atol=0.06)


def test_of_a_walk_nothing_is_told_but_why() -> None:
    walk = 100 + np.cumsum(np.random.default_rng(3).normal(0, 1, 480))
    with pytest.raises(Refusal, match=r"wrong by .* W, saying as last .*: that may be chance"):
        future(told(walk, ENERGY, 60.0), newest(ENERGY), ENERGY, "hours")


def test_a_horizon_that_there_is_not_is_refused_by_name() -> None:
    with pytest.raises(Refusal, match="horizon = 'year' is none of hours, shift, days"):
        future(told([], ENERGY, 60.0), newest(ENERGY), ENERGY, "year")
    assert list(HORIZONS) == ["hours", "shift", "days"]


def test_little_history_is_told_as_such() -> None:
    with pytest.raises(Refusal, match="too_few"):
        future(told(np.ones(5), ENERGY, 60.0), newest(ENERGY), ENERGY, "hours")
    with pytest.raises(Refusal, match="too few to go by"):
        future(told(np.random.default_rng(4).normal(0, 1, 40), ENERGY, 60.0), newest(ENERGY), ENERGY, "hours")


def test_a_share_is_not_expected_above_one() -> None:
    rng = np.random.default_rng(1)
    past = told(rng.choice((0.9, 1.0), 336), AVAILABILITY, 3600.0)
    found = future(past, newest(AVAILABILITY), AVAILABILITY, "hours")
    assert found.hi == (1.0,) * 6
    assert all(lo < mean < 1.0 for lo, mean in zip(found.lo, found.mean, strict=True))
