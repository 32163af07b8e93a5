# SPDX-License-Identifier: AGPL-3.0-or-later
"""What was learned is handed on: a newcomer finds a step after twenty values, and its own values take over."""

from __future__ import annotations

import numpy as np
import pytest

from collector.contract.errors import Refusal
from cyberfilter.filter import Bank, Learned, Prior, pool, score

TRIALS, FAMILIES, LIKE, OWN, QUIET = 200, 20, 10, 20, 60
CHANGES = ("step", "slope", "noise")
FOUND_WITHIN = 3
STATED_PER_1000 = 0.5
"""False alarms at P > .9 that filter.md §7 goal 4 states."""


def fed(bank, values, start=0):
    """Verdicts and P(change) (rows, k) of values (k, rows), a second apart."""
    index = np.arange(len(values))
    rows = [bank.update(index, np.full(len(values), float(start + at)), y) for at, y in enumerate(values.T)]
    return np.array([row.verdict for row in rows]), np.array([row.p_change for row in rows])


def known(noise=1.0, degrees=20.0, adaptivity=0.98, sd=0.03):
    return Learned(*(np.array([part]) for part in (noise, degrees, adaptivity, sd, 10.0)))


def shaped(noise=1.0):
    """The same with outliers, tails and a season."""
    tail = np.repeat([2.0, 0.4, 0.45, 20.0], score.TAUGHT // 4)[None]
    season = np.array([[12.0, 1.0, 0.5, 0.0, 0.2, 0.0, 0.1, 7.0]])
    return known(noise)._replace(outliers=np.array([0.04]), tail=tail, season=season)


@pytest.fixture(scope="module")
def newcomers():
    """Lessons of ten like machines for each of 200 newcomers (families of ten share one), and the newcomers' noise."""
    rng = np.random.default_rng(11)
    sigma = np.exp(0.15 * rng.normal(size=FAMILIES * LIKE))
    bank = Bank(len(sigma), filter="hypotheses", commission=100)
    fed(bank, sigma[:, None] * rng.normal(size=(len(sigma), 110)))
    learned = bank.learned(np.arange(len(sigma)))
    pooled = [pool(Learned(*(part[at : at + LIKE] for part in learned))) for at in range(0, len(sigma), LIKE)]
    alike = np.arange(TRIALS) % FAMILIES
    given = Learned(*(np.concatenate(parts)[alike] for parts in zip(*pooled, strict=True)))
    own = np.exp(0.15 * rng.normal(size=TRIALS))
    level = 20 * rng.normal(size=(TRIALS, 1))
    return given, own, level + own[:, None] * rng.normal(size=(TRIALS, OWN + QUIET))


def test_a_newcomer_with_twenty_values_finds_a_step_of_five_sigma_in_three_more(newcomers):
    given, own, values = newcomers
    stepped = values[:, : OWN + FOUND_WITHIN].copy()
    stepped[:, OWN:] += 5 * own[:, None]
    bank = Bank(TRIALS, filter="hypotheses")
    bank.adopt(np.arange(TRIALS), given)
    words, _ = fed(bank, stepped)
    assert np.isin(words[OWN:], CHANGES).any(axis=0).mean() >= 0.9


def test_newcomers_raise_at_most_twice_the_stated_false_alarms(newcomers):
    given, _, values = newcomers
    bank = Bank(TRIALS, filter="hypotheses")
    bank.adopt(np.arange(TRIALS), given)
    words, _ = fed(bank, values)
    told = np.isin(words, CHANGES)
    begun = told & ~np.vstack((np.zeros((1, TRIALS), bool), told[:-1]))
    assert 1000 * begun.sum() / begun.size <= 2 * STATED_PER_1000


def test_without_a_family_the_same_newcomers_say_no_more_than_unsure(newcomers):
    _, own, values = newcomers
    stepped = values[:, : OWN + FOUND_WITHIN] + np.where(np.arange(OWN + FOUND_WITHIN) >= OWN, 5 * own[:, None], 0)
    words, _ = fed(Bank(TRIALS, filter="hypotheses"), stepped)
    assert not np.isin(words, CHANGES).any()


def test_one_that_adopts_while_it_learns_alone_finds_the_step_too(newcomers):
    given, own, values = newcomers
    bank = Bank(TRIALS, filter="hypotheses")
    fed(bank, values[:, :OWN])
    bank.adopt(np.arange(TRIALS), given)
    words, _ = fed(bank, values[:, OWN : OWN + FOUND_WITHIN] + 5 * own[:, None], start=OWN)
    assert np.isin(words, CHANGES).any(axis=0).mean() >= 0.8


def test_the_first_value_starts_a_filter_that_has_adopted():
    bank = Bank(1, filter="hypotheses")
    bank.adopt([0], known(noise=4.0))
    first = bank.update([0], [0.0], [1000.0])
    assert (first.verdict[0], first.level[0], first.sigma[0]) == ("unsure", 1000.0, 2.0)
    expected = bank.forecast([0], [1.0])
    assert expected.mean[0] == pytest.approx(1000.0)
    assert 2.0 < expected.sd[0] < 4.0
    assert bank.update([0], [1.0], [1001.0]).verdict[0] == "steady"


def lognormal(seed, rows, count=TRIALS):
    return np.exp(np.random.default_rng(seed).normal(size=(count, rows)))


def test_newcomers_to_a_family_with_outliers_tell_fewer_changes_that_are_none():
    bank, told = Bank(TRIALS), []
    fed(bank, lognormal(1, 255))
    family = pool(bank.learned(np.arange(TRIALS)))
    values = lognormal(2, OWN + QUIET)
    for outliers in (family.outliers, np.zeros(1)):
        bank = Bank(TRIALS)
        bank.adopt(np.arange(TRIALS), family._replace(outliers=outliers))
        words, _ = fed(bank, values)
        told.append(np.isin(words, CHANGES).any(axis=0).mean())
    assert family.outliers[0] > 0.03
    assert told[0] < 0.6 * told[1]


def test_own_values_take_over_from_a_family_with_more_outliers():
    bank = Bank(20)
    bank.adopt(np.arange(20), known()._replace(outliers=np.array([0.2])))
    values = np.random.default_rng(5).normal(size=(20, 250))
    fed(bank, values[:, :1])
    assert np.median(bank.learned(np.arange(20)).outliers) > 0.15
    fed(bank, values[:, 1:], start=1)
    assert np.median(bank.learned(np.arange(20)).outliers) < 0.04


def test_a_louder_noise_of_one_that_learned_alone_is_forgotten():
    bank, values = Bank(1), 10.0 + 0.1 * np.random.default_rng(3).normal(size=(1, 45))
    values[0, 30:] += np.random.default_rng(4).normal(size=15)
    fed(bank, values)
    assert any(belief.kind == "noise" for belief in bank.beliefs(0))
    bank.adopt([0], known())
    assert all(belief.kind != "noise" or belief.probability < 1e-6 for belief in bank.beliefs(0))


def test_a_first_value_that_is_an_outlier_is_not_taken_for_the_level():
    bank = Bank(1, filter="hypotheses")
    bank.adopt([0], known())
    values = np.random.default_rng(4).normal(size=(1, 30))
    values[0, 0] = 12.0
    words, _ = fed(bank, values)
    assert not np.isin(words, CHANGES).any()


def test_a_missing_first_value_does_not_start_it():
    bank = Bank(1, filter="hypotheses")
    bank.adopt([0], known())
    assert bank.update([0], [0.0], [np.nan]).verdict[0] == "missing"
    assert np.isnan(bank.learned([0]).noise[0])
    bank.update([0], [1.0], [5.0])
    assert bank.learned([0]).noise[0] == pytest.approx(1.0)


def test_values_that_were_held_before_set_the_level_and_not_the_noise():
    bank = Bank(1, filter="hypotheses")
    fed(bank, np.array([[10.0, 90.0, 11.0, 10.5]]))
    bank.adopt([0], known())
    row = bank.update([0], [4.0], [10.2])
    assert row.level[0] == pytest.approx(10.5)
    assert row.sigma[0] == pytest.approx(1.0)


def test_own_values_take_over_from_a_family_that_is_not_like():
    bank = Bank(20, filter="hypotheses")
    bank.adopt(np.arange(20), known(noise=1.0, degrees=15.0, adaptivity=0.8, sd=0.1))
    fed(bank, 3 * np.random.default_rng(5).normal(size=(20, 250)))
    learned = bank.learned(np.arange(20))
    assert np.median(learned.noise) == pytest.approx(9.0, rel=0.25)
    assert np.median(learned.adaptivity) > 0.93


def test_what_a_series_adopts_it_can_hand_on():
    bank = Bank(2, filter="hypotheses", commission=30)
    fed(bank, np.random.default_rng(6).normal(size=(2, 40)))
    learned = bank.learned([0, 1])
    other = Bank(2, filter="hypotheses")
    other.adopt([0, 1], learned)
    other.update([0, 1], [0.0, 0.0], [1.0, 2.0])
    again = other.learned([0, 1])
    np.testing.assert_allclose(again.noise, learned.noise)
    np.testing.assert_allclose(again.degrees, learned.degrees)
    np.testing.assert_allclose(again.adaptivity, learned.adaptivity, atol=0.05)
    assert again.behind.tolist() == [1, 1]


def test_one_that_has_learned_takes_the_new_adaptivity_pools_the_noise_and_keeps_its_level():
    bank = Bank(1, filter="hypotheses", commission=30)
    fed(bank, np.random.default_rng(7).normal(50, 1, size=(1, 60)))
    before, level = bank.learned([0]), bank.forecast([0], [60.0]).mean
    bank.adopt([0], known(noise=2.0, degrees=500.0, adaptivity=0.7, sd=0.01))
    after = bank.learned([0])
    assert after.adaptivity[0] == 0.7
    pooled = (before.degrees * before.noise + 500 * 2.0) / (before.degrees + 500)
    np.testing.assert_allclose(after.noise, pooled)
    assert after.degrees[0] <= 50 + before.degrees[0]
    np.testing.assert_array_equal(bank.forecast([0], [60.0]).mean, level)


def test_other_series_are_left_alone():
    bank = Bank(3, filter="hypotheses")
    fed(bank, np.random.default_rng(8).normal(size=(3, 20)))
    before = bank._columns.take(np.arange(3)).copy()
    bank.adopt([1], known())
    np.testing.assert_array_equal(bank._columns.take(np.arange(3))[:, [0, 2]], before[:, [0, 2]])


def test_a_batch_of_adopters_gives_what_single_ones_give_also_over_a_checkpoint():
    values = np.random.default_rng(9).normal(size=(5, 40))
    together = Bank(5, filter="hypotheses")
    together.adopt(np.arange(5), shaped())
    together = Bank.load(together.save())
    fed(together, values[:, :3])
    together = Bank.load(together.save())
    together.adopt([2], shaped(noise=3.0))
    _, p_change = fed(together, values[:, 3:], start=3)
    for number in range(5):
        alone = Bank(1, filter="hypotheses")
        alone.adopt([0], shaped())
        fed(alone, values[number : number + 1, :3])
        if number == 2:
            alone.adopt([0], shaped(noise=3.0))
        _, single = fed(alone, values[number : number + 1, 3:], start=3)
        np.testing.assert_array_equal(single[:, 0], p_change[:, number])


@pytest.mark.parametrize("part", ["noise", "degrees", "adaptivity", "adaptivity_sd", "outliers"])
def test_what_cannot_be_learned_is_refused_and_changes_nothing(part):
    bank = Bank(2, filter="hypotheses")
    before = bank.save()
    with pytest.raises(Refusal, match=rf"{part} = -1 cannot be adopted \(number 0\)"):
        bank.adopt([0, 1], known()._replace(**{part: np.array([-1.0])}))
    with pytest.raises(Refusal, match="not of one series, nor of 2"):
        bank.adopt([0, 1], known()._replace(**{part: np.ones(3)}))
    assert bank.save() == before


def test_a_noise_that_is_known_is_not_learned_from_others():
    bank = Bank(1, filter="hypotheses", prior=Prior(level=(0, 1), slope=(0, 0), noise=(1, np.inf)))
    with pytest.raises(Refusal, match="the noise is known"):
        bank.adopt([0], known())


def test_the_classic_filter_has_nothing_to_hand_on():
    bank = Bank(1, filter="classic")
    for ask in (lambda: bank.learned([0]), lambda: bank.adopt([0], known())):
        with pytest.raises(Refusal, match="classic learns nothing"):
            ask()
