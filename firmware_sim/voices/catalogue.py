# SPDX-License-Identifier: AGPL-3.0-or-later
"""The tables of foreign voices: each is made from the prefix under which it speaks."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Final

from firmware_sim.machines.machine import Machine
from firmware_sim.voices.bambu import BambuVoice
from firmware_sim.voices.moonraker import MoonrakerVoice
from firmware_sim.voices.octoprint import OctoprintVoice
from firmware_sim.voices.shelly import ShellyVoice
from firmware_sim.voices.shelly_gen1 import ShellyGen1Voice
from firmware_sim.voices.sparkplug import SparkplugVoice
from firmware_sim.voices.tasmota import TasmotaVoice
from firmware_sim.voices.voice import Speech, Voice

PRINTERS: Final[Mapping[str, Callable[[str], Voice]]] = {
    "octoprint": OctoprintVoice,
    "moonraker": MoonrakerVoice,
    "moonraker-split": lambda instance: MoonrakerVoice(instance, split=True),
    "bambu": BambuVoice,
    "bambu-x1": lambda serial: BambuVoice(serial, model="X1C"),
    "sparkplug": SparkplugVoice,
}
PLUGS: Final[Mapping[str, Callable[[str], Speech[Machine]]]] = {
    "tasmota": TasmotaVoice,
    "shelly": ShellyVoice,
    "shelly-gen1": ShellyGen1Voice,
}
LAN: Final = frozenset({"bambu", "bambu-x1"})
"""Voices that are brokers themselves: `firmware_sim.lan` takes them, the uplink doesn't."""
_PREFIXES: Final = {
    "moonraker": "{}", "moonraker-split": "{}", "tasmota": "{}", "sparkplug": "workshop/{}",
    "shelly": "shellyplusplugs-{}", "shelly-gen1": "shellyplug-s-{}",
}  # fmt: skip


def prefix_of(voice: str, device: str) -> str:
    """Return under what a device speaks: an instance, a topic, `group/node`, an id, or a serial number.

    >>> prefix_of("sparkplug", "mk4-03")
    'workshop/mk4-03'
    """
    if voice in LAN:
        return f"01P00A{zlib.crc32(device.encode()) % 10**9:09d}"
    return _PREFIXES.get(voice, f"{voice}/{{}}").format(device)


_SPOKEN: Final = {
    "moonraker-split": ("moonraker", "{}"), "bambu": ("bambu", "device/{}"), "bambu-x1": ("bambu", "device/{}"),
    "sparkplug": ("sparkplug", "spBv1.0/{}/printer"), "tasmota": ("tasmota", "tele/{}"),
    "shelly-gen1": ("shelly", "shellies/{}"),
}  # fmt: skip


def spoken(voice: str, prefix: str) -> tuple[str, str]:
    """Return the dialect that a voice speaks, and the topic prefix under which a collector hears it.

    >>> spoken("sparkplug", "workshop/cell-06")
    ('sparkplug', 'spBv1.0/workshop/cell-06/printer')
    """
    dialect, form = _SPOKEN.get(voice, (voice, "{}"))
    return dialect, form.format(prefix)
