# SPDX-License-Identifier: AGPL-3.0-or-later
"""All machines that are dialled: each has a thread that holds its line, or tries again.

What a machine says appears on our own broker under its prefix, as if it had come by itself, and beside it the word
`link`: `online`, or `offline: ` and why. So decoding, log and recordings need to know nothing of how it came.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from collector.attach.bambu import BambuLine
from collector.attach.credentials import secret_of
from collector.attach.line import Ear, Line
from collector.attach.prusalink import PrusaLine
from collector.bus.pause import Pause
from collector.check import Dialled
from collector.contract.errors import Misconfigured, Refusal, Unavailable
from collector.contract.figure import Figure
from collector.contract.ports import Bus
from collector.contract.tree import ATTACH_PORTS, Machine, Plant

AGAIN_S_MAX: Final = 60.0
"""Longest wait between two attempts."""
HANG_UP_S: Final = 10.0
LINES: Final[Mapping[str, Callable[[Machine], Line]]] = {"bambu": BambuLine, "prusalink": PrusaLine}
_LOG: Final = logging.getLogger("cybersyn")


class Switchboard:
    """The lines of a plant; any thread may call. Secrets are read anew at every attempt."""

    def __init__(
        self,
        bus: Bus,
        folder: Path,
        *,
        lines: Mapping[str, Callable[[Machine], Line]] = LINES,
        again_s_max: float = AGAIN_S_MAX,
    ) -> None:
        """`folder` is where `attach.toml` is."""
        self._bus, self._folder, self._lines, self._again_s_max = bus, folder, lines, again_s_max
        self._changing = threading.Lock()
        self._held: dict[str, _Held] = {}

    def replant(self, plant: Plant) -> None:
        """Dial the machines of this plant, and no others; a line that did not change is not touched."""
        with self._changing:
            wanted = {device: machine for device, machine in plant.machines.items() if machine.attach is not None}
            gone = [held for device, held in self._held.items() if not held.serves(wanted.get(device))]
            for held in gone:
                held.closing.set()
            for held in gone:
                held.thread.join(HANG_UP_S)
                del self._held[held.machine.device]
            for device in wanted.keys() - self._held.keys():
                make = self._lines[str(wanted[device].dialect)]
                held = _Held(wanted[device], make(wanted[device]), self._bus, self._folder, self._again_s_max)
                self._held[device] = held
                held.thread.start()

    def dialled(self, device: str) -> Dialled | None:
        """Return how a machine stands, None where it is not dialled."""
        held = self._held.get(device)
        return None if held is None else Dialled(held.where, held.trouble)

    def figures(self) -> Iterator[Figure]:
        """Yield figures for /metrics, by device."""
        for device, held in sorted(self._held.items()):
            own = {"device": device}
            yield Figure("cybersyn_attached", "gauge", "whether a dialled machine answers", held.trouble is None, own)
            yield Figure("cybersyn_attach_attempts", "counter", "times it was dialled", held.attempts_count, own)
            yield Figure("cybersyn_attach_heard", "counter", "messages heard from it", held.heard_count, own)

    def close(self) -> None:
        """Hang up everywhere."""
        self.replant(Plant({}, {}))


class _Held:
    """One machine's line and the thread that holds it."""

    def __init__(self, machine: Machine, line: Line, bus: Bus, folder: Path, again_s_max: float) -> None:
        assert machine.attach is not None
        self.machine = machine
        self.where = f"{machine.attach.host}:{machine.attach.port or ATTACH_PORTS[machine.attach.kind]}"
        self.closing = threading.Event()
        self.trouble: str | None = "not dialled yet"
        self.attempts_count = self.heard_count = 0
        self.thread = threading.Thread(target=self._run, name=f"attach-{machine.device}", daemon=True)
        self._line, self._bus, self._folder, self._again_s_max = line, bus, folder, again_s_max

    def serves(self, wanted: Machine | None) -> bool:
        """Tell whether it is the way to this machine as it is wanted now, wherever it stands."""
        mine = self.machine
        return wanted is not None and (wanted.attach, wanted.prefix) == (mine.attach, mine.prefix)

    def _run(self) -> None:
        pause = Pause(self.closing)
        while not self.closing.is_set():
            since_s = time.monotonic()
            self.attempts_count += 1
            try:
                secret = secret_of(self._folder, self.machine.device)
                self._line.hold(secret, Ear(self._answers, self._say, self.closing))
            except (Unavailable, Misconfigured) as error:
                self._lost(str(error))
            except Exception:  # noqa: BLE001 - one odd machine must not cost the others
                _LOG.exception("the line to %s broke down", self.machine.device)
                self._lost("its line broke down; see the log")
            pause.wait(time.monotonic() - since_s, longest_s=self._again_s_max)

    def _answers(self) -> None:
        _LOG.info("%s answers at %s", self.machine.device, self.where)
        self.trouble = None
        self._publish("link", b"online")

    def _lost(self, why: str) -> None:
        """Say once why the machine is lost, and again where the reason changes."""
        if why == self.trouble:
            return
        _LOG.warning("%s cannot be reached at %s: %s", self.machine.device, self.where, why)
        self.trouble = why
        self._publish("link", f"offline: {why}".encode())

    def _say(self, rest: str, payload: bytes) -> None:
        self.heard_count += 1
        self._publish(rest, payload)

    def _publish(self, rest: str, payload: bytes) -> None:
        if self.closing.is_set():  # whoever has hung up says no more
            return
        try:
            self._bus.publish(f"{str(self.machine.prefix).rstrip('/')}/{rest}", payload)
        except Refusal as refusal:
            _LOG.warning("%s said what no broker takes: %s", self.machine.device, refusal.detail)
