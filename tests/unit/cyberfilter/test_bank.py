# SPDX-License-Identifier: AGPL-3.0-or-later
"""A bank of series: what it says, what it refuses, how series join, rest and are learned."""

from __future__ import annotations

import numpy as np
import pytest

from collector.contract.errors import Misconfigured, Refusal
from cyberfilter.filter import PROFILES, Bank, Prior
from cyberfilter.filter.memory import AT

CP6 = [620, 633, 652, 652, 661, 683, 693, 715, 743, 743, 752, 870, 784, 765, 756, 775, 743, 734, 765, 734]
CP6 += [752, 793, 756, 784, 911, 852, 879, 879, 829, 852, 875, 852, 879, 852, 870, 852, 961, 966, 929, 980]
CP6 += [943, 980, 998, 939, 957, 929, 902, 920, 952, 911, 893, 861, 888, 870, 929, 916, 888, 861, 888, 870]
"""Tobacco sales in the United Kingdom, Jan 1955 to Dec 1959 (West & Harrison)."""
KNOWN = Prior(level=(100, 4), slope=(0, 1), noise=(1, np.inf))


def said(bank, values, start=0):
    """The verdicts of one series' values, a second apart."""
    return [bank.update([0], [float(at)], [float(y)]) for at, y in enumerate(values, start=start)]


def cp6(profile):
    bank = Bank(
        1,
        prior=Prior(level=(630, 2500), slope=(10, 100), noise=(225, 2)),
        filter="classic",
        profile=PROFILES[profile],
        commission=0,
        variance_discount=1,
    )
    return said(bank, CP6)


def test_cp6_with_the_profile_of_1971_has_the_printed_probabilities():
    rows = cp6("hs1971")
    assert rows[12].one_back[0, 1] == pytest.approx(0.9997, abs=0.005)
    assert rows[13].two_back[0, 1] == pytest.approx(0.9992, abs=0.005)
    np.testing.assert_allclose(rows[25].one_back[0, 1:3], (0.937, 0.062), atol=0.005)
    assert rows[26].two_back[0, 2] == pytest.approx(0.135, abs=0.005)
    assert rows[36].p[0, 1] == pytest.approx(0.963, abs=0.005)
    assert rows[37].one_back[0, 2] == pytest.approx(0.704, abs=0.005)
    assert rows[38].two_back[0, 2] == pytest.approx(0.843, abs=0.005)
    np.testing.assert_allclose([rows[-1].level[0], rows[-1].slope[0]], (872.40, -4.031), atol=0.005)
    assert rows[-1].sigma[0] == pytest.approx(18.57, abs=0.005)
    assert sum(row.log_evidence[0] for row in rows[5:]) == pytest.approx(-286.639, abs=0.001)


def test_cp6_with_the_workshop_profile_has_the_printed_probabilities():
    rows = cp6("workshop")
    assert rows[13].two_back[0, 1] == pytest.approx(0.996, abs=0.005)
    np.testing.assert_allclose(rows[26].two_back[0, 1:3], (0.533, 0.463), atol=0.005)
    assert rows[38].two_back[0, 2] == pytest.approx(0.976, abs=0.005)
    np.testing.assert_allclose([rows[-1].level[0], rows[-1].slope[0]], (872.51, -4.600), atol=0.005)
    assert rows[-1].sigma[0] == pytest.approx(18.35, abs=0.005)
    assert sum(row.log_evidence[0] for row in rows[5:]) == pytest.approx(-284.368, abs=0.001)


def test_cp6_is_told_as_people_tell_it():
    rows = cp6("workshop")
    assert [at for at, row in enumerate(rows) if row.verdict[0] == "transient"] == [12, 25]
    assert (rows[12].change_since[0], rows[25].change_since[0]) == (11, 24)
    assert (rows[38].verdict[0], rows[38].change_since[0]) == ("step", 36)
    assert {"slope"} <= {str(row.verdict[0]) for row in rows[39:] if row.slope[0] < 0}


