# SPDX-License-Identifier: AGPL-3.0-or-later
"""OctoPrint with its MQTT plugin: the words and their order as a real one (1.11.8, plugin 0.8.16) published them.

It buffers nothing: what is said while the broker is away is gone, as with the real one. Temperatures, progress
and `connected` are retained; events are not.
"""

from __future__ import annotations

import zlib
from collections import deque
from typing import Any, Final

from collector.contract.event import JobEnded, JobStarted, Outcome, State, StateSeen
from firmware_sim.machines.printer import Printer
from firmware_sim.truth import Happening
from firmware_sim.voices.voice import Publication, text

OUTBOX_MAX: Final = 200
PROGRESS_S: Final = 5.0
"""Progress goes out this often (plant's time) if the whole percent has changed."""
GAP_S_MIN: Final = 0.25
"""Real seconds between two temperatures of a heater at a fast clock."""
CHANGE_DEGC: Final = 0.1
_BYTES_PER_S: Final = 290
_FLAGS: Final = (
    "operational", "printing", "cancelling", "pausing", "resuming", "finishing",
    "closedOrError", "error", "paused", "ready", "sdReady",
)  # fmt: skip
_SET_FLAGS: Final = {
    "Printing": {"operational", "printing", "sdReady"},
    "Operational": {"operational", "ready", "sdReady"},
    "Error": {"closedOrError", "error"},
}


class OctoprintVoice:
    """The voice of one OctoPrint under its own prefix."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._outbox: deque[Publication] = deque(maxlen=OUTBOX_MAX)
        self._temperatures: dict[str, tuple[float, float, float]] = {}
        self._percent = -1
        self._progress_at = 0.0
        self._failed = ""
        self._online = False
        self._final_at: float | None = None

    @property
    def will(self) -> Publication:
        """Return the plain word that the plugin leaves with the broker."""
        return Publication(f"{self._prefix}/mqtt", b"disconnected", 1, True)

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """Return nothing: the plugin listens to nobody here."""
        return ()

    def connected(self, printer: Printer, real_s: float) -> None:
        """Say `connected` and where the job stands."""
        del real_s
        if self._online:
            self._outbox.clear()
        self._outbox.appendleft(Publication(f"{self._prefix}/mqtt", b"connected", 1, True))
        self._progress(printer)
        slicing = dict.fromkeys(
            ("slicer", "source_location", "source_path", "destination_location", "destination_path"), ""
        )
        self._say("progress/slicing", {**slicing, "progress": 0}, printer.now, retain=True)
        self._temperatures.clear()
        if self._online:  # the plugin misses `Connected` at its start, and says it after a reconnect
            self._event("Connected", {"port": "VIRTUAL", "baudrate": 0}, printer.now)
        self._online = True

    def happened(self, happening: Happening, printer: Printer, real_s: float) -> None:
        """Say the events of a job's start or end, in the order of the real one."""
        del real_s
        if isinstance(happening, JobStarted):
            self._started(happening, printer)
        elif isinstance(happening, JobEnded):
            self._ended(happening, printer)
        elif isinstance(happening, StateSeen) and happening.state is State.IDLE and self._failed:
            self._failed = ""
            for word, string in (("CONNECTING", "Connecting"), ("OPERATIONAL", "Operational")):
                self._state(word, string, printer.now)
        else:
            assert isinstance(happening, StateSeen)  # the other states have no word of their own here

    def sampled(self, printer: Printer, real_s: float) -> None:
        """Say temperatures that moved, and the percent every five seconds if it changed."""
        sensed = printer.sense()
        self._temperature("tool0", sensed.nozzle_degc, sensed.nozzle_target_degc, printer.now, real_s)
        self._temperature("bed", sensed.bed_degc, sensed.bed_target_degc, printer.now, real_s)
        percent = int(100 * printer.job.ratio) if printer.job is not None else self._percent
        late = self._final_at is not None and printer.now >= self._final_at
        if late or (percent != self._percent and printer.now - self._progress_at >= PROGRESS_S):
            self._progress(printer)
            self._final_at = None

    def received(self, topic: str, payload: bytes, real_s: float) -> None:
        """Hear nothing."""

    def take(self, room: int, real_s: float) -> list[Publication]:
        """Return what is due, once."""
        del real_s
        return [self._outbox.popleft() for _ in range(min(room, len(self._outbox)))]

    def _temperature(self, heater: str, actual: float, target: float, ts: float, real_s: float) -> None:
        before = self._temperatures.get(heater)
        if before is None and target > 0:
            # Recorded: the first word after a heater was switched on has no measured value yet.
            self._say(f"temperature/{heater}", {"actual": None, "target": target}, ts, retain=True)
        elif before is not None:
            still = abs(actual - before[0]) < CHANGE_DEGC and abs(target - before[1]) < CHANGE_DEGC
            if still or (real_s - before[2] < GAP_S_MIN and target == before[1]):
                return
        self._say(f"temperature/{heater}", {"actual": actual, "target": target}, ts, retain=True)
        self._temperatures[heater] = (actual, target, real_s)

    def _started(self, started: JobStarted, printer: Printer) -> None:
        file, ts = _file(started, printer), printer.now
        if self._failed:
            self._failed = ""
        self._event("FileSelected", {**file, "size": None, "owner": "_api", "user": "_api"}, ts)
        self._state("STARTING", "Starting", ts)
        self._event("PrintStarted", {**file, "owner": "_api", "user": "_api"}, ts)
        self._event("ChartMarked", {"type": "print", "label": "Start"}, ts)
        self._state("PRINTING", "Printing", ts)

    def _ended(self, ended: JobEnded, printer: Printer) -> None:
        file, ts = _file(ended, printer), printer.now
        spent = {"time": ended.duration_s}
        if ended.outcome is Outcome.DONE:
            self._state("FINISHING", "Finishing", ts)
            self._event("ChartMarked", {"type": "done", "label": "Done"}, ts)
            self._event("PrintDone", {**file, "owner": "_api", **spent}, ts)
            self._state("OPERATIONAL", "Operational", ts)
            self._final_at = ts + 4.0  # recorded: 100 % comes four seconds after PrintDone
        elif ended.outcome is Outcome.CANCELLED:
            self._cancelled(file, spent, printer)
        else:
            self._failed = ended.cause or "unknown"
            error = {"error": self._failed, "reason": "firmware", "consequence": "emergency", "logs": []}
            self._event("Error", {**error, "faq": "firmware-unknown"}, ts)
            ratio = printer.job.ratio if printer.job is not None else 0.0
            failed = {**file, "owner": "_api", **spent, "reason": "error", "error": self._failed, "progress": ratio}
            self._event("PrintFailed", failed, ts)
            self._state("ERROR", f"Error: {self._failed}", ts)

    def _cancelled(self, file: dict[str, Any], spent: dict[str, Any], printer: Printer) -> None:
        ts = printer.now
        who = {"owner": "_api", "user": "_api"}
        self._event("PrintCancelling", {**file, **who}, ts)
        self._state("CANCELLING", "Cancelling", ts)
        ratio = max(self._percent, 0) / 100
        body = {**file, "position": dict.fromkeys("xyfetz"), "fileposition": int(file["size"] * ratio)}
        body |= {"progress": int(100 * ratio), **who, **spent, "reason": "cancelled"}
        self._event("PrintCancelled", body, ts)
        self._event("ChartMarked", {"type": "cancel", "label": "Cancel"}, ts)
        self._event("PrintFailed", body, ts)
        self._state("OPERATIONAL", "Operational", ts)

    def _progress(self, printer: Printer) -> None:
        job = printer.job
        name = job.file if job is not None else ""
        percent = int(100 * job.ratio) if job is not None else 0
        body = {"location": "local" if name else "", "path": name, "progress": percent}
        self._say("progress/printing", {**body, "printer_data": self._printer_data(printer)}, printer.now, retain=True)
        self._percent, self._progress_at = percent, printer.now

    def _printer_data(self, printer: Printer) -> dict[str, Any]:
        printing = printer.state in {State.SETUP, State.RUNNING}
        word = "Printing" if printing else "Error" if self._failed else "Operational"
        flags = {flag: flag in _SET_FLAGS[word] for flag in _FLAGS}
        return {
            "state": {"text": word, "flags": flags, "error": self._failed},
            **_job_data(printer),
            "offsets": {},
            "resends": {"count": 0, "transmitted": int(printer.now) % 100_000, "ratio": 0},
        }

    def _state(self, word: str, string: str, ts: float) -> None:
        self._event("PrinterStateChanged", {"state_id": word, "state_string": string}, ts)

    def _event(self, name: str, body: dict[str, Any], ts: float) -> None:
        self._say(f"event/{name}", {**body, "_event": name}, ts, retain=False)

    def _say(self, topic: str, body: dict[str, Any], ts: float, *, retain: bool) -> None:
        payload = text({**body, "_timestamp": int(ts)})
        self._outbox.append(Publication(f"{self._prefix}/{topic}", payload, 0, retain))


