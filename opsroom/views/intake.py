# SPDX-License-Identifier: AGPL-3.0-or-later
"""The intake as people read it: is everything that was received accounted for, and where is it?"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

import msgspec

from collector.contract.codec import parse_time
from opsroom.seen import GapSeen, IntakeSeen, ListsSeen, MachineSeen, RefusedSeen

ADDRESS: Final = "/intake"
"""What a browser watches to be told; no place and no device is written like this."""
PARTS: Final = ("stored", "duplicate", "rejected", "quarantined", "pending")
"""Where a received message is, in the order in which they are shown."""
ROWS_MAX: Final = 200
"""Devices told to a browser, worst first; the counts tell of all."""
GAPS_MAX: Final = 50
NOTICES_MAX: Final = 30


class Standing(StrEnum):
    """What the sentence at the top says."""

    WELL = "well"
    UNBALANCED = "unbalanced"
    FULL = "full"
    HISTORIAN = "historian"
    BROKER = "broker"
    OTHER = "other"
    AWAY = "away"


_BEGINNINGS: Final = (
    ("the broker", Standing.BROKER),
    ("the historian", Standing.HISTORIAN),
    ("the disk", Standing.FULL),
    ("the fact", Standing.FULL),
)
"""How the collector's own words for its trouble begin."""


class DeviceRow(msgspec.Struct, frozen=True):
    """The account of one device, in messages; `device` is "" for what nobody could be found for, times in s."""

    device: str
    place: str | None
    name: str | None
    account: dict[str, int]
    missing: int
    numbered: bool
    lag_s: float | None
    skew_s: float | None
    jitter_s: float | None


class GapRow(msgspec.Struct, frozen=True):
    """Missing numbers of one start of a device; `at` (Unix s) is when that start was heard last."""

    device: str
    place: str | None
    name: str | None
    boot: str
    first: int
    last: int
    count: int
    at: float | None


class RefusedRow(msgspec.Struct, frozen=True):
    """One message in quarantine; `at` in Unix s, `replayed` says that it was decided again."""

    id: str
    reason: str
    detail: str
    device: str | None
    topic: str
    at: float | None
    bytes: int
    replayable: bool
    replayed: bool


class NoticeRow(msgspec.Struct, frozen=True):
    """One thing that was noticed; `at` in Unix s."""

    event: str
    detail: str
    device: str
    at: float | None


class Lists(msgspec.Struct, frozen=True):
    """What the tables show; each total counts what is there, shown or not."""

    devices: list[DeviceRow]
    devices_total: int
    missing: int
    gaps: list[GapRow]
    gaps_total: int
    refused: list[RefusedRow]
    refused_total: int
    noticed: list[NoticeRow]


class Intake(msgspec.Struct, frozen=True):
    """All that the Intake screen shows; sizes in bytes, `behind` in batches, `rate_per_s` in batches/s.

    `detail` is the collector's own sentence of what is wrong. `lists` is None until somebody has looked.
    """

    standing: Standing = Standing.AWAY
    key: str = ADDRESS
    detail: str | None = None
    account: dict[str, int] = {}
    log_bytes: int = 0
    log_bytes_max: int = 0
    disk_free_bytes: int = 0
    disk_reserve_bytes: int = 0
    behind: int = 0
    oldest_age_s: float = 0.0
    rate_per_s: float = 0.0
    lists: Lists | None = None


def intake(seen: IntakeSeen | None, lists: ListsSeen | None = None) -> Intake:
    """Return what the screen shows; without an answer of the collector only that it is away."""
    if seen is None:
        return Intake()
    return Intake(
        standing=standing(seen),
        detail=seen.trouble,
        account=seen.account,
        log_bytes=seen.log.bytes,
        log_bytes_max=seen.log.bytes_max,
        disk_free_bytes=seen.log.disk_free_bytes,
        disk_reserve_bytes=seen.log.disk_reserve_bytes,
        behind=seen.historian.behind,
        oldest_age_s=seen.historian.oldest_age_s,
        rate_per_s=seen.historian.rate_per_s,
        lists=None if lists is None else _lists(seen, lists),
    )


def standing(seen: IntakeSeen) -> Standing:
    """Return what is wrong first of all: what the collector says, then an account that does not balance."""
    if seen.trouble is not None:
        return next((found for begin, found in _BEGINNINGS if seen.trouble.startswith(begin)), Standing.OTHER)
    return Standing.WELL if balances(seen.account) else Standing.UNBALANCED


def balances(account: dict[str, int]) -> bool:
    """Tell whether received = stored + duplicate + rejected + quarantined + pending (contract 6).

    >>> balances({"received": 3, "stored": 2, "pending": 1}), balances({"received": 3, "stored": 2})
    (True, False)
    """
    return account.get("received", 0) == sum(account.get(part, 0) for part in PARTS)


def devices(machines: Iterable[MachineSeen], unattributed: dict[str, int]) -> list[DeviceRow]:
    """Return the accounts worst first: missing, then quarantined, then rejected messages, then by place.

    Those without a place come last among equals. What is pending comes and goes with every message, so it moves no row.
    """
    nobody = [MachineSeen("", account=unattributed)] if any(unattributed.values()) else []
    return sorted((_device(machine) for machine in (*machines, *nobody)), key=_badness)


def _badness(row: DeviceRow) -> tuple[int, int, int, bool, str, str]:
    quarantined, rejected = (row.account.get(part, 0) for part in ("quarantined", "rejected"))
    return (-row.missing, -quarantined, -rejected, row.place is None, row.place or "", row.device)


def _device(machine: MachineSeen) -> DeviceRow:
    return DeviceRow(
        machine.device,
        machine.place,
        machine.name,
        machine.account,
        machine.missing_count,
        machine.numbered,
        machine.lag_s,
        machine.skew_s,
        machine.jitter_s,
    )


def _gap(gap: GapSeen, row: DeviceRow | None) -> GapRow:
    return GapRow(
        gap.device,
        row.place if row else None,
        row.name if row else None,
        gap.boot,
        gap.first,
        gap.last,
        gap.last - gap.first + 1,
        parse_time(gap.heard_at),
    )


def _refused(each: RefusedSeen) -> RefusedRow:
    return RefusedRow(
        each.id,
        each.reason,
        each.detail,
        each.device,
        each.topic,
        parse_time(each.at),
        each.bytes,
        each.replayable,
        each.replayed_at is not None,
    )


def _lists(seen: IntakeSeen, lists: ListsSeen) -> Lists:
    rows = devices(lists.machines, seen.unattributed)
    known = {row.device: row for row in rows}
    gaps = [_gap(gap, known.get(gap.device)) for gap in lists.gaps.items]
    return Lists(
        devices=rows[:ROWS_MAX],
        devices_total=len(rows),
        missing=sum(row.missing for row in rows),
        gaps=sorted(gaps, key=lambda gap: -(gap.at or 0.0))[:GAPS_MAX],
        gaps_total=lists.gaps.total,
        refused=[_refused(each) for each in lists.refused.items],
        refused_total=lists.refused.total,
        noticed=[NoticeRow(n.event, n.detail, n.device, parse_time(n.at)) for n in seen.noticed[:NOTICES_MAX]],
    )
