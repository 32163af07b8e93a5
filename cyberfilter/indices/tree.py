# SPDX-License-Identifier: AGPL-3.0-or-later
"""Beer's triple of every unit of the tree, from those below: sums in a common unit, or the bottleneck of a flow.

A mean of ratios would say nothing: what is added up is actuality, capability and potentiality, each times its weight,
and the ratios are made of the sums. Where stages follow one another a unit can do no more than its narrowest stage, by
what a piece takes of it (Beer, Brain of the Firm, ch. 11; capability = min over stages of capability ÷ usage).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

import msgspec

from collector.contract.place import parent
from collector.contract.tree import Capacity, Machine, Plant, Unit
from cyberfilter.contract.index import IndexValue, Triple
from cyberfilter.indices.catalogue import CATALOGUE, Good, Index
from cyberfilter.indices.triple import capacity_of, vector

FRESH_S: Final = 7_200.0
"""A value older than this and two of its cadences says nothing of now."""


class UnitVector(msgspec.Struct, frozen=True):
    """An index of a unit as a whole; `at` is the oldest value's time (Unix s) of the `known` machines of `of`.

    In a serial flow `bottleneck` is the place of the narrowest stage.
    """

    place: str
    index: str
    unit: str
    at: float
    actuality: float
    capability: float
    potentiality: float
    potentiality_assumed: bool
    triple: Triple
    known: int
    of: int
    flow: str
    bottleneck: str | None


class _Part(NamedTuple):
    """What one machine or unit gives to the unit above."""

    place: str
    actuality: float
    capability: float
    potentiality: float
    assumed: bool
    at: float
    known: int
    usage: float


def aggregate(plant: Plant, values: Iterable[IndexValue], now: float) -> list[UnitVector]:
    """Return every unit's triples, by place and index; machines themselves are left out, for they have their own.

    Only values that are fresh at `now` (Unix s) and have a capability count; a unit without one is not there.
    """
    by_place = {machine.place: machine for machine in plant.machines.values()}
    parts: dict[tuple[str, str], list[_Part]] = {}
    for value in values:
        row = CATALOGUE[value.index]
        if value.actuality is None or value.capability is None or value.potentiality is None:
            continue
        if now - value.at <= FRESH_S + 2 * row.cadence_s:
            part = _part(value, by_place.get(value.place), row)
            parts.setdefault((parent(value.place) or "", value.index), []).append(part)
    found = []
    for depth in range(max((place.count("/") for place, _ in parts), default=-1), -1, -1):
        for place, index in sorted(key for key in parts if key[0] and key[0].count("/") == depth):
            row, unit = CATALOGUE[index], plant.units.get(place) or Unit(place, place)
            whole, bottleneck = _whole(place, sorted(parts[place, index]), row, unit)
            parts.setdefault((parent(place) or "", index), []).append(whole)
            found.append(_told(whole, row, unit, _count(plant, place, row), bottleneck))
    return sorted(found, key=lambda whole: (whole.place, whole.index))


def _part(value: IndexValue, machine: Machine | None, row: Index) -> _Part:
    agreed = capacity_of(row, machine.indices.get(row.name) if machine else None) or Capacity(1.0)
    w = agreed.weight
    assert value.actuality is not None
    assert value.capability is not None
    assert value.potentiality is not None
    figures = (w * value.actuality, w * value.capability, w * value.potentiality)
    return _Part(value.place, *figures, value.potentiality_assumed, value.at, 1, agreed.usage)


def _whole(place: str, parts: list[_Part], row: Index, unit: Unit) -> tuple[_Part, str | None]:
    """Return the unit as a part of the one above, and its narrowest stage where it has one.

    What is spent (less is better) adds up in any flow.
    """
    combine: Callable[[list[float]], float] = math.fsum
    narrow, usages = None, [1.0] * len(parts)
    if unit.flow == "serial" and row.good is not Good.LOWER:
        narrow = min(parts, key=lambda part: (part.capability / part.usage, part.place)).place
        usages, combine = [part.usage for part in parts], min
    by = list(zip(parts, usages, strict=True))
    whole = _Part(
        place=place,
        actuality=combine([part.actuality / usage for part, usage in by]),
        capability=combine([part.capability / usage for part, usage in by]),
        potentiality=combine([part.potentiality / usage for part, usage in by]),
        assumed=any(part.assumed for part in parts),
        at=min(part.at for part in parts),
        known=sum(part.known for part in parts),
        usage=unit.usage,
    )
    return whole, narrow


def _told(whole: _Part, row: Index, unit: Unit, of: int, bottleneck: str | None) -> UnitVector:
    triple = vector(row, whole.actuality, Capacity(whole.capability, whole.potentiality)).triple
    assert triple is not None
    return UnitVector(
        place=whole.place,
        index=row.name,
        unit=row.unit,
        at=whole.at,
        actuality=whole.actuality,
        capability=whole.capability,
        potentiality=whole.potentiality,
        potentiality_assumed=whole.assumed,
        triple=triple,
        known=whole.known,
        of=max(of, whole.known),
        flow=unit.flow,
        bottleneck=bottleneck,
    )


def _count(plant: Plant, place: str, row: Index) -> int:
    """Return how many machines below the place have, or would have, a capability for the index."""
    return sum(
        machine.place.startswith(f"{place}/") and capacity_of(row, machine.indices.get(row.name)) is not None
        for machine in plant.machines.values()
    )
