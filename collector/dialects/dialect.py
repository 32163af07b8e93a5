# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a dialect is: how a foreign machine speaks, as one row with a pure decoder."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import msgspec

from collector.contract.event import State
from collector.contract.limits import TOPIC_BYTES_MAX
from collector.contract.reading import Fact
from collector.signs import Sign

Degree = Literal["direct", "derived", "none"]


class Heard(NamedTuple):
    """A message of a foreign machine: `topic` is the part below its prefix, `at` the arrival (Unix s).

    `retained` says that the broker had kept it: an old word, of which nobody knows how old. A recording's own
    `retain` is how the message was published, and says nothing of the kind. `part` is the machine behind a gateway
    that the topic names, "" for the gateway itself.
    """

    topic: str
    payload: bytes
    retained: bool
    at: float
    part: str = ""


class Ask(NamedTuple):
    """A question to the machine: `topic` is below its prefix. Only reading is asked for, never an action."""

    topic: str
    payload: bytes


class Of(NamedTuple):
    """What a gateway says of the machine `part` behind it."""

    part: str
    said: tuple[Fact | Sign, ...]


Said = tuple[Fact | Sign | Ask | Of, ...]


def facts_and_signs(said: Said) -> tuple[Fact | Sign, ...]:
    """Return what is said of the machines themselves, those behind a gateway too; without questions."""
    plain: list[Fact | Sign] = []
    for item in said:
        if isinstance(item, Of):
            plain.extend(item.said)
        elif not isinstance(item, Ask):
            plain.append(item)
    return tuple(plain)


class Found(NamedTuple):
    """Whose a topic of this dialect's form is: the machine's prefix, without its last slash, and the rest."""

    prefix: str
    rest: str


def below(prefix: str) -> tuple[str, ...]:
    """Return the one filter of a machine all of whose topics lie below its prefix.

    One for all: nats-server keeps the order of messages within a filter only, and grants few.
    """
    return (f"{prefix}/#",)


def by_form(form: re.Pattern[str]) -> Callable[[str], Found | None]:
    """Return a `recognise` for topics whose form has two groups: the prefix, and the rest."""

    def recognise(topic: str) -> Found | None:
        found = form.fullmatch(topic) if len(topic) <= TOPIC_BYTES_MAX else None
        return Found(found.group(1), found.group(2)) if found else None

    return recognise


class Quality(NamedTuple):
    """A dialect's rung on the ladder: how well it tells what production needs (dialects.md 2).

    `clock` is what its stamps are worth; `silence` how the loss of the machine shows; `loses` what it never tells.
    """

    clock: str
    silence: str
    loses: str
    states: Degree = "none"
    jobs: Degree = "none"
    parts: Degree = "none"
    cycle: Degree = "none"
    estimate: Degree = "none"
    energy: Degree = "none"
    material: Degree = "none"
    temperature: Degree = "none"


class Dialect(NamedTuple):
    """A row of the table of dialects.

    `state` is a frozen struct, small, bounded, JSON as it stands; `state()` is where a machine begins.
    `decode` raises Refusal and nothing else; what it does not know it passes over. `recognise` says whose a topic is
    that has this dialect's form. `forms` are topic filters under which a machine that nobody registered is found. In
    the states `talks_in` a machine keeps the cadence that was declared for it; in all others its silence means
    nothing. `usual_prefix` is where a machine speaks unless told otherwise; None: that can't be guessed.

    Where topics don't begin with the machine's prefix (`scattered`), `recognise` alone says whose they are. `gateway`
    returns the prefix of what a machine stands behind: its memory reads the messages of all its machines, and
    `address` where an Ask goes. A machine may publish under its `filters`, and read what lies under its `hears`. It
    speaks every `cadence_s` seconds unless told otherwise; None: that can't be guessed.
    """

    name: str
    title: str
    filters: Callable[[str], tuple[str, ...]]
    state: type[msgspec.Struct]
    decode: Callable[[Any, Heard], tuple[Any, Said]]
    recognise: Callable[[str], Found | None]
    forms: tuple[str, ...]
    talks_in: frozenset[State]
    quality: Quality
    usual_prefix: str | None = None
    scattered: bool = False
    gateway: Callable[[str], str] | None = None
    address: Callable[[str, str], str] = "{}/{}".format
    hears: Callable[[str], tuple[str, ...]] = lambda _: ()
    cadence_s: float | None = None
