# SPDX-License-Identifier: AGPL-3.0-or-later
"""A stuck sensor: soon on a fine scale, late on a coarse one, never where a series is constant by nature."""

from __future__ import annotations

import numpy as np
import pytest

from cyberfilter.filter import stuck

LEARNED = 250


def said(values, learned=LEARNED):
    """The runs of values (series, rows), each field (rows, series)."""
    own = np.empty((stuck.HEIGHT, len(values)))
    stuck.fresh(own)
    known = np.ones(len(values), dtype=bool)
    rows = [stuck.step(own, known * float(at), y, known & (at >= learned)) for at, y in enumerate(values.T)]
    return stuck.Run(*(np.stack(field) for field in zip(*rows, strict=True)))


def rng(seed=4):
    return np.random.default_rng(seed)


def alarms(values):
    found = said(values).stuck
    return (found[1:] & ~found[:-1]).sum() * 1000 / found[LEARNED:].size


def test_a_fine_sensor_is_stuck_with_the_fifth_equal_value():
    values = rng().normal(size=(50, 320))
    values[:, 300:] = values[:, 300:301]
    run = said(values)
    assert not run.stuck[:304].any()
    assert run.stuck[304:].all()
    assert (run.since[304:] == 300).all()
    assert run.fired.sum(axis=0).max() == 1
    assert (run.chance[304:] < stuck.CHANCE).all()


def test_the_first_repeat_is_told_so_that_what_was_known_before_can_be_kept():
    run = said(np.array([[1.0, 2.0, 2.0, 2.0, 3.0, 3.0]]))
    assert run.began[:, 0].tolist() == [False, False, True, False, False, True]


def test_it_is_stuck_no_more_with_the_first_other_value():
    values = rng().normal(size=(5, 330))
    values[:, 300:320] = 7.0
    run = said(values)
    assert run.stuck[319].all()
    assert not run.stuck[320:].any()


def test_a_missing_value_neither_ends_a_run_nor_adds_to_it():
    values = rng().normal(size=(5, 330))
    values[:, 300:320] = 7.0
    values[:, 302:306] = np.nan
    run = said(values)
    assert not run.stuck[307].any()
    assert run.stuck[308:320].all()


def test_a_sensor_that_is_stuck_for_longer_than_it_was_known_stays_stuck():
    values = rng().normal(size=(5, 1300))
    values[:, 280:] = 7.0
    values[:, 900] = np.nan
    run = said(values)
    assert run.stuck[284:].all()
    assert (run.chance[284:] <= stuck.CHANCE).all()
    assert run.fired.sum() == 5


@pytest.mark.parametrize("step", [0.5, 1.0, 1.5, 3.0])
def test_a_coarse_scale_is_no_stuck_sensor(step):
    assert alarms(np.round(rng().normal(size=(200, 2000)) / step) * step) <= 0.05


@pytest.mark.parametrize("rate", [0.1, 0.5, 1, 4])
def test_counts_are_no_stuck_sensor(rate):
    assert alarms(rng().poisson(rate, (200, 2000)).astype(float)) <= 0.05


@pytest.mark.parametrize("share", [0.5, 0.2, 0.1, 0.02, 0.003])
def test_yes_and_no_are_no_stuck_sensor(share):
    assert alarms((rng().uniform(size=(200, 2000)) < share).astype(float)) <= 0.05


def test_what_is_constant_by_nature_is_never_stuck():
    constant = np.full((3, 2000), 3.0)
    held = np.repeat(rng().normal(size=(3, 100)), 20, axis=1)
    spiky = np.where(rng().uniform(size=(3, 2000)) < 0.05, rng(5).normal(size=(3, 2000)), 7.0)
    assert not said(np.concatenate((constant, held, spiky))).stuck.any()


def test_a_coarse_sensor_that_is_stuck_is_found_later():
    values = np.round(rng().normal(size=(100, 340)) / 1.5) * 1.5
    values[:, 300:] = 0.0
    found = said(values).stuck[300:]
    assert found[-1].all()
    assert 8 <= np.median(found.argmax(axis=0)) <= 25


def test_a_batch_is_its_singles_and_saved_rows_go_on():
    values = np.round(rng().normal(size=(20, 400)), 0)
    values[:, 300:360] = values[:, 300:301]
    together = said(values)
    for series in (0, 7, 19):
        for whole, one in zip(together, said(values[series : series + 1]), strict=True):
            np.testing.assert_array_equal(whole[:, series], one[:, 0])
