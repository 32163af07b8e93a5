# SPDX-License-Identifier: AGPL-3.0-or-later
"""Decide one message: facts, a duplicate, or a refusal with its reason. Pure: what it knows is given to it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec
from msgspec.structs import replace

from collector import jobs, order
from collector.census import TALKS_ALWAYS, Presence, check_newcomer, hear
from collector.contract.codec import OffScale, check_bounds
from collector.contract.errors import Refusal
from collector.contract.event import State, StateSeen
from collector.contract.ports import Delivery
from collector.contract.reading import Batch, Fact
from collector.contract.topics import ROOT_DEFAULT, Kind, Topic, parse_topic
from collector.dialects import DIALECTS, Heard, native
from collector.job_track import JobTrack
from collector.registry import NATIVE, Address, Registry
from collector.signs import Sign
from collector.turn import Quarantined

_TAKEN: Final = frozenset((Kind.READING, Kind.STATE, Kind.EVENT))


class Device(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is remembered of a device between messages: it is stored with every turn, so a restart changes nothing.

    `state` is the newest in the log, `decoder` the dialect's own memory.
    """

    device: str
    place: str | None
    dialect: str
    presence: Presence
    state: StateSeen | None = None
    track: JobTrack = JobTrack()
    decoder: Any = None


class Memory(Protocol):
    """What the collector remembers, this turn's decisions included."""

    def device(self, device: str) -> Device | None:
        """Return what is remembered of a device."""

    def boot(self, device: str, boot: str) -> order.Boot:
        """Return what is on disk of a boot."""

    def event_known(self, device: str, event: str) -> bool:
        """Tell whether the device's event is on disk."""

    def newcomer_count(self) -> int:
        """Return how many devices without a place are known."""


@dataclass(frozen=True)
class Accepted:
    """The message is understood: its facts, if any, and what is to be remembered of its sender."""

    record: Device
    batch: Batch | None
    boot: tuple[str, order.Boot] | None = None
    event: str | None = None
    aside: tuple[Quarantined, ...] = ()


@dataclass(frozen=True)
class Duplicate:
    """The message is on disk already."""

    record: Device


@dataclass(frozen=True)
class Refused:
    """The message breaks the contract; `device` is empty where nobody knows whose it is.

    `record` and `boot` are there where its sender and its number could be read all the same.
    """

    device: str
    reason: str
    detail: str
    record: Device | None = None
    boot: tuple[str, order.Boot] | None = None


Decision = Accepted | Duplicate | Refused


def is_ours(topic: str, root: str) -> bool:
    """Tell whether the topic is one of our own format, whose senders get receipts."""
    return topic.startswith(f"{root}/")


def decide(message: Delivery, memory: Memory, registry: Registry, *, root: str = ROOT_DEFAULT) -> Decision:
    """Return what becomes of a message from the bus."""
    whose: list[Address] = []
    try:
        if is_ours(message.topic, root):
            topic = parse_topic(message.topic, root=root)
            if topic.kind not in _TAKEN or topic.id is not None:
                raise Refusal("bad_topic", f"the collector takes nothing at {message.topic[:120]!r}")
            return _native(topic, message, memory, registry, whose)
        return _foreign(message, memory, registry, whose)
    except Refusal as refusal:
        if not whose:
            return Refused("", refusal.reason, refusal.detail)
        return _numbered_all_the_same(message, memory, whose[0], refusal)


def _numbered_all_the_same(message: Delivery, memory: Memory, who: Address, refusal: Refusal) -> Decision:
    """Return the refusal with its sender's record and boot, where a number can be read; a duplicate of one is one."""
    refused = Refused(who.device, refusal.reason, refusal.detail)
    number = native.number_of(message.payload)
    if number is None or not order.identifies(*number):
        return refused
    boot, seq = number
    record = _only_heard(memory.device(who.device), _record(memory.device(who.device), who, NATIVE, message))
    known = memory.boot(who.device, boot)
    if not order.is_new(known, seq):
        return Duplicate(record)
    return dataclasses.replace(refused, record=record, boot=(boot, order.store(known, seq, at=message.at)))


def decide_posted(kind: Kind, body: bytes, memory: Memory, registry: Registry, *, now: float) -> Decision:
    """Return what becomes of a body that came over HTTP, whose sender is named in it (contract 6)."""
    whose: list[Address] = []
    try:
        said = native.decode(kind, body, now=now)
        if said.device is None and said.place is None:
            raise Refusal("wrong_shape", "neither device nor place is there; one of them says whose it is")
        topic = _named(kind, said)
        return _native(topic, Delivery("", body, retained=False, at=now), memory, registry, whose)
    except Refusal as refusal:
        return Refused(whose[0].device if whose else "", refusal.reason, refusal.detail)


