# SPDX-License-Identifier: AGPL-3.0-or-later
"""Counts and yes or no: the conjugate identities, and what the bank makes of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from collector.contract.errors import Refusal
from cyberfilter.filter import Bank, Prior
from cyberfilter.filter.counts import OBSERVED, UNIT, binary_told, count_told, forecast_counts
from cyberfilter.filter.learned import Learned
from cyberfilter.filter.model import PROFILES
from cyberfilter.filter.weighing import C00, FIELDS, M0, Row, S, model_of

RATES = {"counts": 4.0, "binary": 0.15}


def drawn(transform: str, rng: np.random.Generator, shape: tuple[int, ...], mean: float) -> np.ndarray:
    return (rng.poisson(mean, shape) if transform == "counts" else rng.random(shape) < mean).astype(float)


def fed(bank: Bank, values: np.ndarray, start: int = 0) -> list:
    series = np.arange(bank.count)
    return [bank.update(series, np.full(bank.count, start + t + 1.0), row) for t, row in enumerate(values.T)]


@pytest.mark.parametrize("y", [0.0, 1.0, 7.0, 300.0])
def test_a_count_is_negative_binomial_and_leaves_a_gamma(y):
    r, c = np.meshgrid(np.geomspace(0.05, 1e4, 20), np.geomspace(1e-3, 1e3, 15))
    f, q = special.digamma(r) - np.log(c), special.polygamma(1, r)
    told = count_told(np.array(y), f, q)
    np.testing.assert_allclose(told.log_p, stats.nbinom.logpmf(y, r, c / (c + 1)), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(f + told.moved, special.digamma(r + y) - np.log(c + 1), atol=1e-10)
    np.testing.assert_allclose(told.left, special.polygamma(1, r + y), rtol=1e-10)


@pytest.mark.parametrize("y", [0.0, 1.0])
def test_yes_or_no_is_beta_binomial_and_leaves_a_beta(y):
    r, s = np.meshgrid(np.geomspace(0.3, 1e3, 20), np.geomspace(0.3, 1e3, 20))
    f, q = special.digamma(r) - special.digamma(s), special.polygamma(1, r) + special.polygamma(1, s)
    told = binary_told(np.array(y), f, q)
    np.testing.assert_allclose(told.log_p, stats.betabinom.logpmf(y, 1, r, s), atol=1e-9)
    np.testing.assert_allclose(f + told.moved, special.digamma(r + y) - special.digamma(s + 1 - y), atol=1e-9)
    left = special.polygamma(1, r + y) + special.polygamma(1, s + 1 - y)
    np.testing.assert_allclose(told.left, left, rtol=1e-8)


@pytest.mark.parametrize("name", OBSERVED)
def test_first_values_say_what_jeffreys_prior_and_they_say(name):
    kept = np.array([[1.0, 0, 1, 0, 0, 1, np.nan, np.nan]]).T
    begun = OBSERVED[name].begin(kept, Prior())
    if name == "counts":
        assert begun.level[0] == pytest.approx(special.digamma(3.5) - np.log(6))
    else:
        assert begun.level[0] == pytest.approx(special.digamma(3.5) - special.digamma(3.5))
    assert begun.level_variance[0] > 0


@pytest.mark.parametrize("name", OBSERVED)
def test_the_link_goes_there_and_back_and_its_stretch_is_the_slope_of_back(name):
    link, z = OBSERVED[name].link, np.linspace(-3, 3, 13)
    np.testing.assert_allclose(link.forward(link.back(z)), z, atol=1e-9)
    rise = (link.back(z + 1e-6) - link.back(z - 1e-6)) / 2e-6
    np.testing.assert_allclose(link.stretch(z), rise, rtol=1e-6)
    assert np.isfinite(link.forward(np.array([0.0, 1.0]))).all()


@pytest.mark.parametrize("transform", RATES)
def test_level_of_a_long_constant_series_is_the_mean(transform):
    rng = np.random.default_rng(11)
    values = drawn(transform, rng, (3, 120), RATES[transform])
    last = fed(Bank(3, transform=transform), values)[-1]
    error = np.sqrt(values.var(axis=1) / 120)
    assert (np.abs(last.level - values.mean(axis=1)) < 3.5 * error).all()
    np.testing.assert_allclose(last.sigma, values.std(axis=1), rtol=0.3)


@pytest.mark.parametrize("name", OBSERVED)
def test_one_hypothesis_that_hears_a_long_series_knows_what_all_of_it_says(name):
    values = drawn(name, np.random.default_rng(15), (400,), RATES[name])
    model = model_of(PROFILES["workshop"], noise_known=True, observed=name)._replace(outlier=np.array(1e-12))
    h, one = np.zeros((len(FIELDS), 1, 1)), np.ones(1)
    row = Row(one, one, one, one > 1, one, one, one, one)
    h[C00], h[S] = 4.0, UNIT
    for y in values:
        OBSERVED[name].weigh(h, np.array([y]), row, model)
    assert OBSERVED[name].link.back(h[M0])[0, 0] == pytest.approx(values.mean(), rel=0.06)
    assert h[C00, 0, 0] == pytest.approx(OBSERVED[name].noise(h[M0])[0, 0] / 400, rel=0.06)


@pytest.mark.parametrize("transform", RATES)
def test_batch_is_single_and_a_checkpoint_goes_on_bit_for_bit(transform):
    rng = np.random.default_rng(12)
    values = drawn(transform, rng, (2, 36), RATES[transform])
    values[1, 14:17] = np.nan
    together = Bank(2, transform=transform, commission=20)
    fed(together, values[:, :24])
    loaded = Bank.load(together.save())
    fed(loaded, values[:, 24:], start=24)
    fed(together, values[:, 24:], start=24)
    assert loaded.save() == together.save()
    for number in range(2):
        alone = Bank(1, transform=transform, commission=20)
        fed(alone, values[number : number + 1])
        np.testing.assert_array_equal(alone._columns.take(np.array([0])), together._columns.take(np.array([number])))


@pytest.mark.parametrize(("transform", "after", "share"), [("counts", 8.0, 0.9), ("binary", 0.8, 0.8)])
def test_a_rise_is_found_and_called_a_step_and_chance_is_not(transform, after, share):
    rng = np.random.default_rng(13)
    before = drawn(transform, rng, (25, 100), RATES[transform])
    bank = Bank(25, transform=transform, commission=60)
    calm = np.array([verdicts.p_change for verdicts in fed(bank, before)])
    assert (calm > 0.9).sum() <= 2
    found = fed(bank, drawn(transform, rng, (25, 25), after), start=100)
    assert (np.array([verdicts.change_kind for verdicts in found]) == "step").any(axis=0).mean() >= share
    steps = found[-1].change_kind == "step"
    size = after - RATES[transform]
    assert np.median(found[-1].change_size[steps]) == pytest.approx(size, rel=0.3)


@pytest.mark.parametrize("rate", [0.0, 0.3, 1e6, 1e12])
def test_no_count_at_all_and_huge_ones_are_steady(rate):
    values = np.random.default_rng(14).poisson(rate, (4, 100)).astype(float)
    with np.errstate(all="raise", under="ignore"):
        verdicts = fed(Bank(4, transform="counts", commission=30), values)
    assert all((row.p_change < 0.9).all() for row in verdicts)
    assert np.isfinite(verdicts[-1].level).all()


@pytest.mark.parametrize("rate", [0.3, 1.0, 4.0, 30.0, 1000.0])
def test_band_of_a_known_rate_holds_95_percent(rate):
    _, _, low, high = forecast_counts(np.array([np.log(rate)]), np.array([1e-4]), np.ones(1))
    inside = stats.poisson.cdf(np.floor(high[0]), rate) - stats.poisson.cdf(np.ceil(low[0]) - 1, rate)
    assert 0.94 <= inside <= 0.985


def test_band_of_rare_yes_is_no_and_of_others_both():
    low, high = OBSERVED["binary"].forecast(np.array([-4.0, 0.0, 4.0]), np.full(3, 0.1), np.ones(3))[2:]
    assert low[0] == low[1] == 0
    assert high[1] == high[2] == 1
    assert high[0] < 1
    assert low[2] > 0


def test_there_is_nothing_to_adopt_for_counts():
    with pytest.raises(Refusal, match="chance"):
        Bank(1, transform="counts").adopt([0], Learned(*(np.ones(1) for _ in Learned._fields)))


def test_a_person_may_tell_where_the_rate_goes():
    bank = Bank(1, transform="counts")
    fed(bank, np.full((1, 20), 4.0))
    bank.intervene([0], "level", [0.0], [1.0])
    assert bank.forecast([0], [21.0]).mean[0] < 1
