# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a device's record becomes by what was said: jobs followed, states only where they changed (pure)."""

from __future__ import annotations

from msgspec.structs import replace

from collector import jobs
from collector.census import TALKS_ALWAYS, Presence, hear
from collector.clocks import see
from collector.contract.event import State, StateSeen
from collector.contract.ports import Delivery
from collector.contract.reading import Fact, Samples
from collector.decision import Device
from collector.registry import Address
from collector.signs import Sign


def record_of(known: Device | None, who: Address, dialect: str, message: Delivery) -> Device:
    """Return what is remembered of a sender, at the place where it stands now."""
    if known is None:
        return Device(who.device, who.place, dialect, Presence(message.at))
    if known.place == who.place and known.dialect == dialect:
        return known
    return replace(known, place=who.place, dialect=dialect)


def follow(
    record: Device,
    message: Delivery,
    said: tuple[Fact | Sign, ...],
    *,
    cadence_s: float,
    talks_in: frozenset[State] = TALKS_ALWAYS,
    sent_at: float | None = None,
) -> tuple[Device, tuple[Fact, ...]]:
    """Return the record after what was said, and the facts: job signs followed, states only where they changed."""
    clock = record.clock if sent_at is None else see(record.clock, sent_at, message.at)
    if len(said) == 1 and isinstance(said[0], Samples) and not record.presence.silent:  # by far the most
        lag_s = record.presence.lag_s if sent_at is None else message.at - sent_at
        presence = replace(record.presence, heard_at=message.at, cadence_s=cadence_s, talks_in=talks_in, lag_s=lag_s)
        return replace(record, presence=presence, clock=clock), (said[0],)
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
    return replace(record, track=track, presence=presence, state=state, clock=clock), tuple(kept)
