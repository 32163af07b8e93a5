# SPDX-License-Identifier: AGPL-3.0-or-later
"""Decide one message of a foreign machine, or of a gateway with machines behind it (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from collector.census import Hearing, as_before
from collector.contract.codec import check_size
from collector.contract.errors import Refusal
from collector.contract.event import Noted
from collector.contract.ports import Delivery, Posting
from collector.contract.reading import Batch
from collector.contract.tree import Limits
from collector.decision import Accepted, Device, Further, Memory
from collector.dialects import DIALECTS, Dialect, Heard
from collector.dialects.dialect import Ask, Of
from collector.follow import follow, record_of
from collector.registry import Address, Foreign, Registry


def decide_foreign(message: Delivery, memory: Memory, registry: Registry, whose: list[Address]) -> Accepted:
    """Return what the message says; `whose` learns who spoke, before anything can be refused. Raises Refusal."""
    found = registry.foreign(message.topic)
    if found is None:
        raise Refusal("bad_topic", f"topic {message.topic[:120]!r} is neither ours nor under a registered prefix")
    whose.append(found.who)
    check_size(message.payload)  # not each dialect speaks JSON: those that do check more
    dialect = DIALECTS[found.dialect]
    reader = found.through or found.who
    before = record_of(memory.device(reader.device), reader, dialect.name, message)
    state, said = _decoded(dialect, before, found, message)
    own = tuple(item for item in said if not isinstance(item, Ask | Of))
    if found.through is not None and found.through.place is None:
        own = tuple(item for item in own if isinstance(item, Noted))  # a gateway that nobody registered is no machine
    hearing = Hearing(found.cadence_s, dialect.talks_in, memory.listening_since)
    record, batch = _told(before, message, own, hearing, registry.limits(before.device))
    ends = [Further(replace(record, decoder=msgspec.to_builtins(state)), batch)]
    for item in said:
        if isinstance(item, Of):
            ends += _behind(item, found, message, memory, registry)
    asks = tuple(
        Posting(dialect.address(found.reader_prefix, item.topic), item.payload)
        for item in said
        if isinstance(item, Ask)
    )
    return _accepted(ends, found.who, memory, message, asks)


def _decoded(dialect: Dialect, before: Device, found: Foreign, message: Delivery) -> tuple[Any, Any]:
    state = dialect.state() if before.decoder is None else msgspec.convert(before.decoder, dialect.state)
    heard = Heard(found.rest, message.payload, message.retained, message.at, found.part)
    return dialect.decode(state, heard)


def _told(
    before: Device, message: Delivery, said: Any, hearing: Hearing, limits: Mapping[str, Limits]
) -> tuple[Device, Batch | None]:
    record, facts = follow(before, message, said, hearing=hearing, limits=limits)
    batch = Batch(record.device, record.place, record.dialect, message.at, facts) if facts else None
    return record, batch


def _behind(item: Of, found: Foreign, message: Delivery, memory: Memory, registry: Registry) -> list[Further]:
    """Return what is said of a machine behind the gateway; nothing where nobody registered it."""
    machine = registry.behind(found.reader_prefix, item.part)
    if machine is None or not item.said:
        return []
    dialect, who = DIALECTS[found.dialect], Address(machine.device, machine.place)
    before = record_of(memory.device(machine.device), who, dialect.name, message)
    hearing = Hearing(machine.cadence_s, dialect.talks_in, memory.listening_since)
    return [Further(*_told(before, message, item.said, hearing, machine.limits))]


def _accepted(
    ends: list[Further], who: Address, memory: Memory, message: Delivery, asks: tuple[Posting, ...]
) -> Accepted:
    """Return the decision: it counts for whom the topic names, the gateway is only remembered."""
    mine = next((end for end in ends if end.record.device == who.device), None)
    if mine is None:
        dialect = ends[0].record.dialect
        before = record_of(memory.device(who.device), who, dialect, message)
        record, _ = follow(before, message, (), hearing=as_before(before.presence, memory.listening_since))
        mine = Further(record, None)
    further = tuple(end for end in ends if end.record.device != who.device)
    return Accepted(mine.record, mine.batch, further=further, asks=asks)
