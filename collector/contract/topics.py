# SPDX-License-Identifier: Apache-2.0
"""The topic grammar: parse and format are inverses.

`<root>/v1/<kind>/<place…>` or `<root>/v1/<kind>/@<device>`, and things with an id end in `/_<id>` (contract 2).
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple

from collector.contract.errors import Refusal
from collector.contract.limits import TOPIC_BYTES_MAX
from collector.contract.place import check_device, check_place

ROOT_DEFAULT: Final = "cybersyn"
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")


class Kind(StrEnum):
    """The kinds of topics, in the contract's order."""

    READING = "reading"
    STATE = "state"
    EVENT = "event"
    RECEIPT = "receipt"
    FACT = "fact"
    INTERVENTION = "intervention"
    INDEX = "index"
    ALERT = "alert"
    ACTION = "action"
    NEED = "need"
    OFFER = "offer"
    COMMITMENT = "commitment"
    PLAN = "plan"
    MESSAGE = "message"


class Topic(NamedTuple):
    """A parsed topic: exactly one of place and device is set; `id` without its underscore."""

    kind: Kind
    place: str | None = None
    device: str | None = None
    id: str | None = None


@lru_cache(maxsize=65_536)
def parse_topic(text: str, *, root: str = ROOT_DEFAULT) -> Topic:
    """Return the parts of one of our topics; a Refusal `bad_topic` says what breaks the grammar.

    >>> parse_topic("cybersyn/v1/index/commons/mk4-07/_pace")
    Topic(kind=<Kind.INDEX: 'index'>, place='commons/mk4-07', device=None, id='pace')
    """
    if len(text.encode(errors="replace")) > TOPIC_BYTES_MAX:
        raise Refusal("bad_topic", f"topic has more than {TOPIC_BYTES_MAX} bytes")
    prefix = f"{root}/v1/"
    if not text.startswith(prefix):
        raise Refusal("bad_topic", f"topic {text[:80]!r} does not start with {prefix}")
    kind_text, _, rest = text.removeprefix(prefix).partition("/")
    if kind_text not in Kind.__members__.values():
        raise Refusal("bad_topic", f"kind {kind_text[:40]!r} is none of {', '.join(Kind)}")
    head, _, tail = rest.rpartition("/")
    thing: str | None = None
    if tail.startswith("_") and head:
        thing, rest = tail[1:], head
        if not _ID.fullmatch(thing):
            raise Refusal("bad_topic", f"id {thing[:80]!r} does not match {_ID.pattern}")
    try:
        if rest.startswith("@"):
            return Topic(Kind(kind_text), device=check_device(rest[1:]), id=thing)
        return Topic(Kind(kind_text), place=check_place(rest), id=thing)
    except Refusal as refusal:
        raise Refusal("bad_topic", refusal.detail) from None


def format_topic(topic: Topic, *, root: str = ROOT_DEFAULT) -> str:
    """Return the topic's text; `parse_topic` undoes it."""
    where = topic.place if topic.place is not None else f"@{topic.device}"
    return f"{root}/v1/{topic.kind}/{where}" + (f"/_{topic.id}" if topic.id is not None else "")


def matches(pattern: str, topic: str) -> bool:
    """Tell whether an MQTT topic filter (`+`, `#`) matches the topic (MQTT 3.1.1, section 4.7)."""
    wanted, found = pattern.split("/"), topic.split("/")
    if found[0].startswith("$") and wanted[0] in {"+", "#"}:
        return False
    for position, level in enumerate(wanted):
        if level == "#":
            return True
        if position >= len(found) or level not in {"+", found[position]}:
            return False
    return len(wanted) == len(found)
