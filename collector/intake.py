# SPDX-License-Identifier: AGPL-3.0-or-later
"""Decide one message: facts, a duplicate, or a refusal with its reason. Pure: what it knows is given to it."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from msgspec.structs import replace

from collector import order, people
from collector.census import Hearing, Presence, as_before, check_newcomer, noted
from collector.contract.codec import decode_object
from collector.contract.errors import Refusal
from collector.contract.ports import Delivery
from collector.contract.reading import PEOPLE, Batch, Fact, Samples
from collector.contract.reading_codec import SetAside
from collector.contract.topics import ROOT_DEFAULT, Kind, Topic, parse_topic
from collector.decision import Accepted, Decision, Device, Duplicate, Memory, Refused, Throttled
from collector.dialects import native
from collector.excursions import SMOKE
from collector.follow import follow, follow_people, record_of
from collector.foreign import decide_foreign
from collector.registry import NATIVE, Address, Registry
from collector.rules import DEFAULT, Rules, Sifted, check_times, is_plain, sift
from collector.signs import Sign
from collector.turn import Quarantined

_TAKEN: Final = frozenset((Kind.READING, Kind.STATE, Kind.EVENT))


def is_ours(topic: str, root: str) -> bool:
    """Tell whether the topic is one of our own format, whose senders get receipts."""
    return topic.startswith(f"{root}/")


def sender(topic: str, registry: Registry, root: str) -> str:
    """Return what a sender is counted under: its address in the topic, or its device by its prefix."""
    if is_ours(topic, root):
        return topic[len(root) + 1 :].split("/", 2)[-1]
    found = registry.foreign(topic)
    return f"@{found.who.device}" if found is not None else ""


def is_urgent(delivery: Delivery, registry: Registry, root: str) -> bool:
    """Tell whether a message must not wait for others: no plain reading, or one that may be a hazard."""
    if not delivery.topic.startswith(f"{root}/v1/{Kind.READING}/"):
        return True
    return sender(delivery.topic, registry, root) in registry.limited or SMOKE.encode() in delivery.payload


def sender_of(body: bytes) -> str:
    """Return what the sender of a body that came over HTTP is counted under, "" where it does not say."""
    try:
        said = decode_object(body)
    except Refusal:
        return ""
    whose = said.get("place") or said.get("about") or ""
    return f"@{said['device']}" if isinstance(said.get("device"), str) else str(whose)


@lru_cache(maxsize=65_536)
def receipt_topic(topic: str, root: str = ROOT_DEFAULT) -> str:
    """Return where the receipt for a message of our own format is published: at the address that its sender used.

    >>> receipt_topic("cybersyn/v1/reading/@mk4")
    'cybersyn/v1/receipt/@mk4'
    """
    where = topic.removeprefix(f"{root}/v1/").partition("/")[2]
    return f"{root}/v1/{Kind.RECEIPT}/{where}"


def decide(
    message: Delivery, memory: Memory, registry: Registry, *, root: str = ROOT_DEFAULT, rules: Rules = DEFAULT
) -> Decision:
    """Return what becomes of a message from the bus."""
    ground = _Ground(memory, registry, rules)
    whose: list[Address] = []
    try:
        if is_ours(message.topic, root):
            topic = parse_topic(message.topic, root=root)
            if topic.kind not in _TAKEN or topic.id is not None:
                raise Refusal("bad_topic", f"the collector takes nothing at {message.topic[:120]!r}")
            return _native(topic, message, ground, whose)
        return decide_foreign(message, memory, registry, whose)
    except Refusal as refusal:
        if not whose:
            return Refused("", refusal.reason, refusal.detail)
        return _numbered_all_the_same(message, memory, whose[0], refusal)


def throttled(message: Delivery, registry: Registry, *, root: str) -> Throttled:
    """Return whose a message is, without looking at what it says."""
    try:
        if not is_ours(message.topic, root):
            found = registry.foreign(message.topic)
            return Throttled(found.who.device if found is not None else "", False)
        topic = parse_topic(message.topic, root=root)
        device = registry.who(topic, device=None, place=None).device
    except Refusal:
        return Throttled("", False)
    number = native.number_of(message.payload) if topic.kind is Kind.READING else None
    return Throttled(device, number is not None and order.identifies(*number))


def _numbered_all_the_same(message: Delivery, memory: Memory, who: Address, refusal: Refusal) -> Decision:
    """Return the refusal with its sender's record and boot, where a number can be read; a duplicate of one is one."""
    refused = Refused(who.device, refusal.reason, refusal.detail)
    number = native.number_of(message.payload)
    if number is None or not order.identifies(*number):
        return refused
    boot, seq = number
    known = memory.boot(who.device, boot)
    record = _only_heard(memory.device(who.device), who, message, memory.listening_since)
    if not order.is_new(known, seq):
        return Duplicate(record)
    return refused._replace(record=record, boot=(boot, order.store(known, seq, at=message.at)))


