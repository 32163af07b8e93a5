# SPDX-License-Identifier: AGPL-3.0-or-later
"""A plug by Shelly of the second generation that meters one printer: notifications of what changed, calls by JSON."""

from __future__ import annotations

import json
import zlib
from typing import Any, Final

from firmware_sim.machines.machine import Machine
from firmware_sim.truth import Happening
from firmware_sim.voices.mains import Metered, metered
from firmware_sim.voices.outbox import Outbox
from firmware_sim.voices.voice import Publication

GAP_S_MIN: Final = 0.25
"""Real seconds between two reports at a fast clock."""
MINUTE_S: Final = 60
"""The second generation says its energy once a minute."""
CHANGE_W: Final = 2.0
CHANGE_RATIO: Final = 0.05
"""A change of power by so much is told at once (assumption)."""
MINUTES_KEPT: Final = 3
NOT_FOUND: Final = 404
FIRMWARE: Final = "20240625-123456/1.3.3-gbdfd9b3"


class ShellyVoice:
    """A plug of the second generation under its prefix; with `status_ntf` the whole object comes on a topic too."""

    def __init__(self, prefix: str, *, status_ntf: bool = True) -> None:
        self._prefix = prefix
        self._status_ntf = status_ntf
        self._mac = f"{zlib.crc32(prefix.encode()):08X}".rjust(12, "0")
        self._outbox = Outbox()
        self._meter: Metered | None = None
        self._now = self._booted_at = 0.0
        self._minute = 0
        self._minute_wh = 0.0
        self._by_minute = [0.0] * MINUTES_KEPT
        self._told: dict[str, Any] = {}
        self._real_told_at = 0.0

    @property
    def will(self) -> Publication:
        """Return `false`, which stays with the broker."""
        return Publication(f"{self._prefix}/online", b"false", 1, True)

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """Return the topic of remote calls."""
        return (f"{self._prefix}/rpc",)

    def connected(self, machine: Machine, real_s: float) -> None:
        """Say that it is online, and the whole status where that is switched on."""
        del machine, real_s
        self._outbox.clear()
        self._outbox.say(f"{self._prefix}/online", b"true", qos=1, retain=True)
        if self._status_ntf and self._meter is not None:
            self._outbox.say(f"{self._prefix}/status/switch:0", self._switch(), qos=1)

    def happened(self, happening: Happening, machine: Machine, real_s: float) -> None:
        """Say nothing: a plug knows watts alone."""

    def sampled(self, machine: Machine, real_s: float) -> None:
        """Measure; say what changed: power at once, energy with the minute."""
        if self._meter is None:
            self._booted_at = machine.now
        self._now, self._meter = machine.now, metered(machine)
        energy_wh = self._meter.energy_kwh * 1000
        minute = int(self._now // MINUTE_S)
        switch = self._switch()
        if not self._told:
            self._minute, self._minute_wh = minute, energy_wh
            self._tell(switch, real_s)
        elif minute != self._minute:
            mwh = round((energy_wh - self._minute_wh) * 1000 / (minute - self._minute), 3)
            self._by_minute = [mwh, *self._by_minute][:MINUTES_KEPT]
            self._minute, self._minute_wh = minute, energy_wh
            self._tell({**self._changed(switch), "aenergy": self._switch()["aenergy"]}, real_s)
        elif self._jumped(switch["apower"]) and real_s - self._real_told_at >= GAP_S_MIN:
            self._tell(self._changed(switch), real_s)

    def received(self, topic: str, payload: bytes, real_s: float) -> None:
        """Answer a remote call to the topic of its source; it is never switched, a printer hangs on it."""
        del real_s
        try:
            call = json.loads(payload) if topic in self.subscriptions else None
        except ValueError:
            return
        if not isinstance(call, dict) or not isinstance(call.get("src"), str):
            return
        frame = {"id": call.get("id"), "src": self._prefix, "dst": call["src"]}
        result = self._result(str(call.get("method")))
        if result is None:
            error = {"code": NOT_FOUND, "message": f"No handler for {call.get('method')}"}
            self._outbox.say(f"{call['src']}/rpc", {**frame, "error": error}, qos=1)
        else:
            self._outbox.say(f"{call['src']}/rpc", {**frame, "result": result}, qos=1)

    def take(self, room: int, real_s: float) -> list[Publication]:
        """Return what is due, once."""
        del real_s
        return self._outbox.take(room)

    def _result(self, method: str) -> dict[str, Any] | None:
        if self._meter is None:
            return None
        device = {"id": self._prefix, "mac": self._mac, "model": "SNPL-00112EU", "gen": 2, "app": "PlusPlugS"}
        uptime_s = int(self._now - self._booted_at)
        system = {"mac": self._mac, "restart_required": False, "unixtime": int(self._now), "uptime": uptime_s}
        notify = {"enable": True, "topic_prefix": self._prefix, "rpc_ntf": True, "status_ntf": self._status_ntf}
        about = {"device": {"name": None, "mac": self._mac, "fw_id": FIRMWARE}}
        answers: dict[str, dict[str, Any]] = {
            "Shelly.GetDeviceInfo": {**device, "name": None, "fw_id": FIRMWARE, "ver": "1.3.3", "auth_en": False},
            "Shelly.GetConfig": {"mqtt": notify, "switch:0": {"id": 0, "name": None}, "sys": about},
            "Shelly.GetStatus": {"mqtt": {"connected": True}, "switch:0": self._switch(), "sys": system},
            "Shelly.GetComponents": {"components": [], "cfg_rev": 1, "offset": 0, "total": 0},
            "Switch.GetStatus": self._switch(),
        }
        return answers.get(method)

    def _switch(self) -> dict[str, Any]:
        meter = self._meter
        assert meter is not None
        degc = round(28.0 + meter.power_w / 40.0, 1)
        minutes = {"total": round(meter.energy_kwh * 1000, 3), "by_minute": self._by_minute}
        return {
            "id": 0,
            "source": "init",
            "output": True,
            "apower": round(meter.power_w, 1),
            "voltage": meter.voltage_v,
            "current": meter.current_a,
            "aenergy": {**minutes, "minute_ts": int(self._now // MINUTE_S) * MINUTE_S},
            "temperature": {"tC": degc, "tF": round(degc * 1.8 + 32.0, 1)},
        }

    def _changed(self, switch: dict[str, Any]) -> dict[str, Any]:
        names = ("apower", "current", "voltage")
        return {"id": 0, **{name: switch[name] for name in names if switch[name] != self._told.get(name)}}

    def _jumped(self, power_w: float) -> bool:
        told_w = float(self._told["apower"])
        return abs(power_w - told_w) >= max(CHANGE_W, CHANGE_RATIO * told_w)

    def _tell(self, switch: dict[str, Any], real_s: float) -> None:
        params = {"ts": round(self._now, 2), "switch:0": switch}
        frame = {"src": self._prefix, "dst": f"{self._prefix}/events", "method": "NotifyStatus", "params": params}
        self._outbox.say(f"{self._prefix}/events/rpc", frame, qos=1)
        if self._status_ntf:
            self._outbox.say(f"{self._prefix}/status/switch:0", self._switch(), qos=1)
        self._told |= switch
        self._real_told_at = real_s
