# SPDX-License-Identifier: AGPL-3.0-or-later
"""Beer's triple: productivity, latency, performance of one value.

Productivity = actuality ÷ capability, latency = capability ÷ potentiality, and performance is their product; where
less is better every ratio is turned over (Beer, Brain of the Firm, ch. 11).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from collector.contract.tree import Capacity
from cyberfilter.contract.index import Triple
from cyberfilter.indices.catalogue import Good, Index

POTENTIALITY_ASSUMED: Final = 1.25
"""Potentiality as a multiple of capability, until somebody estimates it (Beer, Plan of Action, note ***)."""


class Vector(NamedTuple):
    """What was agreed, and the triple of a value under it; all None where the index has no capability."""

    capability: float | None
    potentiality: float | None
    potentiality_assumed: bool
    triple: Triple | None


def capacity_of(row: Index, agreed: Capacity | None) -> Capacity | None:
    """Return what the unit agreed, else the catalogue's figures, else None."""
    if agreed is not None:
        return agreed
    return None if row.capability is None else Capacity(row.capability, row.potentiality)


def vector(row: Index, actuality: float | None, agreed: Capacity | None) -> Vector:
    """Return capability, potentiality and the triple, each ratio shown within 0..1.

    >>> from cyberfilter.indices.catalogue import ENERGY, PACE
    >>> vector(PACE, 80.0, Capacity(100.0, 125.0)).triple
    Triple(productivity=0.8, latency=0.8, performance=0.64)
    >>> vector(ENERGY, 125.0, Capacity(100.0, 80.0)).triple
    Triple(productivity=0.8, latency=0.8, performance=0.64)
    """
    capacity = capacity_of(row, agreed)
    if capacity is None:
        return Vector(None, None, False, None)
    less = row.good is Good.LOWER
    potentiality, assumed = capacity.potentiality, capacity.potentiality is None
    if potentiality is None:
        potentiality = capacity.capability * (1 / POTENTIALITY_ASSUMED if less else POTENTIALITY_ASSUMED)
    if actuality is None:
        return Vector(capacity.capability, potentiality, assumed, None)
    productivity = _ratio(actuality, capacity.capability, less=less)
    latency = _ratio(capacity.capability, potentiality, less=less)
    return Vector(
        capacity.capability, potentiality, assumed, Triple(productivity, latency, round(productivity * latency, 12))
    )


def _ratio(nearer: float, further: float, *, less: bool) -> float:
    """Return nearer ÷ further, or the inverse where less is better, within 0..1; nothing spent is a full 1."""
    above, below = (further, nearer) if less else (nearer, further)
    if below <= 0:
        return 1.0 if above > 0 or less else 0.0
    return min(max(above / below, 0.0), 1.0)
