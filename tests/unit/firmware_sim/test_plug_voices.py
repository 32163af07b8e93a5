# SPDX-License-Identifier: AGPL-3.0-or-later
"""What plugs say is what the printer takes: units, counters, what changed, and local midnight."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from firmware_sim.machines.printer import Printer
from firmware_sim.voices.shelly import ShellyVoice
from firmware_sim.voices.shelly_gen1 import ShellyGen1Voice
from firmware_sim.voices.tasmota import TasmotaVoice
from firmware_sim.voices.voice import Voice

Json = dict[str, Any]
MIDNIGHT = 1_795_392_000.0 + 86_400.0


@pytest.fixture
def printer(make_printer: Callable[..., Printer]) -> Printer:
    made = make_printer()
    made.begin()
    return made


def live(voice: Voice, printer: Printer, seconds: float) -> dict[str, list[bytes]]:
    end, said = printer.now + seconds, dict[str, list[bytes]]()
    while printer.now < end:
        printer.advance(printer.now + 5.0)
        voice.sampled(printer, printer.now)
        for each in voice.take(1000, printer.now):
            said.setdefault(each.topic, []).append(each.payload)
    return said


def test_tasmota_counts_kwh_and_says_wh_since_the_last_report(printer: Printer) -> None:
    voice, before_kwh = TasmotaVoice("plug-1"), printer.energy_kwh
    reports = [json.loads(raw)["ENERGY"] for raw in live(voice, printer, 900.0)["tele/plug-1/SENSOR"]]
    used_kwh = printer.energy_kwh - before_kwh
    assert reports[-1]["Total"] == pytest.approx(printer.energy_kwh, abs=0.0015)
    assert reports[-1]["Today"] == pytest.approx(used_kwh, abs=0.002)
    assert sum(report["Period"] for report in reports) == pytest.approx(used_kwh * 1000, abs=len(reports) / 2)


def test_tasmotas_today_begins_anew_at_its_own_midnight_and_total_does_not(printer: Printer) -> None:
    voice = TasmotaVoice("plug-1", zone_s=-3 * 3600)
    printer.now = MIDNIGHT + 3 * 3600 - 120
    reports = [json.loads(raw) for raw in live(voice, printer, 240.0)["tele/plug-1/SENSOR"]]
    before = [report["ENERGY"] for report in reports if report["Time"] < "2026-11-24"]
    after = [report["ENERGY"] for report in reports if report["Time"] >= "2026-11-24"]
    assert before
    assert after[0]["Yesterday"] > 0 == before[0]["Yesterday"]
    assert after[0]["Today"] < before[-1]["Today"]
    assert after[0]["Total"] >= before[-1]["Total"]


def test_tasmotas_time_has_no_zone(printer: Printer) -> None:
    report = json.loads(live(TasmotaVoice("plug-1"), printer, 20.0)["tele/plug-1/SENSOR"][0])
    assert len(report["Time"]) == len("2018-02-15T17:37:10")


def test_shelly_notifies_only_what_changed_and_energy_once_a_minute(printer: Printer) -> None:
    said = live(ShellyVoice("shellyplusplugs-a8032ab1"), printer, 600.0)["shellyplusplugs-a8032ab1/events/rpc"]
    switches = [json.loads(raw)["params"]["switch:0"] for raw in said]
    minutes = [switch["aenergy"] for switch in switches[1:] if "aenergy" in switch]
    assert {"output", "temperature"} <= set(switches[0])
    assert not any("output" in switch for switch in switches[1:])
    assert len(minutes) == 10
    assert minutes[-1]["total"] - minutes[0]["total"] == pytest.approx(
        sum(minute["by_minute"][0] for minute in minutes[1:]) / 1000, abs=0.02
    )


def test_shelly_answers_calls_to_their_source_and_refuses_to_switch(printer: Printer) -> None:
    voice = ShellyVoice("shellyplusplugs-a8032ab1")
    live(voice, printer, 20.0)
    for number, method in enumerate(("Switch.GetStatus", "Switch.Set")):
        call = json.dumps({"id": number, "src": "reader", "method": method})
        voice.received("shellyplusplugs-a8032ab1/rpc", call.encode(), 0.0)
    status, refused = ((each.topic, json.loads(each.payload)) for each in voice.take(10, 0.0))
    assert status[0] == refused[0] == "reader/rpc"
    assert status[1]["result"]["aenergy"]["total"] == pytest.approx(printer.energy_kwh * 1000, abs=0.1)
    assert refused[1]["error"]["code"] == 404


def test_shellys_first_generation_counts_watt_minutes_since_it_was_switched_on(printer: Printer) -> None:
    before_kwh = printer.energy_kwh
    said = live(ShellyGen1Voice("shellyplug-s-C8C9A3"), printer, 600.0)
    assert said["shellies/shellyplug-s-C8C9A3/relay/0/energy"][0] == b"0"
    last = int(said["shellies/shellyplug-s-C8C9A3/relay/0/energy"][-1])
    watt_minutes = (printer.energy_kwh - before_kwh) * 60_000
    assert last == pytest.approx(watt_minutes, rel=0.1)
