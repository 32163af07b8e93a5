# SPDX-License-Identifier: AGPL-3.0-or-later
"""Sums become indicators: OEE with its parts, the waterfall of losses, energy and material per part.

The one place where OEE is computed. What is not known is None, and never 0: half of the planned time must be known.
"""

from __future__ import annotations

from typing import Final

from collector.contract.event import State
from cyberfilter.production.account import LOSSES
from cyberfilter.production.facts import DEVIATION, QUEUE, VOC
from cyberfilter.production.sums import Sums

KNOWN_SHARE_MIN: Final = 0.5
"""A ratio of which less is known is None."""
DOWN: Final = (State.FAULT, State.HELD, State.WAITING_PERSON, State.STARVED)
"""States in which the machine stands although there is work, or somebody would have to come."""


def oee_parts(sums: Sums) -> dict[str, float | None]:
    """Return availability, performance, quality and their product (ISO 22400-2: OEE index), each None where unknown.

    Performance may be above 1: then the estimate is too long, and is shown so. Without running in known time the
    product is 0, whatever the other parts are.
    """
    known_s = sums.planned_s - sums.unknown_s
    loaded_s = known_s - sums.lost_s.get(State.MAINTENANCE, 0.0)
    is_known = known_s > 0.0 and known_s >= KNOWN_SHARE_MIN * sums.planned_s
    availability = sums.running_s / loaded_s if is_known and loaded_s > 0.0 else None
    is_rated = sums.rated_s > 0.0 and sums.rated_s >= KNOWN_SHARE_MIN * sums.running_s
    performance = sums.standard_s / sums.rated_s if is_rated else None
    quality = _ratio(sums.good, sums.good + sums.scrap)
    oee = 0.0 if availability == 0.0 else None
    if availability and performance is not None and quality is not None:
        oee = availability * performance * quality
    return {
        "oee_ratio": oee,
        "oee_availability_ratio": availability,
        "performance_ratio": performance,
        "quality_ratio": quality,
    }


def indicators(sums: Sums) -> dict[str, float | None]:
    """Return every indicator of the catalogue that a window has; of one that nobody knows anything of no count is 0."""
    known_s = sums.planned_s - sums.unknown_s
    is_known = known_s > 0.0 and known_s >= KNOWN_SHARE_MIN * sums.planned_s
    is_counted = known_s > 0.0 or sums.good + sums.scrap > 0
    waiting_s = sums.lost_s.get(State.WAITING_PERSON, 0.0)
    energy_wh = sums.energy_wh if sums.metered_s > 0.0 else None
    material_g = sums.material_g if sums.weighed_jobs else None
    return {
        **oee_parts(sums),
        "first_pass_yield_ratio": _ratio(sums.first_good, sums.first_count),
        "good_parts": float(sums.good) if is_counted else None,
        "scrap_parts": float(sums.scrap) if is_counted else None,
        "cycle_time_s": _ratio(sums.cycle_s, sums.cycle_parts),
        "downtime_s": sum(sums.lost_s.get(state, 0.0) for state in DOWN) if is_known else None,
        "waiting_person_s": waiting_s if is_known else None,
        "waiting_person_ratio": waiting_s / known_s if is_known else None,
        "energy_kwh": None if energy_wh is None else energy_wh / 1000,
        "energy_per_part_wh": None if energy_wh is None else _ratio(energy_wh, sums.good),
        "carbon_g": sums.carbon_g if sums.metered_s > 0.0 and 0.0 < sums.energy_wh <= sums.carbon_wh else None,
        "material_g": material_g,
        "material_per_part_g": None if material_g is None else _ratio(material_g, sums.good),
        "scrap_g": None if material_g is None else sums.scrap_g,
        DEVIATION: _mean(sums, DEVIATION),
        QUEUE: _mean(sums, QUEUE),
        VOC: _mean(sums, VOC),
    }


def losses(sums: Sums) -> dict[str, float | None]:
    """Return the waterfall in machine-seconds: planned = unknown + each loss + running.

    Running = speed loss + scrap loss + effective, None where performance or quality is unknown. A negative speed loss
    is shown as such. Source: Nakajima (1988), six big losses; ISO 22400-2, OEE.
    """
    told = oee_parts(sums)
    performance, quality = told["performance_ratio"], told["quality_ratio"]
    if sums.running_s == 0.0:
        performance = quality = 1.0  # nothing ran, so nothing was lost in running
    rated_s = None if performance is None else sums.running_s * performance
    effective_s = None if rated_s is None or quality is None else rated_s * quality
    return {
        "planned_s": sums.planned_s,
        "unknown_s": sums.unknown_s,
        **{f"{state.value}_s": sums.lost_s.get(state, 0.0) for state in LOSSES},
        "running_s": sums.running_s,
        "speed_s": None if rated_s is None else sums.running_s - rated_s,
        "scrap_s": None if rated_s is None or effective_s is None else rated_s - effective_s,
        "effective_s": effective_s,
    }


def coverage(sums: Sums) -> dict[str, float | None]:
    """Return which share of the time each figure rests on: planned time known, running rated, time metered."""
    return {
        "state_ratio": _ratio(sums.planned_s - sums.unknown_s, sums.planned_s),
        "performance_ratio": _ratio(sums.rated_s, sums.running_s),
        "energy_ratio": _ratio(sums.metered_s, sums.window_s),
    }


def _ratio(some: float, whole: float) -> float | None:
    return some / whole if whole else None


def _mean(sums: Sums, name: str) -> float | None:
    return _ratio(*sums.means.get(name, (0.0, 0)))
