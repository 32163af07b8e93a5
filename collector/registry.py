# SPDX-License-Identifier: AGPL-3.0-or-later
"""Which device stands where, and whose words come under which topic."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import msgspec

from collector.contract.errors import Misconfigured, Refusal
from collector.contract.topics import Kind, Topic
from collector.contract.tree import Attach, Limits, Machine, Plant, read_plant
from collector.dialects import DIALECTS, Dialect, Found

NATIVE: Final = "native"
ADDRESSES_KEPT: Final = 65_536
SUBJECTS_MAX: Final = 50
"""Subjects of foreign machines in one session: nats-server grants 65 in all, and a filter that ends in /# takes two."""


def load_plant(path: Path) -> Plant:
    """Return the plant that the TOML file describes; raises Misconfigured, which names file and key."""
    try:
        parsed = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Misconfigured(f"plant file {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"plant file {path}: {error}") from None
    try:
        return read_plant(parsed)
    except Misconfigured as error:
        raise Misconfigured(f"{path}: {error}") from None


def wished(
    place: str,
    *,
    device: str | None,
    dialect: str,
    prefix: str | None,
    cadence_s: float | None,
    clock: Literal["own", "none"],
    attach: Mapping[str, Any] | None = None,
) -> Machine:
    """Return a machine that comes; None: its id is the place's last part, prefix and cadence the dialect's usual.

    Raises Refusal where the dialect has no usual prefix, or `attach` is not as the plant file has it.
    """
    device = device or place.rpartition("/")[2]
    row = DIALECTS.get(dialect)
    if prefix is None and row is not None:
        if row.usual_prefix is None:
            raise Refusal("bad_machine", f"{row.title} has no usual prefix: say which topic it speaks under (prefix)")
        prefix = row.usual_prefix.format(device=device)
    if cadence_s is None and row is not None:
        cadence_s = row.cadence_s
    try:
        dialled = None if attach is None else msgspec.convert(attach, Attach)
    except msgspec.ValidationError as error:
        raise Refusal("bad_machine", f"attach of {device}: {error}") from None
    return Machine(device, place, dialect, prefix, cadence_s, clock, attach=dialled)


class Address(NamedTuple):
    """Who speaks; `place` is None for a newcomer."""

    device: str
    place: str | None


class Foreign(NamedTuple):
    """Whose a foreign topic is, `who`, and the rest of the topic.

    Behind a gateway `through` is the gateway, whose memory reads the message, `reader_prefix` its prefix, and `part`
    the machine that the topic names there.
    """

    who: Address
    dialect: str
    rest: str
    cadence_s: float | None
    reader_prefix: str
    part: str = ""
    through: Address | None = None


class Registry:
    """The plant, indexed by topic prefix and by place; `limited` are the addresses of machines with agreed limits."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self._foreign = {str(m.prefix).rstrip("/"): m for m in plant.machines.values() if m.prefix is not None}
        dialects = {machine.dialect for machine in self._foreign.values()}
        self._scattered = [row for row in DIALECTS.values() if row.scattered and row.name in dialects]
        self._gateways = self._found_gateways()
        self._native: dict[str, list[Machine]] = {}
        self._known: dict[tuple[Topic, str | None, str | None], Address] = {}
        limited = [machine for machine in plant.machines.values() if machine.limits]
        self.limited = frozenset(name for each in limited for name in (f"@{each.device}", each.place))
        for machine in plant.machines.values():
            if machine.dialect == NATIVE:
                self._native.setdefault(machine.place, []).append(machine)

    def foreign(self, topic: str) -> Foreign | None:
        """Return whose a foreign topic is: that of the machine under whose prefix it lies, the longest wins."""
        for dialect in self._scattered:
            found = dialect.recognise(topic)
            if found is not None and (mine := self._of_form(dialect, found)) is not None:
                return mine
        end = len(topic)
        while (end := topic.rfind("/", 0, end)) > 0:
            machine = self._foreign.get(topic[:end])
            if machine is not None and not DIALECTS[machine.dialect].scattered:
                who = Address(machine.device, machine.place)
                return Foreign(who, machine.dialect, topic[end + 1 :], machine.cadence_s, topic[:end])
        return None

    def _of_form(self, dialect: Dialect, found: Found) -> Foreign | None:
        machine = self._foreign.get(found.prefix)
        if machine is not None and machine.dialect != dialect.name:
            return None
        gateway = dialect.gateway(found.prefix) if dialect.gateway is not None else found.prefix
        through = self._gateways.get(gateway)
        if machine is None and through is None:
            return None
        who = Address(machine.device, machine.place) if machine is not None else through
        assert who is not None
        part = found.prefix.removeprefix(gateway).lstrip("/")
        cadence_s = machine.cadence_s if machine is not None and through is None else 0.0
        return Foreign(who, dialect.name, found.rest, cadence_s, gateway, part, through)

    def _found_gateways(self) -> dict[str, Address]:
        """Return the gateways of registered machines, registered themselves or not."""
        found: dict[str, Address] = {}
        for prefix, machine in self._foreign.items():
            dialect = DIALECTS.get(machine.dialect)
            if dialect is not None and dialect.gateway is not None:
                gateway = dialect.gateway(prefix)
                known = self._foreign.get(gateway)
                own = Address(known.device, known.place) if known is not None else None
                found[gateway] = own or Address(id_of(gateway), None)
        return found

    def is_gateway(self, device: str) -> bool:
        """Tell whether this is what registered machines stand behind, and nobody registered it itself."""
        return any(gateway == Address(device, None) for gateway in self._gateways.values())

    def behind(self, gateway: str, part: str) -> Machine | None:
        """Return the machine that is registered behind a gateway."""
        return self._foreign.get(f"{gateway}/{part}")

    def own_filters(self) -> list[str]:
        """Return the topic filters of foreign machines, each its own."""
        rows = self._foreign.items()
        every = (found for prefix, machine in rows for found in DIALECTS[machine.dialect].filters(prefix))
        return list(dict.fromkeys(every))

    @cached_property
    def is_wide(self) -> bool:
        """Tell whether these are too many, so that more is heard than registered machines say."""
        return sum(map(subject_count, self.own_filters())) > SUBJECTS_MAX

    def prefixes(self) -> list[tuple[str, Machine]]:
        """Return the topic prefixes of foreign machines, each without its last slash."""
        return list(self._foreign.items())

    def who(self, topic: Topic, *, device: str | None, place: str | None) -> Address:
        """Return who speaks under a native topic; a Refusal `mis_addressed` where topic, body and registry differ.

        `device` and `place` are what the body says of itself, if anything (contract 3).
        """
        asked = (topic, device, place)
        if (address := self._known.get(asked)) is None:
            if len(self._known) >= ADDRESSES_KEPT:
                self._known.clear()
            address = self._known[asked] = self._find(topic, device=device, place=place)
        return address

    def subject(self, topic: Topic, *, device: str | None, place: str | None, about: str | None) -> Address | None:
        """Return of which machine or place people speak; None where a sender of our own format speaks of itself.

        `about` is a device id or a place; without it the address says it, where a foreign machine or nothing but a
        unit of the tree stands there. Raises Refusal `mis_addressed`.
        """
        self._agree("device", topic.device, device)
        self._agree("place", topic.place, place)
        if about is not None:
            return self._about(about)
        named = self.plant.machines.get(str(topic.device or device))
        if topic.device is not None or device is not None:
            return Address(named.device, named.place) if named is not None and named.dialect != NATIVE else None
        where = str(topic.place)
        return None if where in self._native else self._standing_at(where)

    def _about(self, about: str) -> Address:
        named = self.plant.machines.get(about)
        found = Address(named.device, named.place) if named is not None else self._standing_at(about)
        if found is None:
            raise Refusal("mis_addressed", f"about = {about[:80]!r} is neither a registered device nor a place")
        return found

    def _standing_at(self, place: str) -> Address | None:
        """Return the one machine at a place, the unit itself where none stands, None where there is no such place."""
        standing = [machine.device for machine in self.plant.machines.values() if machine.place == place]
        if len(standing) > 1:
            raise Refusal("mis_addressed", f"several devices stand at {place} ({', '.join(standing)}): name one")
        if standing:
            return Address(standing[0], place)
        return Address(place.replace("/", "."), place) if place in self.plant.units else None

    def dialect(self, device: str) -> str | None:
        """Return what a registered device speaks."""
        machine = self.plant.machines.get(device)
        return machine.dialect if machine is not None else None

    def limits(self, device: str) -> Mapping[str, Limits]:
        """Return what was agreed of a registered device's indicators."""
        machine = self.plant.machines.get(device)
        return machine.limits if machine is not None else {}

    def _find(self, topic: Topic, *, device: str | None, place: str | None) -> Address:
        self._agree("device", topic.device, device)
        self._agree("place", topic.place, place)
        if topic.device is not None or device is not None:
            return self._named(str(topic.device or device), topic.place or place)
        standing = self._native.get(str(topic.place), [])
        if len(standing) == 1:
            return Address(standing[0].device, standing[0].place)
        if standing:
            names = ", ".join(machine.device for machine in standing)
            raise Refusal("mis_addressed", f"several devices stand at {topic.place} ({names}): publish under @device")
        self._not_foreign(str(topic.place))
        return Address(str(topic.place).replace("/", "."), None)

    def _named(self, device: str, place: str | None) -> Address:
        machine = self.plant.machines.get(device)
        if machine is None:
            if place is not None:
                self._not_foreign(place)
            return Address(device, None)
        if machine.dialect != NATIVE:
            raise Refusal("mis_addressed", f"device {device} is registered to speak {machine.dialect}, not native")
        if place is not None and place != machine.place:
            raise Refusal("mis_addressed", f"device {device} stands at {machine.place}, not at {place[:80]!r}")
        return Address(device, machine.place)

    def _not_foreign(self, place: str) -> None:
        for machine in self.plant.machines.values():
            if machine.place == place and machine.dialect != NATIVE:
                raise Refusal("mis_addressed", f"{place} is registered to speak {machine.dialect}, not native")

    @staticmethod
    def _agree(what: str, in_topic: str | None, in_body: str | None) -> None:
        if in_topic is not None and in_body is not None and in_topic != in_body:
            raise Refusal("mis_addressed", f"{what} {in_body[:80]!r} in the body contradicts {in_topic!r} in the topic")


def id_of(prefix: str) -> str:
    """Return a device id made of a topic prefix.

    >>> id_of("spBv1.0/North Coop/cell1")
    'spBv1.0.North_Coop.cell1'
    """
    return re.sub(r"[^A-Za-z0-9_.:-]", "_", prefix.replace("/", "."))[-64:].lstrip("_.:-") or "gateway"


def native_filters(root: str) -> list[str]:
    """Return the topic filters of our own format that the collector hears."""
    return [f"{root}/v1/{kind}/#" for kind in (Kind.READING, Kind.STATE, Kind.EVENT)]


def subject_count(pattern: str) -> int:
    """Return how many subjects of nats-server a topic filter takes: `a/#` is `a` itself and all below."""
    return 2 if pattern.endswith("/#") else 1


def foreign_filters(registry: Registry) -> list[str]:
    """Return what to hear of foreign machines: each prefix, or where these are too many, what they begin with."""
    rows = registry.prefixes()
    for _, machine in rows:
        if machine.dialect not in DIALECTS:
            known = ", ".join((NATIVE, *DIALECTS))
            raise Misconfigured(f"machines.{machine.device}: dialect {machine.dialect!r} is none of {known}")
    filters = registry.own_filters()
    if not registry.is_wide:
        return filters
    return sorted({f"{found.partition('/')[0]}/#" for found in filters})


def changed_filters(before: Registry, now: Registry) -> tuple[list[str], list[str]]:
    """Return what is to be heard newly, and what no more: two filters that overlap would bring a message twice."""
    was, wanted = foreign_filters(before), foreign_filters(now)
    return [each for each in wanted if each not in was], [each for each in was if each not in wanted]
