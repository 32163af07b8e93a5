# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the filter that keeps hypotheses says of a row, in the contract's words and the value's own unit."""

from __future__ import annotations

import numpy as np
import pytest

from cyberfilter.filter import Bank, Prior, hypotheses, hypothesis_words
from cyberfilter.filter.hypothesis_rows import _AT as AT
from cyberfilter.filter.hypothesis_rows import HEIGHT

GIVEN = Prior(level=(0, 1), slope=(0, 0.0001), noise=(1, 20))


def said(values, **options):
    """The verdicts of one series' values, a second apart."""
    bank = Bank(1, **({"prior": GIVEN, "filter": "hypotheses"} | options))
    return [bank.update([0], [float(at)], [float(y)]) for at, y in enumerate(values)]


def noise(rows, seed=1, sigma=1.0):
    return np.random.default_rng(seed).normal(0, sigma, rows)


def test_a_spike_is_unsure_until_it_is_a_transient_two_rows_later():
    values = noise(40)
    values[30] = 12
    rows = said(values)
    assert [str(row.verdict[0]) for row in rows[29:34]] == ["steady", "unsure", "unsure", "transient", "steady"]
    spike = rows[32]
    assert (spike.change_kind[0], spike.change_since[0]) == ("transient", 30)
    assert spike.change_size[0] == pytest.approx(12, abs=1)


def test_a_step_says_since_when_and_how_large():
    values = noise(45)
    values[30:] += 4
    row = said(values)[-1]
    assert (row.verdict[0], row.change_kind[0], row.change_since[0]) == ("step", "step", 30)
    assert row.change_size[0] == pytest.approx(4, abs=0.8)
    assert row.level[0] == pytest.approx(4, abs=0.8)


def test_a_slope_says_how_steep_it_is_per_cadence():
    values = noise(80)
    values[30:] += 0.5 * np.arange(50)
    row = said(values, cadence_s=1.0)[-1]
    assert (row.verdict[0], row.change_kind[0]) == ("slope", "slope")
    assert row.change_size[0] == pytest.approx(0.5, abs=0.05)
    assert abs(row.change_since[0] - 30) <= 8


@pytest.mark.parametrize(("factor", "sign"), [(4, 1), (0.1, -1)])
def test_a_noise_that_changes_says_by_how_much(factor, sign):
    values = noise(90)
    values[60:] *= factor
    row = said(values)[-1]
    assert (row.verdict[0], row.change_kind[0]) == ("noise", "noise")
    assert np.sign(row.change_size[0]) == sign


def test_a_step_during_an_older_change_is_the_newer_one():
    values = noise(90)
    values[40:] += 5
    values[70:] += 5
    row = said(values)[-1]
    assert (row.change_kind[0], row.change_since[0]) == ("step", 70)
    assert row.change_size[0] == pytest.approx(5, abs=1)


def test_sizes_are_in_the_values_own_unit_whatever_the_scale():
    values = np.exp(noise(60, sigma=0.05)) * 10
    values[40:] *= 2
    row = said(values, transform="log", prior=Prior(level=(2.3, 0.1), slope=(0, 1e-6), noise=(0.0025, 20)))[-1]
    assert row.level[0] == pytest.approx(20, rel=0.05)
    assert row.change_size[0] == pytest.approx(10, rel=0.1)


def test_a_missing_row_is_missing_and_does_not_end_what_is_known():
    values = noise(60)
    values[40:] += 5
    values[50] = np.nan
    rows = said(values)
    assert (rows[50].verdict[0], rows[50].change_kind[0]) == ("missing", "")
    assert np.isnan(rows[50].log_evidence[0])
    assert rows[50].p_change[0] == pytest.approx(rows[49].p_change[0], abs=1e-12)


def test_nothing_but_unsure_is_said_while_it_learns():
    values = noise(60)
    values[30:] += 6
    rows = said(values, prior=None, commission=50)
    assert {str(row.verdict[0]) for row in rows[:50]} <= {"steady", "unsure"}
    assert {str(row.change_kind[0]) for row in rows[:50]} == {""}
    assert rows[55].verdict[0] == "step"


def test_what_the_filter_does_not_know_is_not_a_number():
    row = said([0.0])[0]
    for unknown in (row.p, row.one_back, row.two_back):
        assert np.isnan(unknown).all()


def test_forecast_is_what_the_next_update_says_it_was():
    bank = Bank(2, filter="hypotheses", commission=20)
    for at in range(60):
        expected = bank.forecast([0, 1], [at * 3.0, at * 2.0])
        told = bank.update([0, 1], [at * 3.0, at * 2.0], noise(2, seed=at))
        for part in ("mean", "sd", "lo95", "hi95"):
            np.testing.assert_array_equal(getattr(expected, part), getattr(told, f"forecast_{part}"))


def test_memory_does_not_grow_with_the_rows():
    bank = Bank(3, filter="hypotheses")
    size = len(bank.save())
    for at in range(300):
        bank.update([0, 1, 2], [float(at)] * 3, noise(3, seed=at))
    assert len(bank._columns.take(np.arange(3))) == HEIGHT
    assert abs(len(bank.save()) - size) < 64


def test_how_fast_a_level_wanders_is_learned_and_then_frozen():
    rng = np.random.default_rng(3)
    still = rng.normal(size=(40, 400))
    wandering = still + np.cumsum(rng.normal(0, 0.5, still.shape), axis=1)
    values = np.concatenate((still, wandering))
    bank, learned = Bank(80, filter="hypotheses"), []
    for at in range(400):
        bank.update(np.arange(80), np.full(80, float(at)), values[:, at])
        if at in {249, 399}:
            learned.append(bank._columns.row(AT["adaptivity"], np.arange(80)))
    assert learned[0][:40].mean() > 0.95
    assert learned[0][40:].mean() < 0.8
    np.testing.assert_array_equal(learned[1], learned[0])


def test_a_checkpoint_of_one_filter_is_not_one_of_the_other():
    classic, kept = Bank(2, filter="classic"), Bank(2, filter="hypotheses")
    assert Bank.load(kept.save()).save() == kept.save()
    assert Bank.load(classic.save()).save() == classic.save()
    assert kept.save() != classic.save()


def test_whatever_probability_may_be_told_is_read():
    """The weights' odds are tempered, so a small probability of theirs can be told: what it was has to be known."""
    least_told = float(hypothesis_words._OVER)
    odds = (least_told / (1.0 - least_told)) ** (1.0 / hypothesis_words._TRUST)
    assert odds / (1.0 + odds) > hypotheses.WORTH
