# SPDX-License-Identifier: AGPL-3.0-or-later
"""What is remembered of a Moonraker and the Klipper behind it, and the machine's state that follows from it.

The agent (Moonraker), the host (Klipper) and the job speak for themselves: the first that is not well decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from collector.contract.event import State, StateSeen
from collector.contract.limits import JOB_TEXT_CHARS_MAX
from collector.dialects.figures import number_of

AT_WORK: Final = frozenset({"printing", "paused"})
BROKEN: Final = "broken"
"""Our own word for a job that the host's shutdown ended: what print_stats says of it afterwards counts no more."""
JOB_WORDS: Final = frozenset({"standby", "printing", "paused", "complete", "cancelled", "error"})
HOST_WORDS: Final = frozenset({"startup", "ready", "shutdown", "error", "disconnected"})
DOWN: Final = frozenset({"shutdown", "error"})
STATES: Final = {"standby": State.IDLE, "cancelled": State.IDLE, "complete": State.WAITING_PERSON}
"""print_stats' words that alone say the machine's state."""
SENSORS_MAX: Final = 16
ALERT_S: Final = 60.0
"""A macro's alert is the reason of a pause or an end that follows within this."""
ALIVE_S: Final = 2.0
"""Who is heard this long after a last will lives: brokers publish the will of an old connection."""
UNHEARD_S: Final = 1.5
"""A job that counts more seconds than this began without a word that we heard."""
DRIFT: Final = 1e-4
"""Two clocks may drift apart by this much a second, and then some."""
LATENESS_S_MAX: Final = 1.0
"""A status may have waited this long in Moonraker (its status_interval); more is the doing of another clock."""

Objects = Mapping[str, Mapping[str, Any]]
"""Klipper's objects, each with the fields that were told."""


