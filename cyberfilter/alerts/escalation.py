# SPDX-License-Identifier: AGPL-3.0-or-later
"""Who hears an algedonic alert next, one recursion level at a time.

The unit that owns it hears it first. When the time that the unit agreed has run out and it has not recovered, the
level above hears it, once; a deadline is stored, so neither a restart nor a stopped clock sends it twice.
"""

from __future__ import annotations

from collections.abc import Iterable

from collector.contract.place import parent
from collector.contract.ports import Entry
from collector.contract.tree import Plant
from cyberfilter.alerts.lifecycle import Happening, entry, step
from cyberfilter.contract.alert import Alert, AlertClass


def first_deadline(alert_class: AlertClass, place: str, now: float, plant: Plant) -> float | None:
    """Return when the alert goes one level up unless it recovers; None for hazards and calls, and at the root."""
    if alert_class is not AlertClass.ALGEDONIC or parent(place) is None:
        return None
    return now + plant.reaction_s(place)


def due(alerts: Iterable[Alert], now: float, plant: Plant) -> list[Entry]:
    """Return the entries that raise what is overdue by one level; each level gets its own agreed time from now on."""
    found = []
    for alert in alerts:
        above = parent(alert.raised_to)
        overdue = alert.deadline_at is not None and now >= alert.deadline_at
        if not overdue or above is None or step(alert.state, Happening.ESCALATE) is None:
            continue
        body = {"raised_to": above, "deadline_at": first_deadline(alert.alert_class, above, now, plant)}
        found.append(entry(alert, Happening.ESCALATE, ts=now, key=f"{alert.deadline_at:.3f}", body=body))
    return found


def extended_deadline(alert: Alert, plant: Plant) -> float | None:
    """Return the deadline after one extension: the level that hears it now gets its agreed time once more."""
    return None if alert.deadline_at is None else alert.deadline_at + plant.reaction_s(alert.raised_to)
