# SPDX-License-Identifier: AGPL-3.0-or-later
"""Indices, alerts and machines as the API lists them and the bus tells them (contract 6)."""

from __future__ import annotations

from typing import Any

import msgspec

from collector.contract.event import State
from cyberfilter.contract.alert import AlertClass, AlertState
from cyberfilter.contract.index import Verdict


class Band(msgspec.Struct, frozen=True):
    """Where a value is expected, in the index's unit."""

    at: str
    mean: float
    lo95: float
    hi95: float


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
    acknowledged_at: str | None = None
    acknowledged_note: str | None = None
    returned_at: str | None = None
    closed_at: str | None = None
    deadline_at: str | None = None
    extended: bool = False
    why: str = ""
    facts: dict[str, Any] = {}


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
    account: dict[str, int] = {}


class Seed(msgspec.Struct, frozen=True):
    """What the picture starts from: the three lists of the API."""

    machines: list[MachineSeen] = []
    indices: list[IndexSeen] = []
    alerts: list[AlertSeen] = []
