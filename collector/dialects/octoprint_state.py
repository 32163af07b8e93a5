# SPDX-License-Identifier: AGPL-3.0-or-later
"""What an OctoPrint's words say of its machine's state: one table, and what the table alone cannot know.

OPERATIONAL after a finished job waits for a person, OFFLINE after an error is a fault, and an agent that is gone
leaves the machine offline until it is heard again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from collector.contract.event import State, StateSeen

SERIAL_LOST: Final = "serial connection lost"
PAUSED_FOR_USER: Final = "paused for user"
ESTIMATES_MAX: Final = 8
HEARD_MAX: Final = 32
"""Topics whose newest payload is remembered: an OctoPrint has one for each heater, and progress."""
STALE_S: Final = 2.0
"""A progress message tells the state of some moments ago: it contradicts only what has stood for this long."""
ALIVE_S: Final = 5.0
"""After its last word a clean stop still says some things; what is heard later comes from a living agent."""
MOVES_AGAIN_S: Final = 10.0
"""Progress reported this soon after "paused for user" is of lines sent before it: two of OctoPrint's 5 s ticks."""

STATES: Final = {
    "OPEN_SERIAL": State.SETUP,
    "DETECT_SERIAL": State.SETUP,
    "CONNECTING": State.SETUP,
    "STARTING": State.SETUP,
    "OPERATIONAL": State.IDLE,
    "PRINTING": State.RUNNING,
    "FINISHING": State.RUNNING,
    "RESUMING": State.RUNNING,
    "PAUSING": State.HELD,
    "PAUSED": State.HELD,
    "ERROR": State.FAULT,
    "CLOSED_WITH_ERROR": State.FAULT,
    "OFFLINE": State.OFFLINE,
    "CLOSED": State.OFFLINE,
    "NONE": State.OFFLINE,
}
"""OctoPrint's state_id to ours; what is not here (CANCELLING …) leaves the state as it is."""
AT_WORK: Final = frozenset({State.RUNNING, State.HELD})
_PASSING: Final = ("finishing", "cancelling", "pausing", "resuming")


class OctoPrint(msgspec.Struct, frozen=True):
    """What is remembered of one OctoPrint; `state` is None before anything was heard.

    `before` is the state when the agent went, at `gone_at`; `finished` says that a done print lies on the plate;
    `fault` holds the words of an error that nothing has cleared yet ("" where it gave none); `busy`: a job runs.
    """

    state: State | None = None
    why: str | None = None
    state_at: float = 0.0
    before: State | None = None
    gone_at: float | None = None
    finished: bool = False
    busy: bool = False
    fault: str | None = None
    waiting_since: float | None = None
    progress: int | None = None
    file: str | None = None
    estimates: dict[str, float] = {}
    heard: dict[str, int] = {}
    lag_s: float | None = None


def to(was: OctoPrint, at: float, state: State, why: str | None = None) -> tuple[OctoPrint, tuple[StateSeen, ...]]:
    """Return the memory in that state; a fact only where the state, or the reason that is known for it, changed."""
    now = replace(was, gone_at=None, before=None) if was.gone_at is not None and state is not State.OFFLINE else was
    if state is now.state and why in {None, now.why}:
        return now, ()
    waiting_since = now.waiting_since if state is State.WAITING_PERSON else None
    now = replace(now, state=state, why=why, state_at=at, waiting_since=waiting_since)
    return now, (StateSeen(at, state, why),)


def named(was: OctoPrint, at: float, state_id: str, text: str | None) -> tuple[OctoPrint, tuple[StateSeen, ...]]:
    """Return the memory after the machine named its state; `text` is its state_string."""
    state = STATES.get(state_id)
    if state is None:
        return was, ()
    if state is State.OFFLINE or state_id == "CLOSED_WITH_ERROR":
        after_error = state is State.FAULT or "error" in (text or "").lower()
        return offline(replace(was, fault=was.fault or "") if after_error else was, at)
    if state is State.FAULT:
        return to(replace(was, fault=was.fault or ""), at, state, was.fault or _after_colon(text))
    if state is State.IDLE:
        return idle(was, at)
    if state is State.SETUP and state_id != "STARTING":
        return to(replace(was, fault=None), at, state)
    return to(replace(was, finished=False, fault=None, busy=True), at, state)


def offline(was: OctoPrint, at: float) -> tuple[OctoPrint, tuple[StateSeen, ...]]:
    """Return the memory after the printer left its agent: a fault where there was an error or a job ran."""
    if was.gone_at is not None:
        return to(was, at, State.OFFLINE)
    if was.fault is not None:
        return to(was, at, State.FAULT, was.fault or (None if was.state is State.FAULT else SERIAL_LOST))
    if was.busy:
        return to(replace(was, fault=""), at, State.FAULT, SERIAL_LOST)
    return to(was, at, State.OFFLINE)


def idle(was: OctoPrint, at: float) -> tuple[OctoPrint, tuple[StateSeen, ...]]:
    """Return the memory of a printer that could print: it waits for a person while a done print lies on it."""
    now = replace(was, fault=None, busy=False)
    return to(now, at, State.WAITING_PERSON if now.finished else State.IDLE)


def failed(was: OctoPrint, at: float, words: str | None) -> tuple[OctoPrint, tuple[StateSeen, ...]]:
    """Return the memory after an error; where the fault is known already, its words follow it."""
    now = replace(was, fault=words or was.fault or "")
    return to(now, at, State.FAULT, words) if now.state is State.FAULT and words else (now, ())


def flagged(was: OctoPrint, at: float, flags: Mapping[str, Any]) -> tuple[OctoPrint, tuple[StateSeen, ...]]:
    """Return the memory after OctoPrint's own model of the printer came with the progress (printer_data)."""
    if was.state not in {None, State.UNKNOWN} and at - was.state_at < STALE_S:
        return was, ()
    if was.state is State.WAITING_PERSON and was.waiting_since is not None:
        return was, ()
    if any(flags.get(name) is True for name in _PASSING):
        return was, ()
    for name, state_id in (
        ("error", "ERROR"),
        ("closedOrError", "OFFLINE"),
        ("paused", "PAUSED"),
        ("printing", "PRINTING"),
        ("operational", "OPERATIONAL"),
    ):
        if flags.get(name) is True:
            return named(was, at, state_id, None)
    return was, ()


def alive(was: OctoPrint, at: float) -> tuple[OctoPrint, tuple[StateSeen, ...]]:
    """Return the memory after a live measured value: whoever sends one is there, whatever its last will said.

    After a cut of the network the broker publishes the will of the old connection while the new one speaks.
    """
    if was.gone_at is None or at - was.gone_at <= ALIVE_S:
        return was, ()
    return to(was, at, was.before or State.UNKNOWN)


def moves(was: OctoPrint, at: float) -> tuple[OctoPrint, tuple[StateSeen, ...]]:
    """Return the memory after the job was seen to go on: OctoPrint does not say when a person has done their part."""
    if was.waiting_since is None or at - was.waiting_since <= MOVES_AGAIN_S:
        return was, ()
    return to(was, at, State.RUNNING)


def _after_colon(text: str | None) -> str | None:
    return (text or "").partition(": ")[2] or None
