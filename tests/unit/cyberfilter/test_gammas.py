# SPDX-License-Identifier: AGPL-3.0-or-later
"""The gamma family agrees with SciPy from tiny to huge arguments, and its inverses undo it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from cyberfilter.filter import gammas

Z = np.geomspace(1e-3, 1e12, 1501)


def test_digamma_and_trigamma_are_those_of_scipy():
    np.testing.assert_allclose(gammas.digamma(Z), special.digamma(Z), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(gammas.trigamma(Z), special.polygamma(1, Z), rtol=1e-12)


def test_stirlings_formula_with_its_error_is_the_log_of_gamma():
    z = np.geomspace(1e-3, 1e4, 1501)
    formula = (z - 0.5) * np.log(z) - z + 0.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(gammas.stirling_error(z), special.gammaln(z) - formula, atol=1e-10)


def test_inverse_trigamma_undoes_trigamma():
    q = np.geomspace(1e-13, 1e4, 1501)
    np.testing.assert_allclose(special.polygamma(1, gammas.inverse_trigamma(q)), q, rtol=1e-12)


def test_inverse_beta_has_the_mean_and_the_variance_of_the_log_odds():
    f, q = np.meshgrid(np.linspace(-12, 12, 49), np.geomspace(1e-4, 30, 40))
    r, s = gammas.inverse_beta(f, q)
    np.testing.assert_allclose(special.digamma(r) - special.digamma(s), f, atol=1e-10)
    np.testing.assert_allclose(special.polygamma(1, r) + special.polygamma(1, s), q, rtol=1e-10)


@pytest.mark.parametrize("function", [gammas.digamma, gammas.trigamma, gammas.stirling_error, gammas.inverse_trigamma])
def test_one_number_gives_the_bits_that_it_gives_among_others(function):
    z = np.geomspace(1e-3, 1e6, 40)
    alone = np.concatenate([function(z[at : at + 1]) for at in range(len(z))])
    np.testing.assert_array_equal(function(z), alone)
