# SPDX-License-Identifier: AGPL-3.0-or-later
"""The catalogue of faults: what each does, and where its figures come from."""

from __future__ import annotations

import random
from enum import StrEnum
from typing import Final, Literal, NamedTuple


class Kind(StrEnum):
    """The faults that a scenario can plan and a person can switch on."""

    HEATER_WEAK = "heater-weak"
    CLOG = "clog"
    SILENCE = "silence"


class FaultPlan(NamedTuple):
    """One fault that will strike: `onset` in Unix s of the plant's time, `lasts_s` until it is gone.

    A clog's `lasts_s` counts printing time only: at its end the job fails and a person has to clean the nozzle.
    """

    kind: str
    device: str
    place: str
    onset: float
    lasts_s: float


class FaultRow(NamedTuple):
    """What the catalogue says of a fault; durations in seconds, `source` of the figures."""

    kind: Kind
    effect: str
    lasts_s: tuple[float, float]
    recovers_s: float
    source: Literal["literature", "assumption"]


CATALOGUE: Final = (
    FaultRow(
        Kind.HEATER_WEAK,
        "insulation and thermal contact degrade: the loss h grows, so more heater power holds the same temperature",
        (2_100.0, 2_700.0),
        600.0,
        "assumption",
    ),
    FaultRow(
        Kind.CLOG,
        "extrusion stops: no cold filament takes heat away, heater power falls; later the job fails",
        (720.0, 1_080.0),
        3_600.0,
        "assumption",
    ),
    FaultRow(
        Kind.SILENCE,
        "the uplink hangs: the connection stays and nothing is said; what was measured is sent afterwards",
        (1_500.0, 3_600.0),
        600.0,
        "assumption",
    ),
)
ROWS: Final = {row.kind: row for row in CATALOGUE}

LOSS_GROWTH: Final = (0.35, 0.50)
"""Share by which heater-weak makes the loss h grow (assumption)."""
LOSS_RAMP_S: Final = (300.0, 600.0)
"""How long that growth takes (assumption)."""
CLOG_CAUSE: Final = "extrusion stopped: filament does not move"
CLOG_SHARE_OF_FAILURES: Final = 0.20
"""Clogs among a printer's own failures (assumption)."""
FAILED_SHARE_NOVICES: Final = 0.411
"""Failed prints in an open studio, 26.3 % by human error (literature: Causes of Desktop FDM Fabrication Failures
in an Open Studio Environment, Procedia CIRP)."""
WAITING_SHARE: Final = 0.30
"""Time that farm printers wait for a person (literature: 3dque.com 2025, a vendor's figure)."""


def loss_ratio(plan: FaultPlan, now: float) -> float:
    """Return by what factor heater-weak has multiplied the loss at `now`; the same plan always does the same."""
    rng = random.Random(f"{plan.device}/{plan.onset:.3f}")  # noqa: S311 - a simulation
    growth = rng.uniform(*LOSS_GROWTH)
    ramp_s = rng.uniform(*LOSS_RAMP_S)
    return 1.0 + growth * min(max((now - plan.onset) / ramp_s, 0.0), 1.0)


def draw_lasts_s(kind: str, rng: random.Random) -> float:
    """Return how long a fault of this kind lasts, drawn from its row."""
    return round(rng.uniform(*ROWS[Kind(kind)].lasts_s))
