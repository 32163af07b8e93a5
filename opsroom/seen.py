# SPDX-License-Identifier: AGPL-3.0-or-later
"""Indices, alerts, machines and the intake as the API lists them and the bus tells them (contract 6)."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

from collector.contract.event import State
from cyberfilter.contract.alert import AlertClass, AlertState
from cyberfilter.contract.index import Verdict

Item = TypeVar("Item")


class Band(msgspec.Struct, frozen=True):
    """Where a value is expected, in the index's unit."""

    at: str
    mean: float
    lo95: float
    hi95: float


class LearningSeen(msgspec.Struct, frozen=True, rename={"source": "from"}):
    """How many of its own values an index has learned from, of how many; until then it goes by `source`."""

    have: int
    need: int
    source: str = "own"
    like: int = 0


class RevisionSeen(msgspec.Struct, frozen=True):
    """A capability that is proposed to the unit: the mean of `count` values in a row beyond the agreed one."""

    capability: float
    count: int


class IndexSeen(msgspec.Struct, frozen=True):
    """An index as the API and the bus tell it (contract 6)."""

    place: str
    index: str
    unit: str
    at: str
    actuality: float | None = None
    capability: float | None = None
    potentiality: float | None = None
    potentiality_assumed: bool = False
    productivity: float | None = None
    latency: float | None = None
    performance: float | None = None
    forecast: Band | None = None
    expected: Band | None = None
    verdict: Verdict = Verdict.UNSURE
    learning: LearningSeen | None = None
    revision: RevisionSeen | None = None


class AlertSeen(msgspec.Struct, frozen=True, rename={"alert_class": "class"}):
    """An alert as the API and the bus tell it (contract 6); a copy for a level above lacks the raw figures."""

    id: str
    alert_class: AlertClass
    kind: str
    place: str
    state: AlertState
    raised_at: str
    raised_to: str
    device: str | None = None
    index: str | None = None
    duty_at: str | None = None
    duty: tuple[str, ...] = ()
    acknowledged_at: str | None = None
    acknowledged_note: str | None = None
    returned_at: str | None = None
    closed_at: str | None = None
    deadline_at: str | None = None
    extended: bool = False
    why: str = ""
    facts: dict[str, Any] = {}


class JobSeen(msgspec.Struct, frozen=True):
    """A job that runs, as the API lists it with its machine."""

    job: str
    file: str | None = None
    started_at: str | None = None
    estimate_s: float | None = None


class MachineSeen(msgspec.Struct, frozen=True):
    """A machine as the API lists it."""

    device: str
    place: str | None = None
    name: str | None = None
    state: State = State.UNKNOWN
    state_since: str | None = None
    last_seen: str | None = None
    why: str | None = None
    dialect: str | None = None
    lag_s: float | None = None
    cadence_s: float | None = None
    skew_s: float | None = None
    jitter_s: float | None = None
    missing_count: int = 0
    numbered: bool = False
    account: dict[str, int] = {}
    job: JobSeen | None = None


class UnitSeen(msgspec.Struct, frozen=True):
    """A unit of the tree, and how many people were last counted there; None where nobody counts."""

    place: str
    present: int | None = None


class Seed(msgspec.Struct, frozen=True):
    """What the picture starts from: the lists of the API."""

    machines: list[MachineSeen] = []
    units: list[UnitSeen] = []
    indices: list[IndexSeen] = []
    alerts: list[AlertSeen] = []


class LogSeen(msgspec.Struct, frozen=True):
    """The fact log and its disk; below the reserve no message is taken, and `full` says why none is now."""

    bytes: int
    bytes_max: int
    disk_free_bytes: int
    disk_reserve_bytes: int = 0
    full: str | None = None


class DrainSeen(msgspec.Struct, frozen=True):
    """The log's way to the historian: batches that wait, their oldest age, batches/s, and what it waits for."""

    behind: int
    oldest_age_s: float
    rate_per_s: float
    waits: str | None = None


class GapSeen(msgspec.Struct, frozen=True):
    """Messages from `first` to `last` that are missing by their numbers."""

    device: str
    boot: str
    first: int
    last: int
    heard_at: str


class RefusedSeen(msgspec.Struct, frozen=True):
    """A message in quarantine; `bytes` of its whole payload."""

    id: str
    reason: str
    at: str
    bytes: int
    replayable: bool
    topic: str = ""
    device: str | None = None
    detail: str = ""
    replayed_at: str | None = None


class NoticeSeen(msgspec.Struct, frozen=True):
    """Something that the collector noticed of a device, or of itself."""

    device: str
    at: str
    event: str
    detail: str = ""


class IntakeSeen(msgspec.Struct, frozen=True):
    """How the intake stands: the account of all, the log, its way to the historian, and what was noticed."""

    account: dict[str, int]
    log: LogSeen
    historian: DrainSeen
    trouble: str | None = None
    unattributed: dict[str, int] = {}
    noticed: list[NoticeSeen] = []


class Listed(msgspec.Struct, Generic[Item], frozen=True):
    """One page of a list of the API; `total` counts all pages."""

    items: list[Item]
    total: int
    next: str | None = None


class ListsSeen(msgspec.Struct, frozen=True):
    """What the intake is made of: every machine, gaps, and the newest messages in quarantine."""

    machines: list[MachineSeen]
    gaps: Listed[GapSeen]
    refused: Listed[RefusedSeen]
