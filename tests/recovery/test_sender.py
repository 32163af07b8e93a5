# SPDX-License-Identifier: AGPL-3.0-or-later
"""The device sender as a process of its own, under MicroPython and Python, while broker and collector are killed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import firmware_sim.senders
from collector.bus.broker import EmbeddedBroker
from collector.bus.link import Address
from collector.bus.rights import device_user
from collector.contract.reading import Samples
from collector.order import Boot
from collector.spool import Spool

WAIT_S = 40.0
READINGS = 300
GET_MICROPYTHON = "micropython is not on PATH; on Debian 13 or Ubuntu: apt-get install micropython; .ci/run unpacks one"
GET_MOSQUITTO = "mosquitto is neither on PATH nor in /usr/sbin; on Debian: apt-get install mosquitto"
DEVICE, PASSWORD = "mk4-07", "pw"
COLLECTOR = """
import sys
from pathlib import Path
from collector.bus.link import Address
from collector.bus.mqtt import MqttBus
from collector.contract.errors import Unavailable
from collector.contract.tree import read_plant
from collector.registry import Registry
from collector.service import Collector
from collector.spool import Spool
from deploy.clock import SystemClock
clock, (path, port, user, password) = SystemClock(), sys.argv[1:]
bus = MqttBus(Address("127.0.0.1", int(port), user or None, password or None), "collector", clock, persistent=True)
registry = Registry(read_plant({"machines": {"mk4-07": {"place": "commons/mk4-07"}}}))
collector = Collector(spool=Spool(Path(path)), bus=bus, clock=clock, registry=registry)
while True:
    collector.turn()
"""
MACHINE = """
import sys
sys.path.insert(0, sys.argv[1])
import time, cybersyn_sender
cybersyn_sender.RESEND_MS, cybersyn_sender.PAUSE_MS, cybersyn_sender.PAUSE_MS_MAX = 1_500, 100, 500
port, password, count, keep = int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
pause_s = float(sys.argv[6]) / 2
sender = cybersyn_sender.Sender("127.0.0.1", port, "mk4-07", password or None, keep=keep)
print(sender.boot)
rounds = 0
while sender.seq < count or sender.kept:
    if sender.seq < count and rounds % 2 == 0:
        sender.measure(power_w=sender.seq)
    sender.work()
    time.sleep(pause_s if sender.seq < count else 0.005)
    rounds += 1
    if rounds == 2 * count:
        print(sender.lost, "given up")