def _file(happening: JobStarted | JobEnded, printer: Printer) -> dict[str, Any]:
    name = happening.file
    size = _size(printer) if printer.job is not None else zlib.crc32(str(name).encode()) % 900_000 + 100_000
    return {"name": name, "path": name, "origin": "local", "size": size}


def _size(printer: Printer) -> int:
    return int(printer.job.estimate_s * _BYTES_PER_S) if printer.job is not None else 0


def _job_data(printer: Printer) -> dict[str, Any]:
    job = printer.job
    if job is None:
        nothing: dict[str, Any] = dict.fromkeys(("name", "path", "size", "origin", "date"))
        progress: dict[str, Any] = dict.fromkeys(
            ("completion", "filepos", "printTime", "printTimeLeft", "printTimeLeftOrigin")
        )
        bare = {"file": nothing, "estimatedPrintTime": None, "lastPrintTime": None, "user": None}
        return {
            "job": {**bare, "filament": {"length": None, "volume": None}},
            "currentZ": None,
            "progress": progress,
        }
    size = _size(printer)
    elapsed_s = max(printer.now - job.started_at, 0.0)
    left_s = int(elapsed_s * (1 - job.ratio) / job.ratio) if job.ratio > 0 else None
    length_mm = round(printer.built.flow_mm_s * job.takes_s, 1)
    file = {"name": job.file, "path": job.file, "display": job.file, "origin": "local", "size": size}
    return {
        "job": {
            "file": {**file, "date": int(job.started_at)},
            "estimatedPrintTime": job.estimate_s,
            "averagePrintTime": None,
            "lastPrintTime": None,
            "filament": {"tool0": {"length": length_mm, "volume": 0.0}},
            "user": "_api",
        },
        "currentZ": round(0.2 * int(1 + 200 * job.ratio), 2),
        "progress": {
            "completion": 100 * job.ratio,
            "filepos": int(size * job.ratio),
            "printTime": int(elapsed_s),
            "printTimeLeft": left_s,
            "printTimeLeftOrigin": "linear",
        },
    }