def _named(kind: Kind, said: native.Said) -> Topic:
    text = f"@{said.device}" if said.device is not None else str(said.place)
    try:
        return parse_topic(f"{ROOT_DEFAULT}/v1/{kind}/{text}")
    except Refusal as refusal:
        raise Refusal("bad_address", refusal.detail) from None


def _native(topic: Topic, message: Delivery, memory: Memory, registry: Registry, whose: list[Address]) -> Decision:
    who = registry.who(topic, device=None, place=None)
    whose.append(who)
    said = native.decode(topic.kind, message.payload, now=message.at)
    if said.device is not None or said.place is not None:
        who = registry.who(topic, device=said.device, place=said.place)
    known = memory.device(who.device)
    if known is None and who.place is None:
        check_newcomer(who.device, memory.newcomer_count())
    machine = registry.plant.machines.get(who.device)
    cadence_s = machine.cadence_s if machine else 0.0
    before = _record(known, who, NATIVE, message)
    record, facts = _follow(before, message, said.facts, cadence_s=cadence_s, sent_at=said.sent_at)
    if said.event is not None and memory.event_known(who.device, said.event):
        return Duplicate(_only_heard(known, record))
    boot = None
    if order.identifies(said.boot, said.seq):
        stored = memory.boot(who.device, str(said.boot))
        if not order.is_new(stored, int(said.seq or 0)):
            return Duplicate(_only_heard(known, record))
        boot = (str(said.boot), order.store(stored, int(said.seq or 0), at=message.at))
    batch = Batch(who.device, who.place, NATIVE, message.at, facts, said.boot, said.seq) if facts else None
    aside = tuple(_off_scale(message, who, cell) for cell in said.off_scale)
    return Accepted(record, batch, boot, said.event, aside)


def _record(known: Device | None, who: Address, dialect: str, message: Delivery) -> Device:
    if known is None:
        return Device(who.device, who.place, dialect, Presence(message.at))
    return replace(known, place=who.place, dialect=dialect)


def _only_heard(known: Device | None, record: Device) -> Device:
    """Return the record of a sender that said something again: it was heard, and nothing else changed."""
    if known is None or known.presence.silent:
        return known or record
    return replace(known, presence=replace(known.presence, heard_at=record.presence.heard_at))


def _foreign(message: Delivery, memory: Memory, registry: Registry, whose: list[Address]) -> Decision:
    found = registry.foreign(message.topic)
    if found is None:
        raise Refusal("bad_topic", f"topic {message.topic[:120]!r} is neither ours nor under a registered prefix")
    machine, rest = found
    whose.append(Address(machine.device, machine.place))
    check_bounds(message.payload)
    dialect = DIALECTS[machine.dialect]
    before = _record(memory.device(machine.device), Address(machine.device, machine.place), dialect.name, message)
    state = dialect.state() if before.decoder is None else msgspec.convert(before.decoder, dialect.state)
    state, said = dialect.decode(state, Heard(rest, message.payload, message.retained, message.at))
    record, facts = _follow(before, message, said, cadence_s=machine.cadence_s, talks_in=dialect.talks_in)
    record = replace(record, decoder=msgspec.to_builtins(state))
    batch = Batch(machine.device, machine.place, machine.dialect, message.at, facts) if facts else None
    return Accepted(record, batch)


def _follow(
    record: Device,
    message: Delivery,
    said: tuple[Fact | Sign, ...],
    *,
    cadence_s: float,
    talks_in: frozenset[State] = TALKS_ALWAYS,
    sent_at: float | None = None,
) -> tuple[Device, tuple[Fact, ...]]:
    """Return the record after what was said, and the facts: job signs followed, states only where they changed."""
    track, facts = jobs.follow(record.track, said)
    presence, restated = hear(
        record.presence, facts, at=message.at, cadence_s=cadence_s, talks_in=talks_in, sent_at=sent_at
    )
    kept: list[Fact] = []
    state = record.state
    for fact in (*restated, *facts):
        if isinstance(fact, StateSeen):
            if state is not None and (fact.state, fact.why) == (state.state, state.why):
                continue
            state = fact
        kept.append(fact)
    return replace(record, track=track, presence=presence, state=state), tuple(kept)


def _off_scale(message: Delivery, who: Address, cell: OffScale) -> Quarantined:
    detail = f"{cell.indicator} = {cell.value:g} is not within {cell.low:g}..{cell.high:g} (device: {who.device})"
    aside = Quarantined.of(
        message.topic, message.payload, device=who.device, reason="off_scale", detail=detail, at=message.at
    )
    return aside._replace(replayable=False)