print(sender.seq, sender.lost)
"""


def until(true: Callable[[], Any], what: str) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < deadline_s, f"not within {WAIT_S} s: {what}"
        time.sleep(0.02)


class Mosquitto:
    """A real Mosquitto as we ship it, without accounts."""

    user = password = ""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
        if program is None:
            pytest.skip(GET_MOSQUITTO)
        with socket.create_server(("127.0.0.1", 0)) as trial:
            self.port = trial.getsockname()[1]
        config = folder / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence true\n"
            f"persistence_location {folder}/\nautosave_interval 1\nautosave_on_changes true\n"
            f"max_queued_messages 0\nuser {os.environ.get('USER', 'root')}\n"
        )
        self._command = [program, "-c", str(config)]
        self._start()

    def _start(self) -> None:
        quiet = subprocess.DEVNULL
        self._child = subprocess.Popen(self._command, stdout=quiet, stderr=quiet)
        until(self._listens, "mosquitto listens")

    def _listens(self) -> bool:
        with socket.socket() as trial:
            return trial.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        self._child.kill()
        self._child.wait()
        self._start()

    def close(self) -> None:
        self._child.kill()
        self._child.wait()


class Embedded:
    """The embedded broker, where the device has an account of its own."""

    def __init__(self, folder: Path) -> None:
        self._broker = EmbeddedBroker(folder, users={DEVICE: device_user(PASSWORD, DEVICE, None)})
        self._broker.start()
        address: Address = self._broker.address
        self.port, self.user, self.password = address.port, address.username, address.password

    def kill(self) -> None:
        restarts = self._broker.restarts_count
        assert self._broker.pid is not None
        os.kill(self._broker.pid, signal.SIGKILL)
        until(lambda: self._broker.restarts_count > restarts and self._broker.ready() is None, "the broker is back")

    def close(self) -> None:
        self._broker.stop()


class Stored(NamedTuple):
    """What is on disk of one boot: its values in the log, and its record."""

    values: list[float]
    record: Boot


class Bench:
    """A broker, a collector and a machine, each a process that a test may kill."""

    def __init__(self, folder: Path, broker: Mosquitto | Embedded, python: str) -> None:
        self._spool, self.broker, self._python, self._script = (
            folder / "facts.db",
            broker,
            python,
            folder / "machine.py",
        )
        self._script.write_text(MACHINE)
        self._leaving = ExitStack()
        self._leaving.callback(broker.close)
        self._collector: subprocess.Popen[bytes] | None = None

    def collect(self) -> None:
        command = [sys.executable, "-P", "-c", COLLECTOR, self._spool]
        account = [str(self.broker.port), self.broker.user or "", self.broker.password or ""]
        self._collector = self._leaving.enter_context(subprocess.Popen([*command, *account]))
        self._leaving.callback(self._collector.kill)

    def kill_collector(self) -> None:
        assert self._collector is not None
        self._collector.kill()
        self._collector.wait()

    def measure(self, *, count: int = READINGS, keep: int = 300, every_s: float = 0.01) -> subprocess.Popen[str]:
        """Start a machine that measures `count` times, and ends when nothing waits any more."""
        senders = str(Path(firmware_sim.senders.__file__).parent)
        password = PASSWORD if self.broker.user else ""
        figures = [str(count), str(keep), str(every_s)]
        command = [self._python, str(self._script), senders, str(self.broker.port), password, *figures]
        machine = self._leaving.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        self._leaving.callback(machine.kill)
        return machine

    def stored(self, boot: str) -> Stored:
        """End the collector, whose file it is, and return what it kept."""
        self.kill_collector()
        spool = Spool(self._spool)
        try:
            rows = spool.read_from(1, most=10_000)
            facts = [fact for row in rows if row.batch.boot == boot for fact in row.batch.facts]
            record = spool.boots().get((DEVICE, boot), Boot())
        finally:
            spool.close()
        values = [fact.values["power_w"][0] for fact in facts if isinstance(fact, Samples)]
        return Stored([value for value in values if value is not None], record)

    def close(self) -> None:
        self._leaving.close()


@pytest.fixture(params=["micropython", "python"])
def python(request: pytest.FixtureRequest) -> str:
    if request.param == "python":
        return sys.executable
    return shutil.which("micropython") or pytest.skip(GET_MICROPYTHON)


@pytest.fixture(params=[Mosquitto, Embedded], ids=["mosquitto", "embedded"])
def bench(request: pytest.FixtureRequest, tmp_path: Path, python: str) -> Iterator[Bench]:
    found = Bench(tmp_path, request.param(tmp_path), python)
    yield found
    found.close()


def ended(machine: subprocess.Popen[str]) -> tuple[int, int]:
    """Wait until the machine has nothing left to send; return how many it measured, and how many it gave up."""
    out, _ = machine.communicate(timeout=WAIT_S)
    measured, lost = out.splitlines()[-1].split()
    return int(measured), int(lost)


def line_of(machine: subprocess.Popen[str]) -> str:
    assert machine.stdout is not None
    return machine.stdout.readline().strip()


def test_every_reading_is_stored_once_while_broker_and_collector_are_killed(bench: Bench) -> None:
    bench.collect()
    machine = bench.measure()
    boot = line_of(machine)
    for part in ("collector", "broker", "collector", "broker"):
        time.sleep(0.6)
        if part == "broker":
            bench.broker.kill()
        else:
            bench.kill_collector()
            bench.collect()
    assert ended(machine) == (READINGS, 0)
    assert sorted(bench.stored(boot).values) == list(range(READINGS))


def test_what_a_full_buffer_gave_up_is_a_gap_and_nothing_else_is_missing(bench: Bench) -> None:
    machine = bench.measure(count=100, keep=30)
    boot, said = line_of(machine), line_of(machine)
    assert said == "70 given up"  # nobody listened so far
    bench.collect()
    assert ended(machine) == (100, 70)
    stored = bench.stored(boot)
    assert sorted(stored.values) == list(range(70, 100))
    assert (stored.record.through, stored.record.gaps) == (99, ((0, 69),))


def test_a_long_outage_ends_with_every_kept_reading_covered(bench: Bench) -> None:
    machine = bench.measure(count=3_000, keep=30, every_s=0.0005)
    boot, said = line_of(machine), line_of(machine)
    assert said == "2970 given up"
    bench.collect()
    assert ended(machine) == (3_000, 2_970)
    assert sorted(bench.stored(boot).values) == list(range(2_970, 3_000))
