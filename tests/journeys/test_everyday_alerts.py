# SPDX-License-Identifier: AGPL-3.0-or-later
"""Hazards and calls reach the alert topic within two seconds of the message, through the loops as they run."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from collector.bus.local import LocalBroker, LocalBus
from collector.contract.tree import read_plant
from collector.historian.memory import MemoryHistorian
from collector.journal import MemoryJournal
from collector.registry import Registry
from collector.service import Collector
from collector.spool import Spool
from collector.ways import Ways
from cyberfilter.service import Cyberfilter
from deploy.clock import SystemClock

SOON_S = 2.0
"""The product's promise for hazards."""
CELL = "commons/printing"
PLANT = read_plant(
    {
        "units": {CELL: {"name": "Printing", "duty": ["printing phone"]}},
        "machines": {
            "mk4": {"place": f"{CELL}/mk4", "limits": {"nozzle_degc": {"low": 5, "high": 280}}},
            "octo": {"place": f"{CELL}/octo", "dialect": "octoprint", "prefix": "op/octo"},
        },
    }
)
DONE = {"name": "a.gcode", "path": "a.gcode", "origin": "local", "time": 60.0}


class Site:
    """Collector and cyberfilter, each in a loop of its own, and somebody who hears what is said of alerts."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.broker, self.stop = SystemClock(), LocalBroker(), threading.Event()
        self.spool = Spool(folder / "facts.db")
        self.mouth, self.ears = self.bus("mouth"), self.bus("ears")
        self.ears.subscribe(["cybersyn/v1/alert/#"])
        ways = Ways(calm_s=SOON_S)
        collector = Collector(
            spool=self.spool, bus=self.bus("collector"), clock=self.clock, registry=Registry(PLANT), ways=ways
        )
        cyberfilter = Cyberfilter(
            facts=self.spool,
            historian=MemoryHistorian(),
            journal=MemoryJournal(),
            bus=self.bus("cyberfilter"),
            clock=self.clock,
            plant=PLANT,
        )
        turns = (collector.turn, lambda: cyberfilter.turn(0.25))
        self._threads = [threading.Thread(target=self._loop, args=(turn,)) for turn in turns]
        for thread in self._threads:
            thread.start()

    def bus(self, name: str) -> LocalBus:
        return LocalBus(self.broker, name, self.clock, persistent=True)

    def _loop(self, turn: Callable[[], object]) -> None:
        while not self.stop.is_set():
            turn()

    def say(self, topic: str, body: dict[str, Any]) -> None:
        self.mouth.publish(topic, json.dumps(body).encode())

    def heard(self, wait_s: float = 10.0) -> tuple[dict[str, Any], float]:
        """Return the next alert that was published, and after how many seconds."""
        began_s = time.monotonic()
        while time.monotonic() - began_s < wait_s:
            for delivery in self.ears.take(most=1, wait_s=0.05):
                if delivery.payload:
                    return json.loads(delivery.payload), time.monotonic() - began_s
        raise AssertionError(f"no alert within {wait_s} s")

    def close(self) -> None:
        self.stop.set()
        for thread in self._threads:
            thread.join(timeout=10.0)
        self.spool.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.close()


HAZARDS = {
    "fault": ("cybersyn/v1/state/@mk4", {"v": 1, "state": "fault", "why": "Probing failed"}),
    "thermal": ("cybersyn/v1/state/@mk4", {"v": 1, "state": "fault", "why": "MAXTEMP triggered"}),
    "limit": ("cybersyn/v1/reading/@mk4", {"v": 1, "m": {"nozzle_degc": 291.5}}),
    "smoke": ("cybersyn/v1/reading/@detector", {"v": 1, "m": {"smoke_ratio": 1}}),
}


@pytest.mark.parametrize("kind", HAZARDS)
def test_a_hazard_is_told_to_everybody_within_two_seconds(site: Site, kind: str) -> None:
    site.say("cybersyn/v1/reading/@mk4", {"v": 1, "m": {"nozzle_degc": 21.5}})
    assert site.spool.read_from(1, most=1, wait_s=10.0)  # from now on readings wait for each other
    site.say(*HAZARDS[kind])
    alert, after_s = site.heard()
    assert (alert["class"], alert["kind"], alert["to"][:13]) == ("hazard", kind, "everybody at ")
    assert after_s < SOON_S


def test_a_smoke_event_is_told_within_two_seconds(site: Site) -> None:
    site.say(f"cybersyn/v1/event/{CELL}/mk4", {"v": 1, "id": "s1", "event": "smoke", "why": "input 3 is on"})
    alert, after_s = site.heard()
    assert (alert["kind"], alert["facts"]["cause"]) == ("smoke", "input 3 is on")
    assert after_s < SOON_S


def test_a_finished_print_calls_who_is_on_duty_and_clearing_its_plate_answers(site: Site) -> None:
    idle = {"state_id": "OPERATIONAL", "state_string": "Operational"}
    began = {name: DONE[name] for name in ("name", "path", "origin")}
    for event, more in (
        ("PrinterStateChanged", idle),
        ("PrintStarted", began),
        ("PrinterStateChanged", {"state_id": "PRINTING", "state_string": "Printing"}),
        ("PrintDone", DONE),
        ("PrinterStateChanged", idle),
    ):
        site.say(f"op/octo/event/{event}", {"_event": event, "_timestamp": int(time.time()), **more})
    alert, after_s = site.heard()
    assert (alert["class"], alert["kind"], alert["to"]) == ("call", "finished", f"on duty at {CELL}")
    assert alert["duty"] == ["printing phone"]
    assert after_s < SOON_S
    cleared = {"v": 1, "id": "c1", "event": "plate", "change": "cleared", "about": "octo"}
    site.say("cybersyn/v1/event/@button-7", cleared)
    answered, _ = site.heard()
    assert (answered["id"], answered["state"]) == (alert["id"], "closed")
