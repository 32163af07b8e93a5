# SPDX-License-Identifier: Apache-2.0
"""What happened to a machine, a job, a part, a person's presence: facts other than measured values."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec


class State(StrEnum):
    """The ten machine states of the contract (section 2)."""

    RUNNING = "running"
    SETUP = "setup"
    HELD = "held"
    WAITING_PERSON = "waiting_person"
    STARVED = "starved"
    MAINTENANCE = "maintenance"
    IDLE = "idle"
    FAULT = "fault"
    OFFLINE = "offline"
    UNKNOWN = "unknown"


class Outcome(StrEnum):
    """How a job ended; `unknown` where we lost sight of it."""

    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"
    UNKNOWN = "unknown"


class StateSeen(msgspec.Struct, frozen=True, tag="state", omit_defaults=True):
    """A machine's state changed, or was confirmed; `why` in the machine's own words where it gave any.

    `missed`: nobody said so, but the machine should have spoken.
    """

    ts: float
    state: State
    why: str | None = None
    missed: bool = False


class JobStarted(msgspec.Struct, frozen=True, tag="job_started", omit_defaults=True):
    """A job began; `ts` is None where we came late and nobody knows."""

    job: str
    ts: float | None
    file: str | None = None
    estimate_s: float | None = None


class JobEnded(msgspec.Struct, frozen=True, tag="job_ended", omit_defaults=True):
    """A job ended, once; what is not known is None (contract 4). Times in Unix seconds, durations in seconds."""

    job: str
    ts: float | None
    outcome: Outcome
    file: str | None = None
    cause: str | None = None
    started_at: float | None = None
    held_s: float | None = None
    duration_s: float | None = None
    print_duration_s: float | None = None
    total_duration_s: float | None = None
    estimate_s: float | None = None
    material_g: float | None = None
    material_mm: float | None = None
    energy_kwh: float | None = None


class PartCounted(msgspec.Struct, frozen=True, tag="part", omit_defaults=True):
    """A person or a machine counted parts; `id` is the event's, `job` the one that they came from.

    `corrects` is the id of an earlier count that this one replaces; good and scrap 0 take it back.
    """

    ts: float
    good: int = 0
    scrap: int = 0
    cause: str | None = None
    id: str | None = None
    job: str | None = None
    corrects: str | None = None


class Noted(msgspec.Struct, frozen=True, tag="noted", omit_defaults=True):
    """Any other event of the contract (material, maintenance, presence …), kept as it was said."""

    ts: float
    event: str
    body: dict[str, Any] = {}
    id: str | None = None


class Trouble(msgspec.Struct, frozen=True, tag="trouble", omit_defaults=True):
    """The collector states that something is dangerous or broken: a limit, smoke, its own disk or broker.

    Where a measured value says so, `value` of `indicator` was beyond `bound`, in the indicator's unit.
    """

    ts: float
    kind: str
    why: str
    indicator: str | None = None
    value: float | None = None
    bound: float | None = None
