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
from typing import Any, Protocol

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

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


_SPARKPLUG = {
    "PropertyValue": "1 uint32 type, 2 bool is_null, 8 string string_value",
    "PropertySet": "1 *string keys, 2 *PropertyValue values",
    "Metric": "1 string name, 2 uint64 alias, 3 uint64 timestamp, 4 uint32 datatype, 7 bool is_null, "
    "9 PropertySet properties, 10 uint32 int_value, 11 uint64 long_value, 12 float float_value, "
    "13 double double_value, 14 bool boolean_value, 15 string string_value",
    "Payload": "1 uint64 timestamp, 2 *Metric metrics, 3 uint64 seq",
}
"""The parts of the Sparkplug B schema (specification 3.0, section 6.4.1) that a voice may use; `*` is repeated."""


@pytest.fixture(scope="session")
def sparkplug_payload() -> Callable[[bytes], Any]:
    """Return the protobuf runtime's own reading of a Sparkplug payload; a field beyond the schema is an error."""
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="voices.proto", package="voices", syntax="proto2")
    for message, fields in _SPARKPLUG.items():
        made = file.message_type.add(name=message)
        for number, kind, name in (field.split() for field in fields.split(", ")):
            label = kinds.LABEL_REPEATED if kind.startswith("*") else kinds.LABEL_OPTIONAL
            field = made.field.add(name=name, number=int(number), label=label)
            word = kind.lstrip("*")
            if word in _SPARKPLUG:
                field.type, field.type_name = kinds.TYPE_MESSAGE, f".voices.{word}"
            else:
                field.type = getattr(kinds, f"TYPE_{word.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    payload = message_factory.GetMessageClass(pool.FindMessageTypeByName("voices.Payload"))

    def read(raw: bytes) -> Any:
        found = payload.FromString(raw)
        bare = payload()
        bare.CopyFrom(found)
        bare.DiscardUnknownFields()
        assert bare.ByteSize() == found.ByteSize(), "a field that Sparkplug B does not have"
        return found

    return read
