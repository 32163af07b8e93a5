# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the filter believes of one index, and what a night found of it, as the API tells it."""

from __future__ import annotations

import msgspec

from opsroom.seen import AlertSeen, Band, LearningSeen, RevisionSeen


class Believed(msgspec.Struct, frozen=True):
    """One of the things that may be so, as the API tells it; figures in the index's unit."""

    kind: str
    since: str | None = None
    probability: float | None = None
    size: float | None = None
    sd: float | None = None
    before: float | None = None


class Usual(msgspec.Struct, frozen=True):
    """The usual level and spread in one regime: at a target, of a job's file, or always (`by`)."""

    regime: float
    mean: float
    sd: float
    count: int
    now: bool = False
    by: str = "nothing"
    file: str | None = None
    ripe: bool = True


class Record(msgspec.Struct, frozen=True):
    """How the filter did; shares 0..1, `error` in the index's unit."""

    count: int = 0
    coverage: float | None = None
    error: float | None = None
    error_ratio: float | None = None
    words: dict[str, int] = {}


class Alerts(msgspec.Struct, frozen=True):
    """How many alerts there were, and how they ended."""

    raised: int = 0
    returned: int = 0
    closed: int = 0
    newest: list[AlertSeen] = []


class Said(msgspec.Struct, frozen=True):
    """What a person told the filter beforehand; figures in the index's unit."""

    ts: str
    action: str
    mean: float | None = None
    sd: float | None = None
    note: str | None = None


class Night(msgspec.Struct, frozen=True):
    """What the last night found."""

    at: str
    outcome: str
    clean: int
    masked: int
    adaptivity: float | None = None


class Belief(msgspec.Struct, frozen=True):
    """The API's answer of one index; times RFC 3339."""

    place: str
    index: str
    unit: str
    at: str
    verdict: str
    value: float | None = None
    capability: float | None = None
    expected: Band | None = None
    forecast: Band | None = None
    level: float | None = None
    sigma: float | None = None
    change: Believed | None = None
    clock_s: float | None = None
    believed: list[Believed] = []
    usual: list[Usual] = []
    record: Record = Record()
    alerts: Alerts = Alerts()
    interventions: list[Said] = []
    learning: LearningSeen | None = None
    revision: RevisionSeen | None = None
