# SPDX-License-Identifier: AGPL-3.0-or-later
"""A printer in LAN mode is a broker: its certificate names it, it lets in who knows the code, and serves one client."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.lan import frames
from firmware_sim.lan.printers import LanPrinters
from firmware_sim.voices.voice import Publication

SERIAL = "01P00A123456789"
CODE = "12345678"
REPORT = f"device/{SERIAL}/report"
REQUEST = f"device/{SERIAL}/request"
pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not on PATH: apt install openssl")


class Talker:
    """A device that says what it is given."""

    reachable = True

    def __init__(self) -> None:
        self.will = Publication(REPORT, b"", 0, False)
        self.subscriptions = (REQUEST,)
        self.heard: list[tuple[str, bytes]] = []
        self.due: list[Publication] = []

    def connected(self, real_s: float) -> None:
        self.heard.append(("connected", b""))

    def received(self, topic: str, payload: bytes, real_s: float) -> None:
        self.heard.append((topic, payload))

    def take(self, room: int, real_s: float) -> list[Publication]:
        due, self.due = self.due[:room], self.due[room:]
        return due


class Client:
    """MQTT 3.1.1 by hand over TLS, as strict about the certificate as a careful reader is."""

    def __init__(self, port: int, authority: Path) -> None:
        context = ssl.create_default_context(cafile=str(authority))
        context.check_hostname = False  # there is no subjectAltName: the common name is compared below
        self.tls = context.wrap_socket(socket.create_connection(("127.0.0.1", port), 5.0), server_hostname=SERIAL)
        self.tls.settimeout(5.0)

    def name(self) -> str:
        certificate = self.tls.getpeercert()
        assert certificate is not None
        return str(dict(pair for rdn in certificate["subject"] for pair in rdn)["commonName"])

    def send(self, kind: int, body: bytes) -> None:
        self.tls.sendall(bytes((kind, len(body))) + body)

    def connect(self, code: str = CODE, *, level: int = 4) -> bytes:
        words = b"".join(_word(word) for word in ("reader", "bblp", code))
        self.send(0x10, _word("MQTT") + bytes((level, 0xC2, 0, 60)) + words)
        return self.tls.recv(100)

    def subscribe(self, topic: str) -> bytes:
        self.send(0x82, b"\x00\x01" + _word(topic) + b"\x00")
        return self.tls.recv(100)


def _word(word: str) -> bytes:
    return len(word).to_bytes(2) + word.encode()


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys")


@pytest.fixture
def talker() -> Talker:
    return Talker()


@pytest.fixture
def lan(keys: Path) -> Iterator[LanPrinters]:
    with LanPrinters(keys) as printers:
        yield printers


@pytest.fixture
def dial(lan: LanPrinters, talker: Talker) -> Iterator[Callable[[], Client]]:
    port = lan.add(talker, serial=SERIAL, access_code=CODE)
    clients: list[Client] = []

    def call() -> Client:
        clients.append(Client(port, lan.authority))
        return clients[-1]

    yield call
    for client in clients:
        client.tls.close()


def test_the_certificate_is_the_vendors_and_names_the_serial_number(dial: Callable[[], Client]) -> None:
    assert dial().name() == SERIAL


@pytest.mark.parametrize(("code", "level", "answer"), [(CODE, 4, 0), ("00000000", 4, 5), ("", 4, 5), (CODE, 5, 1)])
def test_only_who_knows_the_access_code_and_mqtt_3_1_1_comes_in(
    dial: Callable[[], Client], code: str, level: int, answer: int
) -> None:
    assert dial().connect(code, level=level) == bytes((0x20, 2, 0, answer))


def test_a_client_asks_and_hears_reports(lan: LanPrinters, talker: Talker, dial: Callable[[], Client]) -> None:
    client = dial()
    client.connect()
    assert client.subscribe(REPORT) == b"\x90\x03\x00\x01\x00"
    client.send(0x32, _word(REQUEST) + b"\x00\x07" + b'{"pushing":{}}')
    assert client.tls.recv(100) == b"\x40\x02\x00\x07"
    talker.due.append(Publication(REPORT, b'{"print":{}}', 0, False))
    lan.turn(0.0)
    assert talker.heard == [("connected", b""), (REQUEST, b'{"pushing":{}}')]
    assert client.tls.recv(1000) == frames.publish(REPORT, b'{"print":{}}')


def test_a_second_client_is_dropped_and_the_first_goes_on(dial: Callable[[], Client]) -> None:
    first, second = dial(), dial()
    first.connect()
    assert second.connect() == b""
    first.send(0xC0, b"")
    assert first.tls.recv(100) == frames.PINGRESP


def test_when_the_first_has_left_another_may_come(dial: Callable[[], Client]) -> None:
    first = dial()
    first.connect()
    first.send(0xE0, b"")
    assert first.tls.recv(100) == b""
    assert dial().connect() == b"\x20\x02\x00\x00"


def test_who_listens_to_requests_is_dropped(dial: Callable[[], Client]) -> None:
    client = dial()
    client.connect()
    assert client.subscribe(REQUEST) == b""


def test_a_printer_that_falls_silent_still_answers_pings(
    lan: LanPrinters, talker: Talker, dial: Callable[[], Client]
) -> None:
    client = dial()
    client.connect()
    client.subscribe(REPORT)
    lan.turn(0.0)
    client.send(0xC0, b"")
    assert client.tls.recv(100) == frames.PINGRESP


def test_a_printer_without_power_hangs_up_and_lets_nobody_in(
    lan: LanPrinters, talker: Talker, dial: Callable[[], Client]
) -> None:
    client = dial()
    client.connect()
    talker.reachable = False
    lan.turn(0.0)
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        assert client.tls.recv(100) == b""
    assert dial().connect() == b""


@given(st.binary(max_size=60))
def test_bytes_that_are_no_mqtt_are_refused_and_nothing_else(raw: bytes) -> None:
    async def read() -> None:
        reader = asyncio.StreamReader()
        reader.feed_data(raw)
        reader.feed_eof()
        kind, flags, body = await frames.read_frame(reader.readexactly)
        readers = {1: frames.read_connect, 8: frames.read_subscribe, 10: frames.read_unsubscribe}
        if kind == frames.Kind.PUBLISH:
            frames.read_publish(flags, body)
        elif kind in readers:
            readers[kind](body)

    with contextlib.suppress(frames.Broken, asyncio.IncompleteReadError):
        asyncio.run(read())
