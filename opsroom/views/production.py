# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a period came to: a row per place, the waterfall of losses as bars, a row per job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

RATIOS: Final = ("oee_ratio", "oee_availability_ratio", "performance_ratio", "quality_ratio")
FIGURES: Final = ("good_parts", "scrap_parts", "downtime_s", "energy_per_part_wh", "material_per_part_g")
COLUMNS: Final = (*RATIOS, *FIGURES)
"""Indicators of a place's row."""
JOB_COLUMNS: Final = ("performance_ratio", "cycle_time_s", "energy_per_part_wh", "material_per_part_g", "good_parts")
LOSSES: Final = ("unknown", "fault", "setup", "held", "waiting_person", "starved", "maintenance", "idle")
"""What planned time is lost to before it is running, in the order of the waterfall."""
IN_RUNNING: Final = ("speed", "scrap")
"""What running time is lost to."""
PLACES_MAX: Final = 12
"""Rows of places, the place itself first."""
JOBS_MAX: Final = 12


class Period(NamedTuple):
    """A choice of the reader: how the API is asked for it; `by` and how far back (s)."""

    name: str
    by: str
    last_s: int


PERIODS: Final = (Period("today", "day", 90_000), Period("shift", "shift", 86_400), Period("week", "whole", 604_800))


class Item(msgspec.Struct, frozen=True, rename={"since": "from"}):
    """A period of a place, or a job, as the API lists it; what is not known is None."""

    place: str
    since: str
    to: str | None = None
    name: str | None = None
    machines: int = 0
    indicators: dict[str, float | None] = {}
    coverage: dict[str, float | None] = {}
    losses: dict[str, float | None] = {}
    outcome: str | None = None
    job: str | None = None


class UnitTriple(msgspec.Struct, frozen=True):
    """Beer's triple of a unit as a whole, as the API lists it; ratios 0..1, `known` of `of` machines have a value."""

    place: str
    index: str
    productivity: float
    latency: float
    performance: float
    capability: float
    potentiality: float
    potentiality_assumed: bool
    known: int
    of: int
    bottleneck: str | None = None


class Ahead(msgspec.Struct, frozen=True):
    """What will come until the end of a day (YYYY-MM-DD), as the API tells it."""

    until: str
    lo: float
    hi: float
    mean: float
    level: float


class Bar(NamedTuple):
    """A bar of the waterfall: its length and where it begins, as shares of planned time; `seconds` as told.

    A negative loss (faster than estimated) has a length all the same. `is_loss` is false for what is left.
    """

    name: str
    seconds: float
    offset: float
    share: float
    is_loss: bool


def period(wish: str | None) -> Period:
    """Return the period of this name; the first where there is none."""
    return next((row for row in PERIODS if row.name == wish), PERIODS[0])


def newest(items: Sequence[Item], place: str | None) -> list[Item]:
    """Return the newest item of every place, the asked place first, then by place; items come newest first."""
    found: dict[str, Item] = {}
    for item in items:
        found.setdefault(item.place, item)
    return sorted(found.values(), key=lambda item: (item.place != place, item.place))


def short(place: str) -> str:
    """Return the end of a machine's place, by which people know it.

    >>> short("commons/valparaiso/printing/mk4-07")
    'printing/mk4-07'
    """
    return "/".join(place.split("/")[-2:])


def unknown_share(item: Item) -> float | None:
    """Return which share of the planned time nobody knows of; None where none was planned."""
    known = item.coverage.get("state_ratio")
    return None if known is None else 1.0 - known


def waterfall(item: Item) -> list[Bar]:
    """Return the bars from planned to effective time; a loss of nothing is left out, so is what is not known."""
    planned_s = item.losses.get("planned_s") or 0.0
    if planned_s <= 0.0:
        return []
    bars = [Bar("planned", planned_s, 0.0, 1.0, is_loss=False)]
    left_s = planned_s
    for name, is_loss in (
        *((name, True) for name in LOSSES),
        ("running", False),
        *((name, True) for name in IN_RUNNING),
        ("effective", False),
    ):
        seconds = item.losses.get(f"{name}_s")
        if not is_loss and seconds is not None:
            bars.append(Bar(name, seconds, 0.0, seconds / planned_s, is_loss=False))
        elif seconds:
            after_s = left_s - seconds
            bars.append(Bar(name, seconds, min(after_s, left_s) / planned_s, abs(seconds) / planned_s, is_loss=True))
            left_s = after_s
    return bars
