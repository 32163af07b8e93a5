# SPDX-License-Identifier: AGPL-3.0-or-later
"""Where an index is going: its recent values from the historian through the outlook's model."""

from __future__ import annotations

from typing import Final

from collector.contract.ports import Historian
from cyberfilter.contract.index import IndexValue
from cyberfilter.indices.catalogue import Index
from cyberfilter.outlook.horizon import Outlook, outlook

PAST_COUNT: Final = 480
"""Cadences looked back from the newest value: eight hours of a minute index."""
HORIZON_COUNT: Final = 60
"""Cadences looked ahead."""

__all__ = ["Outlook", "future"]


def future(historian: Historian, value: IndexValue, row: Index) -> Outlook:
    """Return the outlook of an index from its newest value on. Raises Refusal where there are too few values."""
    past_s = PAST_COUNT * row.cadence_s
    points = historian.series(value.place, row.name, start=value.at - past_s, end=value.at + 1e-3, most=PAST_COUNT)
    times, values = [ts for ts, _ in points], [number for _, number in points]
    return outlook(times, values, horizon=HORIZON_COUNT, cadence_s=row.cadence_s, season_period=None)
