# SPDX-License-Identifier: AGPL-3.0-or-later
"""What can be added up: seconds, parts, kilowatt-hours, grams of a machine in a window, and so of every unit above.

Ratios are made of sums at the end (`ratios`), never averaged.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class Sums(msgspec.Struct, frozen=True):
    """Machine-seconds, parts, energy and material of machines in a window.

    `lost_s` is planned, known time that was not spent running, by state; `unplanned_s` is running outside of planned
    time. `rated_s` is the planned running of done jobs with an estimate, `standard_s` what it should have been.
    `means` holds sum and count of what is averaged. `carbon_g` is of the energy whose grid is known, `carbon_wh`.
    """

    machines: int = 0
    window_s: float = 0.0
    planned_s: float = 0.0
    unknown_s: float = 0.0
    lost_s: dict[str, float] = {}
    running_s: float = 0.0
    unplanned_s: float = 0.0
    rated_s: float = 0.0
    standard_s: float = 0.0
    good: int = 0
    scrap: int = 0
    first_good: int = 0
    first_count: int = 0
    cycle_s: float = 0.0
    cycle_parts: int = 0
    energy_wh: float = 0.0
    metered_s: float = 0.0
    carbon_g: float = 0.0
    carbon_wh: float = 0.0
    material_g: float = 0.0
    weighed_jobs: int = 0
    scrap_g: float = 0.0
    means: dict[str, tuple[float, int]] = {}


NOTHING = Sums()


def total(rows: Iterable[Sums]) -> Sums:
    """Return the sum of all rows, field by field."""
    found = list(rows)
    added = {
        name: sum(getattr(row, name) for row in found)
        for name in Sums.__struct_fields__
        if name not in {"lost_s", "means"}
    }
    lost_s: dict[str, float] = {}
    means: dict[str, tuple[float, int]] = {}
    for row in found:
        for state, seconds in row.lost_s.items():
            lost_s[state] = lost_s.get(state, 0.0) + seconds
        for name, (value, count) in row.means.items():
            before = means.get(name, (0.0, 0))
            means[name] = before[0] + value, before[1] + count
    return Sums(**added, lost_s=lost_s, means=means)
