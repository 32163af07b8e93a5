# SPDX-License-Identifier: AGPL-3.0-or-later
"""What OctoPrint's events say: one table, name to reader. All others, of plugins too, are passed over unread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from collector.contract.event import Outcome, State
from collector.contract.limits import JOB_TEXT_CHARS_MAX
from collector.contract.reading import Fact, Samples
from collector.dialects.figures import estimate_of, number_of
from collector.dialects.octoprint_state import (
    AT_WORK,
    ESTIMATES_MAX,
    PAUSED_FOR_USER,
    SERIAL_LOST,
    OctoPrint,
    failed,
    moves,
    named,
    offline,
    to,
)
from collector.signs import Began, Broke, Ended, Held, Lost, Resumed, Running, Sign, Stopped

AGENT_LOST: Final = "agent lost (OctoPrint disconnected, last will)"
AGENT_CLOSED: Final = "agent lost (OctoPrint shut down)"
MACHINE_ERROR: Final = "machine error"
Said = tuple[Fact | Sign, ...]
Decoded = tuple[OctoPrint, Said]


class Event(NamedTuple):
    """An event's body; `stamp` is OctoPrint's clock in whole seconds, where it gave it."""

    at: float
    stamp: float | None
    body: Mapping[str, Any]

    def text(self, name: str) -> str | None:
        """Return a field that is a text with something in it, cut to what a fact may hold; else None."""
        found = self.body.get(name)
        return found.strip()[:JOB_TEXT_CHARS_MAX] or None if isinstance(found, str) else None

    def number(self, name: str) -> float | None:
        """Return a field that is a finite number; else None."""
        return number_of(self.body.get(name))

    def object(self, name: str) -> Mapping[str, Any]:
        """Return a field that is an object; else an empty one."""
        found = self.body.get(name)
        return found if isinstance(found, dict) else {}

    @property
    def file(self) -> str | None:
        """Return the path of the job's file within OctoPrint."""
        return self.text("path") or self.text("name")


def gone(was: OctoPrint, at: float, why: str, cause: str) -> Decoded:
    """Return the memory after the agent went, by its own word or its last will."""
    first = was.gone_at is None
    now, facts = to(was, at, State.OFFLINE, why) if first else (was, ())
    return replace(now, gone_at=at, before=was.state if first else was.before), (*facts, Lost(at, cause))


def _state_changed(was: OctoPrint, event: Event) -> Decoded:
    word, text = event.text("state_id"), event.text("state_string")
    now, facts = named(was, event.at, word or "", text)
    return now, (*facts, *_signs_of_state(now, event, word))


def _signs_of_state(now: OctoPrint, event: Event, word: str | None) -> Said:
    at, stamp = event.at, event.stamp
    if word == "PRINTING":
        return (Running(at, stamp=stamp), Resumed(at, stamp))
    if word == "PAUSED":
        return (Held(at, stamp),)
    if word == "OPERATIONAL":
        return (Stopped(at, stamp),)
    if word in {"OFFLINE", "CLOSED", "CLOSED_WITH_ERROR"}:
        return (Broke(at, SERIAL_LOST, now.fault or None, stamp),)
    if word == "ERROR":
        return (Broke(at, MACHINE_ERROR, now.fault or now.why, stamp),)
    return ()


def _print_started(was: OctoPrint, event: Event) -> Decoded:
    file = event.file
    estimate_s = was.estimates.get(file or "")
    now = replace(was, finished=False, fault=None, busy=True, file=file, progress=None)
    samples: Said = ()
    if estimate_s is not None:
        samples = (Samples((event.at,), {"estimate_s": (estimate_s,)}, assigned=True),)
    return now, (Began(event.at, file, event.stamp, estimate_s), *samples)


def _ended(event: Event, was: OctoPrint, outcome: Outcome, cause: str | None = None) -> Ended:
    duration_s, file = event.number("time"), event.file
    estimate_s = was.estimates.get(file or "")
    return Ended(event.at, outcome, file, event.stamp, cause, duration_s=duration_s, estimate_s=estimate_s)


