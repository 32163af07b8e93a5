# SPDX-License-Identifier: AGPL-3.0-or-later
"""What people say of a machine or a place: their five events, and how their word lies over the machine's own (pure).

A person, a button or a page is not the machine: their word never makes a silent machine heard. Who said it is
nobody's business: fields that name a person are left out before anything is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from collector.contract import limits
from collector.contract.errors import Refusal
from collector.contract.event import Noted, PartCounted, State, StateSeen
from collector.contract.reading import Fact

PART: Final = "part"
EVENTS: Final = frozenset({PART, "material", "maintenance", "presence", "plate"})
"""What may be said about a machine by somebody else, whatever dialect the machine speaks."""
CHANGES: Final = {
    "material": ("opened", "emptied", "undone"),
    "maintenance": ("begun", "ended", "done", "undone"),
    "plate": ("cleared", "undone"),
}
PERSONAL: Final = frozenset({"person", "name", "user", "operator", "worker", "by"})
"""Fields that may name somebody: they are left out of every event, at any depth."""
_TEXTS: Final = ("spool", "material", "item")


class Hand(msgspec.Struct, frozen=True, omit_defaults=True):
    """What people said last: the plate is clear though the machine can't see it; `maintenance`: on what, or None.

    `present` people were counted here last.
    """

    cleared: bool = False
    maintenance: str | None = None
    present: int | None = None


def impersonal(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body without what may name a person.

    >>> impersonal({"count": 2, "operator": "Ana", "more": {"name": "Ana", "a": 1}})
    {'count': 2, 'more': {'a': 1}}
    """
    return {key: _inner(value) for key, value in body.items() if key.lower() not in PERSONAL}


def _inner(value: Any) -> Any:
    if isinstance(value, dict):
        return impersonal(value)
    return [_inner(each) for each in value] if isinstance(value, list) else value


def check(event: str, body: Mapping[str, Any]) -> None:
    """Refuse a body that is none of this event's: `bad_event` names thing, value and bound.

    What is left out is not missed: an event that says little is kept as it was said.
    """
    if event == "presence" and "count" in body:
        _check_number("presence", "count", body["count"], limits.PEOPLE_PRESENT_MAX, whole=True)
    known = CHANGES.get(event)
    if known is None:
        return
    change = body.get("change")
    if change is not None and change not in known:
        raise Refusal("bad_event", f"{event}: change = {_told(change)} is none of {', '.join(known)}")
    if change == "undone" and not body.get("corrects"):
        raise Refusal("bad_event", f"{event}: change = 'undone' without corrects, the id of what is undone")
    for name in _TEXTS:
        text = body.get(name)
        if text is not None and not (isinstance(text, str) and len(text) <= limits.JOB_TEXT_CHARS_MAX):
            raise Refusal(
                "bad_event", f"{event}: {name} = {_told(text)} is no text of at most {limits.JOB_TEXT_CHARS_MAX} signs"
            )
    if body.get("grams") is not None:
        _check_number(event, "grams", body["grams"], limits.MATERIAL_G_MAX)


def check_part(good: int, scrap: int) -> None:
    """Refuse a count of parts that nobody counts: `bad_event`."""
    for name, count in (("good", good), ("scrap", scrap)):
        _check_number(PART, name, count, limits.PARTS_AT_ONCE_MAX, whole=True)


def _check_number(event: str, name: str, value: Any, most: float, *, whole: bool = False) -> None:
    number = type(value) is int or (type(value) is float and not whole)
    if not number or not 0 <= value <= most:
        kind = "whole number" if whole else "number"
        raise Refusal("bad_event", f"{event}: {name} = {_told(value)} is no {kind} within 0..{most:g}")


def _told(value: Any) -> str:
    return repr(value)[:60]


def notes(facts: Iterable[Fact], is_known: Callable[[str], bool]) -> tuple[Noted, ...]:
    """Return what people should notice: what is corrected is not known here, and may still come."""
    return tuple(
        Noted(fact.ts, "corrects_unknown", {"corrects": corrected, "by": fact.id})
        for fact in facts
        if isinstance(fact, PartCounted | Noted) and (corrected := _corrected(fact)) and not is_known(corrected)
    )


def _corrected(fact: PartCounted | Noted) -> str | None:
    return fact.corrects if isinstance(fact, PartCounted) else fact.body.get("corrects")


def say(hand: Hand, word: Noted, *, is_working: bool) -> Hand:
    """Return what lies over the machine's own words after a person's word; `is_working`: a job is open."""
    change = word.body.get("change")
    if word.event == "plate":
        return replace(hand, cleared=change == "cleared" and not is_working)
    if word.event == "maintenance" and change in {"begun", "ended"}:
        return replace(hand, maintenance=str(word.body.get("item") or "") if change == "begun" else None)
    if word.event == "presence" and isinstance(word.body.get("count"), int):
        return replace(hand, present=word.body["count"])
    return hand


def begins_job(hand: Hand) -> Hand:
    """Return what lies over the machine's own words once it works again: its plate is its own."""
    return replace(hand, cleared=False) if hand.cleared else hand


def laid_over(hand: Hand, own: StateSeen) -> StateSeen:
    """Return the state that counts: a person's word over the machine's own; a fault is never covered."""
    if hand.maintenance is not None and own.state is not State.FAULT:
        return StateSeen(own.ts, State.MAINTENANCE, hand.maintenance or None)
    if hand.cleared and own.state is State.WAITING_PERSON:
        return StateSeen(own.ts, State.IDLE)
    return own
