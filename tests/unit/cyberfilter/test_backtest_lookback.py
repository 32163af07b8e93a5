# SPDX-License-Identifier: AGPL-3.0-or-later
"""Looking back at a history: changes are found where they were put, none in noise, and the recursions are exact."""

from __future__ import annotations

import math
from itertools import combinations, pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from cyberfilter.backtest.lookback import CHANGES, DEGREES, NEAR, STEEP, changes, forward, looking_back
from cyberfilter.indices.catalogue import ENERGY

Floats = NDArray[np.float64]
DAY_S = 86_400.0


def noise(seed: int, count: int, kept: float = 0.0) -> Floats:
    """Return autoregressive noise of variance 1."""
    rng = np.random.default_rng(seed)
    shocks, found = rng.normal(size=count) * math.sqrt(1 - kept * kept), np.empty(count)
    found[0] = rng.normal()
    for at in range(1, count):
        found[at] = kept * found[at - 1] + shocks[at]
    return found


def steps(count: int, *at: int, size: float) -> Floats:
    """Return a level that goes up and down again at these rows."""
    return size * (np.searchsorted(np.array(at), np.arange(count), side="right") % 2)


def bend(count: int, at: int, size: float) -> Floats:
    """Return a level that begins to rise at that row, until it is so high."""
    return size * np.maximum(np.arange(count) - at, 0) / (count - at)


@pytest.mark.parametrize("seed", range(1000, 1004))
@pytest.mark.parametrize(
    ("shape", "kept", "at"),
    [
        (steps(200, 60, 130, size=3.0), 0.0, [60, 130]),
        (steps(200, 60, 130, size=4.0), 0.3, [60, 130]),
        (bend(240, 120, 60.0), 0.0, [120]),
        (0.05 * np.arange(200) + steps(200, 90, size=5.0), 0.0, [90]),
    ],
    ids=["steps", "steps in noise that stays", "a bend", "a step on a slope"],
)
def test_what_changed_is_found_within_five_rows(shape: Floats, kept: float, at: list[int], seed: int) -> None:
    found = changes(shape + noise(seed, len(shape), kept))
    assert len(found) == len(at)
    assert all(abs(change.at - true) <= NEAR and change.p > 0.5 for change, true in zip(found, at, strict=True))


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
def test_noise_is_no_change_and_neither_is_a_slope(kept: float) -> None:
    for seed in range(1000, 1004):
        assert changes(noise(seed, 200, kept)) == []
        assert changes(noise(seed, 200, kept) + 0.05 * np.arange(200)) == []


def test_values_that_are_rounded_hide_no_change_and_make_none() -> None:
    for seed in range(1000, 1006):
        coarse = np.round(noise(seed, 200) / 2.0)
        assert changes(coarse) == []
        assert changes((noise(seed, 200) > 1.3).astype(np.float64)) == []
        assert [change.at for change in changes(coarse + steps(200, 80, size=3.0))] == pytest.approx([80], abs=NEAR)
    assert [change.at for change in changes(steps(200, 80, 120, size=1.0))] == [80, 120]


def test_outliers_are_no_changes() -> None:
    value = noise(1000, 200) + steps(200, 100, size=4.0)
    value[[30, 31, 77, 150]] += 12.0
    (found,) = changes(value)
    assert abs(found.at - 100) <= NEAR
    assert (found.before, found.after) == pytest.approx((0.0, 4.0), abs=0.4)


def test_a_known_pattern_is_taken_off() -> None:
    value = noise(1000, 240) + steps(240, 150, size=4.0) + 6.0 * np.sin(2 * np.pi * np.arange(240) / 12)
    (found,) = changes(value, period=12)
    assert abs(found.at - 150) <= NEAR


def test_unit_and_direction_change_nothing() -> None:
    value = noise(1000, 150) + steps(150, 70, size=3.0)
    found, turned = changes(value), changes(-1e6 * value + 1e9)
    assert [change.at for change in found] == [change.at for change in turned]
    assert [change.p for change in found] == pytest.approx([change.p for change in turned], abs=1e-6)