def decide_posted(
    kind: Kind, body: bytes, memory: Memory, registry: Registry, *, now: float, rules: Rules = DEFAULT
) -> Decision:
    """Return what becomes of a body that came over HTTP, whose sender is named in it (contract 6)."""
    whose: list[Address] = []
    try:
        said = native.decode(kind, body, now=now)
        if said.device is None and said.place is None and said.about is None:
            raise Refusal("wrong_shape", "neither device nor place nor about is there; one of them says whose it is")
        topic = _named(kind, said)
        return _native(topic, Delivery("", body, retained=False, at=now), _Ground(memory, registry, rules), whose)
    except Refusal as refusal:
        return Refused(whose[0].device if whose else "", refusal.reason, refusal.detail)


def _named(kind: Kind, said: native.Said) -> Topic:
    device = said.device if said.place is not None or "/" in (said.about or "") else said.device or said.about
    text = f"@{device}" if device is not None else str(said.place or said.about)
    try:
        return parse_topic(f"{ROOT_DEFAULT}/v1/{kind}/{text}")
    except Refusal as refusal:
        raise Refusal("bad_address", refusal.detail) from None


class _Ground(NamedTuple):
    """What a decision stands on."""

    memory: Memory
    registry: Registry
    rules: Rules


def _native(topic: Topic, message: Delivery, ground: _Ground, whose: list[Address]) -> Decision:
    memory, registry, rules = ground
    if topic.kind is Kind.EVENT and (word := _word(topic, message, ground, whose)) is not None:
        return word
    who = registry.who(topic, device=None, place=None)
    whose.append(who)
    machine = registry.plant.machines.get(who.device)
    clockless = machine is not None and machine.clock == "none"
    said = native.decode(topic.kind, message.payload, now=message.at, clockless=clockless)
    if said.device is not None or said.place is not None:
        who = registry.who(topic, device=said.device, place=said.place)
        machine = registry.plant.machines.get(who.device)
    known = memory.device(who.device)
    if known is None and who.place is None:
        check_newcomer(who.device, memory.newcomer_count())
    boot = _number(said, who, message, memory)
    if boot is _KNOWN or _comes_again(said, topic, message, known):
        return Duplicate(_only_heard(known, who, message, memory.listening_since))
    _check_times(said, message, rules)
    before = record_of(known, who, NATIVE, message)
    sifted = _sift(said, before, memory, rules)
    facts = said.facts if sifted is None else _with(said.facts, sifted)
    if sifted is not None and sifted.counters is not None:
        before = replace(before, counters=sifted.counters)
    hearing = Hearing(machine.cadence_s if machine else None, since=memory.listening_since)
    limits = machine.limits if machine else {}
    record, told = follow(before, message, facts, hearing=hearing, limits=limits, sent_at=said.sent_at)
    batch = Batch(who.device, who.place, NATIVE, message.at, told, said.boot, said.seq) if told else None
    aside = (*said.aside, *sifted.aside) if sifted is not None else said.aside
    kept_aside = tuple([_set_aside(message, who, each) for each in aside]) if aside else ()
    names = sifted.new_names if sifted is not None else ()
    return Accepted(record, batch, boot, said.event, kept_aside, names, said.nulls)


