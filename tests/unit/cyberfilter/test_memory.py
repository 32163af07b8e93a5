# SPDX-License-Identifier: AGPL-3.0-or-later
"""A bank's checkpoint: whole or refused."""

from __future__ import annotations

import numpy as np
import pytest

from collector.contract.errors import Refusal
from cyberfilter.filter import Bank, memory
from cyberfilter.filter.bank import _HEIGHTS


@pytest.fixture(params=["classic", "hypotheses"])
def bank(request):
    bank = Bank(5, filter=request.param, commission=12)
    for at, values in enumerate(np.random.default_rng(3).normal(size=(30, 5))):
        bank.update(np.arange(5), np.full(5, float(at)), values)
    return bank


@pytest.mark.parametrize("changed", [{"version": 1}, {"what": "another"}, {"filter": "another"}])
def test_what_another_program_kept_is_refused_and_both_are_named(bank, changed, monkeypatch):
    header, block = memory.unpack(bank.save(), _HEIGHTS)
    monkeypatch.setattr(memory, "VERSION", changed.get("version", memory.VERSION))
    other = memory.pack(header | changed, block)
    monkeypatch.undo()
    with pytest.raises(Refusal, match="this program reads"):
        Bank.load(other)


def test_bytes_that_begin_otherwise_are_no_checkpoint():
    with pytest.raises(Refusal, match="begin otherwise"):
        Bank.load(b"PK and whatever follows")


@pytest.mark.parametrize("cut", [1, 4, 1000])
def test_a_checkpoint_that_was_cut_is_refused(bank, cut):
    with pytest.raises(Refusal, match="checksum"):
        Bank.load(bank.save()[:-cut])


@pytest.mark.parametrize("at", [30, 900, 2000, -1])
def test_a_checkpoint_with_one_other_bit_is_refused(bank, at):
    blob = bytearray(bank.save())
    blob[at] ^= 4
    with pytest.raises(Refusal, match="no checkpoint"):
        Bank.load(bytes(blob))


def test_places_kept_for_newcomers_are_not_written(bank):
    grown = Bank.load(bank.save())
    grown.join(1)
    grown.join(1)
    column = grown._columns.take(np.array([0]))
    assert len(grown.save()) < len(bank.save()) + 2 * column.nbytes + 100
    assert Bank.load(grown.save()).save() == grown.save()


@pytest.mark.parametrize("name", ["classic", "hypotheses"])
def test_an_empty_bank_is_kept_too(name):
    assert Bank.load(Bank(0, filter=name).save()).count == 0
