# SPDX-License-Identifier: AGPL-3.0-or-later
"""A collector with its neighbours in one process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from collector import intake, listing, quarantine, state_api
from collector.api import routes
from collector.bus.local import LocalBroker, LocalBus
from collector.contract.ports import Delivery
from collector.contract.tree import read_plant
from collector.drain import Drain
from collector.historian.memory import MemoryHistorian
from collector.registry import Registry
from collector.service import Collector
from collector.spool import Spool
from collector.ways import Ways
from deploy.clock import FileClock
from deploy.web import Service, application

NOW = 1_795_400_000.0
PLANT = read_plant(
    {
        "machines": {
            "mk4": {"place": "commons/mk4", "cadence_s": 10.0},
            "still": {"place": "commons/still", "clock": "none"},
        }
    }
)


class Works:
    """A collector with its neighbours, in one process, on a clock that a test moves."""

    def __init__(self, folder: Path, ways: Ways, now: float) -> None:
        self.clock = FileClock(now)
        self.broker = LocalBroker()
        self.spool = Spool(folder / "facts.db")
        self.historian = MemoryHistorian()
        self.machine = self.bus("machine")
        self.collector = Collector(
            spool=self.spool, bus=self.bus("collector"), clock=self.clock, registry=Registry(PLANT), ways=ways
        )
        self.drain = Drain(self.spool, self.historian, self.clock)
        state = state_api.routes(self.collector, self.drain, lambda: None)
        service = Service("t", [routes(self.collector, self.historian), state], lambda: None, list)
        self.http = TestClient(application(service, version="1"))

    def bus(self, name: str) -> LocalBus:
        return LocalBus(self.broker, name, self.clock, persistent=True)

    def say(self, topic: str, body: object, *, retain: bool = False) -> None:
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.machine.publish(f"cybersyn/v1/{topic}", payload, retain=retain)
        self.turn()

    def turn(self, after_s: float = 0.0) -> None:
        self.clock.set(self.clock.now() + after_s)
        self.collector.turn(wait_s=0.0)

    def account(self, device: str = "mk4") -> dict[str, int]:
        return listing.accounts(self.spool).get(device, {})

    def facts(self) -> list[Any]:
        return [fact for _, batch in self.spool.read_from(1, most=1_000) for fact in batch.facts]

    def decide(self, topic: str, body: object) -> Any:
        """Return what becomes of a message under a topic that no broker would carry."""
        message = Delivery(topic, json.dumps(body).encode(), retained=False, at=NOW)
        return intake.decide(message, self.collector.memory, self.collector.registry)

    def quarantined(self) -> list[tuple[str, str]]:
        """Return device and reason of what quarantine holds, oldest first."""
        return [(item.device, item.reason) for item in reversed(quarantine.items(self.spool, most=1_000))]


@pytest.fixture
def make_works(tmp_path: Path) -> Iterator[Any]:
    """Give a maker: it takes the collector's ways, and when it starts (Unix s)."""
    made: list[Works] = []

    def make(ways: Ways | None = None, *, now: float = NOW) -> Works:
        made.append(Works(tmp_path, ways or Ways(), now))
        return made[-1]

    yield make
    for each in made:
        each.spool.close()


@pytest.fixture
def works(make_works: Any) -> Works:
    return make_works()
