# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the hypotheses of one series say together: what changed, since when, by how much, how surely."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cyberfilter.filter import Bank, Belief

CADENCE_S = 60.0


def bank_after(values: np.ndarray, *, filter_name: str = "hypotheses", transform: str = "none") -> Bank:
    bank = Bank(1, filter=filter_name, transform=transform, cadence_s=CADENCE_S, commission=60)  # type: ignore[arg-type]
    for n, value in enumerate(values):
        bank.update([0], [CADENCE_S * n], [value])
    return bank


def noise(count: int, level: float = 24.0, sd: float = 0.5, seed: int = 1234) -> np.ndarray:
    return np.random.default_rng(seed).normal(level, sd, count)


def one(found: list[Belief], kind: str) -> Belief:
    return next(belief for belief in found if belief.kind == kind)


def test_where_nothing_changed_that_is_believed() -> None:
    found = bank_after(noise(120)).beliefs(0)
    assert (found[0].kind, found[0].probability > 0.8) == ("none", True)
    assert found[0].level == pytest.approx(24.0, abs=0.3)
    assert found[0].sigma == pytest.approx(0.5, rel=0.3)
    assert math.isnan(found[0].since)


def test_probabilities_add_up_to_one_and_the_likeliest_comes_first() -> None:
    bank = bank_after(noise(100))
    for most in (1, 2, 5, 50):
        found = bank.beliefs(0, most)
        shares = [belief.probability for belief in found if belief.kind != "other"]
        assert len(found) <= most
        assert sum(belief.probability for belief in found) == pytest.approx(1.0, abs=1e-9)
        assert shares == sorted(shares, reverse=True)


def test_a_step_says_since_when_by_how_much_and_from_where() -> None:
    values = noise(112)
    values[100:] += 3.0
    step = one(bank_after(values).beliefs(0), "step")
    assert step.probability > 0.9
    assert abs(step.since - 100 * CADENCE_S) <= 2 * CADENCE_S
    assert abs(step.size - 3.0) <= 3 * step.sd
    assert 0.05 < step.sd < 1.0
    assert step.before == pytest.approx(24.0, abs=0.5)
    assert step.level - step.before == pytest.approx(step.size)


def test_a_slope_is_told_by_value() -> None:
    values = noise(140)
    values[100:] += 0.25 * np.arange(40)
    slope = one(bank_after(values).beliefs(0), "slope")
    assert slope.probability > 0.5
    assert slope.size == pytest.approx(0.25, rel=0.2)


def test_louder_noise_says_how_loud_it_was() -> None:
    values = noise(140)
    values[100:] += noise(40, level=0.0, sd=3.0, seed=9)
    loud = one(bank_after(values).beliefs(0), "noise")
    assert loud.probability > 0.5
    assert loud.before == pytest.approx(0.5, rel=0.4)
    assert loud.sigma == pytest.approx(loud.before + loud.size, rel=0.1)
    assert loud.size > 1.0


def test_a_share_is_told_in_its_own_unit() -> None:
    values = np.clip(noise(112, level=0.8, sd=0.03), 0.0, 1.0)
    values[100:] -= 0.3
    step = one(bank_after(values, transform="arcsine").beliefs(0), "step")
    assert step.before == pytest.approx(0.8, abs=0.05)
    assert step.size == pytest.approx(-0.3, abs=0.1)
    assert 0.0 < step.sd < 0.2


@pytest.mark.parametrize(("filter_name", "count"), [("classic", 100), ("hypotheses", 0), ("hypotheses", 3)])
def test_nothing_is_believed_by_the_classic_filter_nor_before_the_start(filter_name: str, count: int) -> None:
    assert bank_after(noise(count), filter_name=filter_name).beliefs(0) == []


def test_asking_changes_nothing() -> None:
    bank = bank_after(noise(80))
    before = bank.save()
    bank.beliefs(0)
    assert bank.save() == before
