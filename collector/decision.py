# SPDX-License-Identifier: AGPL-3.0-or-later
"""What becomes of a message, and what has to be remembered for deciding it."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple, Protocol

import msgspec

from collector import order
from collector.census import Presence
from collector.clocks import ClockSeen
from collector.contract.event import StateSeen
from collector.contract.ports import Posting
from collector.contract.reading import Batch
from collector.excursions import Judged
from collector.job_track import JobTrack
from collector.people import Hand
from collector.rules import Counted
from collector.turn import Quarantined


class Device(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is remembered of a device between messages: it is stored with every turn, so a restart changes nothing.

    `state` is the newest in the log, `decoder` the dialect's own memory, `judged` its indicators with limits, `hand`
    what people said of it.
    """

    device: str
    place: str | None
    dialect: str
    presence: Presence
    state: StateSeen | None = None
    track: JobTrack = JobTrack()
    decoder: Any = None
    clock: ClockSeen | None = None
    counters: Mapping[str, Counted] = {}
    judged: Mapping[str, Judged] = {}
    hand: Hand = Hand()


class Memory(Protocol):
    """What the collector remembers, this turn's decisions included; `listening_since`: since when it hears (Unix s)."""

    listening_since: float

    def device(self, device: str) -> Device | None:
        """Return what is remembered of a device."""

    def boot(self, device: str, boot: str) -> order.Boot:
        """Return what is on disk of a boot."""

    def event_known(self, device: str, event: str) -> bool:
        """Tell whether the device's event is on disk."""

    def newcomer_count(self) -> int:
        """Return how many devices without a place are known."""

    def names(self, device: str) -> AbstractSet[str]:
        """Return the indicators that the device has brought."""

    def series_count(self) -> int:
        """Return how many indicators all devices together have brought."""


class Further(NamedTuple):
    """What the message says of another device, as a gateway does, or only what is to be remembered of it."""

    record: Device
    batch: Batch | None


class Accepted(NamedTuple):
    """The message is understood: its facts, if any, and what is to be remembered of its sender.

    `names` are indicators that it never brought before, `nulls` its empty cells by indicator; `asks` is what the
    machine is to be asked once all this is on disk, `made` what we state about it ourselves.
    """

    record: Device
    batch: Batch | None
    boot: tuple[str, order.Boot] | None = None
    event: str | None = None
    aside: tuple[Quarantined, ...] = ()
    names: tuple[str, ...] = ()
    nulls: Mapping[str, int] = {}
    further: tuple[Further, ...] = ()
    asks: tuple[Posting, ...] = ()
    made: tuple[Batch, ...] = ()


class Duplicate(NamedTuple):
    """The message is on disk already."""

    record: Device


class Refused(NamedTuple):
    """The message breaks the contract; `device` is empty where nobody knows whose it is.

    `record` and `boot` are there where its sender and its number could be read all the same.
    """

    device: str
    reason: str
    detail: str
    record: Device | None = None
    boot: tuple[str, order.Boot] | None = None


class Throttled(NamedTuple):
    """A message beyond its sender's quota: whose it is, and whether its sender keeps it until a receipt names it."""

    device: str
    keeps: bool


Decision = Accepted | Duplicate | Refused
