# SPDX-License-Identifier: AGPL-3.0-or-later
"""Retained topics of indices and alerts: indices at once and then at most once a second per device, alerts at once."""

from __future__ import annotations

from typing import Final

from collector.contract.codec import encode
from collector.contract.place import parent
from collector.contract.ports import Bus
from collector.contract.topics import Kind, Topic, format_topic
from cyberfilter.alerts.reduced import reduced
from cyberfilter.contract.alert import Alert, AlertState
from cyberfilter.contract.alert import shown as shown_alert
from cyberfilter.contract.index import IndexValue, Triple
from cyberfilter.contract.index import shown as shown_index

INTERVAL_S: Final = 1.0
"""Real seconds between two publications of one device's indices (first-decisions 9)."""


class Publisher:
    """What was said last, and what waits to be said; the newest wins."""

    def __init__(self, bus: Bus, root: str) -> None:
        self._bus = bus
        self._root = root
        self._waiting: dict[str, dict[str, bytes]] = {}
        self._published_at: dict[str, float] = {}

    def index(self, device: str, value: IndexValue) -> None:
        """Note the newest value of an index; `flush` says it."""
        topic = format_topic(Topic(Kind.INDEX, place=value.place, id=value.index), root=self._root)
        self._waiting.setdefault(device, {})[topic] = encode(shown_index(value))

    def flush(self, monotonic_s: float) -> None:
        """Say what waits, of every device whose last publication is a second ago or longer."""
        for device in list(self._waiting):
            if monotonic_s - self._published_at.get(device, -INTERVAL_S) < INTERVAL_S:
                continue
            self._published_at[device] = monotonic_s
            for topic, payload in self._waiting.pop(device).items():
                self._bus.publish(topic, payload, retain=True)

    def alert(self, alert: Alert, *, triple: Triple | None, now: float) -> None:
        """Say the alert in full at its owner's, reduced at each level that it was raised to; clear a closed one."""
        own, *above = [self._topic(alert, place) for place in levels(alert)]
        self._bus.publish(own, encode(shown_alert(alert)), retain=True)
        if above:
            payload = encode(reduced(alert, triple=triple, now=now))
            for topic in above:
                self._bus.publish(topic, payload, retain=True)
        if alert.state is AlertState.CLOSED:
            self.clear(alert)

    def clear(self, alert: Alert) -> None:
        """Leave nothing retained of an alert."""
        for place in levels(alert):
            self._bus.publish(self._topic(alert, place), b"", retain=True)

    def _topic(self, alert: Alert, place: str) -> str:
        return format_topic(Topic(Kind.ALERT, place=place, id=alert.id), root=self._root)


def levels(alert: Alert) -> list[str]:
    """Return the alert's place and those above it, up to the one that it was raised to."""
    found = [alert.place]
    while found[-1] != alert.raised_to:
        above = parent(found[-1])
        if above is None:
            break
        found.append(above)
    return found
