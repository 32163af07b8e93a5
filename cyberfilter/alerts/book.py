# SPDX-License-Identifier: AGPL-3.0-or-later
"""All alerts as the fold of the journal, and what a signal adds: one open episode per device and index or kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from collector.contract.ports import Entry
from collector.contract.tree import Plant
from cyberfilter.alerts.duty import on_duty
from cyberfilter.alerts.escalation import first_deadline
from cyberfilter.alerts.lifecycle import Happening, alert_id, entry, fold, raise_entry, step
from cyberfilter.alerts.sentences import why
from cyberfilter.alerts.signal import Begins, Signal, Whose
from cyberfilter.contract.alert import Alert, AlertClass, AlertState

CLOSED_MAX: Final = 5_000
"""Closed alerts kept in memory; the journal keeps all."""
NOBODY: Final[Mapping[str, int]] = MappingProxyType({})
"""People present by place, where nobody counts them."""
AGAIN_S_MAX: Final = {AlertClass.HAZARD: 30.0, AlertClass.CALL: 3_600.0, AlertClass.ALGEDONIC: 3_600.0}
"""An alert that returned unseen and comes back within this time (s) is the same alert; later it is another one."""


class Book:
    """The alerts, newest last; those that are open by device and what they are about."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._alerts: dict[str, Alert] = {}
        self._open: dict[tuple[str, str], str] = {}
        for known in entries:
            self.add(known)

    def __len__(self) -> int:
        return len(self._alerts)

    def add(self, known: Entry) -> Alert | None:
        """Take one entry in; returns the alert that it changed, if any."""
        before = self._alerts.get(known.subject)
        alert = fold(before, known)
        if alert is None or alert is before:
            return None
        self._alerts[alert.id] = alert
        key = (alert.device or alert.place, _about(alert))
        if alert.state is not AlertState.CLOSED:
            self._open[key] = alert.id
        elif self._open.get(key) == alert.id:
            del self._open[key]
            self._trim()
        return alert

    def get(self, alert_id: str) -> Alert | None:
        """Return an alert, or None where there is none of that id."""
        return self._alerts.get(alert_id)

    def find(self, device: str, what: str) -> Alert | None:
        """Return the open alert about an index or kind of a device, if there is one."""
        known = self._open.get((device, what))
        return self._alerts[known] if known is not None else None

    def all(self) -> list[Alert]:
        """Return the alerts, newest first."""
        return sorted(self._alerts.values(), key=lambda alert: (-alert.raised_at, alert.id))

    def open(self) -> list[Alert]:
        """Return the alerts that are not closed, in the order in which they were raised."""
        return [alert for alert in self._alerts.values() if alert.state is not AlertState.CLOSED]

    def entries(
        self, whose: Whose, signal: Signal, *, now: float, plant: Plant, present: Mapping[str, int] = NOBODY
    ) -> list[Entry]:
        """Return what the signal adds to the journal: nothing where it says what is already known."""
        alert = self.find(whose.device, signal.what)
        key = f"{signal.ts:.3f}"
        if not isinstance(signal, Begins):
            possible = alert is not None and step(alert.state, signal.how) is not None
            return [entry(alert, signal.how, ts=now, key=key, body={})] if alert is not None and possible else []
        if signal.how is Happening.CORRECT and (alert is None or step(alert.state, signal.how) is None):
            return []
        if alert is None or _is_another(alert, signal, now):
            fresh = _fresh(whose, signal, now=now, plant=plant, present=present)
            return [] if fresh.id in self._alerts else [raise_entry(fresh)]
        if signal.how is not None and step(alert.state, signal.how) is not None:
            said = _no_less_sure(signal, alert)
            body = {"why": why(said, plant.name(whose.place)), "facts": said.facts, "kind": said.kind}
            return [entry(alert, signal.how, ts=now, key=key, body=body)]
        if step(alert.state, Happening.AGAIN) is None:
            return []
        deadline_at = first_deadline(alert.alert_class, alert.raised_to, now, plant)
        return [entry(alert, Happening.AGAIN, ts=now, key=key, body={"deadline_at": deadline_at})]

    def _trim(self) -> None:
        closed = [known for known, alert in self._alerts.items() if alert.state is AlertState.CLOSED]
        if len(closed) > CLOSED_MAX:
            del self._alerts[closed[0]]


def _about(alert: Alert) -> str:
    """Return what the alert is about, as the signal that began it says: index, kind, or kind and indicator."""
    indicator = alert.facts.get("indicator")
    return alert.index or (f"{alert.kind}/{indicator}" if indicator is not None else alert.kind)


def _is_another(alert: Alert, begins: Begins, now: float) -> bool:
    """Tell whether this is news beside an alert that has returned unseen: another cause, or too long ago."""
    if alert.returned_at is None:
        return False
    if begins.facts.get("cause") != alert.facts.get("cause"):
        return True
    return now - alert.returned_at > AGAIN_S_MAX[begins.alert_class]


def _no_less_sure(again: Begins, alert: Alert) -> Begins:
    """Return the signal as sure as the alert was: a level that the filter has got used to has changed all the same."""
    before, now = (facts.get("probability") for facts in (alert.facts, again.facts))
    if before is None or now is None:
        return again
    return again._replace(facts={**again.facts, "probability": max(float(before), float(now))})


def _fresh(whose: Whose, begins: Begins, *, now: float, plant: Plant, present: Mapping[str, int]) -> Alert:
    duty = on_duty(whose.place, plant, present) if begins.alert_class is AlertClass.CALL else None
    return Alert(
        id=alert_id(whose.place, f"{whose.device}/{begins.what}", begins.ts),
        alert_class=begins.alert_class,
        kind=begins.kind,
        place=whose.place,
        device=whose.device if whose.device != whose.place else None,
        index=begins.index_name,
        state=AlertState.RAISED,
        raised_at=now,
        raised_to=whose.place,
        why=why(begins, plant.name(whose.place)),
        facts=begins.facts,
        deadline_at=first_deadline(begins.alert_class, whose.place, now, plant),
        duty_at=duty.place if duty else None,
        duty=duty.names if duty else (),
    )
