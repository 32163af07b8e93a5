# SPDX-License-Identifier: AGPL-3.0-or-later
"""A Bambu Lab printer's reports, as ha-bambulab's owners recorded them: deltas by a P1, whole objects by an X1.

It speaks through a broker of its own (`firmware_sim.lan`), QoS 0, nothing retained, no will. A cancelled job is FAILED
with an error code that is gone two seconds later.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final, Literal

from collector.contract.event import JobEnded, JobStarted, Outcome, State, StateSeen
from firmware_sim.machines.printer import Printer
from firmware_sim.truth import Happening
from firmware_sim.voices.outbox import Outbox
from firmware_sim.voices.sliced import sliced
from firmware_sim.voices.voice import Publication

Model = Literal["P1S", "X1C"]
REPORT_S: Final = 1.0
"""Plant's seconds between two reports."""
GAP_S_MIN: Final = 0.25
"""Real seconds between two reports at a fast clock; a change of `gcode_state` does not wait."""
SPOOL_MM: Final = 330_000.0
"""Filament on a kilogram's spool."""
ERROR_S: Final = 2.0
CANCELLED: Final = 0x0300400C
RUNOUT: Final = 0x07008011
CLOGGED: Final = 0x03004006
NOT_RESUMED: Final = 0x0300400D
"""Printing could not go on after the power was lost."""
FAILED_SOMEHOW: Final = 0x03008000
"""The printer stopped and doesn't say why."""
NOZZLE_TEMPERATURE: Final = (0x03000200, 0x00010006)
"""attr and code of HMS_0300_0200_0001_0006: the nozzle's temperature is abnormal (severity 1)."""
HEATING_BED, HEATING_NOZZLE, PRINTING, PAUSED_RUNOUT, PAUSED_BY_USER, NO_STAGE = 2, 7, 0, 6, 16, 255
_HEATER_WORDS: Final = ("heat", "thermal", "thermistor", "sensor", "mintemp", "maxtemp")
_ERRORS: Final = (("extru", CLOGGED), ("clog", CLOGGED), ("power", NOT_RESUMED))
"""Words of a cause and the code that comes with it."""


