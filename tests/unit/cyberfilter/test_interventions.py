# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a person tells the filter beforehand, and that the present is usual: both filters, CP6's published notices."""

from __future__ import annotations

import numpy as np
import pytest

from collector.contract.errors import Refusal
from cyberfilter.filter import PROFILES, Bank, Prior

CP6 = [620, 633, 652, 652, 661, 683, 693, 715, 743, 743, 752, 870, 784, 765, 756, 775, 743, 734, 765, 734]
CP6 += [752, 793, 756, 784, 911, 852, 879, 879, 829, 852, 875, 852, 879, 852, 870, 852, 961, 966, 929, 980]
CP6 += [943, 980, 998, 939, 957, 929, 902, 920, 952, 911, 893, 861, 888, 870, 929, 916, 888, 861, 888, 870]
"""Tobacco sales in the United Kingdom, Jan 1955 to Dec 1959 (West & Harrison)."""
PUBLISHED = {
    11: [("ignore", 0, 0), ("uncertain", 0, 10)],
    24: [("ignore", 0, 0), ("shift", 80, 10)],
    36: [("level", 970, 50**0.5)],
}
"""Notices of December 1955, January 1957 and 1958, of the level (the published ones speak of the slope too)."""
GIVEN = Prior(level=(0, 1), slope=(0, 0.0001), noise=(1, 20))


@pytest.fixture(params=["classic", "hypotheses"])
def filter_name(request):
    return request.param


def cp6(name, notices):
    """Mean absolute error of the forecasts from February 1956 on, without the ignored months; and all rows."""
    prior = Prior(level=(630, 2500), slope=(10, 100), noise=(225, 2))
    bank = Bank(1, prior=prior, filter=name, profile=PROFILES["workshop"], commission=0, variance_discount=1)
    rows = []
    for at, value in enumerate(CP6):
        for action, mean, sd in notices.get(at, []):
            bank.intervene([0], action, [mean], [sd])
        rows.append(bank.update([0], [at], [value]))
    errors = [abs(value - row.forecast_mean[0]) for value, row in zip(CP6, rows, strict=True)]
    return np.mean([error for at, error in enumerate(errors) if at > 11 and at != 24]), rows


def test_the_published_notices_lower_the_error_of_cp6_as_published(filter_name):
    without, _ = cp6(filter_name, {})
    told, rows = cp6(filter_name, PUBLISHED)
    assert told <= 0.85 * without
    assert told <= 25
    assert [str(rows[at].verdict[0]) for at in (11, 24)] == ["missing", "missing"]


def filled(name, values, **options):
    """A bank that has met the values (rows, k), and the last verdicts."""
    bank = Bank(values.shape[1], **({"prior": GIVEN, "filter": name} | options))
    for at, value in enumerate(values):
        said = bank.update(np.arange(values.shape[1]), np.full(values.shape[1], float(at)), value)
    return bank, said


def noise(rows, count, seed=1):
    return np.random.default_rng(seed).normal(size=(rows, count))


def test_a_shift_that_was_announced_is_no_change(filter_name):
    bank, _ = filled(filter_name, noise(60, 40))
    bank.intervene(np.arange(20), "shift", np.full(20, 30.0), np.full(20, 1.0))
    words = set()
    for at in range(60, 64):
        said = bank.update(np.arange(40), np.full(40, float(at)), 30 + noise(1, 40, seed=at)[0])
        words |= set(said.change_kind[:20].tolist())
    assert words <= {"", "transient"}
    assert (said.change_kind[20:] == "step").all() or filter_name == "classic"
    np.testing.assert_allclose(said.level[:20], 30, atol=1.5)


def test_a_value_to_be_ignored_teaches_nothing(filter_name):
    told, _ = filled(filter_name, noise(40, 2))
    missing = Bank.load(told.save())
    told.intervene([0, 1], "ignore")
    assert np.isnan(told.update([0], [40.0], [np.nan]).y[0])  # nothing came yet: the notice waits
    missing.update([0], [40.0], [np.nan])
    said = told.update([0, 1], [41.0, 41.0], [99.0, 98.0])
    missing.update([0, 1], [41.0, 41.0], [np.nan, np.nan])
    assert said.verdict.tolist() == ["missing", "missing"]
    assert said.y.tolist() == [99.0, 98.0]
    assert told.save() == missing.save()


def test_a_new_level_is_where_the_next_value_is_expected_and_doubt_widens_the_band(filter_name):
    bank, _ = filled(filter_name, noise(40, 3))
    bank.intervene([0], "level", [12.0], [0.5])
    bank.intervene([1], "uncertain", sd=[8.0])
    expected = bank.forecast([0, 1, 2], [40.0] * 3)
    assert expected.mean[0] == pytest.approx(12, abs=0.2)
    assert expected.sd[1] == pytest.approx(8, abs=0.5)
    assert expected.sd[2] < 1.5


