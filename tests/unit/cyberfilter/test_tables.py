# SPDX-License-Identifier: AGPL-3.0-or-later
"""The three functions that NumPy lacks agree with exact ones."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest

from cyberfilter.filter.tables import log_t_constant, normal_cdf, t_quantile


def test_the_normal_distribution_is_exact_to_1e_10():
    x = np.linspace(-9, 9, 2001)
    exact = [0.5 * math.erfc(-v / math.sqrt(2)) for v in x]
    np.testing.assert_allclose(normal_cdf(x), exact, atol=1e-10)


@pytest.mark.parametrize(
    ("nu", "exact"),
    [
        (1, 12.7062047),
        (2, 4.3026527),
        (3, 3.1824463),
        (10, 2.2281389),
        (49, 2.0095752),
        (1000, 1.9623391),
    ],
)
def test_students_quantile_is_the_tabled_one(nu, exact):
    assert t_quantile(np.array([nu]))[0] == pytest.approx(exact, abs=1e-6)


def test_students_quantile_without_end_is_the_normal_one():
    assert t_quantile(np.array([np.inf]))[0] == pytest.approx(NormalDist().inv_cdf(0.975), abs=1e-12)


def test_below_one_degree_the_quantile_is_that_of_one():
    assert t_quantile(np.array([0.3]))[0] == t_quantile(np.array([1.0]))[0]


def test_the_constant_of_students_density_is_exact():
    nu = np.array([0.5, 1, 2, 7.84, 23.9, 24, 25, 50, 1e4])
    exact = [math.lgamma((n + 1) / 2) - math.lgamma(n / 2) - 0.5 * math.log(n * math.pi) for n in nu]
    np.testing.assert_allclose(log_t_constant(nu), exact, atol=2e-11)


def test_a_figure_does_not_depend_on_its_neighbours():
    nu = np.geomspace(1, 1e3, 37)
    for function in (t_quantile, log_t_constant, normal_cdf):
        alone = np.array([function(nu[k : k + 1])[0] for k in range(len(nu))])
        np.testing.assert_array_equal(function(nu), alone)
