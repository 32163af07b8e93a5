# SPDX-License-Identifier: AGPL-3.0-or-later
"""Every filter: a batch is its singles, order does not matter, saved and loaded is never stopped; bit for bit."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cyberfilter.filter import Bank, Prior
from cyberfilter.filter.bank import CHUNK, HYPOTHESES_CHUNK

FILTERS = ("classic", "hypotheses")
"""Names of the filters; a new one joins here."""
PRIORS = {
    "learned": None,
    "given": Prior(level=(0, 1), slope=(0, 0.01), noise=(1, 5)),
    "known": Prior(level=(0, 1), slope=(0, 0.01), noise=(1, math.inf)),
}
ROWS = 30


@pytest.fixture(params=FILTERS)
def filter_name(request):
    return request.param


@pytest.fixture(params=PRIORS)
def make(request, filter_name):
    def bank(count):
        return Bank(count, prior=PRIORS[request.param], filter=filter_name, commission=12)

    return bank


def stream(count):
    """Values (ROWS, count) with steps, spikes and gaps, and uneven times."""
    rng = np.random.default_rng(12)
    values = rng.normal(size=(ROWS, count))
    values[15:, ::3] += 8
    values[10, ::5] += 20
    values[rng.uniform(size=values.shape) < 0.1] = np.nan
    return values, np.cumsum(rng.uniform(0.5, 3, size=(ROWS, count)), axis=0)


def same(got, want):
    """Tell whether every column is equal, bit for bit."""
    for name, column in want._asdict().items():
        np.testing.assert_array_equal(getattr(got, name), column, err_msg=name)


@pytest.mark.parametrize("chunk", [1, 2, 3, 8, 64, 257])
def test_a_batch_is_its_chunks(make, chunk):
    values, times = stream(300)
    whole, pieces = make(300), make(300)
    for value, at in zip(values[:20], times, strict=False):
        together = whole.update(np.arange(300), at, value)
        cuts = range(0, 300 if chunk > 8 else 12, chunk)
        for series in (np.arange(cut, min(cut + chunk, 300)) for cut in cuts):
            part = pieces.update(series, at[series], value[series])
            np.testing.assert_array_equal(part.level, together.level[series])
            np.testing.assert_array_equal(part.p, together.p[series])
            np.testing.assert_array_equal(part.p_change, together.p_change[series])


@pytest.mark.parametrize("chunk", [HYPOTHESES_CHUNK, CHUNK])
def test_more_than_a_chunk_is_every_single_one(make, chunk):
    count = chunk + 5
    values, times = stream(count)
    whole, alone = make(count), make(count)
    for value, at in zip(values[:14], times, strict=False):
        together = whole.update(np.arange(count), at, value)
        for series in (0, chunk - 1, chunk, count - 1):
            one = alone.update([series], at[[series]], value[[series]])
            same(one, type(together)(*(column[[series]] for column in together)))


def test_the_order_of_series_does_not_matter(make):
    values, times = stream(50)
    straight, turned = make(50), make(50)
    for row, (value, at) in enumerate(zip(values, times, strict=True)):
        turn = np.random.default_rng(row).permutation(50)
        want = straight.update(np.arange(50), at, value)
        same(turned.update(turn, at[turn], value[turn]), type(want)(*(column[turn] for column in want)))


@pytest.mark.parametrize("cut", [0, 1, 5, 8, 13, 25])
def test_saved_and_loaded_is_never_stopped(make, cut):
    values, times = stream(40)
    kept, stopped = make(40), make(40)
    for row, (value, at) in enumerate(zip(values, times, strict=True)):
        if row == cut:
            stopped = Bank.load(stopped.save())
        same(stopped.update(np.arange(40), at, value), kept.update(np.arange(40), at, value))
    assert stopped.save() == kept.save()


def test_a_loaded_bank_takes_newcomers_as_the_saved_one_would(make):
    kept = make(3)
    kept.update([0, 1, 2], [0.0, 0.0, 0.0], [1.0, 2.0, 3.0])
    loaded = Bank.load(kept.save())
    for bank in (kept, loaded):
        bank.join(2)
    same(loaded.update([4, 0], [1.0, 1.0], [5.0, 1.0]), kept.update([4, 0], [1.0, 1.0], [5.0, 1.0]))


def test_one_series_never_touches_another(make):
    values, times = stream(2)
    pair, alone = make(2), make(2)
    for value, at in zip(values, times, strict=True):
        pair.update([1], at[1:], value[1:] * 1000)
        same(pair.update([0], at[:1], value[:1]), alone.update([0], at[:1], value[:1]))
