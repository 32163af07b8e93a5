# SPDX-License-Identifier: AGPL-3.0-or-later
"""A family's season is a newcomer's from its first value on, where the family agrees; what is not so ends unsaid."""

from __future__ import annotations

import numpy as np
import pytest

from cyberfilter.filter import Bank, pool

PERIOD, LIKE, LEARNED = 48, 8, 260
NEWCOMERS = 20
CHANGES = ("step", "slope", "noise", "season", "stuck")


def waves(count, rows, start=0, turn=0.0, seed=5):
    """Rows (rows, count) of noise of one about a wave of two, by one clock."""
    at = np.arange(start, start + rows)[:, None]
    return np.random.default_rng(seed).normal(size=(rows, count)) + 2 * np.sin(2 * np.pi * at / PERIOD + turn)


def fed(bank, rows, start=0):
    """Forecasts and verdicts (rows, k) of these, a second apart."""
    index = np.arange(rows.shape[1])
    said = [bank.update(index, np.full(len(index), float(start + at)), row) for at, row in enumerate(rows)]
    return np.array([row.forecast_mean for row in said]), np.array([row.verdict for row in said])


def learned(turn=0.0, count=LIKE, rows=LEARNED, still=()):
    values = waves(count, rows, turn=turn)
    values[:, list(still)] -= waves(count, rows, turn=turn)[:, list(still)] - np.random.default_rng(6).normal(
        size=(rows, len(still))
    )
    bank = Bank(count)
    fed(bank, values)
    return bank.learned(np.arange(count))


@pytest.fixture(scope="module")
def family():
    return pool(learned())


def newcomers(given):
    bank = Bank(NEWCOMERS)
    bank.adopt(np.arange(NEWCOMERS), given)
    return bank


def test_the_first_day_is_forecast_with_the_family_s_pattern(family):
    rows = waves(NEWCOMERS, PERIOD, start=LEARNED, seed=8) + 30
    alone = family._replace(season=np.zeros_like(family.season))
    off = [np.sqrt(np.mean((fed(newcomers(given), rows, LEARNED)[0] - rows)[4:] ** 2)) for given in (alone, family)]
    assert family.season[0, 0] == pytest.approx(PERIOD, rel=0.02)
    assert off[1] < 1.15 < off[0] - 0.1


def test_a_pattern_that_a_newcomer_does_not_have_ends_and_nothing_is_told(family):
    bank, rows = newcomers(family), np.random.default_rng(9).normal(size=(2 * PERIOD, NEWCOMERS))
    _, words = fed(bank, rows, LEARNED)
    assert np.isin(words, CHANGES).mean() < 0.003
    ahead = [bank.forecast(np.arange(NEWCOMERS), np.full(NEWCOMERS, 400.0 + at)).mean for at in range(PERIOD)]
    assert np.median(np.ptp(ahead, axis=0)) < 1.0


def test_a_step_is_found_beside_a_lent_pattern(family):
    rows = waves(NEWCOMERS, 23, start=LEARNED, seed=8)
    rows[20:] += 5
    _, words = fed(newcomers(family), rows, LEARNED)
    assert np.isin(words[20:], CHANGES).any(axis=0).mean() >= 0.8


def test_who_learned_alone_takes_the_pattern_off_its_level(family):
    bank, rows = Bank(NEWCOMERS), waves(NEWCOMERS, 40, start=LEARNED, seed=8)
    fed(bank, rows[:12], LEARNED)
    bank.adopt(np.arange(NEWCOMERS), family)
    means, words = fed(bank, rows[12:], LEARNED + 12)
    assert np.sqrt(np.mean((means - rows[12:]) ** 2)) < 1.2
    assert not np.isin(words, CHANGES).any()


def test_what_is_lent_is_handed_on_once_it_is_borne_out(family):
    bank, rows = newcomers(family), waves(NEWCOMERS, 2 * PERIOD, start=LEARNED, seed=8)
    fed(bank, rows[:10], LEARNED)
    young = bank.learned(np.arange(NEWCOMERS))
    assert np.isnan(young.season).all()
    assert pool(young).season[0, 0] == 0
    fed(bank, rows[10:], LEARNED + 10)
    grown = bank.learned(np.arange(NEWCOMERS)).season[:, 0]
    assert np.isfinite(grown).mean() > 0.9
    assert np.nanmedian(grown) == pytest.approx(PERIOD, rel=0.02)


def test_a_family_lends_only_what_three_of_four_have():
    one_in_eight, half = learned(still=(0,)), learned(still=range(4))
    assert pool(one_in_eight).season[0, 0] > 0
    assert pool(half).season[0, 0] == 0
    assert pool(learned(count=1)).season[0, 0] == 0


def test_the_same_period_at_other_times_is_no_season_of_a_family():
    assert pool(learned(turn=np.arange(LIKE) * 2 * np.pi / LIKE)).season[0, 0] == 0


def test_who_had_no_time_to_find_it_has_no_vote():
    known = learned(still=range(4))
    assert pool(known._replace(behind=np.where(known.season[:, 0] > 0, 260.0, 100.0))).season[0, 0] > 0


def test_members_are_brought_to_one_time():
    known = learned()
    later = known.later(np.where(np.arange(LIKE) < 4, 0.0, PERIOD / 4))
    earlier = pool(known.later(np.full(LIKE, 1000.0)))
    assert pool(later).season[0, 0] == 0
    np.testing.assert_allclose(earlier.season[0, -1], pool(known).season[0, -1] + 1000)
    np.testing.assert_allclose(earlier.season[0, :-1], pool(known).season[0, :-1])
