# SPDX-License-Identifier: AGPL-3.0-or-later
"""Klipper's objects as Moonraker sees them: what they hold, and how a job's events move them.

A heater that doesn't heat shuts the firmware down and leaves `print_stats` paused; after FIRMWARE_RESTART it stands by
with an empty filename, so the outcome is gone.
"""

from __future__ import annotations

from typing import Any, Final

from collector.contract.event import JobEnded, Outcome
from firmware_sim.machines.printer import Printer
from firmware_sim.physics import BED, HOTEND
from firmware_sim.voices.sliced import LAYER_MM, sliced

Objects = dict[str, dict[str, Any]]
IDLE_TIMEOUT_S: Final = 600.0
_HOST_S: Final = 97.0
"""How much longer the host is up than the firmware's own clock."""
_RESTART: Final = (
    "Once the underlying issue is corrected, use the\n"
    '"FIRMWARE_RESTART" command to reset the firmware, reload the\n'
    "config, and restart the host software.\nPrinter is shutdown\n"
)
_SHUTDOWNS: Final = (
    (
        ("thermistor", "sensor", "adc", "mintemp", "maxtemp"),
        "MCU 'mcu' shutdown: ADC out of range\n\nSensor 'extruder' temperature 400.000 not in range 0.000:280.000\n\n"
        "This generally occurs when a heater temperature exceeds\nits configured min_temp or max_temp.\n" + _RESTART,
    ),
    (
        ("heat", "thermal", "runaway"),
        "Heater extruder not heating at expected rate\nSee the 'verify_heater' section in docs/Config_Reference.md\n"
        "for the parameters that control this check.\n\n" + _RESTART,
    ),
)
"""Words of a cause, and with which message the firmware shuts down then; any other cause ends the print alone."""


