# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the filter that keeps hypotheses finds, how it names it, and how calm it is; 100 series a case, fixed seeds."""

from __future__ import annotations

import numpy as np
import pytest

from cyberfilter.filter import Bank, Verdicts

COUNT = 100
LEARNED = 260
AFTER = 70
T = np.arange(1, AFTER + 1)


def gauss(rng, rows):
    return rng.normal(size=(COUNT, rows))


def autocorrelated(rng, rows):
    noise = gauss(rng, rows)
    for at in range(1, rows):
        noise[:, at] = 0.3 * noise[:, at - 1] + np.sqrt(1 - 0.3**2) * noise[:, at]
    return noise


def wandering(rng, rows):
    return gauss(rng, rows) + np.cumsum(0.05 * gauss(rng, rows), axis=1)


def lognormal(rng, rows):
    x = np.exp(0.8 * gauss(rng, rows))
    return (x - np.exp(0.32)) / np.sqrt((np.exp(0.64) - 1) * np.exp(0.64))


def heavy(rng, rows):
    return rng.standard_t(4, (COUNT, rows)) / np.sqrt(2)


def rounded(rng, rows):
    return np.round(gauss(rng, rows) / 1.5) * 1.5


NOISES = {
    "gauss": (gauss, 0.5),
    "autocorrelated": (autocorrelated, 0.5),
    "wandering": (wandering, 0.6),
    "lognormal": (lognormal, 1.3),
    "heavy": (heavy, 0.5),
    "rounded": (rounded, 0.3),
}


def fed(bank, values, start):
    """What the bank says of the values (series, rows), each column (rows, series)."""
    series = np.arange(len(values))
    said = [bank.update(series, np.full(len(series), float(start + at)), row) for at, row in enumerate(values.T)]
    return Verdicts(*(np.stack(column) for column in zip(*said, strict=True)))


@pytest.fixture(scope="module")
def learned():
    """A bank that has learned from Gaussian noise, as its bytes, and how the noise goes on."""
    noise = gauss(np.random.default_rng(31), LEARNED + AFTER)
    bank = Bank(COUNT, filter="hypotheses")
    fed(bank, noise[:, :LEARNED], 0)
    return bank.save(), noise[:, LEARNED:]


def then(learned, change):
    """What is said of the noise, changed by this function."""
    blob, noise = learned
    return fed(Bank.load(blob), change(noise.copy()), LEARNED)


def delay(said, threshold=0.5):
    """In which row (from 0) a change is first as probable; AFTER where it never is."""
    found = said.p_change > threshold
    return np.where(found.any(axis=0), found.argmax(axis=0), AFTER)


def named(said, word, later):
    """The share of series of which this word is told so many rows after the change was first probable."""
    at = np.minimum(delay(said) + later, AFTER - 1)
    return np.mean(said.change_kind[at, np.arange(COUNT)] == word)


@pytest.mark.parametrize(
    ("size", "share", "rows"), [(1.0, 0.78, 18), (-1.0, 0.78, 18), (2.0, 0.98, 4), (3.0, 0.99, 2), (-5.0, 0.99, 1)]
)
def test_a_step_is_found_and_soon(learned, size, share, rows):
    found = delay(then(learned, lambda noise: noise + size))
    assert np.mean(found < AFTER) >= share
    assert np.median(found) <= rows


@pytest.mark.parametrize(("drift", "rows"), [(0.05, 30), (-0.1, 18), (0.3, 9)])
def test_a_drift_is_found(learned, drift, rows):
    found = delay(then(learned, lambda noise: noise + drift * T))
    assert np.mean(found < AFTER) >= 0.97
    assert np.median(found) <= rows


@pytest.mark.parametrize(("factor", "rows"), [(0.0, 10), (1 / 3, 14), (2.0, 13), (3.0, 6)])
def test_another_noise_is_found_and_named(learned, factor, rows):
    said = then(learned, lambda noise: noise * factor)
    assert np.median(delay(said)) <= rows
    assert named(said, "noise" if factor else "stuck", 10) >= 0.85


@pytest.mark.parametrize("size", [2.0, 3.0, -5.0])
def test_a_step_is_named_one_ten_rows_later(learned, size):
    assert named(then(learned, lambda noise: noise + size), "step", 10) >= 0.86


@pytest.mark.parametrize("drift", [-0.1, 0.3])
def test_a_drift_is_named_a_slope_25_rows_later(learned, drift):
    assert named(then(learned, lambda noise: noise + drift * T), "slope", 25) >= 0.82


@pytest.mark.parametrize(("size", "share"), [(6.0, 0.9), (10.0, 0.99)])
def test_a_spike_is_a_transient_and_nobody_is_called(learned, size, share):
    said = then(learned, lambda noise: noise + size * (T == 1))
    assert np.mean((said.verdict[:4] == "transient").any(axis=0)) >= share
    assert np.mean(delay(said, 0.9) < AFTER) <= 0.02
    assert np.mean(delay(said) < 10) <= 0.06


@pytest.mark.parametrize("name", NOISES)
def test_noise_that_stays_as_it_is_is_left_alone(name):
    """Alarms at P > .9 in 1,000 rows; one that comes back within 20 rows is the same."""
    make, most = NOISES[name]
    said = fed(Bank(COUNT, filter="hypotheses"), make(np.random.default_rng(41), 500), 0)
    alarm = said.p_change[250:] > 0.9
    alarms = sum(int((np.diff(np.flatnonzero(one), prepend=-99) > 20).sum()) for one in alarm.T)
    assert 1000 * alarms / alarm.size <= most


def test_what_is_told_of_a_change_has_its_doubt_its_probability_and_what_was_before(learned):
    step = then(learned, lambda noise: noise + 3)
    last = step.change_kind[30] == "step"
    near = np.abs(step.change_size[30] - 3) <= 2 * step.change_sd[30]
    assert near[last].mean() >= 0.9
    assert (step.change_sd[30][last] < 0.5).all()
    assert (np.abs(step.change_before[30][last]) < 1).all()
    assert (step.change_p[30] <= step.p_change[30] + 1e-12)[last].all()
    drift = then(learned, lambda noise: noise + 0.3 * T)
    last = drift.change_kind[40] == "slope"
    # a faint birth may follow a steep drift: its slope is drawn towards none, a little more than its doubt says
    assert (np.abs(drift.change_size[40] - 0.3) <= 3 * drift.change_sd[40])[last].mean() >= 0.8
    assert (np.abs(drift.change_before[40]) < 0.2)[last].all()
