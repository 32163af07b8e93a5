# SPDX-License-Identifier: AGPL-3.0-or-later
"""A season is found, followed, and told to be over within one period; nothing else ends it."""

from __future__ import annotations

import numpy as np
import pytest

from cyberfilter.filter import season
from cyberfilter.filter.season import AT, HEIGHT, Seasonal

PERIOD, BREAK = 96, 300
SERIES = 40


def values(shift=None, rows=BREAK + PERIOD, seed=70, left=0.0):
    """Rows (rows, SERIES) of a wave of two sigma that ends, or is shifted by a share of its period, at BREAK."""
    rng, at = np.random.default_rng(seed), np.arange(rows)[:, None]
    turn = 2 * np.pi * at / PERIOD + rng.uniform(0, 2 * np.pi, SERIES)
    later = left * np.sin(turn) if shift is None else 2 * np.sin(turn + 2 * np.pi * shift)
    return rng.normal(size=(rows, SERIES)) + np.where(at < BREAK, 2 * np.sin(turn), later)


def fresh(count):
    own = np.empty((HEIGHT, count))
    season.fresh(own)
    return own


def heard(own, rows, start=0, cadence_s=1.0):
    """What is said of rows (rows, k), a cadence apart; commissioning ends with row 249."""
    k = rows.shape[1]
    said = [
        season.step(own, np.full(k, (start + at) * cadence_s), row, cadence_s, np.full(k, start + at == 249))
        for at, row in enumerate(rows)
    ]
    return Seasonal(*(np.stack(field) for field in zip(*said, strict=True)))


def test_a_season_is_found_when_commissioning_ends_and_forecast_from_then_on():
    own, rows = fresh(SERIES), values(left=2.0, seed=3)
    assert heard(own, rows[:250]).found[-1].all()
    errors = []
    for at in range(250, len(rows)):
        pattern = season.expect(own, np.full(SERIES, float(at)), 1.0)
        errors.append(rows[at] - pattern - own[AT["on"]])
        heard(own, rows[at : at + 1], start=at)
    assert np.std(errors) <= 1.15


@pytest.mark.parametrize("shift", [None, 0.25, 0.5, -0.25])
def test_a_season_that_ends_or_shifts_is_told_within_one_period(shift):
    said = heard(fresh(SERIES), values(shift))
    assert not said.ended[:BREAK].any()
    assert said.ended[BREAK:].any(axis=0).mean() >= 0.9
    assert np.median(said.ended[BREAK:].argmax(axis=0)) <= 75
    assert (np.abs(said.since[-1][said.telling[-1]] - BREAK) <= PERIOD / 2).mean() >= 0.8


def test_what_has_gone_is_the_amplitude_and_what_is_shifted_is_followed_on():
    gone, moved = fresh(SERIES), fresh(SERIES)
    heard(gone, values())
    rows = values(0.25, rows=BREAK + 2 * PERIOD)
    said = heard(moved, rows)
    told = gone[AT["telling"]] > 0
    assert np.median(gone[AT["size"], told]) == pytest.approx(-2, abs=0.3)
    assert (gone[AT["period"], told] == 0).mean() >= 0.9
    follows = moved[AT["period"]] > 0
    assert follows.mean() >= 0.8
    assert said.ended.sum(axis=0).max() <= 2


def test_neither_steps_nor_spikes_nor_louder_noise_end_a_season():
    for change in (lambda y: y + 3, lambda y: y + np.where(np.arange(len(y)) == 0, 20.0, 0.0)[:, None]):
        rows = values(left=2.0, seed=5)
        rows[BREAK:] = change(rows[BREAK:])
        assert heard(fresh(SERIES), rows).ended.mean(axis=1).sum() <= 0.07


def test_noise_alone_has_no_season_and_loses_none():
    rng = np.random.default_rng(8)
    said = heard(fresh(200), rng.normal(size=(600, 200)))
    assert not said.found.any()
    assert not said.telling.any()


def test_a_long_period_is_found_in_the_same_memory_when_it_has_passed_twice():
    at = np.arange(2100)[:, None]
    own = fresh(10)
    said = heard(own, np.random.default_rng(2).normal(size=(2100, 10)) + 2 * np.sin(2 * np.pi * at / 720), cadence_s=60)
    assert said.found.any(axis=0).all()
    np.testing.assert_allclose(own[AT["period"]], 720, rtol=0.03)


def test_a_batch_is_its_singles_and_missing_values_change_nothing_else():
    rows = values(rows=BREAK + 80)[:, :4]
    rows[np.random.default_rng(3).uniform(size=rows.shape) < 0.05] = np.nan
    own, said = fresh(4), heard(together := fresh(4), rows)
    assert said.ended.any()
    for series in range(4):
        alone = fresh(1)
        one = heard(alone, rows[:, [series]])
        own[:, series] = alone[:, 0]
        np.testing.assert_array_equal(one.ended[:, 0], said.ended[:, series])
    np.testing.assert_array_equal(own, together)
