# SPDX-License-Identifier: AGPL-3.0-or-later
"""How many messages a fleet says in a second, and what one costs. Prints, never fails."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from firmware_sim.fleet import TURN_S, Fleet
from firmware_sim.history import generate
from firmware_sim.scenario import workshop

DEVICES = (8, 50, 200)
SPEED = 60.0
FOR_S = 10.0


class FastClock:
    """A minute of the plant in a second."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    def now(self) -> float:
        return 1_795_399_200.0 + SPEED * (time.monotonic() - self._since)

    def real_s(self, plant_s: float) -> float:
        return plant_s / SPEED


@contextmanager
def broker(program: str) -> Iterator[int]:
    """A mosquitto on a free port of loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    with TemporaryDirectory() as folder:
        config = Path(folder) / "mosquitto.conf"
        config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_connections -1\n")
        child = subprocess.Popen([program, "-c", str(config)], stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        yield port
        child.kill()
        child.wait()


def speak(devices: int, port: int) -> None:
    """Print what that many devices say in ten seconds, once they are all connected."""
    with Fleet(workshop(devices, 7), FastClock(), host="127.0.0.1", port=port) as fleet:
        begun = time.monotonic()
        while fleet.uplink.up_count < devices and time.monotonic() < begun + 30:
            fleet.step(TURN_S)
        before, cpu, begun = fleet.uplink.sent_count, time.process_time(), time.monotonic()
        while time.monotonic() < begun + FOR_S:
            fleet.step(TURN_S)
        sent, cpu, took = fleet.uplink.sent_count - before, time.process_time() - cpu, time.monotonic() - begun
    print(
        f"fleet: {devices} devices at speed {SPEED:g}: {sent / took:.0f} messages/s, "
        f"{1e6 * cpu / max(sent, 1):.0f} µs of CPU a message, {100 * cpu / took:.0f} % of a core"
    )


def main() -> None:
    """Print one line for each number of devices, and one for a fortnight's history."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        print("fleet: needs mosquitto on PATH (apt-get install mosquitto)")
    else:
        with broker(program) as port:
            for devices in DEVICES:
                speak(devices, port)
    start = 1_795_399_200.0
    begun, cpu = time.monotonic(), time.process_time()
    count = sum(1 for _ in generate(workshop(8, 7), start - 14 * 86_400, start))
    print(
        f"history: {count} batches (8 machines, 14 days) in {time.monotonic() - begun:.1f} s, "
        f"{time.process_time() - cpu:.1f} s of CPU"
    )


if __name__ == "__main__":
    main()
