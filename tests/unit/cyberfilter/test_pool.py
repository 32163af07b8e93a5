# SPDX-License-Identifier: AGPL-3.0-or-later
"""What like series have learned becomes the prior of one more: whoever comes first, and whatever one odd one says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from collector.contract.errors import Refusal
from cyberfilter.filter import Learned, pool, score
from cyberfilter.filter.pool import digamma, trigamma


def family(noise, degrees=50.0, adaptivity=0.95):
    noise = np.asarray(noise, dtype=float)
    like = np.ones_like(noise)
    return Learned(noise, degrees * like, adaptivity * like, 0.02 * like, 260 * like)


def drawn(count, variance, seed=1, degrees=50.0):
    """Noise variances of a family whose logarithms vary so much, each estimated from so many degrees of freedom."""
    rng = np.random.default_rng(seed)
    truth = np.exp(rng.normal(0, np.sqrt(variance), count))
    return truth * rng.chisquare(degrees, count) / degrees


@pytest.mark.parametrize("x", [0.1, 0.5, 1.0, 2.5, 30.0, 1e4])
def test_the_derivatives_of_the_log_gamma_function_are_scipys(x):
    assert digamma(x) == pytest.approx(special.digamma(x), rel=1e-8, abs=1e-9)
    assert trigamma(x) == pytest.approx(special.polygamma(1, x), rel=1e-8)


def test_the_order_of_the_series_does_not_matter():
    noise = drawn(9, 0.1)
    for seed in range(5):
        mixed = np.random.default_rng(seed).permutation(noise)
        for one, other in zip(pool(family(mixed)), pool(family(noise)), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("factor", [1e-8, 0.3, 1e6])
def test_other_units_scale_the_noise_and_change_nothing_else(factor):
    one, other = pool(family(drawn(9, 0.1))), pool(family(factor * drawn(9, 0.1)))
    assert other.noise == pytest.approx(factor * one.noise, rel=1e-9)
    assert other.degrees == pytest.approx(one.degrees, rel=1e-6)
    assert other.adaptivity == one.adaptivity


def test_one_odd_machine_moves_the_family_little():
    noise = drawn(9, 0.05)
    usual, odd = pool(family(noise)), pool(family(np.append(noise, 1e4)))
    assert odd.noise == pytest.approx(usual.noise, rel=0.15)
    assert odd.degrees > usual.degrees / 2


def test_one_odd_machine_does_not_set_the_adaptivity():
    like = family(drawn(8, 0.05), adaptivity=np.array([0.97, 0.96, 0.98, 0.97, 0.97, 0.98, 0.96, 0.5]))
    assert pool(like).adaptivity == pytest.approx(0.97)


def test_a_large_family_has_the_degrees_of_its_variance():
    # log of an inverse chi-squared with 2x degrees varies by trigamma(x); 0.105 is that of 20 degrees
    degrees = [pool(family(drawn(400, 0.105, seed)))[1].item() for seed in range(20)]
    assert np.median(degrees) == pytest.approx(20, rel=0.2)


def test_what_its_members_do_not_know_of_themselves_is_not_taken_for_variety():
    sure, unsure = pool(family(np.ones(10), degrees=2000.0)), pool(family(drawn(10, 0.0, degrees=8.0), degrees=8.0))
    assert sure.degrees > 30
    assert unsure.degrees > 12


def test_a_smaller_family_is_worth_less():
    degrees = [pool(family(np.ones(count))).degrees.item() for count in (1, 2, 3, 10, 100)]
    assert degrees == sorted(degrees)
    assert degrees[0] < 5
    assert degrees[1] < 10


def test_who_has_learned_nothing_does_not_count():
    noise = drawn(5, 0.1)
    like = family(np.append(noise, np.nan))
    assert pool(like)[:5] == pool(family(noise))[:5]
    assert pool(like).behind == 5
    with pytest.raises(Refusal, match="none of 2 like series"):
        pool(family([np.nan, np.nan]))


def test_tails_are_worth_more_the_more_they_agree_and_one_that_knows_nothing_does_not_count():
    def worth(excess):
        tail = np.zeros((len(excess), score.TAUGHT))
        tail[:, :: score.TAUGHT // 4] = np.stack([[2.0, one, 0.5, 40.0] for one in excess])
        like = family(np.ones(len(excess)))._replace(tail=tail)
        return pool(like).tail[0, :: score.TAUGHT // 4]

    alike, various = worth([0.4] * 10), worth(0.4 * np.exp(np.random.default_rng(1).normal(size=10)))
    assert alike[:3] == pytest.approx([2.0, 0.4, 0.5])
    assert alike[3] > 4 * various[3] > 0
    assert worth([0.4])[3] < alike[3] / 4
    empty = family(np.ones(2))._replace(tail=np.zeros((2, score.TAUGHT)))
    assert (pool(empty).tail == 0).all()


def test_the_family_s_share_of_outliers_is_the_middle_one():
    like = family(np.ones(5))._replace(outliers=np.array([0.01, 0.04, 0.05, 0.03, 0.4]))
    assert pool(like).outliers == 0.04
