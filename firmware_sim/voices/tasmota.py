# SPDX-License-Identifier: AGPL-3.0-or-later
"""A plug with Tasmota that meters one printer: local time without a zone, whole watts, kWh of three digits.

What it says and retains is what Tasmota's documentation shows of an ESP8266 plug with energy monitoring.
"""

from __future__ import annotations

import zlib
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from firmware_sim.machines.machine import Machine
from firmware_sim.truth import Happening
from firmware_sim.voices.mains import Metered, metered
from firmware_sim.voices.outbox import Outbox
from firmware_sim.voices.voice import Publication, text

TELE_PERIOD_S: Final = 10.0
"""Plant's seconds between two reports; the least that Tasmota takes (300, its default, is too slow to see a job)."""
GAP_S_MIN: Final = 0.25
"""Real seconds between two of them at a fast clock."""
VERSION: Final = "14.2.0(release-tasmota)"
MODEL: Final = "Nous A1T"


class TasmotaVoice:
    """The voice of one plug; `zone_s` is what its own clock is ahead of UTC."""

    def __init__(self, topic: str, *, zone_s: float = 0.0) -> None:
        self._topic = topic
        self._mac = f"{zlib.crc32(topic.encode()):08X}".rjust(12, "0")
        self._zone = timedelta(seconds=zone_s)
        self._outbox = Outbox()
        self._booted_at: float | None = None
        self._meter: Metered | None = None
        self._now = 0.0
        self._midnight_kwh = self._yesterday_kwh = self._told_kwh = 0.0
        self._day = ""
        self._told_at = 0.0
        self._real_told_at = 0.0
        self._connect_count = 0

    @property
    def will(self) -> Publication:
        """Return `Offline`, which stays with the broker."""
        return Publication(f"tele/{self._topic}/LWT", b"Offline", 1, True)

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """Return the topic of commands."""
        return (f"cmnd/{self._topic}/#",)

    def connected(self, machine: Machine, real_s: float) -> None:
        """Say `Online`, how it can be discovered, and whether the relay is closed."""
        self._outbox.clear()
        self._connect_count += 1
        self._now = machine.now
        self._outbox.say(f"tele/{self._topic}/LWT", b"Online", qos=1, retain=True)
        discovery = f"tasmota/discovery/{self._mac}"
        self._outbox.say(f"{discovery}/config", self._config(), retain=True)
        if self._meter is not None:
            self._outbox.say(f"{discovery}/sensors", {"sn": self._sensor(), "ver": 1}, retain=True)
        self._relay()
        self._tell(real_s)

    def happened(self, happening: Happening, machine: Machine, real_s: float) -> None:
        """Say nothing: a plug knows watts alone."""

    def sampled(self, machine: Machine, real_s: float) -> None:
        """Measure, and report when the period is over."""
        first = self._meter is None
        self._now, self._meter = machine.now, metered(machine)
        if first:
            self._booted_at = machine.now
            self._midnight_kwh = self._told_kwh = self._meter.energy_kwh
            if self._connect_count:
                sensors = text({"sn": self._sensor(), "ver": 1})
                self._outbox.say(f"tasmota/discovery/{self._mac}/sensors", sensors, retain=True)
        self._turn_day()
        if machine.now - self._told_at >= TELE_PERIOD_S and real_s - self._real_told_at >= GAP_S_MIN:
            self._tell(real_s)

    def received(self, topic: str, payload: bytes, real_s: float) -> None:
        """Answer a question; it is never switched, a printer hangs on it."""
        del real_s
        command = topic.rpartition("/")[2].upper()
        if command in {"STATUS", "STATUS0"} and payload.strip() in {b"8", b"10"} and self._meter is not None:
            number = payload.strip().decode()
            body = text({"StatusSNS": self._sensor()})
            self._outbox.say(f"stat/{self._topic}/STATUS{number}", body)
        elif command == "STATE":
            self._outbox.say(f"stat/{self._topic}/RESULT", self._state())
        elif command in {"POWER", "POWER1"}:
            self._relay()

    def take(self, room: int, real_s: float) -> list[Publication]:
        """Return what is due, once."""
        del real_s
        return self._outbox.take(room)

    def _tell(self, real_s: float) -> None:
        if self._meter is None:
            return
        self._outbox.say(f"tele/{self._topic}/STATE", self._state())
        sensor = self._sensor()
        sensor["ENERGY"]["Period"] = round((self._meter.energy_kwh - self._told_kwh) * 1000)
        self._outbox.say(f"tele/{self._topic}/SENSOR", sensor)
        self._told_at, self._real_told_at, self._told_kwh = self._now, real_s, self._meter.energy_kwh

    def _relay(self) -> None:
        self._outbox.say(f"stat/{self._topic}/RESULT", {"POWER": "ON"})
        self._outbox.say(f"stat/{self._topic}/POWER", b"ON")

    def _local(self, ts: float) -> str:
        return (datetime.fromtimestamp(ts, UTC) + self._zone).strftime("%Y-%m-%dT%H:%M:%S")

    def _turn_day(self) -> None:
        day = self._local(self._now)[:10]
        if self._meter is not None and day != self._day:
            if self._day:
                self._yesterday_kwh = self._meter.energy_kwh - self._midnight_kwh
            self._midnight_kwh, self._day = self._meter.energy_kwh, day

    def _sensor(self) -> dict[str, Any]:
        meter = self._meter
        assert meter is not None
        energy = {
            "TotalStartTime": self._local(self._booted_at or self._now),
            "Total": round(meter.energy_kwh, 3),
            "Yesterday": round(self._yesterday_kwh, 3),
            "Today": round(meter.energy_kwh - self._midnight_kwh, 3),
            "Power": round(meter.power_w),
            "ApparentPower": round(meter.apparent_va),
            "ReactivePower": round(meter.reactive_var),
            "Factor": meter.factor,
            "Voltage": round(meter.voltage_v),
            "Current": meter.current_a,
        }
        return {"Time": self._local(self._now), "ENERGY": energy}

    def _state(self) -> dict[str, Any]:
        up_s = int(self._now - (self._booted_at if self._booted_at is not None else self._now))
        days, clock = divmod(up_s, 86_400)
        uptime = f"{days}T{clock // 3600:02d}:{clock // 60 % 60:02d}:{clock % 60:02d}"
        wifi = {"AP": 1, "SSId": "workshop", "Channel": 6, "Mode": "11n", "RSSI": 76, "Signal": -62, "LinkCount": 1}
        body = {"Time": self._local(self._now), "Uptime": uptime, "UptimeSec": up_s, "Heap": 25, "SleepMode": "Dynamic"}
        return {**body, "Sleep": 50, "LoadAvg": 19, "MqttCount": self._connect_count, "POWER": "ON", "Wifi": wifi}

    def _config(self) -> dict[str, Any]:
        names = {"dn": self._topic, "fn": [self._topic, *[None] * 7], "hn": self._topic, "mac": self._mac, "md": MODEL}
        words = {"ofln": "Offline", "onln": "Online", "state": ["OFF", "ON", "TOGGLE", "HOLD"], "sw": VERSION}
        topics = {"t": self._topic, "ft": "%prefix%/%topic%/", "tp": ["cmnd", "stat", "tele"]}
        parts = {"rl": [1, *[0] * 7], "swc": [-1] * 8, "swn": [None] * 8, "btn": [0] * 8, "lk": 0, "lt_st": 0}
        parts |= {"bat": 0, "dslp": 0, "sho": [0] * 4, "sht": [[0, 0, 0]] * 4}
        options = {"so": dict.fromkeys(("4", "11", "13", "17", "20", "30", "68", "73", "82", "114", "117"), 0)}
        return {
            "ip": "192.0.2.17",
            **names,
            "ty": 0,
            "if": 0,
            "cam": 0,
            **words,
            **topics,
            **parts,
            **options,
            "ver": 1,
        }
