# SPDX-License-Identifier: AGPL-3.0-or-later
"""Who hears a call: who is on duty where it happened, or at the nearest unit above where anybody is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from collector.contract.place import parent
from collector.contract.tree import Plant


class Duty(NamedTuple):
    """The unit whose people are asked, and the names that it gave, if any."""

    place: str
    names: tuple[str, ...] = ()


def on_duty(place: str, plant: Plant, present: Mapping[str, int]) -> Duty:
    """Return the nearest unit, from the place upwards, that names people or counts some as present.

    Where none does, it is the unit above the machine: somebody there will see it.
    """
    at: str | None = place
    while at is not None:
        unit = plant.units.get(at)
        if unit is not None and (unit.duty or present.get(at, 0) > 0):
            return Duty(at, unit.duty)
        at = parent(at)
    return Duty(parent(place) or place)
