# SPDX-License-Identifier: AGPL-3.0-or-later
"""moonraker-api asks the Moonraker voice.

That client speaks JSON-RPC over a WebSocket, the voice over MQTT: between them stands a WebSocket that hands every
frame on as it is (`readers/websocket_to_mqtt.py`). Status updates over MQTT are no part of that client.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from collector.contract.event import State
from firmware_sim.voices.moonraker import MoonrakerVoice


def test_moonraker_api_gets_the_status_the_history_and_the_queue(
    plant: Callable[..., Any], reader: Callable[..., Any], on_broker: Callable[..., Any], broker_port: int
) -> None:
    machine = plant(MoonrakerVoice("voron-01"))
    printer = machine.printer
    turn = on_broker(machine)
    program = reader("moonraker", str(broker_port), "voron-01")
    while printer.state is not State.RUNNING or printer.job.ratio < 0.2:
        machine.tick()
        turn()
    job = printer.job

    stats = {"filename": job.file, "state": "printing", "print_duration": round(job.running_s, 6), "message": ""}
    true = {"klipper": "ready", "host": "voron-01", "job": "in_progress", "queue": [], "stats": stats}
    program.until(true | {"target_degc": printer.built.nozzle_target_degc}, turn)
    assert {"print_stats", "webhooks", "extruder"} <= set(program.ask()["modules"])
    job.takes_s = job.printed_s
    while printer.state is not State.WAITING_PERSON:
        machine.tick()
        turn()
    program.until({"job": "completed", "stats": {"state": "complete"}}, turn)
