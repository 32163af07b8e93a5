# SPDX-License-Identifier: AGPL-3.0-or-later
"""An alert: what asks for a person. Its classes, states, actions and the record that people see."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from collector.contract.codec import format_time


class AlertClass(StrEnum):
    """Who hears it, and when (contract 0)."""

    HAZARD = "hazard"
    CALL = "call"
    ALGEDONIC = "algedonic"


class AlertState(StrEnum):
    """How an alert lives."""

    RAISED = "raised"
    ACKNOWLEDGED = "acknowledged"
    RETURNED = "returned"
    CLOSED = "closed"


class Action(StrEnum):
    """What a person does about an alert."""

    ACKNOWLEDGE = "acknowledge"
    EXTEND = "extend"
    CLOSE = "close"


class Alert(msgspec.Struct, frozen=True):
    """What is known of an alert now; times in Unix s. `place` owns it; `raised_to` is who hears it now.

    `kind` is the word for what happened (heater_effort_step, fault, finished, silence …); `why` is one English
    sentence with figures, `facts` the same figures by name, so that any language can say it. Of a call
    `duty_at` is the unit whose people are asked, `duty` the names that it gave.
    """

    id: str
    alert_class: AlertClass
    kind: str
    place: str
    device: str | None
    index: str | None
    state: AlertState
    raised_at: float
    raised_to: str
    why: str
    facts: dict[str, float | str]
    acknowledged_at: float | None = None
    acknowledged_note: str | None = None
    returned_at: float | None = None
    closed_at: float | None = None
    deadline_at: float | None = None
    extended: bool = False
    duty_at: str | None = None
    duty: tuple[str, ...] = ()


def to(alert: Alert) -> str:
    """Return who is asked: everybody there, who is on duty, or the unit that hears it now."""
    if alert.alert_class is AlertClass.HAZARD:
        return f"everybody at {alert.place}"
    if alert.alert_class is AlertClass.CALL:
        return f"on duty at {alert.duty_at or alert.place}"
    return alert.raised_to


def shown(alert: Alert) -> dict[str, Any]:
    """Return the alert as the API and the `alert` topic give it: the contract's fields, and those behind them."""
    return {
        "id": alert.id,
        "class": alert.alert_class.value,
        "kind": alert.kind,
        "place": alert.place,
        "device": alert.device,
        "index": alert.index,
        "state": alert.state.value,
        "raised_at": format_time(alert.raised_at),
        "acknowledged_at": _time(alert.acknowledged_at),
        "acknowledged_note": alert.acknowledged_note,
        "returned_at": _time(alert.returned_at),
        "closed_at": _time(alert.closed_at),
        "raised_to": alert.raised_to,
        "to": to(alert),
        "duty_at": alert.duty_at,
        "duty": list(alert.duty),
        "deadline_at": _time(alert.deadline_at),
        "extended": alert.extended,
        "why": alert.why,
        "facts": alert.facts,
    }


def _time(ts: float | None) -> str | None:
    return None if ts is None else format_time(ts)
