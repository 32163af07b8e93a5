# SPDX-License-Identifier: AGPL-3.0-or-later
"""hatasmota discovers the Tasmota voice by its retained announcement and hears what the plug measures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from collector.contract.event import State
from firmware_sim.voices.tasmota import VERSION, TasmotaVoice


def test_hatasmota_discovers_the_plug_and_hears_power_and_energy(
    plant: Callable[..., Any], reader: Callable[..., Any], on_broker: Callable[..., Any], broker_port: int
) -> None:
    machine = plant(TasmotaVoice("printer-plug"))
    printer = machine.printer
    turn = on_broker(machine)
    machine.tick()
    turn()
    program = reader("hatasmota", str(broker_port))
    device = {"name": "printer-plug", "topic": "printer-plug", "software": VERSION}
    program.until({"device": device, "available": True}, turn)
    while printer.state is not State.RUNNING:
        machine.tick()
        turn()
    for _ in range(2):
        machine.tick()
        turn()
    values = {
        "ENERGY Total": pytest.approx(printer.energy_kwh, abs=0.0025),
        "ENERGY Power": pytest.approx(machine.printer.sense().power_w, abs=40),
    }
    units = {"ENERGY Total": "kWh", "ENERGY Power": "W"}
    program.until({"values": values, "units": units}, turn)
