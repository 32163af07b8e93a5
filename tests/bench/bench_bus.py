# SPDX-License-Identifier: AGPL-3.0-or-later
"""How fast the MQTT bus is: messages/s and CPU µs/message, with the embedded broker and with a Mosquitto.

Taking in is `take` and `acknowledge` of messages that wait at the broker; giving out is `publish_all`, until the
broker has acknowledged everything. Run it as a program: `python tests/bench/bench_bus.py`, with `stock` behind it for
paho's own client. It prints figures and never fails on time. CPU is that of this process, all threads.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from collector.bus import fast
from collector.bus.broker import EmbeddedBroker
from collector.bus.folder import free_port
from collector.bus.inbox import Inbox
from collector.bus.link import Address
from collector.bus.mqtt import MqttBus
from collector.contract.errors import Unavailable
from collector.contract.ports import Delivery, Posting

MESSAGES = 100_000
SHIPPED = "max_queued_messages 0\nmax_inflight_messages 200\n"
"""As in deploy/mosquitto/mosquitto.conf."""
CALL = 1_000
"""Postings in one call."""
PAYLOAD = b"x" * 200
LIMIT_S = 60.0


class RealClock:
    def now(self) -> float:
        return time.time()

    def real_s(self, plant_s: float) -> float:
        return plant_s


@contextmanager
def embedded(folder: Path) -> Iterator[Address | None]:
    with EmbeddedBroker(folder) as broker:
        yield broker.address


@contextmanager
def mosquitto(folder: Path) -> Iterator[Address | None]:
    program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        yield None
        return
    address = Address("127.0.0.1", free_port())
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {address.port} 127.0.0.1\nallow_anonymous true\n{SHIPPED}")
    with subprocess.Popen([program, "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        yield address
        child.terminate()


def connect(address: Address, client_id: str) -> MqttBus:
    for _ in range(3):
        try:
            return MqttBus(address, client_id, RealClock(), persistent=True, wait_s=5)
        except Unavailable:
            continue
    raise SystemExit(f"no broker on {address.port}")


class Speed(NamedTuple):
    """How many messages, in how long, with how much work of ours."""

    count: int
    took_s: float
    cpu_s: float

    def __str__(self) -> str:
        return f"{self.count / self.took_s:,.0f} messages/s, {self.cpu_s / self.count * 1e6:.1f} CPU µs/message"


@contextmanager
def measured(counts: list[int]) -> Iterator[list[Speed]]:
    """Measure the block, which appends how many messages it moved."""
    found: list[Speed] = []
    start_s, start_cpu_s = time.monotonic(), time.process_time()
    yield found
    found.append(Speed(sum(counts), time.monotonic() - start_s, time.process_time() - start_cpu_s))


def drain(address: Address, messages: int) -> tuple[Speed, Speed]:
    """Return how fast messages went out, and how fast they came in."""
    with closing(connect(address, "reader")) as reader:
        reader.subscribe(["bench/#"])
    deadline_s = time.monotonic() + LIMIT_S
    with closing(connect(address, "writer")) as writer, measured([messages]) as out:
        for _ in range(messages // CALL):
            writer.publish_all([Posting("bench/mk4", PAYLOAD)] * CALL)
        while writer.busy and time.monotonic() < deadline_s:
            time.sleep(0.001)
    counts: list[int] = []
    with closing(connect(address, "reader")) as reader, measured(counts) as taken_in:
        while sum(counts) < messages and time.monotonic() < deadline_s:
            taken = reader.take(most=2_000, wait_s=0.5)
            reader.acknowledge(taken)
            counts.append(len(taken))
    return out[0], taken_in[0]


def queued() -> float:
    """Return what taking 10,000 deliveries out of the inbox costs, in CPU µs a message."""
    inbox = Inbox(10_000)
    inbox.offer_all([Delivery("bench/mk4", PAYLOAD, False, 0.0, 1)] * 10_000, 1)
    start_s = time.process_time()
    while inbox.take(most=2_000, wait_s=0):
        pass
    return (time.process_time() - start_s) / 10_000 * 1e6


def main() -> None:
    if sys.argv[1:] == ["stock"]:
        fast.NEEDED = ("_of_another_paho",)  # type: ignore[misc]
    print(f"inbox: {queued():.2f} CPU µs/message taken out")
    for place in (embedded, mosquitto):
        with tempfile.TemporaryDirectory() as folder, place(Path(folder)) as address:
            if address is None:
                print("mosquitto: not on PATH (apt-get install mosquitto)")
                continue
            out, taken_in = drain(address, MESSAGES)
            print(f"{place.__name__}: in {taken_in}; out {out}")


if __name__ == "__main__":
    main()