@pytest.mark.parametrize("value", [[], [5.0] * 50, [math.nan] * 50, [1.0, 2.0, 9.0]])
def test_what_says_nothing_has_no_changes(value: list[float]) -> None:
    assert changes(np.array(value)) == []


@pytest.mark.parametrize("roots", [(0.0, 0.0), (0.6, 0.3), (0.97, 0.8)])
def test_the_recursion_sums_over_all_that_can_be(roots: tuple[float, float]) -> None:
    y = noise(1000, 7) + steps(7, 4, size=4.0)
    every = [
        (len(cuts), math.fsum(_log_segment(y, a, b, roots) for a, b in pairwise((0, *cuts, 7))))
        for count in range(7)
        for cuts in combinations(range(1, 7), count)
    ]
    jump, stay = math.log(CHANGES / 7), math.log1p(-CHANGES / 7)
    whole = math.log(math.fsum(math.exp(log_p + count * jump + (6 - count) * stay) for count, log_p in every))
    total, _ = forward(y, np.array([roots]))
    assert total[-1, 0] == pytest.approx(whole, abs=1e-5)  # no value is known beyond LEAST


def _log_segment(y: Floats, a: int, b: int, roots: tuple[float, float]) -> float:
    """Return the log density of rows a to b: Student's, of many dimensions, by the whole covariance matrix."""
    one, two = sum(roots), -math.prod(roots)
    rho = [1.0, one / (1 - two)]
    while len(rho) < len(y):
        rho.append(one * rho[-1] + two * rho[-2])
    variance = (1 - two) / ((1 + two) * ((1 - two) ** 2 - one * one))
    rows = y[2:] - one * y[1:-1] - two * y[:-2]
    spread = np.median(np.abs(rows - np.median(rows)) if rho[1] >= 0.5 else np.abs(np.diff(rows)) / math.sqrt(2))
    noise_variance = (1.4826 * float(spread)) ** 2
    t = np.arange(b - a, dtype=np.float64)
    shape = noise_variance * variance * np.array([[rho[abs(i - j)] for j in range(b - a)] for i in range(b - a)])
    shape += 1.0 + (STEEP / len(y)) ** 2 * np.outer(t, t)
    part, k = y[a:b], b - a
    far = float(part @ np.linalg.solve(shape, part))
    return (
        math.lgamma((DEGREES + k) / 2) - math.lgamma(DEGREES / 2) - k / 2 * math.log(DEGREES * math.pi)
        - 0.5 * float(np.linalg.slogdet(shape)[1]) - (DEGREES + k) / 2 * math.log1p(far / DEGREES)
    )  # fmt: skip


def test_a_history_is_dated_in_time_without_the_pattern_of_a_day() -> None:
    times = 1.8e9 + 60.0 * np.arange(1, 1_440 * 7 + 1)
    wave = 15.0 * np.sin(2 * np.pi * times / DAY_S)
    there = np.arange(len(times)) % 5 > 0  # a gate was closed now and then
    value = 100.0 + wave + 4.0 * noise(1001, len(times)) + steps(len(times), 6_000, size=25.0)
    (found,) = looking_back("hall/mk4", ENERGY, times[there].tolist(), value[there].tolist())
    assert (found.place, found.index) == ("hall/mk4", "energy_w")
    assert abs(found.ts - times[6_000]) < 3_600.0
    assert found.after - found.before == pytest.approx(25.0, abs=5.0)


def test_a_short_history_is_looked_at_row_by_row() -> None:
    times = (60.0 * np.arange(1, 121)).tolist()
    value = 100.0 + 4.0 * noise(1000, 120) + steps(120, 50, size=20.0)
    (found,) = looking_back("p", ENERGY, times, value.tolist())
    assert abs(found.ts - 60.0 * 50) <= 60.0 * NEAR
    assert looking_back("p", ENERGY, [], []) == []


def test_what_is_not_worth_an_alert_is_not_told() -> None:
    times = (60.0 * np.arange(1, 121)).tolist()
    value = 100.0 + noise(1000, 120) + steps(120, 50, size=10.0)
    assert len(changes(value)) == 1
    assert looking_back("p", ENERGY, times, value.tolist()) == []
