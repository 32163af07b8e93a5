# SPDX-License-Identifier: AGPL-3.0-or-later
"""What is remembered of a Bambu printer, and the state that follows from it.

Most printers tell only what changed, so the fields that are read here are kept, and no others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from collector.contract.event import State, StateSeen
from collector.contract.limits import JOB_TEXT_CHARS_MAX
from collector.dialects.bambu_codes import (
    BY_PERSON,
    FILAMENT_OUT,
    SERIOUS,
    SETUP_STAGES,
    STAGES,
    error_phrase,
    error_words,
    health_code,
    health_phrase,
    health_words,
    is_heat,
)

ACTIVE: Final = frozenset({"PREPARE", "RUNNING", "PAUSE"})
"""Words of gcode_state in which a job is there."""
NO_REASON: Final = "stopped, no reason given"
FAULTS_MAX: Final = 8
"""Health messages that are remembered; the first is the one that is told."""
_WORD_CHARS_MAX: Final = 24
_NUMBER_CHARS_MAX: Final = 24
_DOOR: Final = 0x800000
_CODE_MAX: Final = 0xFFFFFFFF


class Job(msgspec.Struct, frozen=True):
    """The job that runs since `since` (Unix s); `failed_at` says that it has failed, and nobody knows why yet.

    `key` is the printer's own number of it, "" where it has none; `id` is ours. `told`: its start has been said.
    """

    since: float
    file: str | None = None
    key: str = ""
    id: str | None = None
    told: bool = True
    estimated: bool = False
    failed_at: float | None = None


class Bambu(msgspec.Struct, frozen=True):
    """One printer: the newest of each field, its state, its job.

    `serious` holds health messages that are faults; `remaining_min` is this job's alone; `failure` are the words of
    a failure that we saw, until the next start; `paused_by` why the printer paused by itself; `sequence` and
    `clock_ms` are the newest of its own counts, for order alone.
    """

    state: State | None = None
    why: str | None = None
    gcode: str = ""
    stage: int = -1
    error: int = 0
    reason: int = 0
    serious: tuple[str, ...] = ()
    name: str = ""
    path: str = ""
    kind: str = ""
    percent: float | None = None
    remaining_min: float | None = None
    tray: int | None = None
    door: bool | None = None
    job: Job | None = None
    last_file: str | None = None
    failure: str | None = None
    cancelled_at: float | None = None
    paused_by: str | None = None
    sequence: int | None = None
    clock_ms: int | None = None
    heard_at: float = 0.0

    @property
    def file(self) -> str | None:
        """Return what people call the job, else its path in the printer."""
        return self.name or self.path or None

    @property
    def is_at_job(self) -> bool:
        """Tell whether the printer works at a job of ours; its own calibration is none."""
        return self.gcode in ACTIVE and self.kind != "system"


def number(found: object) -> float | None:
    """Return a finite number, also of a text: the same field comes as 0 and as "0"; None for all else."""
    if isinstance(found, str):
        if len(found) > _NUMBER_CHARS_MAX:
            return None
        try:
            found = float(found)
        except ValueError:
            return None
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    return float(found) if abs(found) < 2**53 and math.isfinite(found) else None


def whole(found: object) -> int | None:
    """Return a whole number, None for all else."""
    value = number(found)
    return int(value) if value is not None and value == int(value) else None


def text(found: object, most: int = JOB_TEXT_CHARS_MAX) -> str | None:
    """Return a text cut to what is kept, None for all else."""
    return found.strip()[:most] if isinstance(found, str) else None


def merged(was: Bambu, report: Mapping[str, Any], at: float) -> Bambu:
    """Return the memory with what this report says; what it leaves out stays."""
    told: dict[str, Any] = {"heard_at": at}
    for field, name, reader in _FIELDS:
        value = reader(report.get(name))
        if value is not None:
            told[field] = value
    if isinstance(report.get("hms"), list):
        told["serious"] = _serious(report["hms"])
    door = _door(report)
    if door is not None:
        told["door"] = door
    return replace(was, **told)


def _code(found: object) -> int | None:
    value = whole(found)
    return value if value is not None and 0 <= value <= _CODE_MAX else None


def _word(found: object) -> str | None:
    return text(found, _WORD_CHARS_MAX)


_FIELDS: Final = (
    ("gcode", "gcode_state", _word),
    ("stage", "stg_cur", whole),
    ("error", "print_error", _code),
    ("reason", "fail_reason", _code),
    ("name", "subtask_name", text),
    ("path", "gcode_file", text),
    ("kind", "print_type", _word),
    ("percent", "mc_percent", number),
    ("remaining_min", "mc_remaining_time", number),
    ("sequence", "sequence_id", whole),
    ("clock_ms", "t_utc", whole),
)


def key_of(report: Mapping[str, Any]) -> str:
    """Return the job's own number; "" where there is none, as for what was sent over the local network."""
    for name in ("task_id", "subtask_id", "job_id"):
        value = report.get(name)
        found = str(value)[:_WORD_CHARS_MAX] if isinstance(value, str | int) else ""
        if found.strip("0") and found.isalnum():
            return found
    return ""


