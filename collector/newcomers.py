# SPDX-License-Identifier: AGPL-3.0-or-later
"""Machines that nobody registered: heard under topics of a known form, shown until somebody names or dismisses them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from collector.census import NEWCOMERS_MAX
from collector.contract.errors import Refusal
from collector.contract.ports import Bus, Clock, Delivery
from collector.contract.topics import matches
from collector.contract.tree import Machine, Stay
from collector.decision import Memory
from collector.dialects import DIALECTS, recognise
from collector.private import write_private
from collector.registry import Registry, id_of

TOPICS_SHOWN: Final = 5
FORGOTTEN_S: Final = 7 * 86_400.0
"""A newcomer not heard for so long (plant's time) is no longer offered."""
TAKE_MOST: Final = 500


class Sighting(msgspec.Struct, frozen=True):
    """A machine that speaks like `dialect` under `prefix`; times in Unix s, `topics` are the first that were heard."""

    prefix: str
    dialect: str
    first_at: float
    last_at: float
    message_count: int = 1
    topics: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Return how it is called until it has a name."""
        return id_of(self.prefix)


class Found(NamedTuple):
    """What was found, and what of it somebody dismissed."""

    offered: list[Sighting]
    dismissed: list[Sighting]


class Newcomers:
    """The machines that were sighted, bounded; what is dismissed stays so across starts. Any thread may call.

    `ours` are topic filters under which we speak to other programs: those words are no machine's.
    """

    def __init__(
        self, registry: Callable[[], Registry], *, root: str, file: Path | None = None, ours: Sequence[str] = ()
    ) -> None:
        self._registry, self._file = registry, file
        self._ours = (f"{root}/#", *ours)
        self._lock = threading.Lock()
        self._seen: dict[str, Sighting] = {}
        self._dismissed = _kept(file)

    def hear(self, deliveries: Iterable[Delivery]) -> None:
        """Look whose words these are. What the broker had kept says nothing of now, and what is registered is known."""
        registry = self._registry()
        for topic, _, retained, at, _ in deliveries:
            if retained or registry.foreign(topic) is not None:
                continue
            if any(matches(pattern, topic) for pattern in self._ours):
                continue
            known = recognise(topic)
            if known is not None:
                self._see(known[1].prefix, known[0].name, topic, at)

    def _see(self, prefix: str, dialect: str, topic: str, at: float) -> None:
        with self._lock:
            before = self._seen.get(prefix)
            if before is None:
                if len(self._seen) >= NEWCOMERS_MAX:
                    del self._seen[min(self._seen, key=lambda each: self._seen[each].last_at)]
                self._seen[prefix] = Sighting(prefix, dialect, at, at, topics=(topic,))
                return
            new = topic not in before.topics and len(before.topics) < TOPICS_SHOWN
            topics = (*before.topics, topic) if new else before.topics
            count = before.message_count + 1
            self._seen[prefix] = replace(before, last_at=at, message_count=count, topics=topics)

    def found(self, now: float) -> Found:
        """Return the machines that were heard lately (`now` in Unix s) and have no place, newest first."""
        registry = self._registry()
        registered = {prefix for prefix, _ in registry.prefixes()}
        with self._lock:
            self._seen = {key: each for key, each in self._seen.items() if now - each.last_at < FORGOTTEN_S}
            seen, dismissed = list(self._seen.values()), self._dismissed
        gateways = {_gateway(each.dialect, each.prefix) for each in seen} | {
            _gateway(machine.dialect, prefix) for prefix, machine in registry.prefixes()
        }
        open_ = [each for each in seen if each.prefix not in registered and each.prefix not in gateways]
        open_.sort(key=lambda each: (-each.first_at, each.prefix))
        return Found(
            [each for each in open_ if each.prefix not in dismissed],
            [each for each in open_ if each.prefix in dismissed],
        )

    def one(self, name: str, now: float) -> Sighting:
        """Return a newcomer by its id, a dismissed one too. Raises Refusal `unknown_newcomer`."""
        found = self.found(now)
        for each in (*found.offered, *found.dismissed):
            if each.id == name:
                return each
        there = ", ".join(each.id for each in found.offered[:20]) or "none"
        raise Refusal("unknown_newcomer", f"no newcomer {name[:80]!r} is heard; there is {there}")

    def dismiss(self, sighting: Sighting, *, wanted: bool) -> None:
        """Offer it no more (`wanted` false), or again. Raises OSError where that can't be kept."""
        with self._lock:
            others = tuple(each for each in self._dismissed if each != sighting.prefix)
            fresh = others if wanted else (*others, sighting.prefix)[-NEWCOMERS_MAX:]
            if self._file is not None:
                write_private(self._file, msgspec.json.encode(fresh).decode())
            self._dismissed = fresh


def _kept(file: Path | None) -> tuple[str, ...]:
    """Return what was dismissed before; nothing where the file is not there, or is something else."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=tuple[str, ...]) if file is not None else ()
    except (OSError, msgspec.DecodeError):
        return ()


def _gateway(dialect: str, prefix: str) -> str | None:
    """Return what the machine stands behind; None where that is nothing, or itself."""
    row = DIALECTS.get(dialect)
    if row is None or row.gateway is None:
        return None
    gateway = row.gateway(prefix)
    return gateway if gateway != prefix else None


class Scout:
    """Listens for machines that nobody registered, with a session of its own that need not persist."""

    def __init__(self, bus: Bus, newcomers: Newcomers) -> None:
        self._bus, self._newcomers = bus, newcomers
        bus.subscribe(list(dict.fromkeys(form for row in DIALECTS.values() for form in row.forms)))

    def turn(self, wait_s: float = 0.5) -> None:
        """Look at what has come."""
        deliveries = self._bus.take(most=TAKE_MOST, wait_s=wait_s)
        self._newcomers.hear(deliveries)
        self._bus.acknowledge(deliveries)


def with_history(machine: Machine, memory: Memory, clock: Clock) -> Machine:
    """Return the machine with what it said before it had a place, where it was heard then."""
    known = memory.device(machine.device)
    if known is None or known.place is not None:
        return machine
    return replace(machine, formerly=(Stay("@" + machine.device, clock.now()),))
