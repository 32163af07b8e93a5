# SPDX-License-Identifier: AGPL-3.0-or-later
"""Duplicates, late and out-of-order, per sender."""

from hypothesis import given
from hypothesis import strategies as st

from collector.contract.limits import GAPS_PER_BOOT_MAX, MISSING_PER_RECEIPT_MAX
from collector.order import Boot, identifies, is_new, missing_count, receipt, store

BOOT = "9f1c6b0e2d7a4415"


def stored(*seqs: int) -> Boot:
    boot = Boot()
    for seq in seqs:
        boot = store(boot, seq, at=float(seq))
    return boot


@given(st.lists(st.integers(0, 60), max_size=80))
def test_record_knows_exactly_which_seqs_are_on_disk(seqs: list[int]) -> None:
    boot = stored(*seqs)
    assert {seq for seq in range(70) if not is_new(boot, seq)} == set(seqs)


@given(st.permutations(range(12)))
def test_order_of_arrival_leaves_no_trace(seqs: list[int]) -> None:
    boot = stored(*seqs)
    assert (boot.through, boot.gaps, missing_count(boot)) == (11, (), 0)


def test_gap_is_listed_exactly_and_closes_when_it_arrives_late() -> None:
    boot = stored(*range(11), *range(15, 21))
    assert receipt(boot)[:2] == (20, (11, 12, 13, 14))
    assert receipt(store(boot, 12, at=0.0))[:2] == (20, (11, 13, 14))


def test_receipt_with_too_many_missing_speaks_only_for_what_lies_before_the_rest() -> None:
    told = receipt(stored(0, 5_000))
    assert len(told.missing) == MISSING_PER_RECEIPT_MAX
    assert told.stored_through == told.missing[-1] == MISSING_PER_RECEIPT_MAX


def test_gaps_beyond_the_bound_count_as_lost() -> None:
    boot = stored(*range(0, 2 * (GAPS_PER_BOOT_MAX + 2), 2))
    assert len(boot.gaps) == GAPS_PER_BOOT_MAX
    assert boot.lost == 1
    assert missing_count(boot) == GAPS_PER_BOOT_MAX + 1


def test_short_boot_or_none_identifies_nothing() -> None:
    assert identifies(BOOT, 0)
    assert not any((identifies(BOOT[:15], 0), identifies(None, 0), identifies(BOOT, None)))


def test_a_receipt_that_cannot_name_all_gaps_names_what_is_stored_behind_them() -> None:
    boot = Boot(9_000, ((10, 5_000), (6_000, 6_000), (7_000, 8_000)))
    told = receipt(boot)
    assert told.stored_through == told.missing[-1] == 10 + MISSING_PER_RECEIPT_MAX - 1
    assert told.beyond == ((5_001, 5_999), (6_001, 6_999), (8_001, 9_000))
