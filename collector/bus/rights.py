# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a device may publish and read, and the embedded broker's configuration that says so (pure).

nats-server speaks MQTT, but its permissions are written in NATS subjects; the mapping is the server's own
(building-blocks a).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from collector.contract.errors import Misconfigured
from collector.contract.place import check_device, check_place
from collector.contract.topics import ROOT_DEFAULT, Kind, Topic, format_topic

SERVICES: Final = "collector"
"""The user of the services and of local commands: publishes and reads everything, over MQTT."""
KEEPER: Final = "keeper"
"""The user that bounds the store over the server's own protocol; nobody else may use that port."""
WRITES: Final = (Kind.READING, Kind.STATE, Kind.EVENT)
"""The kinds that a device may publish (contract 2)."""
STORE: Final = "store"
"""Where the server keeps sessions, queued and retained messages, below its folder."""
PAYLOAD_BYTES_MAX: Final = 1024 * 1024
MESSAGES_SHARE: Final = 7 / 8
"""Part of the store for queued messages; the rest is for sessions and retained messages, so that these always fit."""
_SPECIAL: Final = frozenset(" *>\x7f")
_TOKENS: Final = {"": "/", "+": "*", "#": ">"}
"""Levels that are written otherwise; in all others a dot becomes two slashes."""


class BrokerUser(NamedTuple):
    """A machine's account: the hash of its password and the topic filters that it may use."""

    password: str
    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()


class Layout(NamedTuple):
    """Where the server keeps its files and listens; ports and hosts are its own."""

    folder: Path
    host: str
    mqtt_port: int
    client_port: int
    store_bytes_max: int


def device_user(password: str, device: str, place: str | None, *, root: str = ROOT_DEFAULT) -> BrokerUser:
    """Return the account of a native device: it writes at its place or at its `@id`, and reads its receipts."""
    check_device(device)
    addresses = [Topic(kind, device=device) for kind in (*WRITES, Kind.RECEIPT)]
    if place is not None:
        check_place(place)
        addresses += [Topic(kind, place=place) for kind in (*WRITES, Kind.RECEIPT)]
    writes = tuple(format_topic(topic, root=root) for topic in addresses if topic.kind in WRITES)
    receipts = tuple(format_topic(topic, root=root) for topic in addresses if topic.kind is Kind.RECEIPT)
    return BrokerUser(password, writes, receipts)


def foreign_user(
    password: str, writes: tuple[str, ...], hears: tuple[str, ...] = (), *, root: str = ROOT_DEFAULT
) -> BrokerUser:
    """Return the account of a machine that speaks a foreign dialect: the topic filters that it may write and read.

    Raises Misconfigured for a filter that would reach further than topics of its own.
    """
    for pattern in (*writes, *hears):
        levels = pattern.split("/")
        fine = all(levels) and len(levels) > 1 and "#" not in levels[:-1]
        fine = fine and levels[0] not in {root, "+"} and not pattern.startswith("$")
        if not fine or any(sign < " " or sign == "\x7f" for sign in pattern):
            raise Misconfigured(
                f"topics {pattern[:80]!r}: no level empty, the first neither {root}, + nor with $, works"
            )
    return BrokerUser(password, writes, hears)


def subject_of(topic: str) -> str:
    """Return the NATS subject of an MQTT topic or topic filter; raises Misconfigured for what has none.

    >>> subject_of("cybersyn/v1/reading/@mk4.07"), subject_of("a//b"), subject_of("tele/+/SENSOR")
    ('cybersyn.v1.reading.@mk4//07', 'a./.b', 'tele.*.SENSOR')
    """
    if not topic or any(sign in _SPECIAL or sign < " " for sign in topic):
        raise Misconfigured(f"topic {topic[:80]!r}: empty, or with a space, a control character, * or >")
    levels = topic.split("/")
    for position, level in enumerate(levels):
        alone = level in {"", "+"} or (level == "#" and position == len(levels) - 1)
        if not alone and ("+" in level or "#" in level):
            raise Misconfigured(f"topic {topic[:80]!r}: + and # stand alone in their level, # in the last one")
    return ".".join(_TOKENS.get(level, level.replace(".", "//")) for level in levels)


def subjects_of(pattern: str) -> tuple[str, ...]:
    """Return the subjects that a topic filter allows: `a/#` is `a` itself and everything below."""
    if pattern.endswith("/#"):
        return subject_of(pattern.removesuffix("/#")), subject_of(pattern)
    return (subject_of(pattern),)


def quote(text: str) -> str:
    """Return the text as a quoted string of the configuration; raises Misconfigured for control characters."""
    if any(sign < " " or sign == "\x7f" for sign in text):
        raise Misconfigured(f"{text[:40]!r} has a control character: not allowed in the broker's names and passwords")
    return json.dumps(text, ensure_ascii=False)


def config_text(layout: Layout, users: Mapping[str, BrokerUser], *, services: str, keeper: str) -> str:
    """Return the server's configuration; `services` and `keeper` are the passwords of our own two users.

    Raises Misconfigured for a user whose name is one of ours, or whose name, password or topics can't be written.
    """
    rows = [
        f"{{ user: {quote(SERVICES)}, password: {quote(services)}, allowed_connection_types: [MQTT] }}",
        f"{{ user: {quote(KEEPER)}, password: {quote(keeper)}, allowed_connection_types: [STANDARD] }}",
    ]
    for name, user in users.items():
        if name in {SERVICES, KEEPER} or not name or not user.password:
            raise Misconfigured(f"broker user {name!r}: empty, without password, or one of {SERVICES}, {KEEPER}")
        rows.append(_user_row(name, user))
    users_text = "\n  ".join(rows)
    return f"""# Written at every start; changes here are lost.
server_name: cybersyn
listen: "127.0.0.1:{layout.client_port}"
pid_file: {quote(str(layout.folder / "nats.pid"))}
max_payload: {PAYLOAD_BYTES_MAX}
logtime: false
jetstream {{ store_dir: {quote(str(layout.folder / STORE))}, sync_interval: "30s", \
max_file_store: {layout.store_bytes_max} }}
mqtt {{ listen: {quote(f"{layout.host}:{layout.mqtt_port}")}, ack_wait: "5s", max_ack_pending: 1000 }}
authorization {{ users: [
  {users_text}
] }}
"""


def _user_row(name: str, user: BrokerUser) -> str:
    return (
        f"{{ user: {quote(name)}, password: {quote(user.password)}, allowed_connection_types: [MQTT], permissions: {{"
        f" publish: {_rights(user.publish, always=())}, subscribe: {_rights(user.subscribe, always=('$MQTT.sub.>',))}"
        " } }"
    )


def _rights(patterns: tuple[str, ...], *, always: tuple[str, ...]) -> str:
    """Write what is allowed; an empty list of allowed subjects would allow everything, so that is a denial."""
    if not patterns:
        return '{ deny: [">"] }'
    allowed = [subject for pattern in patterns for subject in subjects_of(pattern)]
    return f"{{ allow: [{', '.join(quote(subject) for subject in (*allowed, *always))}] }}"
