# SPDX-License-Identifier: AGPL-3.0-or-later
"""The devices as people see them: state, last seen, lag, gaps, and the account that always balances."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from collector import order
from collector.census import silence_s
from collector.contract.codec import format_time
from collector.contract.event import State
from collector.contract.figure import Figure
from collector.contract.reading import PEOPLE
from collector.decision import Device
from collector.drain import READER
from collector.memory import Memory
from collector.newcomers import Sighting
from collector.registry import Registry
from collector.spool import Spool

WORDS: Final = ("received", "stored", "duplicate", "rejected", "quarantined", "pending")


def accounts(spool: Spool) -> dict[str, dict[str, int]]:
    """Return received = stored + duplicate + rejected + quarantined + pending by device (contract 6).

    The device "" has the messages that nobody could be found for. Each side is counted for itself: received at the
    door, the others where a message ends.
    """
    with spool.reading():
        counts, pending = spool.counts(), spool.pending(READER)
    found: dict[str, dict[str, int]] = {}
    for device in {device for device, _ in counts}:
        said = {word: counts.get((device, word), 0) for word in (*WORDS, "kept", "empty")}
        waiting = pending.get(device, 0)
        stored = said["kept"] + said["empty"] - waiting
        found[device] = {**{word: said[word] for word in WORDS}, "stored": stored, "pending": waiting}
    return found


def machines(
    memory: Memory, registry: Registry, spool: Spool, *, sighted: Iterable[Sighting] = ()
) -> list[dict[str, Any]]:
    """Return every device that is registered or was heard, by place; those without a place last (contract 6).

    `sighted` are foreign machines that were heard and that nobody registered.
    """
    balance = accounts(spool)
    heard = {record.device: record for record in memory.devices() if record.dialect != PEOPLE}
    rows = [
        _row(device, heard.get(device), registry, memory, balance.get(device))
        for device in heard.keys() | registry.plant.machines.keys()
    ]
    rows += [_sighted(each) for each in sighted]
    return sorted(rows, key=lambda row: (row["place"] is None, row["place"] or "", row["device"]))


def units(memory: Memory, registry: Registry) -> list[dict[str, Any]]:
    """Return the units of the tree by place, each with the people that were counted there last, None where nobody did.

    Counts of a machine's own place are those of its device.
    """
    present = {record.place: record.hand.present for record in memory.devices() if record.hand.present is not None}
    rows = sorted(registry.plant.units.values(), key=lambda unit: unit.place)
    return [{**msgspec.to_builtins(unit), "present": present.get(unit.place)} for unit in rows]


def _row(
    device: str, record: Device | None, registry: Registry, memory: Memory, balance: dict[str, int] | None
) -> dict[str, Any]:
    machine = registry.plant.machines.get(device)
    place = machine.place if machine else None
    state = record.state if record else None
    lag_s = record.presence.lag_s if record else None
    boots = memory.boots_of(device)
    return {
        "device": device,
        "place": place,
        "name": registry.plant.name(place) if place else device,
        "state": state.state.value if state else State.UNKNOWN.value,
        "state_since": format_time(state.ts) if state else None,
        "why": state.why if state else None,
        "last_seen": format_time(record.presence.heard_at) if record and record.presence.heard_at else None,
        "dialect": machine.dialect if machine else record.dialect if record else None,
        "lag_s": _rounded(lag_s),
        "skew_s": _rounded(record.clock.skew_s if record and record.clock else None),
        "jitter_s": _rounded(record.clock.jitter_s if record and record.clock else None),
        "cadence_s": machine.cadence_s if machine else None,
        "silent_after_s": _rounded(silence_s(record.presence)) if record else None,
        "missing_count": sum(order.missing_count(boot) for boot in boots.values()),
        "numbered": bool(boots),
        "account": balance or dict.fromkeys(WORDS, 0),
        "job": _job(record),
    }


def _job(record: Device | None) -> dict[str, Any] | None:
    """Return the job that runs, as far as it is known."""
    job = record.track.open if record is not None else None
    if job is None:
        return None
    started_at = None if job.started_at is None else format_time(job.started_at)
    return {"job": job.id, "file": job.file, "started_at": started_at, "estimate_s": job.estimate_s}


def _sighted(seen: Sighting) -> dict[str, Any]:
    words = dict.fromkeys(("state_since", "why", "lag_s", "skew_s", "jitter_s", "cadence_s", "silent_after_s", "job"))
    return {
        "device": seen.id,
        "place": None,
        "name": seen.id,
        "state": State.UNKNOWN.value,
        **words,
        "last_seen": format_time(seen.last_at),
        "dialect": seen.dialect,
        "missing_count": 0,
        "numbered": False,
        "account": dict.fromkeys(WORDS, 0),
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def gaps(memory: Memory) -> list[dict[str, Any]]:
    """Return the seqs that are missing, by device and boot: what fell between, and closes when it arrives late."""
    return [
        {"device": record.device, "boot": name, "first": low, "last": high, "heard_at": format_time(boot.heard_at)}
        for record in memory.devices()
        for name, boot in sorted(memory.boots_of(record.device).items())
        for low, high in boot.gaps
    ]


def total(balances: Iterable[dict[str, int]]) -> dict[str, int]:
    """Return the account of all devices together.

    >>> total([{"received": 2, "stored": 2}, {"received": 1, "duplicate": 1}])["received"]
    3
    """
    rows = list(balances)
    return {word: sum(row.get(word, 0) for row in rows) for word in WORDS}


def figures(spool: Spool, memory: Memory) -> Iterator[Figure]:
    """Yield the collector's figures for /metrics."""
    for device, balance in sorted(accounts(spool).items()):
        for word in WORDS[:-1]:
            labels = {"device": device, "part": word}
            yield Figure("cybersyn_messages", "counter", "messages by part of the account", balance[word], labels)
        pending = balance["pending"]
        yield Figure(
            "cybersyn_messages_pending", "gauge", "messages not in the historian yet", pending, {"device": device}
        )
    yield Figure("cybersyn_facts", "counter", "batches in the fact log", spool.last())
    for record in memory.devices():
        gaps = sum(order.missing_count(boot) for boot in memory.boots_of(record.device).values())
        yield Figure("cybersyn_missing_messages", "gauge", "seqs known to be missing", gaps, {"device": record.device})