class Moonraker(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is remembered; `since` is when it was first heard, `eventtime` the host's monotonic clock (s).

    `lead_s` is the least difference seen of arrival and eventtime: a status that comes later than that has waited.
    `told` says that the job at work was said to run, `unheard` that Klipper has said nothing since Moonraker came
    back. `job` is print_stats' word for the job, `host` webhooks' for Klipper.
    """

    state: State | None = None
    why: str | None = None
    since: float | None = None
    gone_at: float | None = None
    unheard: bool = False
    eventtime: float | None = None
    lead_s: float = 0.0
    heard_at: float = 0.0
    machine_s: float | None = None
    host: str | None = None
    host_words: str | None = None
    job: str | None = None
    told: bool = False
    file: str | None = None
    message: str | None = None
    total_s: float | None = None
    total_at: float | None = None
    print_s: float | None = None
    filament_mm: float | None = None
    begun_at: float | None = None
    begun_eventtime: float | None = None
    estimate_s: float | None = None
    lost_why: str | None = None
    empty: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    alert: str | None = None
    alert_at: float = 0.0
    has_display: bool = False
    asked: dict[str, float] = {}
    requests: dict[str, str] = {}
    known: tuple[float, ...] = ()


def text_of(found: object) -> str | None:
    """Return the first line that has something in it, cut to what a fact may hold; None for all else."""
    if not isinstance(found, str):
        return None
    return next((line.strip()[:JOB_TEXT_CHARS_MAX] for line in found.splitlines() if line.strip()), None)


def is_old(was: Moonraker, at: float, eventtime: float | None) -> bool:
    """Tell whether the words were told before: older than the newest, though the host was not started since.

    The clock begins anew when the host does; then it says that the host began after we last heard it.
    """
    if eventtime is None or was.eventtime is None or eventtime >= was.eventtime or at < was.heard_at:
        return False
    return at - eventtime < was.heard_at


def clocked(was: Moonraker, at: float, eventtime: float | None) -> Moonraker:
    """Return the memory with the host's clock set to what a live word says."""
    if eventtime is None:
        return was
    lead_s = at - eventtime
    if was.eventtime is None or eventtime < was.eventtime:
        return replace(was, eventtime=eventtime, lead_s=lead_s, heard_at=at, total_at=None, begun_eventtime=None)
    drifted_s = was.lead_s + DRIFT * max(0.0, at - was.heard_at)
    return replace(was, eventtime=eventtime, lead_s=min(lead_s, drifted_s), heard_at=at)


def started_anew(was: Moonraker, now: Moonraker) -> bool:
    """Tell whether the host's clock or Klipper's count of its own seconds fell: it was started since."""
    if was.eventtime is not None and now.eventtime is not None and now.eventtime < was.eventtime:
        return True
    return was.machine_s is not None and now.machine_s is not None and now.machine_s < was.machine_s


def merged(was: Moonraker, objects: Objects) -> Moonraker:
    """Return the memory with the fields that were told; what has not the form of Klipper's is passed over."""
    now = _host(was, objects.get("webhooks", {}))
    now = _job(now, objects.get("print_stats", {}))
    machine_s = number_of(objects.get("toolhead", {}).get("estimated_print_time"))
    if machine_s is not None:
        now = replace(now, machine_s=machine_s)
    if "display_status" in objects and not now.has_display:
        now = replace(now, has_display=True)
    for name, fields in objects.items():
        if name.startswith(("filament_switch_sensor ", "filament_motion_sensor ")):
            now = _sensor(now, name.partition(" ")[2][:64], fields)
    return now


def _host(was: Moonraker, fields: Mapping[str, Any]) -> Moonraker:
    word, words = fields.get("state"), text_of(fields.get("state_message"))
    if isinstance(word, str) and word in HOST_WORDS:
        return replace(was, host=word, host_words=words if words or word != was.host else was.host_words)
    return replace(was, host_words=words) if words else was


def _job(was: Moonraker, fields: Mapping[str, Any]) -> Moonraker:
    if not fields:
        return was
    message, word, total_s = fields.get("message"), fields.get("state"), _figure(was, fields, "total_duration")
    now = replace(
        was,
        file=_file(was, fields),
        message=text_of(message) if isinstance(message, str) else was.message,
        total_s=was.total_s if total_s is None else total_s,
        total_at=was.total_at if total_s is None else was.eventtime,
        print_s=_figure(was, fields, "print_duration", was.print_s),
        filament_mm=_figure(was, fields, "filament_used", was.filament_mm),
    )
    if isinstance(word, str) and word in JOB_WORDS:
        return replace(now, job=word)
    # We came late, or its first word was lost: whoever counts a job's seconds has one. In split mode the first
    # of them come before the state.
    grew = total_s is not None and was.total_s is not None and total_s > max(was.total_s, UNHEARD_S)
    if not grew or was.job in AT_WORK or was.job == BROKEN:
        return now
    return replace(now, job="printing", file=None if now.file == was.file else now.file)


def _file(was: Moonraker, fields: Mapping[str, Any]) -> str | None:
    found = fields.get("filename")
    return (text_of(found) or (was.file if was.job in AT_WORK else None)) if isinstance(found, str) else was.file


def _figure(was: Moonraker, fields: Mapping[str, Any], name: str, before: float | None = None) -> float | None:
    """Return a figure of the job; the zeros of a reset, which split mode tells before the state, end no figure."""
    value = number_of(fields.get(name))
    return before if value is None or (value == 0 and was.job in AT_WORK) else value


def _sensor(was: Moonraker, name: str, fields: Mapping[str, Any]) -> Moonraker:
    detected, enabled = fields.get("filament_detected"), fields.get("enabled")
    now = was
    if isinstance(detected, bool):
        now = replace(now, empty=_with(now.empty, name, present=not detected))
    if isinstance(enabled, bool):
        now = replace(now, ignored=_with(now.ignored, name, present=not enabled))
    return now


def _with(names: tuple[str, ...], name: str, *, present: bool) -> tuple[str, ...]:
    others = tuple(other for other in names if other != name)
    return (*others, name)[-SENSORS_MAX:] if present else others


def said(was: Moonraker, at: float) -> tuple[Moonraker, tuple[StateSeen, ...]]:
    """Return the memory in the state that follows from it; a fact only where the state or its reason changed."""
    state, why = _state_of(was)
    if (state, why) == (was.state, was.why):
        return was, ()
    return replace(was, state=state, why=why), (StateSeen(at, state, why),)


def _state_of(now: Moonraker) -> tuple[State, str | None]:
    if now.gone_at is not None:
        return State.OFFLINE, "Moonraker is offline"
    if now.unheard:
        return State.UNKNOWN, None
    if now.host in {None, "ready"}:
        return _state_of_job(now)
    if now.host in DOWN:
        return State.FAULT, now.host_words or f"Klipper {now.host}"
    if now.host == "startup":
        return State.SETUP, "Klipper starts"
    return State.FAULT if now.job in AT_WORK else State.OFFLINE, "Klipper is away, Moonraker is there"


def _state_of_job(now: Moonraker) -> tuple[State, str | None]:
    if now.job == "printing":
        # Klipper counts print_duration from the first extrusion on: before that it heats.
        return (State.UNKNOWN if now.print_s is None else State.RUNNING if now.print_s > 0 else State.SETUP), None
    if now.job == "paused":
        return _paused(now)
    if now.job == "error":
        return State.FAULT, now.message
    if now.job in {"standby", "cancelled"} and now.lost_why is not None:
        return State.WAITING_PERSON, now.lost_why
    return STATES.get(now.job or "", State.UNKNOWN), None


def _paused(now: Moonraker) -> tuple[State, str | None]:
    out = [name for name in now.empty if name not in now.ignored]
    if out:
        return State.WAITING_PERSON, f"out of filament ({out[0]})"
    return (State.HELD, None) if now.alert is None else (State.WAITING_PERSON, now.alert)
