# SPDX-License-Identifier: AGPL-3.0-or-later
"""What other programs cost us: messages and processor time of all mirrors, by the number of machines. Never fails."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from collector.bus.local import LocalBroker, LocalBus
from collector.contract.event import State, StateSeen
from collector.contract.ports import Posting
from collector.contract.reading import Batch, Numbered, Samples
from collector.contract.tree import read_plant
from cyberfilter.contract.alert import Alert
from cyberfilter.contract.index import IndexValue
from cyberfilter.outputs.home_assistant import Home
from cyberfilter.outputs.ports import Wanted
from cyberfilter.outputs.service import Outputs
from cyberfilter.outputs.sparkplug import Node
from cyberfilter.outputs.uns import Namespace
from deploy.clock import FileClock

COUNTS = (10, 200, 1_000)
INDICATORS = ("progress_ratio", *(f"axis{n}_w" for n in range(19)))
LASTS_S = 60
TURNS_A_SECOND = 4


class Machines:
    """Every machine says all its indicators once a second; nobody has an index or an alert."""

    def __init__(self, count: int) -> None:
        self.names = [f"m{n}" for n in range(count)]
        self.plant = read_plant({"machines": {name: {"place": f"net/site/{name}"} for name in self.names}})
        self.now_s, self.n = 0.0, 0
        self.up: int | None = 1
        self.number = 1
        self.sent_count = self.sent_bytes = 0

    def read_from(self, n: int, *, most: int, wait_s: float = 0.0) -> Sequence[Numbered]:
        if self.now_s % 1.0:
            return []
        first, self.n = self.n + 1, self.n + len(self.names)
        values = dict.fromkeys(INDICATORS, (self.now_s / LASTS_S,))
        facts = (StateSeen(1.0, State.RUNNING), Samples((self.now_s,), values))
        batches = [Batch(name, f"net/site/{name}", "native", self.now_s, facts) for name in self.names]
        return [Numbered(first + k, batch) for k, batch in enumerate(batches)]

    def last(self) -> int:
        return self.n

    def passed(self, reader: str, n: int) -> None:
        pass

    def indices(self) -> list[IndexValue]:
        return []

    def alerts(self, *, is_open: bool | None = None) -> list[Alert]:
        return []

    def send(self, number: int, postings: Sequence[Posting]) -> None:
        self.sent_count += len(postings)
        self.sent_bytes += sum(len(posting.payload) for posting in postings)

    def take(self) -> list[Posting]:
        return []

    def close(self) -> None:
        pass


def run(count: int, folder: Path) -> None:
    machines, broker, clock = Machines(count), LocalBroker(queue_max=10**7), FileClock(1.0)
    ears = LocalBus(broker, "ears", clock, persistent=False)
    ears.subscribe(["homeassistant/#", "umh/#"])
    outputs = Outputs(
        Wanted(Home("homeassistant", "cybersyn", "1"), Namespace("umh/v1"), Node("g", "n")),
        facts=machines,
        source=machines,
        bus=LocalBus(broker, "outputs", clock, persistent=False),
        clock=clock,
        plant=machines.plant,
        path=folder / f"{count}.json",
        monotonic=lambda: machines.now_s,
    )
    outputs.attach(machines)
    spent_s = time.process_time()
    for turn in range(LASTS_S * TURNS_A_SECOND):
        machines.now_s = turn / TURNS_A_SECOND
        outputs.turn(0.0)
    spent_s = time.process_time() - spent_s
    heard = ears.take(most=10**7, wait_s=0.0)
    total = len(heard) + machines.sent_count
    kilobytes = (sum(len(one.payload) for one in heard) + machines.sent_bytes) / 1000
    topics = len({one.topic for one in heard})
    print(f"{count:8d} {topics:8d} {total / LASTS_S:10.0f} {kilobytes / LASTS_S:8.0f} {100 * spent_s / LASTS_S:8.1f}")


def main() -> None:
    """Print one line for each number of machines: a minute with 20 indicators a machine a second."""
    print(f"{'machines':>8} {'retained':>8} {'messages/s':>10} {'kB/s':>8} {'cpu %':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for count in COUNTS:
            run(count, Path(folder))


if __name__ == "__main__":
    main()
