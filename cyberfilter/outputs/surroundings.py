# SPDX-License-Identifier: AGPL-3.0-or-later
"""Where machines stand, and which indices and alerts belong to whom: what makes a view of what was heard."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeVar

from collector.contract.place import parent
from collector.contract.tree import Plant
from cyberfilter.contract.alert import Alert
from cyberfilter.contract.index import IndexValue
from cyberfilter.outputs.machine import Machine, View

Placed = TypeVar("Placed", IndexValue, Alert)
UNIT: Final = "/"
"""Before a unit's place, so that an owner's name tells a unit from a device."""


class Surroundings:
    """The plant, and the newest indices and open alerts by place. Owners are devices, and units with indices."""

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        self._devices: dict[str, list[str]] = defaultdict(list)
        for device in sorted(plant.machines):
            self._devices[plant.machines[device].place].append(device)
        self._indices: dict[str, tuple[IndexValue, ...]] = {}
        self._alerts: dict[str, tuple[Alert, ...]] = {}

    @property
    def machines(self) -> Iterable[str]:
        """Return the devices of the plant."""
        return self._plant.machines.keys()

    @property
    def units(self) -> list[str]:
        """Return the units that have indices and no machine."""
        return [UNIT + place for place in self._indices if place not in self._devices]

    def look(self, indices: Sequence[IndexValue], alerts: Sequence[Alert]) -> set[str]:
        """Take the newest indices and open alerts; return the owners of which something changed."""
        fresh_indices = _by_place(indices)
        fresh_alerts = _by_place(alerts)
        changed = _differing(self._indices, fresh_indices) | _differing(self._alerts, fresh_alerts)
        self._indices, self._alerts = fresh_indices, fresh_alerts
        return {owner for place in changed for owner in self._devices.get(place, [UNIT + place])}

    def view(self, owner: str, heard: Mapping[str, Machine]) -> View | None:
        """Return what others may hear of the owner; None where it is gone."""
        if owner.startswith(UNIT):
            place = owner.removeprefix(UNIT)
            if place in self._devices or place not in self._indices:
                return None
            return View("", place, "", "", is_alone=True, machine=None, indices=self._indices[place])
        row = self._plant.machines.get(owner)
        if row is None:
            return None
        beside = self._devices[row.place]
        is_first = beside[0] == owner  # an index has a place, no device: the first one there shows it
        return View(
            owner,
            row.place,
            self._plant.name(parent(row.place) or row.place),
            row.dialect,
            is_alone=len(beside) == 1,
            machine=heard.get(owner, Machine()),
            indices=self._indices.get(row.place, ()) if is_first else (),
            alerts=tuple(
                alert
                for alert in self._alerts.get(row.place, ())
                if alert.device == owner or (is_first and alert.device not in beside)
            ),
        )


def _by_place(things: Iterable[Placed]) -> dict[str, tuple[Placed, ...]]:
    found: dict[str, list[Placed]] = defaultdict(list)
    for thing in things:
        found[thing.place].append(thing)
    return {place: tuple(there) for place, there in found.items()}


def _differing(before: Mapping[str, object], after: Mapping[str, object]) -> set[str]:
    return {place for place in before.keys() | after.keys() if before.get(place) != after.get(place)}
