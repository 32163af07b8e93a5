# SPDX-License-Identifier: AGPL-3.0-or-later
"""How fast the MQTT bus takes in: messages/s and CPU µs/message, from the embedded broker and from a Mosquitto.

Run it as a program: `python tests/bench/bench_bus.py`. It prints figures and never fails on time.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from collector.bus.broker import EmbeddedBroker
from collector.bus.folder import free_port
from collector.bus.link import Address
from collector.bus.mqtt import MqttBus
from collector.contract.errors import Unavailable

MESSAGES = 20_000
PAYLOAD = b"x" * 200
LIMIT_S = 20.0


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
    config.write_text(f"listener {address.port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n")
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


def drain(address: Address) -> tuple[int, float, float, float]:
    """Return messages taken in, seconds, CPU seconds, and the publisher's seconds."""
    with closing(connect(address, "reader")) as reader:
        reader.subscribe(["bench/#"])
    with closing(connect(address, "writer")) as writer:
        start_s = time.monotonic()
        for _ in range(MESSAGES):
            writer.publish("bench/mk4", PAYLOAD)
        while writer.busy and time.monotonic() - start_s < LIMIT_S:
            time.sleep(0.01)
        wrote_s = time.monotonic() - start_s
    start_s, start_cpu_s, count = time.monotonic(), time.process_time(), 0
    with closing(connect(address, "reader")) as reader:
        while count < MESSAGES and time.monotonic() - start_s < LIMIT_S:
            taken = reader.take(most=2_000, wait_s=0.5)
            reader.acknowledge(taken)
            count += len(taken)
        return count, time.monotonic() - start_s, time.process_time() - start_cpu_s, wrote_s


def main() -> None:
    for place in (embedded, mosquitto):
        with tempfile.TemporaryDirectory() as folder, place(Path(folder)) as address:
            if address is None:
                print("mosquitto: not on PATH (apt-get install mosquitto)")
                continue
            count, took_s, cpu_s, wrote_s = drain(address)
            print(
                f"{place.__name__}: {count / took_s:,.0f} messages/s in, {cpu_s / count * 1e6:.1f} CPU µs/message; "
                f"{MESSAGES / wrote_s:,.0f} messages/s out"
            )


if __name__ == "__main__":
    main()
