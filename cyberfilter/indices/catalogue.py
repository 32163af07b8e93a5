# SPDX-License-Identifier: AGPL-3.0-or-later
"""The catalogue of indices: name, unit, formula, gate, and what change of it is worth a person's attention.

An index is filtered, never a raw indicator: a temperature "changes" at every start of a job. While its gate is
closed an index has no value. Names and formulas are public: a changed formula is a new name.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal, NamedTuple


class Good(StrEnum):
    """Which direction pleases. With `neither` both directions hurt."""

    HIGHER = "higher"
    LOWER = "lower"
    NEITHER = "neither"


class Materiality(NamedTuple):
    """The smallest change worth an alert: in the index's unit, or as a share of its usual level."""

    size: float
    relative: bool

    def of(self, level: float) -> float:
        """Return the smallest change worth an alert at this usual level, in the index's unit."""
        return self.size * abs(level) if self.relative else self.size


class Index(NamedTuple):
    """One row: `word` names it in alerts' kinds, `cadence_s` is the width of its buckets in seconds of the plant.

    `sensed`: it is the mean of what a sensor measures, which can be stuck; a ratio of counts or of states may repeat.
    `by` says what tells its usual levels apart (`indices.regimes`): the machine's target, the job's file, or nothing.
    `capability` and `potentiality` stand in until the unit agrees its own (plant file); None: it has none.
    """

    name: str
    word: str
    unit: str
    formula: str
    gate: str
    cadence_s: float
    transform: str
    good: Good
    materiality: Materiality
    capability: float | None = None
    potentiality: float | None = None
    sensed: bool = True
    by: Literal["nothing", "target", "file"] = "nothing"


NOZZLE_DEVIATION: Final = Index(
    name="nozzle_deviation_degc",
    word="nozzle_deviation",
    unit="°C",
    formula="mean of nozzle_degc − nozzle_target_degc over a minute",
    gate="running the whole minute, target unchanged since 2 min before it, samples within 10 °C of the target",
    cadence_s=60.0,
    transform="none",
    good=Good.NEITHER,
    materiality=Materiality(2.0, relative=False),
)
HEATER_EFFORT: Final = Index(
    name="heater_effort_w",
    word="heater_effort",
    unit="W",
    formula="mean of heater_power_w over a minute",
    gate="as nozzle_deviation_degc",
    cadence_s=60.0,
    transform="none",
    good=Good.NEITHER,
    materiality=Materiality(0.10, relative=True),
    by="target",
)
PACE: Final = Index(
    name="pace_ratio",
    word="pace",
    unit="1",
    formula="rise of progress_ratio × estimate_s ÷ time between the first and the last sample of five minutes",
    gate="running the whole five minutes, one job, samples at least 4 min apart, estimate known; "
    "where progress moves in stairs, steps of at most 30 s of it",
    cadence_s=300.0,
    transform="none",
    good=Good.HIGHER,
    materiality=Materiality(0.20, relative=False),
    capability=1.0,
    sensed=False,
    by="file",
)
ENERGY: Final = Index(
    name="energy_w",
    word="energy",
    unit="W",
    formula="energy per hour while running: mean of power_w over a minute (1 W = 1 Wh per hour)",
    gate="running the whole minute",
    cadence_s=60.0,
    transform="none",
    good=Good.LOWER,
    materiality=Materiality(0.15, relative=True),
    capability=100.0,
    potentiality=80.0,
    by="file",
)
AVAILABILITY: Final = Index(
    name="availability_ratio",
    word="availability",
    unit="1",
    formula="share of an hour's known time that was not spent in fault, waiting_person or offline",
    gate="the state was known for at least half of the hour",
    cadence_s=3600.0,
    transform="minutes",
    good=Good.HIGHER,
    materiality=Materiality(0.25, relative=False),
    capability=0.9,
    potentiality=1.0,
    sensed=False,
)
CATALOGUE: Final = {row.name: row for row in (NOZZLE_DEVIATION, HEATER_EFFORT, PACE, ENERGY, AVAILABILITY)}
