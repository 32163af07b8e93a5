# SPDX-License-Identifier: AGPL-3.0-or-later
"""The outputs with their neighbours in one process, on a monotonic clock that a test moves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from collector.bus.local import LocalBroker, LocalBus
from collector.contract.errors import Unavailable
from collector.contract.ports import Posting
from collector.contract.reading import Batch, Numbered
from collector.contract.tree import Plant, read_plant
from cyberfilter.contract.alert import Alert
from cyberfilter.contract.index import IndexValue
from cyberfilter.outputs.home_assistant import Home
from cyberfilter.outputs.ports import Wanted
from cyberfilter.outputs.service import Outputs
from cyberfilter.outputs.uns import Namespace

ALL_RETAINED = Wanted(Home("homeassistant", "cybersyn", "1"), Namespace("umh/v1"))


def plant(*devices: str, hall: str = "hall") -> Plant:
    return read_plant({"machines": {device: {"place": f"{hall}/{device}"} for device in devices}})


class Clock:
    def now(self) -> float:
        return 100.0

    def real_s(self, plant_s: float) -> float:
        return plant_s


class Log:
    """A fact log in memory."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.passed_until = 0
        self.is_away = False

    def read_from(self, n: int, *, most: int, wait_s: float = 0.0) -> Sequence[Numbered]:
        if self.is_away:
            raise Unavailable("the collector is away")
        return [Numbered(k, self.batches[k - 1]) for k in range(n, min(n + most, len(self.batches) + 1))]

    def last(self) -> int:
        return len(self.batches)

    def passed(self, reader: str, n: int) -> None:
        self.passed_until = n


class Filter:
    """Indices and alerts, as the Cyberfilter would know them."""

    def __init__(self) -> None:
        self.known_indices: list[IndexValue] = []
        self.known_alerts: list[Alert] = []

    def indices(self) -> list[IndexValue]:
        return self.known_indices

    def alerts(self, *, is_open: bool | None = None) -> list[Alert]:
        return self.known_alerts


class Wire:
    """A node's connection that a test lifts and cuts."""

    def __init__(self) -> None:
        self.up: int | None = None
        self.number = 0
        self.sent: list[str] = []
        self.commands: list[Any] = []

    def send(self, number: int, postings: Sequence[Posting]) -> None:
        self.sent += [posting.topic.split("/")[2] for posting in postings]

    def take(self) -> list[Any]:
        return [self.commands.pop() for _ in range(len(self.commands))]

    def close(self) -> None:
        self.up = None


class Works:
    """The outputs with their neighbours in one process, on a monotonic clock that a test moves."""

    def __init__(self, folder: Path) -> None:
        self.monotonic_s = 1_000.0
        self.path = folder / "outputs.json"
        self.log, self.filter, self.broker, self.wire = Log(), Filter(), LocalBroker(), Wire()
        self.kept: dict[str, bytes] = {}
        self.ears = LocalBus(self.broker, "ears", Clock(), persistent=False)
        self.ears.subscribe(["homeassistant/#", "umh/#"])

    def start(self, *, devices: tuple[str, ...] = ("mk4",), wanted: Wanted = ALL_RETAINED) -> Outputs:
        self.bus = LocalBus(self.broker, "outputs", Clock(), persistent=False)
        self.outputs = Outputs(
            wanted,
            facts=self.log,
            source=self.filter,
            bus=self.bus,
            clock=Clock(),
            plant=plant(*devices),
            path=self.path,
            monotonic=lambda: self.monotonic_s,
        )
        return self.outputs

    def replant(self, *devices: str, hall: str = "hall") -> None:
        self.outputs.replant(plant(*devices, hall=hall))

    def say(self, *facts: Any, device: str = "mk4") -> None:
        self.log.batches.append(Batch(device, f"hall/{device}", "native", 5.0, facts))

    def turn(self, after_s: float = 0.0) -> list[str]:
        """Turn once after some seconds; return the topics published, and keep what is retained."""
        self.monotonic_s += after_s
        self.outputs.turn(0.0)
        heard = self.ears.take(most=100_000, wait_s=0.0)
        self.ears.acknowledge(heard)
        for one in heard:
            self.kept[one.topic] = one.payload
        self.kept = {topic: payload for topic, payload in self.kept.items() if payload}
        return [one.topic for one in heard]


@pytest.fixture
def works(tmp_path: Path) -> Works:
    return Works(tmp_path)
