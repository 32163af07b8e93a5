# SPDX-License-Identifier: AGPL-3.0-or-later
"""Klipper behind Moonraker: changed fields alone, a monotonic clock, and answers to JSON-RPC on one shared topic.

The words and their order are those of Moonraker 0.11.0 with Klipper v0.13. It buffers nothing; after a reconnect it
says `online` and goes on with changes, so whoever came late has to ask for the whole.
"""

from __future__ import annotations

from typing import Final

from collector.contract.event import JobEnded, JobStarted, State, StateSeen
from firmware_sim.machines.printer import Printer
from firmware_sim.truth import Happening
from firmware_sim.voices.klipper import Klipper, Objects, changes
from firmware_sim.voices.moonraker_rpc import JsonRpc
from firmware_sim.voices.outbox import Outbox
from firmware_sim.voices.voice import Publication, text

STATUS_S: Final = 1.0
"""`status_interval`: plant's seconds between two messages of changed fields."""
GAP_S_MIN: Final = 0.25
"""Real seconds between two of them at a fast clock; a job's or the firmware's change of state does not wait."""


class MoonrakerVoice:
    """The voice of one Moonraker under its instance name; with `split` every field has a retained topic of its own."""

    def __init__(self, instance: str, *, split: bool = False) -> None:
        self._instance = instance
        self._split = split
        self._outbox = Outbox()
        self._klipper = Klipper()
        self._rpc = JsonRpc(self._klipper, hostname=instance)
        self._said: Objects = {}
        self._turning_point: tuple[str, str, str] | None = None
        self._told_at = 0.0
        self._real_told_at = 0.0
        self._online = False

    @property
    def will(self) -> Publication:
        """Return `offline`, which stays with the broker."""
        return Publication(f"{self._instance}/moonraker/status", text({"server": "offline"}), 0, True)

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """Return the topic of requests."""
        return (f"{self._instance}/moonraker/api/request",)

    def connected(self, printer: Printer, real_s: float) -> None:
        """Say `online`; the whole status follows at the first connect, later only what changes."""
        self._outbox.clear()
        self._outbox.say(self.will.topic, {"server": "online"}, retain=True)
        if not self._online and self._said:
            self._said = {}
            self._tell(printer.now, real_s)
        self._online = True

    def happened(self, happening: Happening, printer: Printer, real_s: float) -> None:
        """Let Klipper's words change; the next sample says them."""
        del real_s
        klipper, now = self._klipper, printer.now
        if isinstance(happening, JobStarted):
            klipper.started(happening.file or "", printer)
            self._rpc.started(happening.file or "", now, happening.estimate_s)
        elif isinstance(happening, JobEnded):
            klipper.ended(happening, now)
            self._rpc.ended(happening, now)
        elif isinstance(happening, StateSeen):
            self._state_changed(happening.state, happening.why, now)

    def sampled(self, printer: Printer, real_s: float) -> None:
        """Say what changed, at most once a second."""
        klipper = self._klipper
        if klipper.state == "startup" and self._said.get("webhooks") == klipper.objects["webhooks"]:
            klipper.ready()
            self._said = {}  # Moonraker subscribes anew after a restart, and gets the whole
        klipper.measured(printer)
        self._rpc.clock(printer.now)
        due = printer.now - self._told_at >= STATUS_S and real_s - self._real_told_at >= GAP_S_MIN
        if due or klipper.turning_point != self._turning_point:
            self._tell(printer.now, real_s)

    def received(self, topic: str, payload: bytes, real_s: float) -> None:
        """Answer a request; everybody hears the response, and knows it by its id."""
        del real_s
        answer = self._rpc.answer(payload) if topic in self.subscriptions else None
        if answer is not None:
            self._outbox.say(f"{self._instance}/moonraker/api/response", answer)

    def take(self, room: int, real_s: float) -> list[Publication]:
        """Return what is due, once."""
        del real_s
        return self._outbox.take(room)

    def _state_changed(self, state: State, why: str | None, now: float) -> None:
        klipper = self._klipper
        word = klipper.objects["print_stats"]["state"]
        if state in {State.HELD, State.WAITING_PERSON, State.STARVED} and word == "printing":
            klipper.paused(now, runout=state is State.STARVED or "filament" in (why or ""))
        elif state in {State.SETUP, State.RUNNING} and word == "paused":
            klipper.resumed(now)
        elif state is State.IDLE and (klipper.state == "shutdown" or word == "error"):
            klipper.restarted()
        elif state is State.IDLE and word == "complete":
            klipper.cleared()

    def _tell(self, now: float, real_s: float) -> None:
        changed = changes(self._said, self._klipper.objects)
        eventtime = self._klipper.eventtime_s(now)
        if self._split:
            for name, fields in changed.items():
                for field, value in fields.items():
                    topic = f"{self._instance}/klipper/state/{name}/{field}"
                    self._outbox.say(topic, {"eventtime": eventtime, "value": value}, retain=True)
        elif changed:
            body = {"eventtime": eventtime, "status": changed}
            self._outbox.say(f"{self._instance}/klipper/status", body)
        self._said = {name: dict(fields) for name, fields in self._klipper.objects.items()}
        self._turning_point = self._klipper.turning_point
        self._told_at, self._real_told_at = now, real_s
