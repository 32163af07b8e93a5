# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a person says about an alert over MQTT, read and checked."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from collector.contract import limits
from collector.contract.codec import decode_json
from collector.contract.errors import Refusal
from collector.contract.ports import Delivery
from collector.contract.topics import Kind, parse_topic
from cyberfilter.contract.alert import Action


class Said(NamedTuple):
    """An action on an alert, said at a place (the owner's, or a level that the alert was raised to)."""

    place: str
    alert_id: str
    action: Action
    note: str | None
    by: str | None


class _Wire(msgspec.Struct):
    action: str
    note: str | None = None
    by: str | None = None


_DECODER = msgspec.json.Decoder(_Wire)


def read_action(delivery: Delivery, *, root: str) -> Said:
    """Return what a message on an `action` topic says; raises Refusal."""
    topic = parse_topic(delivery.topic, root=root)
    if topic.kind is not Kind.ACTION or topic.place is None or topic.id is None:
        raise Refusal("bad_topic", f"topic {delivery.topic[:80]!r} is not {root}/v1/action/<place>/_<alert>")
    wire = decode_json(delivery.payload, _DECODER.decode)
    for name in ("note", "by"):
        check_text(name, getattr(wire, name))
    return Said(topic.place, topic.id, word(wire.action), wire.note, wire.by)


def word(text: str) -> Action:
    """Return the action of that name; a Refusal `unknown_action` lists those there are."""
    try:
        return Action(text)
    except ValueError:
        known = ", ".join(Action)
        raise Refusal("unknown_action", f"action = {text[:40]!r} is none of {known}") from None


def check_text(name: str, text: str | None) -> None:
    """Refuse a text that is longer than a note may be."""
    if text is not None and len(text) > limits.JOB_TEXT_CHARS_MAX:
        raise Refusal("too_long", f"{name} has {len(text)} characters, at most {limits.JOB_TEXT_CHARS_MAX} are allowed")