def test_cp6_with_hypotheses_is_told_as_people_tell_it_and_as_the_prototype_measured():
    """An outlier in row 12, steps in 25 and 37 that are known one row later, evidence and error of the prototype."""
    bank = Bank(
        1,
        prior=Prior(level=(620, 2500), slope=(0, 100), noise=(225, 2)),
        filter="hypotheses",
        profile=PROFILES["workshop"]._replace(hypotheses=(0.03, 0.01, 0.005, 0.0005)),
        commission=0,
        variance_discount=0.998,
    )
    rows = said(bank, CP6)
    assert rows[11].p_outlier[0] == pytest.approx(0.85, abs=0.03)
    assert rows[13].verdict[0] == "transient"
    assert (rows[25].verdict[0], rows[25].change_kind[0], rows[25].change_since[0]) == ("step", "step", 24)
    assert (rows[37].verdict[0], rows[37].change_kind[0], rows[37].change_since[0]) == ("step", "step", 36)
    assert sum(row.log_evidence[0] for row in rows[5:]) == pytest.approx(-287.8, abs=1)
    assert rows[-1].slope[0] == pytest.approx(-4.22, abs=0.25)
    error = [abs(row.forecast_mean[0] - y) for row, y in zip(rows[5:], CP6[5:], strict=True)]
    assert np.mean(error) == pytest.approx(29.5, abs=1)


def test_backward_looks_are_not_there_before_there_is_something_behind():
    first, second, third = said(Bank(1, filter="classic", prior=KNOWN), [100, 101, 102])
    assert np.isnan(first.one_back).all()
    assert np.isnan(second.two_back).all()
    assert not np.isnan(second.one_back).any()
    assert not np.isnan(third.two_back).any()


def test_the_score_is_not_known_to_the_classic_filter():
    assert np.isnan(said(Bank(1, filter="classic", prior=KNOWN), [100])[0].score[0])


def test_forecast_is_what_the_next_update_says_it_was():
    bank = Bank(1, filter="classic", prior=KNOWN)
    said(bank, [100, 101, 103])
    ahead = bank.forecast([0], [3.0])
    (row,) = said(bank, [104], start=3)
    now = (row.forecast_mean, row.forecast_sd, row.forecast_lo95, row.forecast_hi95)
    assert [x[0] for x in ahead] == [x[0] for x in now]


def test_a_rest_moves_the_clock_and_nothing_else():
    rested, other = Bank(1, filter="classic", prior=KNOWN), Bank(1, filter="classic", prior=KNOWN)
    for bank in (rested, other):
        said(bank, [100, 101])
    rested.rest([0], [500.0])
    (late,), (soon,) = said(rested, [102], start=501), said(other, [102], start=2)
    assert late.level[0] == soon.level[0]


def test_a_clock_that_rests_never_goes_back():
    bank = Bank(1, filter="classic", prior=KNOWN)
    said(bank, [100, 101])
    bank.rest([0], [0.0])
    assert bank.forecast([0], [2.0]).mean[0] == bank.forecast([0], [2.0]).mean[0]
    with pytest.raises(Refusal, match="not later"):
        said(bank, [101], start=1)


def test_a_long_silence_counts_as_ten_cadences():
    bank = Bank(1, filter="classic", prior=KNOWN)
    said(bank, [100, 101])
    assert bank.forecast([0], [1e9]).mean[0] == bank.forecast([0], [11.0]).mean[0]


def test_the_cadence_is_the_unit_of_slopes():
    seconds, minutes = Bank(1, filter="classic", prior=KNOWN), Bank(1, filter="classic", prior=KNOWN, cadence_s=60.0)
    for at, y in enumerate((100, 103, 106)):
        one = seconds.update([0], [float(at)], [y])
        other = minutes.update([0], [60.0 * at], [y])
    assert one.slope[0] == other.slope[0]


def test_series_that_join_start_afresh_and_disturb_nobody():
    grown, alone = Bank(1, filter="classic", prior=KNOWN), Bank(1, filter="classic", prior=KNOWN)
    said(grown, [100, 105])
    said(alone, [100, 105])
    grown.join(3)
    assert grown.count == 4
    both = grown.update([0, 3], [2.0, 0.0], [105, 100])
    assert both.level[0] == alone.update([0], [2.0], [105]).level[0]
    assert both.level[1] == said(Bank(1, filter="classic", prior=KNOWN), [100])[0].level[0]


def test_without_a_prior_a_forecast_is_there_from_the_third_value_on():
    rows = said(Bank(1, filter="classic"), [10.0, 10.5, 9.8, 10.1, 10.2, 9.9, 10.0, 10.3, 10.1, 9.7])
    bands = [(row.forecast_lo95[0], row.forecast_hi95[0]) for row in rows]
    assert np.isnan(bands[:2]).all()
    assert all(low < 10 < high for low, high in bands[2:])
    assert {str(row.verdict[0]) for row in rows[:8]} == {"unsure"}


