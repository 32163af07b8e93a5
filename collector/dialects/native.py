# SPDX-License-Identifier: AGPL-3.0-or-later
"""Our own format: readings, states and events as the contract says them (sections 2 to 4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from collector import people
from collector.contract.codec import EventMessage, decode_event, decode_object, decode_state, parse_time
from collector.contract.errors import Refusal
from collector.contract.event import Noted, Outcome, PartCounted, State, StateSeen
from collector.contract.limits import BOOT_CHARS_MAX, CLOCK_SET_S_MIN, SEQ_MAX
from collector.contract.reading import Fact
from collector.contract.reading_codec import SetAside, decode_reading
from collector.contract.topics import Kind
from collector.signs import Began, Ended, Sign

_EVENT_FIELDS = frozenset(EventMessage.__struct_fields__)


class Said(NamedTuple):
    """What a native message says: facts and signs, what identifies it, and how it names its sender, if at all.

    `about` is the machine or place that somebody else speaks of; `by_people`: it is one of people's events.
    """

    facts: tuple[Fact | Sign, ...]
    boot: str | None = None
    seq: int | None = None
    event: str | None = None
    device: str | None = None
    place: str | None = None
    about: str | None = None
    by_people: bool = False
    aside: tuple[SetAside, ...] = ()
    sent_at: float | None = None
    nulls: Mapping[str, int] = {}


def number_of(payload: bytes) -> tuple[str, int] | None:
    """Return boot and seq of a body whatever else is wrong with it; None where they can't be read."""
    try:
        body = decode_object(payload)
    except Refusal:
        return None
    boot, seq = body.get("boot"), body.get("seq")
    if isinstance(boot, str) and len(boot) <= BOOT_CHARS_MAX and type(seq) is int and 0 <= seq <= SEQ_MAX:
        return boot, seq
    return None


def decode(kind: Kind, payload: bytes, *, now: float, clockless: bool = False) -> Said:
    """Return what a native message says; `now` stands in where it has no time, or none to believe. Raises Refusal."""
    if kind is Kind.READING:
        return _reading(payload, now, clockless=clockless)
    if kind is Kind.STATE:
        state = decode_state(payload)
        # A last will was written when the machine connected: its time says nothing (contract 2).
        stamped = None if state.state is State.OFFLINE else _believed(state.ts, clockless=clockless)
        return Said((StateSeen(now if stamped is None else stamped, state.state, state.why),), sent_at=stamped)
    event = decode_event(payload)
    if event.about is not None and event.event not in people.EVENTS:
        known = ", ".join(sorted(people.EVENTS))
        raise Refusal("bad_event", f"event = {event.event[:40]!r} with about: only {known} are said about another")
    ts = _believed(parse_time(event.ts), clockless=clockless)
    facts = _facts_of(event, payload, now if ts is None else ts)
    return Said(
        facts,
        event=event.id,
        device=event.device,
        place=event.place,
        about=event.about,
        by_people=event.event in people.EVENTS,
        sent_at=ts,
    )


def _believed(ts: float | None, *, clockless: bool) -> float | None:
    return None if clockless and ts is not None and ts < CLOCK_SET_S_MIN else ts


def _reading(payload: bytes, now: float, *, clockless: bool) -> Said:
    told = decode_reading(payload, now=now, clockless=clockless)
    samples = told.samples
    facts = (samples,) if samples.times and samples.values else ()
    sent_at = max(samples.times) if samples.times and not samples.assigned else None
    return Said(
        facts, told.boot, told.seq, None, told.device, told.place, aside=told.aside, sent_at=sent_at, nulls=told.nulls
    )


def _facts_of(event: EventMessage, payload: bytes, ts: float) -> tuple[Fact | Sign, ...]:
    if event.event == "job_started":
        return (Began(ts, event.file, estimate_s=event.estimate_s, job=event.job or event.id),)
    if event.event == "job_ended":
        return (_ended(event, ts),)
    if event.event == people.PART:
        people.check_part(event.good, event.scrap)
        return (PartCounted(ts, event.good, event.scrap, event.cause, event.id, event.job, event.corrects),)
    told = decode_object(payload)
    body = people.impersonal({key: value for key, value in told.items() if key not in _EVENT_FIELDS})
    if event.corrects is not None:
        body["corrects"] = event.corrects
    people.check(event.event, body)
    return (Noted(ts, event.event, body, event.id),)


def _ended(event: EventMessage, ts: float) -> Ended:
    return Ended(
        ts,
        Outcome(event.outcome or Outcome.UNKNOWN),
        event.file,
        cause=event.cause,
        duration_s=event.duration_s,
        print_duration_s=event.print_duration_s,
        total_duration_s=event.total_duration_s,
        held_s=event.held_s,
        estimate_s=event.estimate_s,
        material_g=event.material_g,
        material_mm=event.material_mm,
        energy_kwh=event.energy_kwh,
        job=event.job or event.id,
    )
