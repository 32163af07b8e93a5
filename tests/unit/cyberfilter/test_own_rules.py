# SPDX-License-Identifier: AGPL-3.0-or-later
"""Stuck sensors and seasons as the bank tells them: verdicts, changes, forecasts, checkpoints."""

from __future__ import annotations

import numpy as np
import pytest

from cyberfilter.filter import Bank, Verdicts

LEARNED = 60


def run(values, bank=None, start=0, **options):
    """The verdicts of values (rows, series), a second apart."""
    count = values.shape[1]
    bank = bank or Bank(count, filter="hypotheses", **({"commission": LEARNED} | options))
    rows = [bank.update(np.arange(count), np.full(count, float(start + at)), y) for at, y in enumerate(values)]
    return Verdicts(*(np.stack(column) for column in zip(*rows, strict=True)))


def noise(rows, count, seed=1):
    return np.random.default_rng(seed).normal(size=(rows, count))


def seasonal(rows, count, ends, seed=2):
    at = np.arange(rows)[:, None]
    turn = 2 * np.pi * at / 50 + np.arange(count)
    return noise(rows, count, seed) + np.where(at < ends, 3 * np.sin(turn), 0.0)


def test_a_flat_line_is_stuck_within_ten_rows_and_no_other_change():
    values = noise(100, 40)
    values[80:] = values[80]
    said = run(values)
    assert (said.verdict[84:] == "stuck").all()
    assert (said.change_kind[84:] == "stuck").all()
    assert (said.change_since[84:] == 80).all()
    assert (said.change_size[84:] == 0).all()
    assert (said.p_change[84:] > 0.9).all()


def test_a_sensor_that_got_stuck_while_learning_goes_back_to_what_it_knew_then():
    values = noise(90, 3)
    values[LEARNED - 3 : 75] = values[LEARNED - 3]
    said = run(values)
    assert (said.verdict[70] == "stuck").all()
    assert (np.abs(said.level[70:]) < 1.0).all()
    assert (said.sigma[70:] > 0.5).all()


def test_a_stuck_sensor_teaches_the_filter_nothing():
    values = noise(140, 40)
    values[80:120] = 2.5
    said = run(values)
    np.testing.assert_allclose(said.sigma[119], said.sigma[80], rtol=0.05)
    assert np.median(np.abs(said.level[119] - said.level[80])) <= 0.5
    assert (said.verdict[120:] == "steady").mean() >= 0.9


def test_nothing_is_stuck_while_it_learns_and_a_missing_row_is_missing():
    values = noise(100, 4)
    values[30:36] = 1.0
    values[80:] = 1.0
    values[90] = np.nan
    said = run(values)
    assert not (said.verdict[:80] == "stuck").any()
    assert (said.verdict[90] == "missing").all()
    assert (said.change_kind[90] == "").all()
    assert (said.verdict[99] == "stuck").all()


@pytest.mark.parametrize("options", [{}, {"transform": "log"}])
def test_the_forecast_follows_a_season_and_its_end_is_told(options):
    values = seasonal(330, 12, 260)
    said = run(np.exp(values / 10) if options else values, commission=250, **options)
    inside = (said.forecast_lo95 <= said.y) & (said.y <= said.forecast_hi95)
    assert 0.9 <= inside[252:260].mean() <= 0.98
    ends = [np.log(end) if options else end for end in (said.forecast_lo95, said.forecast_hi95)]
    width = ends[1] - ends[0]
    assert np.median(width[258]) < 0.9 * np.median(width[240])
    assert (said.verdict[260:] == "season").any(axis=0).mean() >= 0.85
    ended = said.change_kind == "season"
    assert (said.change_size[ended] <= 0).all()
    assert (said.p_change[ended] > 0.9).all()
    assert not ended[:260].any()


def test_batch_and_singles_and_stopped_and_loaded_are_one_bit_for_bit():
    values = seasonal(265, 2, 215)
    values[202:210, 1] = 1.5
    whole, pieces = (Bank(2, filter="hypotheses", commission=200) for _ in range(2))
    run(values[:197], whole)
    run(values[:197], pieces)
    words = set()
    for at, row in enumerate(values[197:], start=197):
        together = whole.update([0, 1], [float(at)] * 2, row)
        words |= set(together.verdict.tolist())
        for series in (1, 0):
            one = pieces.update([series], [float(at)], row[[series]])
            for name, column in one._asdict().items():
                np.testing.assert_array_equal(column[0], getattr(together, name)[series], err_msg=name)
        if at in {200, 206, 240}:
            pieces = Bank.load(pieces.save())
    assert whole.save() == pieces.save()
    assert {"stuck", "season"} <= words


def test_the_forecast_of_a_stuck_sensor_is_that_it_goes_on_the_surer_the_longer():
    values = noise(141, 40)
    values[80:140] = 2.5
    bank = Bank(40, filter="hypotheses", commission=LEARNED)
    said = run(values[:140], bank)
    assert (said.forecast_mean[90:] == 2.5).all()
    assert (np.diff(said.forecast_sd[90:], axis=0) < 0).all()
    ahead = bank.forecast(np.arange(40), np.full(40, 140.0))
    assert (ahead.mean == 2.5).all()
    assert (ahead.sd < said.forecast_sd[139]).all()
    back = run(values[140:], bank, start=140)
    assert (back.verdict == "steady").mean() >= 0.8
