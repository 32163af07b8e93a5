# SPDX-License-Identifier: AGPL-3.0-or-later
"""A plug by Shelly of the first generation that meters one printer: plain numbers on topics of their own."""

from __future__ import annotations

from typing import Any, Final

from firmware_sim.machines.machine import Machine
from firmware_sim.truth import Happening
from firmware_sim.voices.mains import Metered, metered
from firmware_sim.voices.outbox import Outbox
from firmware_sim.voices.voice import Publication

UPDATE_S: Final = 30.0
"""`mqtt_update_period`: plant's seconds between two reports."""
GAP_S_MIN: Final = 0.25
"""Real seconds between two reports at a fast clock."""


class ShellyGen1Voice:
    """A plug, by its id; its energy counts Watt-minutes since it was switched on."""

    def __init__(self, device: str) -> None:
        self._base = f"shellies/{device}"
        self._device = device
        self._outbox = Outbox()
        self._booted_kwh: float | None = None
        self._meter: Metered | None = None
        self._told_at = 0.0
        self._real_told_at = 0.0

    @property
    def will(self) -> Publication:
        """Return `false`, which stays with the broker."""
        return Publication(f"{self._base}/online", b"false", 0, True)

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """Return the topic of commands."""
        return (f"{self._base}/command",)

    def connected(self, machine: Machine, real_s: float) -> None:
        """Say that it is online, who it is, and what it measured last."""
        self._outbox.clear()
        self._outbox.say(f"{self._base}/online", b"true", retain=True)
        self._announce()
        self._tell(machine.now, real_s)

    def happened(self, happening: Happening, machine: Machine, real_s: float) -> None:
        """Say nothing: a plug knows watts alone."""

    def sampled(self, machine: Machine, real_s: float) -> None:
        """Measure, and report every half minute."""
        self._meter = metered(machine)
        if self._booted_kwh is None:
            self._booted_kwh = self._meter.energy_kwh
        if machine.now - self._told_at >= UPDATE_S and real_s - self._real_told_at >= GAP_S_MIN:
            self._tell(machine.now, real_s)

    def received(self, topic: str, payload: bytes, real_s: float) -> None:
        """Announce itself when it is asked to."""
        del real_s
        if topic in self.subscriptions and payload == b"announce":
            self._announce()

    def take(self, room: int, real_s: float) -> list[Publication]:
        """Return what is due, once."""
        del real_s
        return self._outbox.take(room)

    def _announce(self) -> None:
        body: dict[str, Any] = {
            "id": self._device,
            "model": "SHPLG-S",
            "mac": self._device.rpartition("-")[2],
            "ip": "192.0.2.18",
        }
        body |= {"new_fw": False, "fw_ver": "20230913-113421/v1.14.0"}
        self._outbox.say("shellies/announce", body)

    def _tell(self, now: float, real_s: float) -> None:
        if self._meter is None or self._booted_kwh is None:
            return
        watt_minutes = int((self._meter.energy_kwh - self._booted_kwh) * 60_000)
        words = (("", "on"), ("/power", f"{self._meter.power_w:.2f}"), ("/energy", str(watt_minutes)))
        for name, word in words:
            self._outbox.say(f"{self._base}/relay/0{name}", word.encode(), retain=True)
        self._told_at, self._real_told_at = now, real_s