def test_missing_values_at_the_start_are_waited_for():
    rows = said(Bank(1, filter="classic"), [np.nan, 10.0, np.nan, 10.5, 9.8])
    assert [str(row.verdict[0]) for row in rows] == ["missing", "unsure", "missing", "unsure", "unsure"]
    assert rows[-1].level[0] == 10.0


def test_while_it_learns_a_step_is_not_said_and_afterwards_it_is():
    values = np.random.default_rng(7).normal(0, 1, 40)
    values[30:] += 12
    early, late = (
        said(Bank(1, filter="classic", commission=35), values),
        said(Bank(1, filter="classic", commission=20), values),
    )
    assert "step" not in {str(row.verdict[0]) for row in early}
    assert [at for at, row in enumerate(late) if row.verdict[0] == "step"] == [32]


def test_what_is_learned_forgets_nothing_until_it_is_learned():
    bank, forgetful = Bank(1, filter="classic", commission=100), Bank(1, filter="classic", commission=0)
    for one in (bank, forgetful):
        said(one, np.random.default_rng(8).normal(0, 1, 100))
    assert bank._columns.row(AT["n"], np.array([0]))[0] == pytest.approx(96)
    assert forgetful._columns.row(AT["n"], np.array([0]))[0] < 50


def test_a_ratio_is_filtered_on_its_own_scale_and_shown_in_its_own_unit():
    bank = Bank(1, filter="classic", transform="arcsine", commission=0)
    rows = said(bank, np.clip(0.97 + 0.02 * np.random.default_rng(9).normal(size=60), 0, 1.02))
    assert 0.95 < rows[-1].level[0] < 0.99
    assert 0.005 < rows[-1].sigma[0] < 0.05
    assert all(0 <= row.forecast_lo95[0] <= row.forecast_mean[0] <= row.forecast_hi95[0] <= 1 for row in rows[2:])


def test_quiet_nights_do_not_teach_a_share_of_hours_that_there_is_no_noise():
    rng, bank = np.random.default_rng(4), Bank(1, transform="minutes", commission=250)
    day = [rng.choice((1.0, 1.0, 1.0, 0.93, 0.85), 16) for _ in range(15)]
    rows = said(bank, np.concatenate([np.append(hours, np.ones(8)) for hours in day]))[100:]
    assert min(row.forecast_lo95[0] for row in rows) > 0.5
    assert np.mean([row.verdict[0] in {"step", "transient"} for row in rows]) < 0.02


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (([1], [0.0], [1.0]), "not within 0..0"),
        (([-1], [0.0], [1.0]), "not within 0..0"),
        (([0.5], [0.0], [1.0]), "whole numbers"),
        (([0, 0], [0.0, 1.0], [1.0, 1.0]), "twice"),
        (([0], [np.nan], [1.0]), "not finite"),
        (([0], [0.0, 1.0], [1.0]), "time_s has shape"),
        (([0], [0.0], [1e300]), r"value = 1e\+300"),
        (([0], [0.0], [np.inf]), "value = inf"),
        (([0], [0.0], [-1.0]), "value = -1.0 is below 0, the least of sqrt"),
    ],
)
def test_an_update_that_cannot_be_is_refused_by_name(arguments, word):
    with pytest.raises(Refusal, match=word):
        Bank(1, filter="classic", transform="sqrt").update(*arguments)


def test_a_time_that_is_not_later_is_refused_and_changes_nothing():
    bank = Bank(2, filter="classic", prior=KNOWN)
    bank.update([0, 1], [5.0, 0.0], [100, 100])
    before = bank.save()
    with pytest.raises(Refusal, match=r"time_s = 5.0 is not later .* \(series 0\)"):
        bank.update([1, 0], [1.0, 5.0], [100, 100])
    assert bank.save() == before


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"filter": "arima"}, "arima"),
        ({"transform": "cube"}, "cube"),
        ({"commission": -1}, "commission = -1"),
        ({"variance_discount": 1.1}, "variance_discount = 1.1"),
        ({"cadence_s": 0}, "cadence_s = 0"),
        ({"prior": Prior(noise=(-1, 2))}, "prior noise"),
    ],
)
def test_a_setting_that_cannot_work_is_named(wrong, word):
    with pytest.raises(Misconfigured, match=word):
        Bank(1, **wrong)


@pytest.mark.parametrize("blob", [b"", b"PK\x03\x04 not an archive", b"\x93NUMPY"])
def test_bytes_that_are_no_checkpoint_are_refused(blob):
    with pytest.raises(Refusal, match="no checkpoint"):
        Bank.load(blob)