def _print_done(was: OctoPrint, event: Event) -> Decoded:
    return replace(was, finished=True, busy=False), (_ended(event, was, Outcome.DONE),)


def _print_failed(was: OctoPrint, event: Event) -> Decoded:
    words = event.text("firmwareError")
    if event.text("reason") == "cancelled" and words is None:
        return replace(was, busy=False), (_ended(event, was, Outcome.CANCELLED),)
    words = words or event.text("error")
    now, facts = failed(replace(was, busy=False), event.at, words)
    return now, (*facts, _ended(event, was, Outcome.FAILED, words))


def _print_cancelled(was: OctoPrint, event: Event) -> Decoded:
    words = event.text("firmwareError")
    outcome = Outcome.CANCELLED if words is None else Outcome.FAILED
    return replace(was, busy=False), (_ended(event, was, outcome, words),)


def _print_cancelling(was: OctoPrint, event: Event) -> Decoded:
    words = event.text("firmwareError")
    return was, () if words is None else (Broke(event.at, MACHINE_ERROR, words, event.stamp),)


def _print_paused(was: OctoPrint, event: Event) -> Decoded:
    now = replace(was, busy=True)
    return now, (Running(event.at, event.file, event.stamp), Held(event.at, event.stamp))


def _print_resumed(was: OctoPrint, event: Event) -> Decoded:
    now = replace(was, busy=True)
    return now, (Running(event.at, event.file, event.stamp), Resumed(event.at, event.stamp))


def _error(was: OctoPrint, event: Event) -> Decoded:
    words = event.text("error")
    now, facts = failed(was, event.at, words)
    if event.text("consequence") == "emergency":
        now, more = to(now, event.at, State.FAULT, words)
        facts = (*facts, *more)
    return now, (*facts, Broke(event.at, MACHINE_ERROR, words, event.stamp))


def _disconnected(was: OctoPrint, event: Event) -> Decoded:
    now, facts = offline(was, event.at)
    return now, (*facts, Broke(event.at, SERIAL_LOST, was.fault or None, event.stamp))


def _shutdown(was: OctoPrint, event: Event) -> Decoded:
    return gone(was, event.at, "OctoPrint shut down", AGENT_CLOSED)


def _paused_for_user(was: OctoPrint, event: Event) -> Decoded:
    if was.state not in {None, State.UNKNOWN, State.SETUP, State.WAITING_PERSON, *AT_WORK}:
        return was, ()
    return to(replace(was, waiting_since=event.at), event.at, State.WAITING_PERSON, PAUSED_FOR_USER)


def _layer_changed(was: OctoPrint, event: Event) -> Decoded:
    return moves(was, event.at)


def _analysed(was: OctoPrint, event: Event) -> Decoded:
    file = event.file
    estimate_s = estimate_of(number_of(event.object("result").get("estimatedPrintTime")))
    if file is None or estimate_s is None or was.estimates.get(file) == estimate_s:
        return was, ()
    others = [row for row in was.estimates.items() if row[0] != file]
    now = replace(was, estimates=dict([*others, (file, estimate_s)][-ESTIMATES_MAX:]))
    if not now.busy or now.file != file:
        return now, ()
    return now, (Samples((event.at,), {"estimate_s": (estimate_s,)}, assigned=True),)


EVENTS: Final[dict[str, Callable[[OctoPrint, Event], Decoded]]] = {
    "PrinterStateChanged": _state_changed,
    "PrintStarted": _print_started,
    "PrintDone": _print_done,
    "PrintFailed": _print_failed,
    "PrintCancelling": _print_cancelling,
    "PrintCancelled": _print_cancelled,
    "PrintPaused": _print_paused,
    "PrintResumed": _print_resumed,
    "Error": _error,
    "Disconnected": _disconnected,
    "Shutdown": _shutdown,
    "PausedForUser": _paused_for_user,
    "ZChange": _layer_changed,
    "MetadataAnalysisFinished": _analysed,
}
