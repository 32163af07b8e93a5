# SPDX-License-Identifier: AGPL-3.0-or-later
"""What follows from what was said: job signs become jobs, states count where they change, limits are judged (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from msgspec.structs import replace

from collector import jobs, people
from collector.census import Hearing, Presence, hear, noted
from collector.clocks import see
from collector.contract.event import JobStarted, Noted, State, StateSeen
from collector.contract.ports import Delivery
from collector.contract.reading import Fact, Samples
from collector.contract.tree import Limits
from collector.decision import Device
from collector.excursions import look
from collector.registry import Address
from collector.rhythm import AT_WORK
from collector.signs import Sign

NO_LIMITS: Final[Mapping[str, Limits]] = MappingProxyType({})


def record_of(known: Device | None, who: Address, dialect: str, message: Delivery) -> Device:
    """Return what is remembered of a sender, at the place where it stands now."""
    if known is None:
        return Device(who.device, who.place, dialect, Presence(message.at))
    if known.place == who.place and known.dialect == dialect:
        return known
    if known.dialect != dialect:  # what another decoder remembered means nothing to this one
        known = replace(known, decoder=None)
    return replace(known, place=who.place, dialect=dialect)


def follow(
    record: Device,
    message: Delivery,
    said: tuple[Fact | Sign, ...],
    *,
    hearing: Hearing,
    limits: Mapping[str, Limits] = NO_LIMITS,
    sent_at: float | None = None,
) -> tuple[Device, tuple[Fact, ...]]:
    """Return the record after a machine's own words, and the facts."""
    clock = record.clock if sent_at is None else see(record.clock, sent_at, message.at)
    if len(said) == 1 and isinstance(said[0], Samples) and not record.presence.silent:  # by far the most
        lag_s = record.presence.lag_s if sent_at is None else message.at - sent_at
        presence = replace(noted(record.presence, hearing, at=message.at), lag_s=lag_s)
        return _judged(replace(record, presence=presence, clock=clock), (said[0],), limits)
    track, facts = jobs.follow(record.track, said)
    presence, restated = hear(record.presence, facts, hearing, at=message.at, sent_at=sent_at)
    heard = replace(record, track=track, presence=presence, clock=clock)
    return _judged(*_stated(heard, (*restated, *facts)), limits)


def follow_people(record: Device, facts: tuple[Fact, ...]) -> tuple[Device, tuple[Fact, ...]]:
    """Return the record after what people said of a machine or a place, and the facts: nobody was heard by that."""
    return _stated(record, facts)


def _judged(record: Device, facts: tuple[Fact, ...], limits: Mapping[str, Limits]) -> tuple[Device, tuple[Fact, ...]]:
    judged, troubles = look(record.judged, facts, limits)
    return (record if judged is record.judged else replace(record, judged=judged)), (*facts, *troubles)


def _stated(record: Device, facts: Iterable[Fact]) -> tuple[Device, tuple[Fact, ...]]:
    """Return the record and the facts, states only where they change: people's word lies over the machine's own."""
    kept: list[Fact] = []
    state, hand = record.state, record.hand
    for fact in facts:
        if isinstance(fact, JobStarted) or (isinstance(fact, StateSeen) and fact.state in AT_WORK):
            hand = people.begins_job(hand)
        if isinstance(fact, StateSeen):
            seen = people.laid_over(hand, fact)
        else:
            kept.append(fact)
            if not isinstance(fact, Noted) or _is_past(fact, state):
                continue
            before, hand = hand, people.say(hand, fact, is_working=record.track.open is not None)
            if (hand.cleared, hand.maintenance) == (before.cleared, before.maintenance):
                continue
            seen = people.laid_over(hand, _own(record, fact.ts, state))
        if state is None or (seen.state, seen.why) != (state.state, state.why):
            state = seen
            kept.append(seen)
    return replace(record, state=state, hand=hand), tuple(kept)


def _is_past(word: Noted, state: StateSeen | None) -> bool:
    """Tell whether the word is of a plate that is history: it was said before the machine's present state began."""
    return word.event == "plate" and state is not None and word.ts < state.ts


def _own(record: Device, ts: float, state: StateSeen | None) -> StateSeen:
    """Return what the machine itself said last, as of now."""
    at = ts if state is None else max(ts, state.ts)
    presence = record.presence
    if presence.silent:
        return StateSeen(at, State.OFFLINE, presence.why)
    return StateSeen(at, presence.state, presence.why)