class BambuVoice:
    """The voice of one printer, by its serial number."""

    def __init__(self, serial: str, *, model: Model = "P1S") -> None:
        self._serial = serial
        self._report_topic = f"device/{serial}/report"
        self._model = model
        self._outbox = Outbox()
        self._print: dict[str, Any] = _at_rest()
        self._said: dict[str, Any] = {}
        self._used_mm = self._used_before_mm = 0.0
        self._error_until: float | None = None
        self._sequence = 0
        self._now = self._told_at = self._real_told_at = 0.0

    @property
    def will(self) -> Publication:
        """Return an empty message: the printer is the broker, and leaves no will with itself."""
        return Publication(self._report_topic, b"", 0, False)

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """Return the topic of requests."""
        return (f"device/{self._serial}/request",)

    def connected(self, printer: Printer, real_s: float) -> None:
        """Forget what was said to the client before; a P1 says nothing whole until it is asked."""
        del printer, real_s
        self._outbox.clear()

    def happened(self, happening: Happening, printer: Printer, real_s: float) -> None:
        """Take over a state, or a job's start or end; the next sample reports it."""
        del real_s
        now, words = printer.now, self._print
        if isinstance(happening, JobStarted):
            self._used_before_mm += self._used_mm
            self._used_mm, self._error_until = 0.0, None
            file = happening.file or ""
            words |= _at_rest() | {"ams": words["ams"], "gcode_file": file, "subtask_name": _plain_name(file)}
            words |= {"gcode_state": "PREPARE", "print_type": "local", "gcode_file_prepare_percent": "0"}
            words |= {"task_id": "0", "subtask_id": "0", "job_id": str(int(now) % 1_000_000_000)}
        elif isinstance(happening, JobEnded):
            words |= _ending(happening)
            self._error_until = now + ERROR_S if happening.outcome is Outcome.CANCELLED else None
        elif isinstance(happening, StateSeen):
            self._state_changed(happening)

    def sampled(self, printer: Printer, real_s: float) -> None:
        """Report what changed, or everything, at most once a second."""
        self._now = printer.now
        if self._error_until is not None and printer.now >= self._error_until and self._told("print_error"):
            self._print["print_error"], self._error_until = 0, None
        self._measure(printer)
        slow = printer.now - self._told_at >= REPORT_S and real_s - self._real_told_at >= GAP_S_MIN
        if slow or not self._told("gcode_state"):
            self._report(whole=self._model == "X1C")
            self._told_at, self._real_told_at = printer.now, real_s
        if self._print["gcode_state"] == "PREPARE":
            self._print["gcode_state"] = "RUNNING"

    def received(self, topic: str, payload: bytes, real_s: float) -> None:
        """Answer pushall and get_version; commands change nothing, as they want a signature."""
        del real_s
        try:
            body = json.loads(payload) if topic in self.subscriptions else None
        except ValueError:
            return
        if not isinstance(body, dict):
            return
        if _command(body, "pushing") == "pushall":
            self._report(whole=True)
        if _command(body, "info") == "get_version":
            sequence = str(body["info"].get("sequence_id", "0"))
            self._outbox.say(self._report_topic, {"info": self._version(sequence)})

    def take(self, room: int, real_s: float) -> list[Publication]:
        """Return what is due, once."""
        del real_s
        return self._outbox.take(room)

    def _state_changed(self, seen: StateSeen) -> None:
        words, state = self._print, seen.state
        if state is State.HELD or (
            state in {State.STARVED, State.WAITING_PERSON} and words["gcode_state"] == "RUNNING"
        ):
            runout = state is State.STARVED or "filament" in (seen.why or "")
            words |= {"gcode_state": "PAUSE", "stg_cur": PAUSED_RUNOUT if runout else PAUSED_BY_USER}
            words["print_error"] = RUNOUT if runout else 0
        elif state is State.RUNNING:
            words |= {"gcode_state": "RUNNING", "stg_cur": PRINTING, "print_error": 0}
            words["gcode_file_prepare_percent"] = "100"
        elif state is State.SETUP:
            words["stg_cur"] = HEATING_BED
        elif state is State.IDLE and words["gcode_state"] == "FINISH":
            words |= {"gcode_state": "IDLE", "print_type": "idle"}
        elif state is State.IDLE and words["print_error"] != CANCELLED:
            words |= {"print_error": 0, "hms": []}

    def _measure(self, printer: Printer) -> None:
        sensed, words = printer.sense(), self._print
        # Recorded values are multiples of 1/32 °C; without a sensor the chamber has a constant 5.
        words |= {"nozzle_temper": _grid(sensed.nozzle_degc), "nozzle_target_temper": round(sensed.nozzle_target_degc)}
        words |= {"bed_temper": _grid(sensed.bed_degc), "bed_target_temper": round(sensed.bed_target_degc)}
        words["chamber_temper"] = 5 if self._model == "P1S" else round(24 + 0.2 * sensed.bed_degc)
        words["wifi_signal"] = f"-{50 + int(printer.now) % 5}dBm"
        job = sliced(printer)
        if job is None or words["gcode_state"] not in {"PREPARE", "RUNNING", "PAUSE"}:
            return
        if words["stg_cur"] in {HEATING_BED, HEATING_NOZZLE}:
            words["stg_cur"] = HEATING_NOZZLE if printer.bed.reached() else HEATING_BED
        words |= {"mc_percent": int(100 * job.ratio), "mc_remaining_time": math.ceil(job.left_s / 60)}
        words |= {"layer_num": job.layer, "total_layer_num": job.layers}
        self._used_mm = job.filament_mm
        words["ams"] = _ams(printer.built.material, self._used_before_mm + self._used_mm)

    def _report(self, *, whole: bool) -> None:
        changed = {name: value for name, value in self._print.items() if not self._told(name)}
        body = dict(self._print) if whole else changed
        if not body:
            return
        self._sequence += 1
        frame = {"command": "push_status", "msg": 0 if whole else 1, "sequence_id": str(self._sequence)}
        clock = {"t_utc": round(self._now * 1000)} if self._model == "X1C" else {}
        self._outbox.say(self._report_topic, {"print": {**body, **clock, **frame}})
        self._said = dict(self._print)

    def _told(self, name: str) -> bool:
        return name in self._said and bool(self._said[name] == self._print[name])

    def _version(self, sequence: str) -> dict[str, Any]:
        board = {"P1S": ("C12", "01.08.01.00"), "X1C": ("C11", "01.09.00.10")}[self._model]
        rows = (
            ("ota", *board, "OTA"),
            ("esp32", board[0], "01.13.33.99", "AP04"),
            ("mc", board[0], "00.01.29.83", "MC02"),
        )
        modules = [
            {
                "name": name,
                "project_name": project,
                "sw_ver": version,
                "hw_ver": hardware,
                "sn": self._serial,
                "flag": 0,
            }
            for name, project, version, hardware in rows
        ]
        return {"command": "get_version", "sequence_id": sequence, "module": modules, "result": "success", "reason": ""}


