# SPDX-License-Identifier: AGPL-3.0-or-later
"""Which device stands where, and whose words come under which topic."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Final, Literal, NamedTuple

from collector.contract.errors import Misconfigured, Refusal
from collector.contract.topics import Kind, Topic
from collector.contract.tree import Machine, Plant, read_plant
from collector.dialects import DIALECTS

NATIVE: Final = "native"
ADDRESSES_KEPT: Final = 65_536
FILTERS_MAX: Final = 50
"""Topic filters of foreign machines in one session: nats-server grants 65 in all."""


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
    place: str, *, device: str | None, dialect: str, prefix: str | None, cadence_s: float, clock: Literal["own", "none"]
) -> Machine:
    """Return a machine that comes; left out, its id is the place's last part, and a foreign prefix DIALECT/ID."""
    device = device or place.rpartition("/")[2]
    if prefix is None and dialect != NATIVE:
        prefix = f"{dialect}/{device}"
    return Machine(device, place, dialect, prefix, cadence_s, clock)


class Address(NamedTuple):
    """Who speaks; `place` is None for a newcomer."""

    device: str
    place: str | None


class Registry:
    """The plant, indexed by topic prefix and by place."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        foreign = [machine for machine in plant.machines.values() if machine.prefix is not None]
        self._foreign = sorted(((str(m.prefix).rstrip("/") + "/", m) for m in foreign), key=lambda row: -len(row[0]))
        self._native: dict[str, list[Machine]] = {}
        self._known: dict[tuple[Topic, str | None, str | None], Address] = {}
        for machine in plant.machines.values():
            if machine.dialect == NATIVE:
                self._native.setdefault(machine.place, []).append(machine)

    def foreign(self, topic: str) -> tuple[Machine, str] | None:
        """Return the machine under whose prefix a foreign topic lies (the longest wins), and the rest of the topic."""
        for prefix, machine in self._foreign:
            if topic.startswith(prefix):
                return machine, topic.removeprefix(prefix)
        return None

    def prefixes(self) -> list[tuple[str, Machine]]:
        """Return the topic prefixes of foreign machines, each without its last slash."""
        return [(prefix.rstrip("/"), machine) for prefix, machine in self._foreign]

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


def native_filters(root: str) -> list[str]:
    """Return the topic filters of our own format that the collector hears."""
    return [f"{root}/v1/{kind}/#" for kind in (Kind.READING, Kind.STATE, Kind.EVENT)]


def foreign_filters(registry: Registry) -> list[str]:
    """Return what to hear of foreign machines: each prefix, or where these are too many, what they begin with."""
    rows = registry.prefixes()
    for _, machine in rows:
        if machine.dialect not in DIALECTS:
            known = ", ".join((NATIVE, *DIALECTS))
            raise Misconfigured(f"machines.{machine.device}: dialect {machine.dialect!r} is none of {known}")
    filters = [found for prefix, machine in rows for found in DIALECTS[machine.dialect].filters(prefix)]
    if len(filters) <= FILTERS_MAX:
        return filters
    return sorted({f"{prefix.partition('/')[0]}/#" for prefix, _ in rows})
