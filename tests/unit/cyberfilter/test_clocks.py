# SPDX-License-Identifier: AGPL-3.0-or-later
"""The public clock is as short as noise allows: learned from the series itself, longer where it wanders."""

import random
from statistics import NormalDist

import pytest

from cyberfilter.alerts.clocks import KNOWN_COUNT, RUNGS, Beyond, Clocks, beyond, learn, limits, note, public, student


def heard(spread: float, count: int = 2_000, *, phi: float = 0.0, seed: int = 1) -> Clocks:
    """Return clocks that have heard noise of this spread, in units of what matters, autocorrelated by phi."""
    rng, clocks, last = random.Random(seed), Clocks(), 0.0
    for _ in range(count):
        last = phi * last + rng.gauss(0.0, spread * (1 - phi**2) ** 0.5)
        note(clocks, last)
        learn(clocks)
    return clocks


def test_the_clock_is_an_hour_until_enough_is_known() -> None:
    assert public(heard(0.1, KNOWN_COUNT - 1), 60.0) == 60
    assert public(heard(0.1, KNOWN_COUNT), 60.0) == 1
    assert public(Clocks(), 300.0) == 15


def test_the_noisier_a_series_the_longer_its_clock() -> None:
    found = [public(heard(spread), 60.0) for spread in (0.05, 0.25, 0.35, 0.7)]
    assert found == sorted(found)
    assert (found[0], found[-1]) == (1, 60)


def test_a_series_that_wanders_has_a_longer_clock_than_its_values_show() -> None:
    assert public(heard(0.3, phi=0.9), 60.0) > public(heard(0.3), 60.0)


def test_a_longer_block_never_needs_a_larger_departure() -> None:
    found = limits(heard(0.8, phi=0.8), 60.0)
    assert found == sorted(found, reverse=True)
    assert found[0] > 1.0


def test_what_does_not_matter_is_never_beyond() -> None:
    assert limits(heard(0.001), 60.0) == [1.0] * len(RUNGS)


def test_blocks_that_last_longer_than_six_hours_are_no_clock() -> None:
    assert len(limits(heard(0.1), 3600.0)) == 3


def test_noise_stays_within_its_limits() -> None:
    clocks, rng, found = heard(0.3), random.Random(9), []
    for _ in range(5_000):
        note(clocks, rng.gauss(0.0, 0.3))
        found.append(beyond(clocks.recent, limits(clocks, 60.0)))
    assert found == [None] * 5_000


def test_fat_tails_widen_the_limit_of_single_values() -> None:
    rng, fat = random.Random(2), Clocks()
    for _ in range(2_000):
        note(fat, 0.1 * rng.gauss(0, 1) / max(rng.gammavariate(1.5, 1 / 1.5), 0.05) ** 0.5)
        learn(fat)
    gauss = heard(fat.rungs[0].square ** 0.5)
    assert limits(fat, 60.0)[0] > 1.5 * limits(gauss, 60.0)[0]


def test_the_shortest_block_that_is_out_is_told() -> None:
    recent = [0.0] * 55 + [1.2] * 5
    assert beyond(recent, [2.0, 1.5, 1.0, 1.0, 1.0]) == Beyond(5, pytest.approx(1.2))
    assert beyond([], [1.0]) is None


def test_students_quantile_is_close_to_the_tables() -> None:
    z = NormalDist().inv_cdf(0.9995)
    assert student(z, 10.0) == pytest.approx(4.587, rel=0.01)
    assert student(z, 1e6) == pytest.approx(z, rel=1e-4)
    assert student(z, 0.001) == float("inf")