class Klipper:
    """The status objects of one printer; durations in seconds, temperatures in °C, lengths in mm."""

    def __init__(self) -> None:
        self.objects: Objects = _at_rest()
        self._up_at: float | None = None
        self._printing_at = 0.0
        self._rested_at = 0.0

    @property
    def state(self) -> str:
        """Return the word of `webhooks`: startup, ready or shutdown."""
        return str(self.objects["webhooks"]["state"])

    @property
    def turning_point(self) -> tuple[str, str, str]:
        """Return the words whose change a status message does not hold back."""
        stats = self.objects["print_stats"]
        return self.state, stats["state"], stats["filename"]

    def eventtime_s(self, now: float) -> float:
        """Return the host's monotonic clock."""
        if self._up_at is None:
            self._up_at = now
        return round(now - self._up_at + _HOST_S, 9)

    def started(self, file: str, printer: Printer) -> None:
        """Begin a print: everything of the last one is gone."""
        fresh, job = _at_rest(), sliced(printer)
        for name in ("webhooks", "print_stats", "virtual_sdcard", "display_status", "pause_resume"):
            self.objects[name] = fresh[name]
        self._set("print_stats", filename=file, state="printing")
        self._set("print_stats", info={"total_layer": job.layers if job else None, "current_layer": 0})
        self._set("virtual_sdcard", is_active=True)
        self._idle("Printing", printer.now)

    def paused(self, now: float, *, runout: bool) -> None:
        """Pause the print; with `runout` because the filament is gone."""
        self._set("print_stats", state="paused")
        self._set("pause_resume", is_paused=True)
        self._set("virtual_sdcard", is_active=False)
        self._set("filament_switch_sensor runout", filament_detected=not runout)
        self._idle("Ready", now)

    def resumed(self, now: float) -> None:
        """Go on with a paused print."""
        self._set("print_stats", state="printing")
        self._set("pause_resume", is_paused=False)
        self._set("virtual_sdcard", is_active=True)
        self._set("filament_switch_sensor runout", filament_detected=True)
        self._idle("Printing", now)

    def ended(self, ended: JobEnded, now: float) -> None:
        """End the print in the firmware's own way."""
        if ended.duration_s is not None:
            self._set("print_stats", total_duration=ended.duration_s)
        if ended.print_duration_s is not None:
            self._set("print_stats", print_duration=ended.print_duration_s)
        self._set("virtual_sdcard", is_active=False)
        self._set("pause_resume", is_paused=False)
        self._idle("Ready", now)
        if ended.outcome is Outcome.DONE:
            self._set("print_stats", state="complete")
            self._set("virtual_sdcard", progress=1.0)
            self._set("display_status", progress=1.0)
        elif ended.outcome is Outcome.CANCELLED:
            self._set("print_stats", state="cancelled")
            self._set("virtual_sdcard", progress=0.0, file_position=0)
        else:
            self._failed(ended.cause or "unknown error")

    def cleared(self) -> None:
        """Press `clear print` after a plate was taken off."""
        for name in ("print_stats", "virtual_sdcard", "display_status"):
            self.objects[name] = _at_rest()[name]

    def restarted(self) -> None:
        """Start the firmware anew; it is not ready yet."""
        self.objects = _at_rest()
        self._set(
            "webhooks", state="startup", state_message="Printer is not ready\nThe klippy host software is starting"
        )

    def ready(self) -> None:
        """Be ready after a restart."""
        self._set("webhooks", state="ready", state_message="Printer is ready")

    def measured(self, printer: Printer) -> None:
        """Take over what the printer measures, and where its job stands."""
        sensed, now = printer.sense(), printer.now
        on = self.state == "ready"
        nozzle_degc, bed_degc = sensed.nozzle_target_degc, sensed.bed_target_degc
        power = round(min(sensed.heater_power_w / HOTEND.power_w, 1.0), 6)
        bed_power = round(min(printer.bed.power_w / BED.power_w, 1.0), 6)
        self._set("extruder", temperature=sensed.nozzle_degc, target=nozzle_degc, power=power if on else 0.0)
        self._set("heater_bed", temperature=sensed.bed_degc, target=bed_degc, power=bed_power if on else 0.0)
        self._set("toolhead", estimated_print_time=round(self.eventtime_s(now) - _HOST_S / 2, 8))
        stats, idle = self.objects["print_stats"], self.objects["idle_timeout"]
        if idle["state"] == "Printing":
            self._set("idle_timeout", printing_time=round(now - self._printing_at, 6))
        elif idle["state"] == "Ready" and stats["state"] != "paused" and now - self._rested_at >= IDLE_TIMEOUT_S:
            self._set("idle_timeout", state="Idle")
        job = sliced(printer)
        if job is None or not on or stats["state"] not in {"printing", "paused"}:
            return
        self._set("print_stats", total_duration=round(job.total_s, 6), print_duration=round(job.running_s, 6))
        self._set("print_stats", filament_used=round(job.filament_mm, 2))
        self._set("print_stats", info={"total_layer": job.layers, "current_layer": job.layer})
        self._set("virtual_sdcard", progress=round(job.ratio, 9), file_position=int(job.ratio * job.size_bytes))
        self._set("display_status", progress=round(job.ratio, 2))
        self._set("toolhead", position=[90.0, 90.0, round(job.layer * LAYER_MM, 3), round(job.filament_mm, 2)])

    def _failed(self, cause: str) -> None:
        if "power" in cause.lower():
            self.cleared()  # the host has started anew, and its memory of the print is gone
            return
        for words, message in _SHUTDOWNS:
            if any(word in cause.lower() for word in words):
                self._set("print_stats", state="paused")
                self._set("webhooks", state="shutdown", state_message=message)
                return
        self._set("print_stats", state="error", message=cause)

    def _idle(self, state: str, now: float) -> None:
        self._printing_at = self._rested_at = now
        self._set("idle_timeout", state=state, printing_time=0.0)

    def _set(self, name: str, **fields: Any) -> None:
        self.objects[name] |= fields


def changes(before: Objects, after: Objects) -> Objects:
    """Return the fields that differ, by object.

    >>> changes({"fan": {"speed": 0.0, "rpm": None}}, {"fan": {"speed": 0.5, "rpm": None}})
    {'fan': {'speed': 0.5}}
    """
    found = {}
    for name, fields in after.items():
        old = before.get(name, {})
        new = {field: value for field, value in fields.items() if field not in old or old[field] != value}
        if new:
            found[name] = new
    return found


def _at_rest() -> Objects:
    info = {"total_layer": None, "current_layer": None}
    return {
        "webhooks": {"state": "ready", "state_message": "Printer is ready"},
        "idle_timeout": {"state": "Idle", "printing_time": 0.0, "idle_timeout": IDLE_TIMEOUT_S},
        "print_stats": {
            "filename": "",
            "total_duration": 0.0,
            "print_duration": 0.0,
            "filament_used": 0.0,
            "state": "standby",
            "message": "",
            "info": info,
        },
        "virtual_sdcard": {"progress": 0.0, "is_active": False, "file_position": 0},
        "display_status": {"progress": 0.0, "message": None},
        "toolhead": {"position": [0.0] * 4, "print_time": 0.0, "homed_axes": "", "estimated_print_time": 0.0},
        "extruder": {"temperature": 0.0, "target": 0.0, "power": 0.0},
        "heater_bed": {"temperature": 0.0, "target": 0.0, "power": 0.0},
        "fan": {"speed": 0.0, "rpm": None},
        "pause_resume": {"is_paused": False},
        "filament_switch_sensor runout": {"filament_detected": True, "enabled": True},
    }
