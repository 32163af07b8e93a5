# SPDX-License-Identifier: AGPL-3.0-or-later
"""aioshelly initialises the Shelly voice and follows its notifications.

That program speaks RPC over a WebSocket to the plug itself; the frames are the same as over MQTT, and between them
stands a WebSocket that hands every frame on as it is (`readers/websocket_to_mqtt.py`). Topics are ours to check.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from collector.contract.event import State
from firmware_sim.voices.shelly import ShellyVoice

PREFIX = "shellyplusplugs-a8032ab12399"


def test_aioshelly_knows_the_plug_and_follows_its_power(
    plant: Callable[..., Any], reader: Callable[..., Any], on_broker: Callable[..., Any], broker_port: int
) -> None:
    machine = plant(ShellyVoice(PREFIX))
    printer = machine.printer
    turn = on_broker(machine)
    machine.tick()
    program = reader("aioshelly", str(broker_port), PREFIX)
    program.until({"model": "SNPL-00112EU", "gen": 2, "on": True}, turn)
    while printer.state is not State.RUNNING:
        machine.tick()
        turn()
    for _ in range(14):  # more than a minute, after which energy is told
        machine.tick()
        turn()
    true = {
        "notified": True,
        "power_w": pytest.approx(printer.sense().power_w, rel=0.1),
        "energy_wh": pytest.approx(printer.energy_kwh * 1000, abs=2.0),
    }
    program.until(true, turn)
