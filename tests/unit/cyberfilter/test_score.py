# SPDX-License-Identifier: AGPL-3.0-or-later
"""The score of a row: calm on noise at the stated rate, alarmed by spikes and slow shifts, the same in any unit."""

from __future__ import annotations

import numpy as np
import pytest

from cyberfilter.filter import Bank, score


def unknown(count):
    own = np.empty((score.HEIGHT, count))
    score.fresh(own)
    return own


def run(own, values, start=0):
    """Score and surprise of values (rows, k) that are as far from a forecast of 0 as they are large."""
    told, one = [], np.ones(values.shape[1])
    for tick, z in enumerate(values, start=start):
        told.append(score.step(own, score.Datum(z, 0 * one, one, tick * one, one, 1e-6 * one)))
    return np.array(told).transpose(1, 0, 2)


def noise(family, rows, count, seed=11):
    rng = np.random.default_rng(seed)
    if family == "gauss":
        return rng.normal(size=(rows, count))
    if family == "t4":
        return rng.standard_t(4, size=(rows, count)) / np.sqrt(2)
    return np.where(rng.uniform(size=(rows, count)) < 0.1, np.nan, rng.normal(size=(rows, count)))


@pytest.mark.parametrize("family", ["gauss", "t4", "missing"])
def test_a_stated_rate_is_the_realised_one(family):
    scores, surprises = run(unknown(200), noise(family, 2000, 200))[:, 1000:]
    for one_of in (500, 2000):
        assert 0.5 < np.nanmean(surprises > 1 - 1 / one_of) * one_of < 2
        assert 0.5 < np.nanmean(scores > 1 - 1 / one_of) * one_of < 2


def test_a_spike_and_a_shift_that_single_values_do_not_show_are_alarming():
    values = noise("gauss", 1400, 3)
    values[1300, 0] += 12
    values[1300:, 1] += 1.5
    scores = run(unknown(3), values)[0, 1300:].max(axis=0)
    assert scores[0] > 1 - 1 / 2000
    assert scores[1] > 1 - 1 / 2000
    assert scores[2] < 1 - 1 / 500


def test_a_row_that_is_nothing_new_has_a_surprise_but_no_score():
    values = noise("gauss", 2000, 1)
    values[1902:1904] = [[20.0], [19.0]]
    scores, surprises = run(unknown(1), values)[:, 1902:1904, 0]
    assert (surprises > 0.99).all()
    assert scores[0] > 0.999
    assert scores[1] == 0


def test_a_missing_value_has_no_score_and_changes_nothing():
    own = unknown(2)
    run(own, noise("gauss", 100, 2))
    before = own.copy()
    assert np.isnan(run(own, np.full((500, 2), np.nan), start=100)).all()
    np.testing.assert_array_equal(own, before)


def test_a_constant_and_absurd_values_leave_only_numbers():
    values = np.zeros((600, 3))
    values[300:, 1] = 1e300
    values[300::2, 2] = -1e300
    with np.errstate(all="ignore"):
        scores, _ = run(unknown(3), values)
    assert ((scores >= 0) & (scores <= 1)).all()
    assert scores[:, 0].max() < 1 - 1 / 500


def test_nothing_alarms_before_enough_is_known():
    values = noise("gauss", 60, 5) * np.arange(60)[:, None] ** 2
    assert run(unknown(5), values)[1].max() == 0


def test_a_batch_is_its_singles_bit_for_bit():
    whole, alone, values, one = unknown(5), unknown(5), noise("missing", 250, 5), np.ones(5)
    ticks = np.cumsum(np.random.default_rng(2).integers(1, 4, size=values.shape), axis=0).astype(float)
    for z, tick in zip(values, ticks, strict=True):
        datum = score.Datum(z, 0 * one, one, tick, one, 1e-6 * one)
        together = score.step(whole, datum)
        for at in range(5):
            column = alone[:, at : at + 1].copy()
            told = score.step(column, score.Datum(*(part[at : at + 1] for part in datum)))
            np.testing.assert_array_equal(np.array(told)[:, 0], np.array(together)[:, at])
            alone[:, at : at + 1] = column
    np.testing.assert_array_equal(whole, alone)


def test_the_unit_does_not_matter():
    values = noise("t4", 200, 4)
    plain, scaled = Bank(4, filter="hypotheses"), Bank(4, filter="hypotheses")
    for tick, value in enumerate(values):
        at = np.full(4, float(tick))
        want, got = (bank.update(np.arange(4), at, y) for bank, y in ((plain, value), (scaled, value * 1024.0)))
        np.testing.assert_allclose(got.surprise, want.surprise, atol=1e-9)


def test_a_saved_bank_goes_on_bit_for_bit():
    values = noise("missing", 160, 3)
    bank = Bank(3, filter="hypotheses")
    for tick, value in enumerate(values):
        if tick == 101:
            copy = Bank.load(bank.save())
        want = bank.update(np.arange(3), np.full(3, float(tick)), value)
        if tick >= 101:
            np.testing.assert_array_equal(copy.update(np.arange(3), np.full(3, float(tick)), value).score, want.score)


def test_what_has_become_calmer_since_its_pattern_is_taken_off_is_judged_as_calm():
    wave = 2 * np.sin(2 * np.pi * np.arange(250) / 96)[:, None]
    before, after = noise("gauss", 250, 300) + wave, noise("gauss", 400, 300, seed=12)
    renewed, left = unknown(300), unknown(300)
    for own in (renewed, left):
        run(own, before)
    score.renew(renewed, np.ones(300, dtype=bool))
    found = [np.mean(run(own, after, start=250)[1] > 1 - 1 / 500) * 500 for own in (renewed, left)]
    assert found[1] < 0.2
    assert 0.5 < found[0] < 1.5


def test_one_that_was_taught_its_tails_is_calibrated_before_it_has_its_own():
    old, young, alone = unknown(200), unknown(200), unknown(200)
    run(old, noise("t4", 1500, 200))
    score.take_up(young, score.read(old))
    values = noise("t4", 200, 200, seed=12)
    (_, taught), (_, untaught) = run(young, values), run(alone, values)
    for one_of in (100, 500):
        assert 0.5 < (taught > 1 - 1 / one_of).mean() * one_of < 2
    assert (untaught > 1 - 1 / 100).mean() * 100 < 0.25
