# SPDX-License-Identifier: AGPL-3.0-or-later
"""A scenario without a broker and without waiting: what its machines would have said, and what really happened.

Nobody gives receipts here, so what the broker has taken counts as stored, as for a sender without a buffer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Final

from firmware_sim.faults import FaultPlan
from firmware_sim.fleet import Fleet
from firmware_sim.replay import Line
from firmware_sim.scenario import Scenario
from firmware_sim.truth import Truth
from firmware_sim.voices.voice import Publication

STEP_S: Final = 1.0
ROOM: Final = 1_000
"""Messages that a device may say in a step."""


class StepClock:
    """A clock that is set by who steps through a story."""

    def __init__(self, start: float) -> None:
        self.at = start

    def now(self) -> float:
        """Return the time that was set."""
        return self.at

    def real_s(self, plant_s: float) -> float:
        """Return the same: nobody is faster than anybody here."""
        return plant_s


class Air:
    """The wire of a fleet without a broker: connects, wills and receipts as they would come, step by step.

    `speed` is how fast the fleet believes its clock to be: at more than 1 voices speak in batches.
    """

    def __init__(self, fleet: Fleet, clock: StepClock, *, speed: float = 1.0) -> None:
        self._fleet = fleet
        self._clock = clock
        self._speed = speed
        self._up: dict[str, bool] = dict.fromkeys(fleet.devices, False)
        self._wills: dict[str, Publication] = {}

    def step(self, now: float) -> list[Publication]:
        """Live to `now` (Unix s) and return what the broker hears, wills included."""
        self._clock.at = now
        real_s = now / self._speed
        self._fleet.live(real_s)
        heard: list[Publication] = []
        for name, device in self._fleet.devices.items():
            if device.reachable and not self._up[name]:
                self._wills[name] = device.will  # as the connect leaves it with the broker
                device.connected(real_s)
            elif self._up[name] and not device.reachable:
                heard.append(self._wills[name])
            self._up[name] = device.reachable
            heard += device.take(ROOM, real_s)
        return heard

    def deliver(self, topic: str, payload: bytes) -> None:
        """Let the devices hear what was published for them."""
        for name, device in self._fleet.devices.items():
            if self._up[name] and topic in device.subscriptions:
                device.received(topic, payload, self._clock.at / self._speed)


def record(
    scenario: Scenario, start: float, end: float, *, faults: Sequence[FaultPlan] = (), truth: Truth | None = None
) -> Iterator[Line]:
    """Yield what a broker would hear from `start` to `end` (Unix s); the accounts are in `truth` afterwards."""
    clock = StepClock(start)
    with Fleet(scenario, clock, host="", port=0, faults=faults, truth=truth) as fleet:
        air, now = Air(fleet, clock), start
        while now < end:
            now = min(now + STEP_S, end)
            for heard in air.step(now):
                yield Line(now, heard.topic, heard.qos, heard.retain, heard.payload)
                _receipt(air, heard)


def _receipt(air: Air, heard: Publication) -> None:
    """Say that the message is stored, where its sender waits for that."""
    kind = next((kind for kind in ("reading", "event") if f"/v1/{kind}/" in heard.topic), None)
    if kind is None:
        return
    body = json.loads(heard.payload)
    boots = {body["boot"]: {"stored_through": body["seq"], "missing": []}} if "seq" in body else {}
    receipt = {"boots": boots, "events": [body["id"]] if "id" in body else []}
    air.deliver(heard.topic.replace(f"/v1/{kind}/", "/v1/receipt/", 1), json.dumps(receipt).encode())
