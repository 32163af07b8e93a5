# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the collector remembers between messages: as it is on disk, and this turn's decisions above it."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec

from collector.decision import Device
from collector.order import Boot
from collector.senders import indicators
from collector.spool import Spool
from collector.turn import Turn

_NONE: Final[frozenset[str]] = frozenset()


class Memory:
    """Devices, boots and events; changes are staged until the turn is on disk, and dropped if it can't be kept.

    `listening_since` (Unix s) is of this run alone: since when nothing that was said has escaped us.
    """

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self.listening_since = 0.0
        self._boots: dict[str, dict[str, Boot]] = {}
        for (device, boot), record in spool.boots().items():
            self._boots.setdefault(device, {})[boot] = record
        self._devices = {name: msgspec.json.decode(blob, type=Device) for name, blob in spool.devices().items()}
        with spool.reading() as db:
            self._names = indicators(db)
        self._series_count = sum(map(len, self._names.values()))
        self._new_names: dict[str, set[str]] = {}
        self._new_devices: dict[str, Device] = {}
        self._new_boots: dict[tuple[str, str], Boot] = {}
        self._new_events: dict[tuple[str, str], float] = {}

    def device(self, device: str) -> Device | None:
        """Return what is remembered of a device."""
        return self._new_devices.get(device) or self._devices.get(device)

    def boot(self, device: str, boot: str) -> Boot:
        """Return what is on disk of a boot, this turn included."""
        return self._new_boots.get((device, boot)) or self._boots.get(device, {}).get(boot) or Boot()

    def event_known(self, device: str, event: str) -> bool:
        """Tell whether the device's event is on disk, or in this turn."""
        return (device, event) in self._new_events or self._spool.event_known(device, event)

    def newcomer_count(self) -> int:
        """Return how many devices without a place are known."""
        known = {**self._devices, **self._new_devices}
        return sum(record.place is None for record in known.values())

    def names(self, device: str) -> AbstractSet[str]:
        """Return the indicators that the device has brought, in this turn too."""
        known = self._names.get(device, _NONE)
        fresh = self._new_names.get(device)
        return known | fresh if fresh else known

    def series_count(self) -> int:
        """Return how many indicators all devices together have brought."""
        return self._series_count + sum(map(len, self._new_names.values()))

    def devices(self) -> list[Device]:
        """Return all devices as they are on disk, by id."""
        return sorted(dict(self._devices).values(), key=lambda record: record.device)

    def newest(self) -> list[Device]:
        """Return all devices, with what this turn changed."""
        return list({**self._devices, **self._new_devices}.values())

    def boots_of(self, device: str) -> dict[str, Boot]:
        """Return the boots of a device as they are on disk."""
        return dict(self._boots.get(device, {}))

    def learn(
        self,
        record: Device,
        *,
        boot: tuple[str, Boot] | None = None,
        event: str | None = None,
        names: Collection[str] = (),
    ) -> None:
        """Stage what a message changed."""
        if names:
            self._new_names.setdefault(record.device, set()).update(names)
        self._new_devices[record.device] = record
        if boot is not None:
            self._new_boots[record.device, boot[0]] = boot[1]
        if event is not None:
            self._new_events[record.device, event] = record.presence.heard_at

    def stage(self, turn: Turn) -> None:
        """Put the staged changes into the turn."""
        turn.devices.update({name: msgspec.json.encode(record) for name, record in self._new_devices.items()})
        turn.boots.update(self._new_boots)
        turn.events.update(self._new_events)
        turn.names.update({device: frozenset(names) for device, names in self._new_names.items()})

    def keep(self) -> None:
        """Take the staged changes as they are on disk now."""
        self._devices.update(self._new_devices)
        for (device, boot), record in self._new_boots.items():
            self._boots.setdefault(device, {})[boot] = record
        for device, names in self._new_names.items():
            self._names.setdefault(device, set()).update(names)
            self._series_count += len(names)
        self.forget()

    def forget(self) -> None:
        """Drop what was staged."""
        self._new_devices, self._new_boots, self._new_events, self._new_names = {}, {}, {}, {}