def _ending(ended: JobEnded) -> dict[str, Any]:
    if ended.outcome is Outcome.DONE:
        return {
            "gcode_state": "FINISH",
            "mc_percent": 100,
            "mc_remaining_time": 0,
            "stg_cur": NO_STAGE,
            "print_error": 0,
        }
    failed = {"gcode_state": "FAILED", "stg_cur": NO_STAGE, "print_type": "idle"}
    if ended.outcome is Outcome.CANCELLED:
        return {**failed, "print_error": CANCELLED}
    cause = (ended.cause or "").lower()
    if any(word in cause for word in _HEATER_WORDS):
        attr, code = NOZZLE_TEMPERATURE
        return {**failed, "print_error": attr | code & 0xFFFF, "hms": [{"attr": attr, "code": code}]}
    error = next((code for word, code in _ERRORS if word in cause), FAILED_SOMEHOW)
    return {**failed, "print_error": error, "hms": []}


def _command(body: Mapping[str, Any], word: str) -> Any:
    part = body.get(word)
    return part.get("command") if isinstance(part, dict) else None


def _plain_name(file: str) -> str:
    return file.partition(".")[0]


def _grid(degc: float) -> float:
    return round(degc * 32) / 32


def _ams(material: str, used_mm: float) -> dict[str, Any]:
    remain = max(100 - int(100 * used_mm / SPOOL_MM), 0)
    tray = {"id": "0", "remain": remain, "k": 0.02, "n": 1, "tag_uid": "7A3C91E200000100", "tray_id_name": "A00-W1"}
    tray |= {"tray_info_idx": "GFA00", "tray_type": material.upper(), "tray_sub_brands": "", "tray_color": "FFFFFFFF"}
    tray |= {"tray_weight": "1000", "tray_diameter": "1.75", "nozzle_temp_max": "240", "nozzle_temp_min": "190"}
    tray |= {"tray_temp": "55", "tray_time": "8", "bed_temp_type": "1", "bed_temp": "35", "cali_idx": -1}
    tray |= {"xcam_info": "000000000000000000000000", "tray_uuid": "5C0A2D6E81F94B7D9E33A1B0C4D7F206"}
    unit = {"id": "0", "humidity": "4", "temp": "25.3", "tray": [tray, {"id": "1"}, {"id": "2"}, {"id": "3"}]}
    bits = {"ams_exist_bits": "1", "tray_exist_bits": "1", "tray_is_bbl_bits": "1", "version": 4}
    return {"ams": [unit], **bits, "tray_now": "0", "tray_pre": "0", "tray_tar": "0"}


def _at_rest() -> dict[str, Any]:
    fans = dict.fromkeys(("heatbreak_fan_speed", "cooling_fan_speed", "big_fan1_speed", "big_fan2_speed"), "0")
    temperatures = dict.fromkeys(("nozzle_temper", "nozzle_target_temper", "bed_temper", "bed_target_temper"), 0)
    ids = dict.fromkeys(("project_id", "profile_id", "task_id", "subtask_id", "job_id"), "0")
    job = {"gcode_state": "IDLE", "mc_percent": 0, "mc_remaining_time": 0, "layer_num": 0, "total_layer_num": 0}
    job |= {"subtask_name": "", "gcode_file": "", "gcode_file_prepare_percent": "0", "print_type": "idle"}
    job |= {"stg": [], "stg_cur": NO_STAGE, "print_error": 0, "hms": [], "mc_print_stage": "1", "queue_number": 0}
    machine = {"nozzle_diameter": "0.4", "nozzle_type": "hardened_steel", "spd_lvl": 2, "spd_mag": 100, "sdcard": True}
    machine |= {"home_flag": 0x100, "wifi_signal": "-50dBm", "lights_report": [{"node": "chamber_light", "mode": "on"}]}
    camera = {"ipcam_dev": "1", "ipcam_record": "enable", "timelapse": "disable", "mode_bits": 3}
    return {
        **temperatures,
        "chamber_temper": 5,
        **fans,
        **ids,
        **job,
        **machine,
        "ipcam": camera,
        "ams": _ams("pla", 0.0),
    }
