# SPDX-License-Identifier: AGPL-3.0-or-later
"""Alerts as people read them: what happened, since when, how far out, whose, and how long until it goes up."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from collector.contract.codec import parse_time
from cyberfilter.contract.alert import AlertClass, AlertState
from opsroom.picture import Picture
from opsroom.seen import AlertSeen

PRIORITY: Final = {AlertClass.HAZARD: 1, AlertClass.ALGEDONIC: 2, AlertClass.CALL: 3}
"""The digit on the mark; 1 comes first."""
ROWS_MAX: Final = 200
"""Alerts told to a browser; the counts tell of all."""
SEVERE_SIGMA: Final = 10.0
"""How many σ out count as fully severe."""
_SHAPES: Final = ("step", "slope", "noise", "stuck", "season")
_HEARD: Final = {AlertState.ACKNOWLEDGED, AlertState.CLOSED}


class AlertRow(msgspec.Struct, frozen=True, rename={"alert_class": "class"}):
    """One alert on the screen: `says` is a family of sentences, most telling first; times in Unix s.

    `urgency` is severity times the spent share of the clock, 0..1 in tenths; `size` is in `unit`; `pleases` says
    that the change is for the better.
    """

    id: str
    alert_class: AlertClass
    priority: int
    kind: str
    says: tuple[str, ...]
    facts: dict[str, float | str]
    why: str
    place: str
    name: str
    index: str | None
    state: AlertState
    raised_at: float | None
    raised_to: str
    duty_at: str | None
    duty: tuple[str, ...]
    deadline_at: float | None
    acknowledged_at: float | None
    returned_at: float | None
    closed_at: float | None
    note: str | None
    size: float | None
    unit: str
    pleases: bool
    sigmas: float | None
    urgency: float
    extended: bool


def says(alert: AlertSeen) -> tuple[str, ...]:
    """Return the keys of the sentence that tells this alert: its kind's own, its shape's, its class's.

    >>> says(AlertSeen("1", AlertClass.HAZARD, "smoke", "a", AlertState.RAISED, "", "a"))
    ('alert.kind.smoke', 'alert.class.hazard')
    """
    shape = alert.kind.rpartition("_")[2]
    shapes = (f"alert.shape.{shape}",) if alert.index and shape in _SHAPES else ()
    return (f"alert.kind.{alert.kind}", *shapes, f"alert.class.{alert.alert_class}")


def figures(alert: AlertSeen) -> dict[str, float | str]:
    """Return the facts that a sentence may name."""
    facts = {name: fact for name, fact in alert.facts.items() if isinstance(fact, int | float | str)}
    return {**facts, "kind": alert.kind, "place": alert.place}


def pleases(alert: AlertSeen) -> bool:
    """Tell whether the change is for the better."""
    return alert.facts.get("sign") == "pleasure"


def row(picture: Picture, alert: AlertSeen, now: float) -> AlertRow:
    """Return what the screen shows of an alert at plant time `now` (Unix s)."""
    facts = figures(alert)
    raised_at, deadline_at = parse_time(alert.raised_at), parse_time(alert.deadline_at)
    sigmas = _figure(facts, "sigma")
    return AlertRow(
        id=alert.id,
        alert_class=alert.alert_class,
        priority=PRIORITY[alert.alert_class],
        kind=alert.kind,
        says=says(alert),
        facts=facts,
        why=alert.why,
        place=alert.place,
        name=name_of(picture, alert.place),
        index=alert.index,
        state=alert.state,
        raised_at=raised_at,
        raised_to=alert.raised_to,
        duty_at=alert.duty_at,
        duty=alert.duty,
        deadline_at=deadline_at,
        acknowledged_at=parse_time(alert.acknowledged_at),
        returned_at=parse_time(alert.returned_at),
        closed_at=parse_time(alert.closed_at),
        note=alert.acknowledged_note,
        size=_figure(facts, "size"),
        unit=str(facts.get("unit", "")),
        pleases=pleases(alert),
        sigmas=sigmas,
        urgency=urgency(alert.alert_class, sigmas, raised_at, deadline_at, now),
        extended=alert.extended,
    )


def urgency(
    alert_class: AlertClass, sigmas: float | None, raised_at: float | None, deadline_at: float | None, now: float
) -> float:
    """Return severity times the spent share of the clock, 0..1 in tenths; a hazard is always 1."""
    if alert_class is AlertClass.HAZARD:
        return 1.0
    if raised_at is None or deadline_at is None or deadline_at <= raised_at:
        return 0.0
    spent = min(1.0, max(0.0, (now - raised_at) / (deadline_at - raised_at)))
    severity = 0.5 if sigmas is None else min(1.0, abs(sigmas) / SEVERE_SIGMA)
    return round(severity * spent, 1)


def open_rows(picture: Picture, now: float) -> list[AlertRow]:
    """Return the open alerts, most pressing first: by class, unheard before heard, then by deadline and age."""
    rows = [row(picture, alert, now) for alert in picture.alerts.values()]
    rows.sort(key=_pressing)
    return rows[:ROWS_MAX]


def closed_rows(picture: Picture, now: float) -> list[AlertRow]:
    """Return the recently closed alerts, the last closed first."""
    rows = [row(picture, alert, now) for alert in picture.closed]
    return sorted(rows, key=lambda closed: -(closed.closed_at or 0.0))


def name_of(picture: Picture, place: str) -> str:
    """Return what people call the machine at a place, or the last segment of the place."""
    names = [machine.name for machine in picture.at(place) if machine.name]
    return names[0] if names else place.rpartition("/")[2]


def heard(state: AlertState) -> bool:
    """Tell whether a person has said that they know."""
    return state in _HEARD


def _pressing(found: AlertRow) -> tuple[Any, ...]:
    deadline = found.deadline_at if found.deadline_at is not None else float("inf")
    return (found.priority, heard(found.state), deadline, found.raised_at or 0.0, found.id)


def _figure(facts: dict[str, float | str], name: str) -> float | None:
    found = facts.get(name)
    return float(found) if isinstance(found, int | float) else None
