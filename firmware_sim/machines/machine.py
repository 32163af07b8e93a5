# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the fleet drives: any machine that lives on the plant's time and can be measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from collector.contract.event import State
from firmware_sim.faults import FaultPlan
from firmware_sim.truth import Happening

Sense = tuple[float | None, ...]
"""One value for each of a machine's `words`; None is not measured."""


class Machine(Protocol):
    """A machine on the plant's time (Unix s); the same seed lives the same day whatever the steps.

    `energy_kwh` is what it has really used, `meter_zero_kwh` what its counter has forgotten of that.
    """

    now: float
    state: State
    why: str | None
    energy_kwh: float
    meter_zero_kwh: float

    @property
    def words(self) -> tuple[str, ...]:
        """Return the indicators that `sense` measures, each with its unit last."""

    @property
    def power_w(self) -> float:
        """Return the electric power of the last step."""

    def begin(self, *, warm_share: float) -> list[Happening]:
        """Put the machine into the middle of its day; that share of machines works at once."""

    def advance(self, to: float) -> Sequence[Happening]:
        """Move on to that time and return what happened, in order."""

    def sense(self, count: int = 1) -> Sense:
        """Return the mean of `count` measurements."""

    def strike(self, plan: FaultPlan) -> Sequence[Happening]:
        """Let a fault begin, and return what it did at once."""

    def ease(self, kind: str) -> Sequence[Happening]:
        """Take a fault away, as a repair does, and return what that did."""

    def suffers(self, kind: str) -> bool:
        """Tell whether that fault is there."""
