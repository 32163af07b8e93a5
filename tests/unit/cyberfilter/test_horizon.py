# SPDX-License-Identifier: AGPL-3.0-or-later
"""The outlook: it goes on where the series ends, is honest about what it does not know, and refuses too little."""

from __future__ import annotations

import numpy as np
import pytest

from collector.contract.errors import Refusal
from cyberfilter.outlook import outlook

TIMES = 1.7e9 + 60.0 * np.arange(200)
NOISE = np.random.default_rng(10).normal(0, 1, 200)


def ahead(values, times=TIMES, **options):
    return outlook(times, values, **{"horizon": 12, "cadence_s": 60.0, **options})


def test_a_ramp_goes_on():
    found = ahead(5 * np.arange(200) + NOISE)
    assert found.converged
    assert found.mean[-1] == pytest.approx(5 * 211, rel=0.01)
    assert found.times[0] == TIMES[-1] + 60
    assert (len(found.times), found.n, found.level) == (12, 200, 0.8)


def test_the_interval_holds_about_its_level():
    hits = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        values = 100 + np.cumsum(rng.normal(0, 0.3, 132)) + rng.normal(0, 1, 132)
        found = ahead(values[:120], TIMES[:120])
        hits.extend((np.array(found.lo) < values[120:]) & (values[120:] < np.array(found.hi)))
    assert 0.6 < np.mean(hits) < 0.95


def test_a_wider_level_is_a_wider_interval():
    narrow, wide = ahead(NOISE, level=0.5), ahead(NOISE, level=0.95)
    assert wide.hi[-1] - wide.lo[-1] > narrow.hi[-1] - narrow.lo[-1]
    assert all(low <= mean <= high for low, mean, high in zip(wide.lo, wide.mean, wide.hi, strict=True))


def test_a_season_comes_back():
    turn = 10 * np.sin(2 * np.pi * np.arange(212) / 24)
    found = ahead(turn[:200] + NOISE, season_period=24)
    np.testing.assert_allclose(found.mean, turn[200:], atol=3)
    assert found.model == "local linear trend with a season of 24"


def test_gaps_and_missing_values_are_tolerated():
    values = 5 * np.arange(200) + NOISE
    values[50:60] = np.nan
    keep = np.r_[0:100, 120:200]
    found = ahead(values[keep], TIMES[keep] + 7)
    assert found.n == 170
    assert found.mean[0] == pytest.approx(1000, rel=0.01)


def test_order_does_not_matter():
    turn = np.random.default_rng(11).permutation(200)
    assert ahead(NOISE[turn], TIMES[turn]).mean == ahead(NOISE).mean


def test_a_constant_stays_what_it_is():
    found = ahead(np.full(200, 7.0))
    assert (found.mean[-1], found.lo[-1], found.hi[-1], found.model) == (7.0, 7.0, 7.0, "constant")


@pytest.mark.parametrize(
    ("count", "options", "word"),
    [
        (0, {}, "0 values are fewer than the 12"),
        (11, {}, "11 values are fewer than the 12"),
        (47, {"season_period": 24}, "47 values are fewer than the 48"),
        (50, {"horizon": 0}, "horizon = 0 is not within 1..2000"),
        (50, {"cadence_s": 0}, "cadence_s = 0"),
        (50, {"cadence_s": 0.001}, "at most 20000"),
        (50, {"season_period": 1}, "season_period = 1"),
        (50, {"level": 1}, "level = 1"),
    ],
)
def test_what_cannot_be_looked_ahead_is_refused_with_its_bound(count, options, word):
    with pytest.raises(Refusal, match=word):
        ahead(NOISE[:count], TIMES[:count], **options)
