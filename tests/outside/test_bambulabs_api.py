# SPDX-License-Identifier: AGPL-3.0-or-later
"""bambulabs-api reads the Bambu voice as it reads a printer: over TLS, at the printer's own broker, by its code."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from collector.contract.event import State
from firmware_sim.lan.printers import LanPrinters
from firmware_sim.voices.bambu import BambuVoice, Model

SERIAL = "01P00A123456789"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not on PATH: apt install openssl")
@pytest.mark.parametrize("model", ["P1S", "X1C"])
def test_bambulabs_api_follows_a_job_from_preparing_to_finished(
    model: Model, plant: Callable[..., Any], reader: Callable[..., Any], tmp_path: Path
) -> None:
    machine = plant(BambuVoice(SERIAL, model=model))
    printer = machine.printer
    with LanPrinters(tmp_path) as lan:
        port = lan.add(machine, serial=SERIAL, access_code="12345678")
        program = reader("bambu", "127.0.0.1", str(port), SERIAL, "12345678")
        while printer.state is not State.RUNNING or printer.job.ratio < 0.4:
            machine.tick()
            lan.turn(0.0)
        job = printer.job
        layers = max(round(job.estimate_s / 40), 1)
        known = {
            "state": "RUNNING",
            "stage": "PRINTING",
            "percent": int(job.ratio * 100),
            "minutes": math.ceil(job.estimate_s * (1 - job.ratio) / 60),
            "layer": int(job.ratio * layers) + 1,
            "layers": layers,
            "nozzle_degc": printer.built.nozzle_target_degc,
            "bed_target_degc": printer.built.bed_target_degc,
            "file": job.file,
            "name": job.file.split(".")[0],
            "error": 0,
            "firmware": {"P1S": "01.08.01.00", "X1C": "01.09.00.10"}[model],
            "material": [printer.built.material.upper()],
        }
        program.until(known, lambda: lan.turn(0.0))
        while printer.state is not State.WAITING_PERSON:
            machine.tick()
            lan.turn(0.0)
        machine.tick()
        finished = {"state": "FINISH", "percent": 100, "minutes": 0, "stage": "IDLE"}
        program.until(finished, lambda: lan.turn(0.0))
