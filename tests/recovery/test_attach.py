# SPDX-License-Identifier: AGPL-3.0-or-later
# tidy: two kinds of machines at one desk
"""Machines that we dial: a Mosquitto with TLS stands for the printer, a small HTTP server for PrusaLink."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from collector.attach.bambu import BambuLine
from collector.attach.credentials import Secret, keep
from collector.attach.line import Ear
from collector.attach.prusalink import PrusaLine
from collector.attach.switchboard import LINES, Switchboard
from collector.attach.tls import certificate, fingerprint_of
from collector.bus.folder import free_port
from collector.bus.local import LocalBroker, LocalBus
from collector.contract.ports import Delivery
from collector.contract.tree import Attach, Machine, Plant
from deploy.certificates import _sign, make_server
from deploy.clock import SystemClock

# paho lets go of a socket unclosed where TLS fails
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
WAIT_S = 20.0
SERIAL = "01P00A111200222"
CODE = "31415926"
REPORT = {"print": {"gcode_state": "IDLE", "command": "push_status", "sequence_id": "7"}}
CLOCK = SystemClock()


def until(true: Callable[[], object], what: str) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < deadline_s, f"not within {WAIT_S} s: {what}"
        time.sleep(0.01)


class Printer:
    """A Bambu printer: a broker with TLS, one user, and a firmware that reports."""

    def __init__(self, folder: Path, program: str) -> None:
        self.folder, self.program, self.port = folder, program, free_port()
        self.asked: list[tuple[str, bytes]] = []
        salt = b"0123456789ab"
        digest = hashlib.pbkdf2_hmac("sha512", CODE.encode(), salt, 101)
        word = f"$7$101${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"
        (folder / "users").write_text(f"bblp:{word}\nfirmware:{word}\n")
        (folder / "users").chmod(0o600)
        (folder / "conf").write_text(
            f"listener {self.port} 127.0.0.1\nuser {os.environ.get('USER', 'root')}\npassword_file {folder}/users\n"
            f"certfile {folder}/printer.crt\nkeyfile {folder}/printer.key\n"
        )

    def switch_on(self) -> None:
        command = [self.program, "-c", self.folder / "conf"]
        self.child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.firmware = Client(CallbackAPIVersion.VERSION2)
        self.firmware.tls_set(str(self.folder / "ca.crt"))
        self.firmware.tls_insecure_set(True)
        self.firmware.username_pw_set("firmware", CODE)
        self.firmware.on_message = lambda _c, _u, m: self.asked.append((m.topic, bytes(m.payload)))
        self.firmware.on_connect = lambda client, *_: client.subscribe("#")
        until(self._connects, "the printer's broker listens")
        self.firmware.loop_start()
        until(self.firmware.is_connected, "the firmware is connected")

    def _connects(self) -> bool:
        try:
            self.firmware.connect("127.0.0.1", self.port)
        except OSError:
            return False
        return True

    def say(self, report: dict[str, Any]) -> None:
        self.firmware.publish(f"device/{SERIAL}/report", json.dumps(report))

    def requests(self) -> list[bytes]:
        return [payload for topic, payload in self.asked if topic.endswith("/request")]

    def switch_off(self) -> None:
        self.firmware.disconnect()
        self.firmware.loop_stop()
        self.child.kill()
        self.child.wait()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on PATH: apt install openssl")
    folder = tmp_path_factory.mktemp("maker")
    make_server(folder, ["127.0.0.1"])
    _sign(folder, folder / "printer", SERIAL, "extendedKeyUsage=serverAuth\n")
    return folder


@pytest.fixture
def printer(tmp_path: Path, authority: Path) -> Iterator[Printer]:
    program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("no mosquitto on PATH: apt-get install mosquitto")
    folder = tmp_path / "printer"
    shutil.copytree(authority, folder)
    made = Printer(folder, program)
    made.switch_on()
    yield made
    made.switch_off()


class Desk:
    """A switchboard, and somebody who reads what it puts onto the broker."""

    def __init__(self, folder: Path, lines: dict[str, Any]) -> None:
        broker = LocalBroker()
        self.bus = LocalBus(broker, "reader", CLOCK, persistent=False)
        self.bus.subscribe(["#"])
        self.folder = folder
        self.board = Switchboard(
            LocalBus(broker, "board", CLOCK, persistent=False), folder, lines={**LINES, **lines}, again_s_max=0.5
        )
        self.heard: list[Delivery] = []

    def dial(self, attach: Attach, prefix: str, secret: Secret | None = None) -> None:
        if secret is not None:
            keep(self.folder, "p1", secret)
        self.board.replant(Plant({}, {"p1": Machine("p1", "hall/p1", attach.kind, prefix, attach=attach)}))

    def words(self, rest: str) -> list[bytes]:
        found = self.bus.take(most=1000, wait_s=0.0)
        self.bus.acknowledge(found)
        self.heard += found
        return [one.payload for one in self.heard if one.topic.endswith(f"/{rest}")]

    def trouble(self) -> str:
        found = self.board.dialled("p1")
        return found.trouble or "" if found else ""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    with ExitStack() as leaving:

        def make(**lines: Any) -> Desk:
            made = Desk(tmp_path, lines)
            leaving.callback(made.board.close)
            return made

        yield make


def by_ca(printer: Printer) -> Attach:
    return Attach("bambu", "127.0.0.1", printer.port, ca_file=str(printer.folder / "ca.crt"))


def by_pin(printer: Printer) -> Attach:
    shown = fingerprint_of(certificate(SERIAL, "127.0.0.1", printer.port))
    return Attach("bambu", "127.0.0.1", printer.port, fingerprint=shown)


PREFIX = f"device/{SERIAL}"


@pytest.mark.parametrize("known_by", [by_ca, by_pin], ids=["authority", "fingerprint"])
def test_a_printer_is_listened_to_and_asked_for_nothing_but_its_state(printer, desk, known_by):
    ours = desk()
    ours.dial(known_by(printer), PREFIX, Secret(access_code=CODE))
    until(lambda: len(printer.requests()) == 2, "it is asked for its state")
    assert ours.words("link") == []
    printer.say(REPORT)
    until(lambda: ours.words("report"), "its report is on our broker")
    assert [one.topic for one in ours.heard] == [f"{PREFIX}/link", f"{PREFIX}/report"]
    assert ours.heard[0].payload == b"online"
    assert json.loads(ours.heard[1].payload) == REPORT
    assert [next(iter(json.loads(word))) for word in printer.requests()] == ["pushing", "info"]


def test_a_printer_of_another_authority_gets_no_access_code(printer, desk, tmp_path):
    make_server(tmp_path / "other", ["127.0.0.1"])
    ours = desk()
    other = Attach("bambu", "127.0.0.1", printer.port, ca_file=str(tmp_path / "other/ca.crt"))
    ours.dial(other, PREFIX, Secret(access_code=CODE))
    until(lambda: "does not prove to be" in ours.trouble(), "it is refused")
    assert printer.requests() == []
    assert b"does not prove to be 01P00A111200222" in ours.words("link")[0]


def test_a_certificate_for_another_serial_number_is_refused(printer, desk):
    ours = desk()
    ours.dial(by_ca(printer), "device/01P00A999900999", Secret(access_code=CODE))
    until(lambda: "does not prove to be 01P00A999900999" in ours.trouble(), "it is refused")


def test_another_fingerprint_than_the_pinned_one_is_refused_with_both(printer, desk):
    ours = desk()
    ours.dial(Attach("bambu", "127.0.0.1", printer.port, fingerprint="ab" * 32), PREFIX, Secret(access_code=CODE))
    until(lambda: "nothing was sent to it" in ours.trouble(), "it is refused")
    assert str(by_pin(printer).fingerprint) in ours.trouble()
    assert "ab" * 32 in ours.trouble()


def test_a_wrong_access_code_is_said_and_a_mended_one_is_taken_without_a_restart(printer, desk):
    ours = desk()
    ours.dial(by_ca(printer), PREFIX, Secret(access_code="27182818"))
    until(lambda: "refuses the access code" in ours.trouble(), "it is refused")
    keep(ours.folder, "p1", Secret(access_code=CODE))
    until(lambda: len(printer.requests()) == 2, "it is asked for its state")


def test_a_printer_that_dies_is_lost_and_comes_back_without_being_asked_again_too_soon(printer, desk):
    ours = desk()
    ours.dial(by_ca(printer), PREFIX, Secret(access_code=CODE))
    until(lambda: len(printer.requests()) == 2, "it is asked for its state")
    printer.say(REPORT)
    until(lambda: ours.words("report"), "its report is on our broker")
    printer.switch_off()
    until(lambda: len(ours.words("link")) > 1, "it is lost")
    printer.switch_on()
    until(lambda: (printer.say(REPORT), ours.trouble() == "")[1], "it answers again")
    links = ours.words("link")
    assert [word.partition(b":")[0] for word in links][:1] == [b"online"]
    assert links[1].startswith(b"offline: ")
    assert links[-1] == b"online"
    assert len(printer.requests()) == 2


def test_a_silent_printer_is_lost_by_the_watchdog_and_dialled_again(printer, desk):
    ours = desk(bambu=partial(BambuLine, silent_s=0.3, ask_s=0.0))
    ours.dial(by_ca(printer), PREFIX, Secret(access_code=CODE))
    until(lambda: b"offline: nothing heard for 0.3 s" in ours.words("link"), "it is lost")
    until(lambda: len(printer.requests()) >= 4, "it is dialled again, and asked")


def test_a_machine_without_a_secret_says_so(printer, desk):
    ours = desk()
    ours.dial(by_ca(printer), PREFIX)
    until(lambda: "has no [p1]" in ours.trouble(), "it is said")


def test_taken_out_of_the_plant_it_is_listened_to_no_more(printer, desk):
    ours = desk()
    ours.dial(by_ca(printer), PREFIX, Secret(access_code=CODE))
    until(lambda: len(printer.requests()) == 2, "it is asked for its state")
    ours.board.replant(Plant({}, {}))
    printer.say(REPORT)
    assert ours.board.dialled("p1") is None
    assert ours.words("report") == []


def test_another_address_is_dialled_and_the_same_one_is_not_touched(printer, desk):
    ours = desk()
    ours.dial(by_ca(printer), PREFIX, Secret(access_code=CODE))
    until(lambda: len(printer.requests()) == 2, "it is asked for its state")
    ours.dial(by_ca(printer), PREFIX)
    assert {figure.name: figure.value for figure in ours.board.figures()}["cybersyn_attach_attempts"] == 1
    ours.dial(Attach("bambu", "127.0.0.1", free_port(), ca_file=str(printer.folder / "ca.crt")), PREFIX)
    until(lambda: "Connection refused" in ours.trouble(), "the other address is dialled")


class Broken:
    """A line that has a mistake of ours in it, until its third call."""

    def __init__(self, _machine: Machine) -> None:
        self.calls_count = 0

    def hold(self, _secret: Secret, ear: Ear) -> None:
        self.calls_count += 1
        if self.calls_count < 3:
            raise ZeroDivisionError
        ear.answers()
        ear.closing.wait(WAIT_S)


def test_a_line_that_breaks_down_is_logged_and_dialled_again(desk, caplog):
    ours = desk(prusalink=Broken)
    ours.dial(Attach("prusalink", "a"), "prusalink/p1", Secret(api_key="k"))
    until(lambda: ours.trouble() == "", "it answers")
    assert ours.words("link") == [b"offline: its line broke down; see the log", b"online"]
    assert [record.message for record in caplog.records if record.exc_info] == ["the line to p1 broke down"] * 2


class Prusa:
    """PrusaLink with digest login: `answers` by path, `key` an API key that is taken too."""

    REALM, NONCE, USER, PASSWORD, KEY = "Printer API", "8f3e51a0", "maker", "workbench7", "kEy-99"

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, bytes]] = {
            "/api/v1/status": (200, b'{"printer":{"state":"IDLE","temp_nozzle":24.5}}'),
            "/api/v1/info": (200, b'{"hostname":"mini-3"}'),
            "/api/v1/job": (204, b""),
        }
        self.asked: list[str] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        prusa = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if not prusa.lets_in(self.headers.get("Authorization", ""), self.headers.get("X-Api-Key"), self.path):
                    self.send_response(401)
                    self.send_header("WWW-Authenticate", f'Digest realm="{prusa.REALM}", nonce="{prusa.NONCE}"')
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                prusa.asked.append(self.path)
                code, body = prusa.answers[self.path]
                self.send_response(code)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def lets_in(self, login: str, key: str | None, path: str) -> bool:
        if key is not None:
            return key == self.KEY
        given = dict(re.findall(r'(\w+)="?([^",]+)"?', login))
        first = hashlib.md5(f"{self.USER}:{self.REALM}:{self.PASSWORD}".encode()).hexdigest()
        second = hashlib.md5(f"GET:{path}".encode()).hexdigest()
        return given.get("response") == hashlib.md5(f"{first}:{self.NONCE}:{second}".encode()).hexdigest()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def prusa() -> Iterator[Prusa]:
    made = Prusa()
    yield made
    made.close()


QUICK = {"prusalink": partial(PrusaLine, timeout_s=2.0)}
DIGEST = Secret(username=Prusa.USER, password=Prusa.PASSWORD)


def at(prusa: Prusa) -> Attach:
    return Attach("prusalink", "127.0.0.1", prusa.port, poll_s=0.05)


@pytest.mark.parametrize("secret", [DIGEST, Secret(api_key=Prusa.KEY)], ids=["digest", "key"])
def test_prusalink_is_polled_with_either_login(prusa, desk, secret):
    ours = desk(**QUICK)
    ours.dial(at(prusa), "prusalink/p1", secret)
    until(lambda: len(ours.words("status")) > 2, "it is polled")
    assert ours.words("link") == [b"online"]
    assert ours.words("info") == [b'{"hostname":"mini-3"}']
    assert ours.words("job") == []
    assert set(prusa.asked) == {"/api/v1/status", "/api/v1/info"}


def test_a_job_is_asked_for_before_the_state_that_tells_of_it(prusa, desk):
    ours = desk(**QUICK)
    prusa.answers["/api/v1/job"] = 200, b'{"id":5,"state":"PRINTING","file":{"display_name":"hook.bgcode"}}'
    prusa.answers["/api/v1/status"] = 200, b'{"job":{"id":5},"printer":{"state":"PRINTING"}}'
    ours.dial(at(prusa), "prusalink/p1", DIGEST)
    until(lambda: len(ours.words("status")) > 2, "it is polled")
    topics = [one.topic for one in ours.heard]
    assert topics.index("prusalink/p1/job") < topics.index("prusalink/p1/status")
    assert topics.count("prusalink/p1/job") == 1


@pytest.mark.parametrize("secret", [Secret(username="maker", password="wrong"), Secret(api_key="wrong")])
def test_prusalink_refuses_a_wrong_login_in_clear_words(prusa, desk, secret):
    ours = desk(**QUICK)
    ours.dial(at(prusa), "prusalink/p1", secret)
    until(lambda: "refuses the API key, or user and password" in ours.trouble(), "it is said")
    assert ours.words("status") == []


def test_prusalink_is_lost_after_three_answers_that_fail_and_comes_back(prusa, desk):
    ours = desk(**QUICK)
    fine = prusa.answers["/api/v1/status"]
    ours.dial(at(prusa), "prusalink/p1", DIGEST)
    until(lambda: ours.words("status"), "it is polled")
    prusa.answers["/api/v1/status"] = 503, b"busy"
    until(lambda: "answers 503" in ours.trouble(), "it is lost")
    prusa.answers["/api/v1/status"] = fine
    until(lambda: len(ours.words("link")) > 2, "it is back")
    assert [word.partition(b":")[0] for word in ours.words("link")] == [b"online", b"offline", b"online"]


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b" " * 70_000], ids=["no json", "no object", "endless"])
def test_what_prusalink_never_says_is_not_passed_on(prusa, desk, body):
    ours = desk(**QUICK)
    prusa.answers["/api/v1/status"] = 200, body
    ours.dial(at(prusa), "prusalink/p1", DIGEST)
    until(lambda: "/api/v1/status" in ours.trouble(), "it is said")
    assert ours.words("status") == []