def _word(topic: Topic, message: Delivery, ground: _Ground, whose: list[Address]) -> Decision | None:
    """Return what becomes of an event that people say of a machine or a place; None where a sender speaks of itself."""
    memory, registry, rules = ground
    try:
        said = native.decode(topic.kind, message.payload, now=message.at)
    except Refusal:
        return None  # it is refused once more, with its sender's name
    if not said.by_people:
        return None
    about = registry.subject(topic, device=said.device, place=said.place, about=said.about)
    if about is None:
        return None
    whose.append(about)
    dialect = registry.dialect(about.device) or PEOPLE
    before = memory.device(about.device) or Device(about.device, about.place, dialect, Presence(0.0))
    if said.event is not None and memory.event_known(about.device, said.event):
        return Duplicate(before)
    _check_times(said, message, rules)
    facts = tuple(fact for fact in said.facts if not isinstance(fact, Sign))
    record, told = follow_people(record_of(before, about, dialect, message), facts)
    batch = Batch(about.device, about.place, dialect, message.at, told)
    notes = people.notes(facts, lambda event: memory.event_known(about.device, event))
    made = (Batch(about.device, about.place, dialect, message.at, notes),) if notes else ()
    return Accepted(record, batch, event=said.event, made=made)


_KNOWN: Final = ("", order.Boot())
"""What `_number` returns for a message that is on disk."""


def _number(said: native.Said, who: Address, message: Delivery, memory: Memory) -> tuple[str, order.Boot] | None:
    """Return the sender's boot with this message, None where it does not identify itself, _KNOWN where it is kept."""
    if said.event is not None and memory.event_known(who.device, said.event):
        return _KNOWN
    if said.boot is None or said.seq is None or not order.identifies(said.boot, said.seq):
        return None
    stored = memory.boot(who.device, said.boot)
    if not order.is_new(stored, said.seq):
        return _KNOWN
    return said.boot, order.store(stored, said.seq, at=message.at)


def _comes_again(said: native.Said, topic: Topic, message: Delivery, known: Device | None) -> bool:
    """Tell whether a reading without a number was only kept by the broker, and told again because we subscribed."""
    if not message.retained or topic.kind is not Kind.READING or said.seq is not None or known is None:
        return False
    return said.sent_at is None or (known.clock is not None and said.sent_at <= known.clock.newest_at)


def _check_times(said: native.Said, message: Delivery, rules: Rules) -> None:
    if said.sent_at is None:
        return
    samples = said.facts[0] if said.facts else None
    if not isinstance(samples, Samples):  # a state may be retained for months, and is no sample that is forgotten
        check_times(said.sent_at, said.sent_at, now=message.at, rules=rules._replace(kept_days=0))
        return
    oldest = min(samples.times) if len(samples.times) > 1 else said.sent_at
    check_times(oldest, said.sent_at, now=message.at, rules=rules)


def _sift(said: native.Said, before: Device, memory: Memory, rules: Rules) -> Sifted | None:
    """Return what the rules leave of a reading; None where that is all of it, and for other messages."""
    samples = said.facts[0] if said.facts else None
    if not isinstance(samples, Samples):
        return None
    names = memory.names(before.device)
    if is_plain(samples, names):
        return None
    return sift(samples, names, before.counters, boot=said.boot, series_count=memory.series_count(), rules=rules)


def _with(facts: tuple[Fact | Sign, ...], sifted: Sifted) -> tuple[Fact | Sign, ...]:
    return (*((sifted.samples,) if sifted.samples.values else ()), *sifted.notes, *facts[1:])


def _only_heard(known: Device | None, who: Address, message: Delivery, since: float) -> Device:
    """Return the record of a sender that said something again: it was heard, and nothing else changed."""
    record = record_of(known, who, NATIVE, message)
    if known is None or known.presence.silent:
        return known or record
    return replace(known, presence=noted(known.presence, as_before(known.presence, since), at=message.at))


def _set_aside(message: Delivery, who: Address, what: SetAside) -> Quarantined:
    aside = Quarantined.of(
        message.topic,
        message.payload,
        device=who.device,
        reason=what.reason,
        detail=f"{what.detail} (device: {who.device})",
        at=message.at,
    )
    return aside._replace(replayable=False)
