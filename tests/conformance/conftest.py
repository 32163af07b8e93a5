# SPDX-License-Identifier: AGPL-3.0-or-later
"""Brokers to run against: in the process, embedded, and a real Mosquitto."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Protocol

import pytest

from collector.bus.broker import EmbeddedBroker
from collector.bus.link import Address
from collector.bus.local import LocalBroker, LocalBus
from collector.bus.mqtt import MqttBus
from collector.contract.ports import Bus

WAIT_S = 10.0


class StillClock:
    """The plant's time stands at 5 s."""

    def now(self) -> float:
        return 5.0

    def real_s(self, plant_s: float) -> float:
        return plant_s


def until(true: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < deadline_s, f"not within {WAIT_S} s: {what}"
        time.sleep(0.005)


class Mosquitto:
    """A real Mosquitto with the settings that we ship (first-decisions 2), without accounts."""

    def __init__(self, program: str, folder: Path) -> None:
        with socket.socket() as trial:
            trial.bind(("127.0.0.1", 0))
            self.address = Address("127.0.0.1", trial.getsockname()[1])
        self._program = program
        self._store = folder / "mosquitto.db"
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            f"listener {self.address.port} 127.0.0.1\nallow_anonymous true\npersistence true\n"
            f"persistence_location {folder}/\nautosave_interval 1\nautosave_on_changes true\n"
            f"max_queued_messages 0\nuser {os.environ.get('USER', 'root')}\n"
        )
        self.start()

    def start(self) -> None:
        quiet = subprocess.DEVNULL
        self._child = subprocess.Popen([self._program, "-c", self._config], stdout=quiet, stderr=quiet)
        until(self._listens, "mosquitto listens")

    def _listens(self) -> bool:
        with socket.socket() as trial:
            return trial.connect_ex((self.address.host, self.address.port)) == 0

    def stop(self) -> None:
        self._child.terminate()
        self._child.wait()

    def kill(self) -> None:
        self._child.kill()
        self._child.wait()

    def wait_until_kept(self, payload: bytes) -> None:
        until(lambda: self._store.exists() and payload in self._store.read_bytes(), f"{payload!r} is on disk")


@pytest.fixture
def embedded_broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker(tmp_path / "broker") as broker:
        yield broker


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("no mosquitto on PATH: apt-get install mosquitto")
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    server = Mosquitto(program, folder)
    yield server
    server.stop()


class Site(Protocol):
    """A broker under test, as the suite needs it."""

    def bus(self, client_id: str, *, persistent: bool = True) -> Bus: ...
    def stop(self) -> None: ...
    def kill(self, last: bytes) -> None: ...
    def start(self) -> None: ...


class _Site:
    def __init__(self) -> None:
        self.leaving = ExitStack()

    def bus(self, client_id: str, *, persistent: bool = True) -> Bus:
        return self.leaving.enter_context(closing(self.make(client_id, persistent=persistent)))

    def kill(self, last: bytes) -> None:
        self.stop()


class LocalSite(_Site):
    def __init__(self, _request: pytest.FixtureRequest) -> None:
        super().__init__()
        self._broker = LocalBroker()
        self.stop = self._broker.stop
        self.start = self._broker.start

    def make(self, client_id: str, *, persistent: bool) -> Bus:
        return LocalBus(self._broker, client_id, StillClock(), persistent=persistent)


class EmbeddedSite(_Site):
    def __init__(self, request: pytest.FixtureRequest) -> None:
        super().__init__()
        self._broker: EmbeddedBroker = request.getfixturevalue("embedded_broker")
        self.stop = self._broker.stop
        self.start = self._broker.start

    def make(self, client_id: str, *, persistent: bool) -> Bus:
        return MqttBus(self._broker.address, client_id, StillClock(), persistent=persistent)

    def kill(self, last: bytes) -> None:
        assert self._broker.pid is not None
        os.kill(self._broker.pid, 9)
        self.stop()


class MosquittoSite(_Site):
    def __init__(self, request: pytest.FixtureRequest) -> None:
        super().__init__()
        self._server: Mosquitto = request.getfixturevalue("mosquitto")
        self.stop = self._server.stop
        self.start = self._server.start

    def make(self, client_id: str, *, persistent: bool) -> Bus:
        return MqttBus(self._server.address, client_id, StillClock(), persistent=persistent)

    def kill(self, last: bytes) -> None:
        self._server.wait_until_kept(last)
        self._server.kill()


SITES = {"local": LocalSite, "embedded": EmbeddedSite, "mosquitto": MosquittoSite}


@pytest.fixture(params=list(SITES))
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    made = SITES[request.param](request)
    with made.leaving:
        yield made


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool], str], None]:
    return until