@pytest.mark.parametrize(("transform", "before", "mean", "sd"), [("log", 20.0, 20.0, 2.0), ("arcsine", 0.6, 0.3, 0.05)])
def test_a_notice_is_in_the_values_own_unit(filter_name, transform, before, mean, sd):
    at = {"log": np.log(20.0), "arcsine": np.arcsin(0.6**0.5)}[transform]
    prior = Prior(level=(at, 1e-6), slope=(0, 1e-9), noise=(1e-4, 50))
    bank = Bank(1, prior=prior, filter=filter_name, transform=transform)
    bank.update([0], [0.0], [before])
    bank.intervene([0], "shift", [mean], [sd])
    expected = bank.forecast([0], [1.0])
    assert expected.mean[0] == pytest.approx(before + mean, rel=0.01)
    assert expected.sd[0] == pytest.approx(sd, rel=0.4)


def test_what_was_accepted_is_usual_and_what_comes_later_is_found(filter_name):
    values = noise(80, 40)
    values[60:] += 8
    bank, _ = filled(filter_name, values)
    bank.accept(np.arange(40))
    words, calm = set(), []
    for at in range(80, 110):
        said = bank.update(np.arange(40), np.full(40, float(at)), 8 + noise(1, 40, seed=at)[0])
        words |= set(said.change_kind.tolist())
        calm.append(said.p_change)
    assert np.median(calm[0]) < 0.05
    assert np.mean(np.array(calm) > 0.5) < 0.02
    np.testing.assert_allclose(said.level, 8, atol=1.2)
    found = np.zeros(40, dtype=bool)
    for at in range(110, 114):
        said = bank.update(np.arange(40), np.full(40, float(at)), 18 + noise(1, 40, seed=at)[0])
        found |= said.verdict == "step"
    assert found.mean() >= 0.9


def test_a_step_before_an_announced_shift_keeps_its_size():
    values = noise(50, 30)
    values[40:] += 6
    bank, said = filled("hypotheses", values)
    bank.intervene(np.arange(30), "shift", np.full(30, -40.0))
    after = bank.update(np.arange(30), np.full(30, 50.0), noise(1, 30, seed=9)[0] - 34)
    np.testing.assert_allclose(after.change_size, said.change_size, atol=1.2)


def test_notices_and_acceptance_are_the_same_in_a_batch_alone_and_after_a_load(filter_name):
    values = noise(50, 6)
    values[40:] += 5
    batch, _ = filled(filter_name, values)
    alone = Bank.load(batch.save())
    actions = [("ignore", 0.0, 0.0), ("shift", 2.0, 1.0), ("level", 3.0, 1.0), ("uncertain", 0.0, 2.0)]
    for action, mean, sd in actions:
        batch.intervene(np.arange(6), action, np.full(6, mean), np.full(6, sd))
        for series in (3, 0, 1, 5, 4, 2):
            alone.intervene([series], action, [mean], [sd])
    batch.accept(np.arange(6))
    for series in range(6):
        alone.accept([series])
    alone = Bank.load(alone.save())
    batch.update(np.arange(6), np.full(6, 50.0), values[0])
    for series in range(6):
        alone.update([series], [50.0], values[0, [series]])
    assert alone.save() == batch.save()


@pytest.mark.parametrize(
    ("action", "mean", "sd", "named"),
    [
        ("louder", 0, 0, "'louder'"),
        ("shift", np.nan, 1, "series 7"),
        ("shift", 1, -1, "sd = -1"),
        ("level", 2e15, 1, "mean = 2e.15"),
        ("ignore", 3, 0, "mean = 3"),
        ("ignore", 0, 3, "sd = 3"),
        ("uncertain", 0, np.inf, "sd = inf"),
    ],
)
def test_a_notice_that_cannot_be_is_refused_by_name_and_changes_nothing(filter_name, action, mean, sd, named):
    bank, _ = filled(filter_name, noise(5, 8))
    kept = bank.save()
    with pytest.raises(Refusal, match=named):
        bank.intervene([7], action, [mean], [sd])
    assert bank.save() == kept


def test_a_series_that_has_not_started_refuses_all_but_ignore_and_has_nothing_to_accept(filter_name):
    bank, _ = filled(filter_name, noise(3, 2), prior=None)
    with pytest.raises(Refusal, match="series 1"):
        bank.intervene([1], "shift", [1.0], [1.0])
    bank.intervene([1], "ignore")
    kept = bank.save()
    bank.accept([0, 1])
    assert bank.save() == kept


def test_the_same_series_twice_is_refused(filter_name):
    bank, _ = filled(filter_name, noise(3, 2))
    with pytest.raises(Refusal, match="twice"):
        bank.intervene([1, 1], "ignore")
    with pytest.raises(Refusal, match="twice"):
        bank.accept([1, 1])


@pytest.mark.parametrize(("transform", "mean"), [("log", -1.0), ("arcsine", 7.0)])
def test_a_level_off_the_scale_is_refused(filter_name, transform, mean):
    bank = Bank(1, prior=Prior(level=(0, 1), noise=(1, 5)), filter=filter_name, transform=transform)
    with pytest.raises(Refusal, match=rf"mean = {mean:g} is not a level of {transform}"):
        bank.intervene([0], "level", [mean], [1.0])
