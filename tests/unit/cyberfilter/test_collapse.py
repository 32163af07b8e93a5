# SPDX-License-Identifier: AGPL-3.0-or-later
"""Sixteen into four: moments are kept."""

from __future__ import annotations

import numpy as np
import pytest

from cyberfilter.filter.collapse import Moments, collapse, over


@pytest.fixture
def histories():
    rng = np.random.default_rng(4)
    m0, m1, c01 = rng.normal(size=(3, 4, 4, 5))
    c00, c11, s = rng.uniform(1, 2, size=(3, 4, 4, 5))
    return Moments(m0, m1, c00 + 1, 0.1 * c01, c11, s)


@pytest.fixture
def weight():
    raw = np.random.default_rng(5).uniform(size=(4, 4, 5))
    return raw / over(raw)


def test_sums_over_four_are_sums():
    x = np.arange(4.0 * 4 * 2).reshape(4, 4, 2)
    np.testing.assert_array_equal(over(x), x.sum(axis=0))
    np.testing.assert_array_equal(over(x, axis=1), x.sum(axis=1))


@pytest.mark.parametrize("count", [2, 3, 17, 300])
@pytest.mark.parametrize("shape", [(4,), (40,), (4, 4), (7, 40)])
def test_a_sum_has_the_same_bits_alone_and_in_a_batch(shape, count):
    x = np.random.default_rng(6).normal(size=(*shape, count))
    for axis in range(len(shape)):
        together = over(x, axis=axis)
        alone = [over(np.ascontiguousarray(x[..., [at]]), axis=axis) for at in range(count)]
        np.testing.assert_array_equal(np.concatenate(alone, axis=-1), together)


def test_equal_histories_collapse_to_themselves(histories, weight):
    same = Moments(*(np.broadcast_to(x[:1, :1], x.shape) for x in histories))
    for got, want in zip(collapse(same, weight, noise_known=False), same, strict=True):
        np.testing.assert_allclose(got, want[0], atol=1e-12)


def test_with_known_noise_mean_and_covariance_are_those_of_the_mixture(histories, weight):
    known = histories._replace(s=np.ones((4, 1, 5)))
    got = collapse(known, weight, noise_known=True)
    mean = (weight * histories.m0).sum(axis=0)
    second = (weight * (histories.c00 + histories.m0**2)).sum(axis=0)
    np.testing.assert_allclose(got.m0, mean, atol=1e-12)
    np.testing.assert_allclose(got.c00, second - mean**2, atol=1e-12)


def test_learned_noise_is_the_harmonic_mean_and_precise_histories_count_more(histories, weight):
    got = collapse(histories, weight, noise_known=False)
    np.testing.assert_allclose(got.s, 1 / (weight / histories.s).sum(axis=0))
    share = weight * got.s / histories.s
    np.testing.assert_allclose(got.m1, (share * histories.m1).sum(axis=0), atol=1e-12)


def test_covariances_stay_positive(histories, weight):
    got = collapse(histories, weight, noise_known=False)
    assert (got.c00 * got.c11 > got.c01**2).all()
