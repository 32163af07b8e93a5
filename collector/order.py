# SPDX-License-Identifier: AGPL-3.0-or-later
"""Duplicates, late and out-of-order, per sender: (device, boot, seq) identifies a message for ever.

A boot's record is the highest seq that is on disk and the gaps below it, as ranges. So the memory of a sender
that never loses anything is one number, however long it runs.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from collector.contract.limits import (
    BEYOND_PER_RECEIPT_MAX,
    BOOT_HEX_DIGITS_MIN,
    GAPS_PER_BOOT_MAX,
    MISSING_PER_RECEIPT_MAX,
)


class Boot(msgspec.Struct, frozen=True):
    """What is on disk of one boot: every seq up to `through` but those in `gaps` (inclusive ranges, ascending)."""

    through: int = -1
    gaps: tuple[tuple[int, int], ...] = ()
    lost: int = 0
    heard_at: float = 0.0


class Receipt(NamedTuple):
    """What a sender may forget: every seq up to `stored_through` that is not `missing` (contract 2).

    Where too many are missing, `beyond` names ranges above `stored_through` that are on disk too, the newest.
    """

    stored_through: int
    missing: tuple[int, ...]
    beyond: tuple[tuple[int, int], ...] = ()


def identifies(boot: str | None, seq: int | None) -> bool:
    """Tell whether the pair is unique for ever; otherwise the message is taken at least once (contract 3)."""
    return boot is not None and seq is not None and len(boot) >= BOOT_HEX_DIGITS_MIN


def is_new(boot: Boot, seq: int) -> bool:
    """Tell whether this seq is not on disk yet."""
    return seq > boot.through or any(low <= seq <= high for low, high in boot.gaps)


def store(boot: Boot, seq: int, *, at: float) -> Boot:
    """Return the record with this seq on disk; a gap opens where seqs were skipped, and closes when they come.

    >>> store(store(Boot(), 0, at=1.0), 3, at=2.0).gaps
    ((1, 2),)
    """
    if seq > boot.through:
        gaps = boot.gaps if seq == boot.through + 1 else (*boot.gaps, (boot.through + 1, seq - 1))
        kept = gaps[-GAPS_PER_BOOT_MAX:]
        lost = boot.lost + sum(high - low + 1 for low, high in gaps[: len(gaps) - len(kept)])
        return Boot(seq, kept, lost, at)
    gaps = tuple(part for gap in boot.gaps for part in _without(gap, seq))
    return Boot(boot.through, gaps, boot.lost, at)


def _without(gap: tuple[int, int], seq: int) -> tuple[tuple[int, int], ...]:
    low, high = gap
    if not low <= seq <= high:
        return (gap,)
    return tuple((a, b) for a, b in ((low, seq - 1), (seq + 1, high)) if a <= b)


def receipt(boot: Boot) -> Receipt:
    """Return what the sender may forget; where too many are missing, it speaks only for what lies before the rest."""
    missing: list[int] = []
    for low, high in boot.gaps:
        room = MISSING_PER_RECEIPT_MAX - len(missing)
        missing.extend(range(low, min(high, low + room - 1) + 1))
        if high - low + 1 > room:
            return Receipt(low + room - 1, tuple(missing), _beyond(boot, low + room - 1))
    return Receipt(boot.through, tuple(missing))


def _beyond(boot: Boot, through: int) -> tuple[tuple[int, int], ...]:
    """Return the newest ranges above a seq that are on disk."""
    gaps = [gap for gap in boot.gaps if gap[1] > through]
    ends = [*(low - 1 for low, _ in gaps[1:]), boot.through]
    return tuple((high + 1, end) for (_, high), end in zip(gaps, ends, strict=True))[-BEYOND_PER_RECEIPT_MAX:]


def missing_count(boot: Boot) -> int:
    """Return how many seqs are known to be missing, those given up included."""
    return boot.lost + sum(high - low + 1 for low, high in boot.gaps)
