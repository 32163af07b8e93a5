# SPDX-License-Identifier: AGPL-3.0-or-later
"""Where an index is going, over hours, a shift or days: its past from the historian through the outlook's model."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from collector.contract.errors import Refusal
from collector.contract.ports import Historian
from cyberfilter.contract.index import IndexValue
from cyberfilter.filter.transform import TRANSFORMS
from cyberfilter.indices.catalogue import Index
from cyberfilter.outlook.horizon import Outlook, outlook
from cyberfilter.outlook.worth import refusal

__all__ = ["HORIZONS", "Outlook", "future"]

_DAY_S: Final = 86_400.0


class Horizon(NamedTuple):
    """How far is looked ahead and back (s), in which steps (s; an index with a wider cadence has its own).

    `is_daily` says that the pattern of a day is tried. A wide step looks ahead at least `least_count` of them.
    """

    name: str
    step_s: float
    ahead_s: float
    past_s: float
    is_daily: bool
    least_count: int = 6


HORIZONS: Final = {
    row.name: row
    for row in (
        Horizon("hours", 60.0, 3_600.0, 28_800.0, is_daily=False),
        Horizon("shift", 900.0, 28_800.0, 14 * _DAY_S, is_daily=True),
        Horizon("days", 3_600.0, 3 * _DAY_S, 28 * _DAY_S, is_daily=True),
    )
}
"""What may be asked for."""
_PAST_COUNT_LEAST: Final = 336
"""A wide cadence is given at least so many values of past: two weeks of an hourly index."""


def future(historian: Historian, value: IndexValue, row: Index, horizon: str) -> Outlook:
    """Return the outlook of an index from its newest value on.

    Raises Refusal: `bad_horizon` (none of HORIZONS), `too_few` values or forecasts of the past to go by, `no_better`
    (forecasts of the past were no better than the last value, or than the same time a day ago).
    """
    wanted = HORIZONS.get(horizon)
    if wanted is None:
        raise Refusal("bad_horizon", f"horizon = {horizon[:40]!r} is none of {', '.join(HORIZONS)}")
    step_s = max(wanted.step_s, row.cadence_s)
    ahead = max(round(wanted.ahead_s / step_s), wanted.least_count)
    past_s = max(wanted.past_s, _PAST_COUNT_LEAST * step_s)
    times, values = _past(historian, value, row, past_s, step_s)
    season = round(_DAY_S / step_s) if wanted.is_daily and times and times[-1] - times[0] >= 3 * _DAY_S else None
    found = outlook(times, values, horizon=ahead, cadence_s=step_s, season_period=season)
    if not found.worth.better:
        raise refusal(found.worth, found.n, "a day", "" if row.unit == "1" else f" {row.unit}")
    scale = TRANSFORMS[row.transform]
    return found._replace(mean=scale.ended(found.mean), lo=scale.ended(found.lo), hi=scale.ended(found.hi))


def _past(
    historian: Historian, value: IndexValue, row: Index, past_s: float, step_s: float
) -> tuple[list[float], list[float]]:
    """Return times and means of the past in such steps, each at the step's end; one that is not over is left out."""
    most = round(past_s / step_s) + 1
    if step_s <= row.cadence_s:
        points = historian.series(value.place, row.name, start=value.at - past_s, end=value.at + 1e-3, most=most)
        return [ts for ts, _ in points], [number for _, number in points]
    end = math.floor(value.at / step_s) * step_s
    rolled = historian.rolled(value.place, row.name, start=end - past_s, end=end, step_s=step_s, most=most)
    return [ts + step_s for ts, *_ in rolled], [mean for _, _, mean, _ in rolled]