def _serious(messages: list[Any]) -> tuple[str, ...]:
    found: list[str] = []
    for message in messages[: 4 * FAULTS_MAX]:
        if isinstance(message, dict):
            attr, code = _code(message.get("attr")), _code(message.get("code"))
            if attr is not None and code is not None and 1 <= code >> 16 <= SERIOUS:
                found.append(health_code(attr, code))
    return tuple(found[:FAULTS_MAX])


def _door(report: Mapping[str, Any]) -> bool | None:
    stat = text(report.get("stat"), _WORD_CHARS_MAX)
    if stat:
        try:
            return bool(int(stat, 16) & _DOOR)
        except ValueError:
            return None
    flags = whole(report.get("home_flag"))
    return None if flags is None else bool(flags & _DOOR)


def reason_of(now: Bambu, *codes: int) -> str | None:
    """Return why the printer stopped or paused by itself, by these codes or its stage; None where neither says."""
    told = next((code for code in codes if code and code not in BY_PERSON), None)
    return STAGES.get(now.stage) if told is None else error_words(told)


def health_of(now: Bambu) -> str | None:
    """Return the first serious health message, in words."""
    return health_words(now.serious[0]) if now.serious else None


def standing(now: Bambu) -> tuple[State, str | None] | None:
    """Return the state and its reason (dialects.md 2); None where the printer's word says nothing to us."""
    if now.failure is not None:
        return State.FAULT, now.failure
    faults = [found for found in now.serious if health_phrase(found) != FILAMENT_OUT]
    if faults and now.gcode:
        return State.FAULT, health_words(faults[0])
    if now.gcode == "PAUSE":
        return _paused(now)
    if now.gcode == "FAILED":
        broke = now.error and now.error not in BY_PERSON
        return (State.FAULT, error_words(now.error)) if broke else (State.IDLE, None)
    if now.gcode == "RUNNING":
        is_setup = now.stage in SETUP_STAGES or now.kind == "system"
        return (State.SETUP if is_setup else State.RUNNING), None
    state = _PLAIN.get(now.gcode)
    return None if state is None else (state, None)


_PLAIN: Final = {
    "IDLE": State.IDLE,
    "FINISH": State.WAITING_PERSON,
    "PREPARE": State.SETUP,
    "SLICING": State.SETUP,
    "INIT": State.SETUP,
}


def _paused(now: Bambu) -> tuple[State, str | None]:
    if is_heat(now.error, now.stage):
        return State.FAULT, reason_of(now, now.error)
    phrases = [error_phrase(now.error), STAGES.get(now.stage), *map(health_phrase, now.serious)]
    if FILAMENT_OUT in phrases:
        return State.WAITING_PERSON, FILAMENT_OUT
    why = reason_of(now, now.error) or health_of(now)
    return (State.HELD, None) if why is None else (State.WAITING_PERSON, why)


def to(was: Bambu, at: float, state: State, why: str | None = None) -> tuple[Bambu, tuple[StateSeen, ...]]:
    """Return the memory in that state; a fact only where the state or its reason changed."""
    if (state, why) == (was.state, was.why):
        return was, ()
    return replace(was, state=state, why=why), (StateSeen(at, state, why),)
