# SPDX-License-Identifier: AGPL-3.0-or-later
"""pysparkplug, as a host, follows the Sparkplug voice by aliases alone, through a rebirth and a death."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from collector.contract.event import State
from firmware_sim.uplink import Uplink
from firmware_sim.voices.sparkplug import SparkplugVoice


@pytest.fixture
def uplink(broker_port: int) -> Uplink:
    return Uplink("127.0.0.1", broker_port)


def test_pysparkplug_hears_births_values_and_a_death(
    plant: Callable[..., Any], reader: Callable[..., Any], uplink: Uplink, broker_port: int
) -> None:
    program = reader("pysparkplug", str(broker_port), "coop", "cell1")
    program.until({"births": 0})
    machine = plant(SparkplugVoice("coop/cell1"))
    printer = machine.printer
    uplink.add(machine, client_id="cell1", credentials=None)

    def turn() -> None:
        uplink.turn(0.05)

    program.until({"births": 1, "bd_seq": 0}, turn)
    while printer.state is not State.RUNNING or printer.job.ratio < 0.2:
        machine.tick()
        uplink.turn(0.0)
    machine.tick()
    job = printer.job
    true = {"State": "RUNNING", "Job/Id": job.id, "Job/File": job.file, "Job/Estimate": job.estimate_s}
    true |= {"Temperature/NozzleTarget": printer.built.nozzle_target_degc, "Job/Progress": round(job.ratio, 2)}
    true |= {"Parts/Good": 0, "Parts/Scrap": 0, "Job/Outcome": None}
    true["Energy/Total"] = pytest.approx(printer.energy_kwh * 1000, abs=0.02)
    program.until({"gaps": 0, "values": true}, turn)
    program.ask("rebirth")
    program.until({"births": 2, "bd_seq": 0, "gaps": 0}, turn)
    uplink.close()
    program.until({"deaths": 1, "death_bd_seq": 0})
