# SPDX-License-Identifier: AGPL-3.0-or-later
"""How much more counts vary than chance: chance gives 1, overdispersed counts their ratio, a step hardly anything."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from cyberfilter.filter import dispersion


def learned(values: np.ndarray) -> np.ndarray:
    own, learning = np.zeros((dispersion.HEIGHT, values.shape[1])), np.ones(values.shape[1], dtype=bool)
    for before, y in pairwise(values):
        dispersion.vary(own, y, before, learning)
    return dispersion.dispersion(own)


@pytest.mark.parametrize("rate", [0.1, 1.0, 4.0, 1000.0])
def test_chance_is_hardly_ever_taken_for_more(rate):
    found = learned(np.random.default_rng(1).poisson(rate, (250, 200)).astype(float))
    assert (found > 1).mean() < 0.12


@pytest.mark.parametrize("ratio", [2.0, 5.0])
def test_more_than_chance_is_found(ratio):
    values = np.random.default_rng(2).negative_binomial(20 / (ratio - 1), 1 / ratio, (250, 200)).astype(float)
    assert np.median(learned(values)) == pytest.approx(ratio, rel=0.2)


def test_one_step_and_missing_values_are_no_dispersion():
    values = np.concatenate((np.full((100, 1), 4.0), np.full((100, 1), 400.0)))
    values[50] = np.nan
    assert learned(values) == 1
