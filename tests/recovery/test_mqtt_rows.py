# SPDX-License-Identifier: AGPL-3.0-or-later
"""The MQTT bus when its name is taken, when the clock jumps, and over TLS; with a real Mosquitto."""

from __future__ import annotations

import ast
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

import collector.bus
from collector.bus import fast
from collector.bus.folder import free_port
from collector.bus.link import Address
from collector.bus.mqtt import MqttBus
from collector.contract.errors import Misconfigured, Unavailable
from collector.contract.ports import Posting
from deploy.certificates import make_device, make_server

WAIT_S = 20.0
CONNECT_AS_TWIN = b"\x10\x11\0\4MQTT\5\2\0\x3c\0\0\4twin"
PLAIN = "allow_anonymous true\n"


class JumpingClock:
    """A wall clock that is set a day ahead or back at every look."""

    def __init__(self) -> None:
        self._looks = 0

    def now(self) -> float:
        self._looks += 1
        return 1_795_400_000.0 + 86_400.0 * (self._looks % 3 - 1)

    def real_s(self, plant_s: float) -> float:
        return plant_s


def until(true: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < deadline_s, f"not within {WAIT_S} s: {what}"
        time.sleep(0.005)


Serve = Callable[[str], Address]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("no mosquitto on PATH: apt-get install mosquitto")

    def run(settings: str) -> Address:
        port, config = free_port(), tmp_path / "mosquitto.conf"
        config.write_text(f"listener {port} 127.0.0.1\nuser {os.environ.get('USER', 'root')}\n{settings}")
        child = subprocess.Popen([program, "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        leaving.callback(child.wait)
        leaving.callback(child.terminate)
        until(lambda: answers(port), "mosquitto listens")
        return Address("127.0.0.1", port)

    with ExitStack() as leaving:
        yield run


def answers(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0


def say_and_hear(bus: MqttBus, count: int = 2_000) -> list[bytes]:
    """Publish to ourselves, and return what has come until all is here."""
    bus.subscribe(["plant/#"])
    bus.publish_all([Posting("plant/a", b"%d" % number) for number in range(count)])
    found: list[bytes] = []
    deadline_s = time.monotonic() + WAIT_S
    while len(found) < count and time.monotonic() < deadline_s:
        taken = bus.take(most=500, wait_s=0.5)
        bus.acknowledge(taken)
        found += [one.payload for one in taken]
    return found


def test_row_23_a_name_that_another_takes_is_counted_and_said_and_the_bus_does_not_fight(serve):
    address = serve(PLAIN)
    with closing(MqttBus(address, "twin", JumpingClock(), persistent=True)) as bus:
        for count in range(1, 5):
            with socket.create_connection((address.host, address.port)) as twin:
                twin.sendall(CONNECT_AS_TWIN)
                until(lambda wanted=count: bus.takeovers_count == wanted and bus.connected, "it is counted")
                assert bus.takes_turns is (count > 3)
        assert "twin" in str(bus.trouble)
        assert bus.links_count == 5


def test_row_29_a_clock_that_jumps_changes_no_pause_no_timeout_and_no_batch(serve, monkeypatch):
    clock = JumpingClock()
    monkeypatch.setattr(time, "time", clock.now)
    with closing(MqttBus(serve(PLAIN), "bus", clock, persistent=True, keepalive_s=1)) as bus:
        found = say_and_hear(bus)
        start_s = time.monotonic()
        assert bus.take(most=1, wait_s=2.0) == []
        assert 1.9 < time.monotonic() - start_s < WAIT_S
        assert found == [b"%d" % number for number in range(2_000)]
        assert (bus.connected, bus.links_count) == (True, 1)


def test_row_29_nothing_on_the_bus_looks_at_the_wall_clock():
    wall = {"time", "time_ns", "localtime", "gmtime", "now", "utcnow", "today"}
    plant = {"clock", "_clock", "owner", "_owner", "intake", "_intake"}
    found = [
        f"{path.name}:{node.lineno}"
        for path in Path(str(collector.bus.__file__)).parent.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Attribute) and node.attr in wall and _name(node.value) not in plant)
        or (isinstance(node, ast.ImportFrom) and node.module in {"time", "datetime"})
    ]
    assert found == []


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def test_where_paho_has_changed_inside_the_stock_client_does_the_same(serve, monkeypatch, caplog):
    fast.lacking.cache_clear()
    monkeypatch.setattr(fast, "NEEDED", (*fast.NEEDED, "_of_another_paho"))
    with closing(MqttBus(serve(PLAIN), "bus", JumpingClock(), persistent=True)) as bus:
        assert say_and_hear(bus) == [b"%d" % number for number in range(2_000)]
        until(lambda: not bus.busy, "everything is acknowledged")
    fast.lacking.cache_clear()
    assert [record.message for record in caplog.records if "_of_another_paho" in record.message] != []


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on PATH: apt install openssl")
    folder = tmp_path_factory.mktemp("tls")
    make_server(folder, ["127.0.0.1"])
    make_device(folder, "collector")
    return folder


def encrypted(folder: Path) -> str:
    return f"certfile {folder}/server/server.crt\nkeyfile {folder}/server/server.key\n{PLAIN}"


def asking(folder: Path) -> str:
    return f"{encrypted(folder)}cafile {folder}/ca.crt\nrequire_certificate true\n"


def test_messages_pass_through_tls_in_both_directions(serve, certificates):
    address = serve(encrypted(certificates))._replace(ca_file=certificates / "ca.crt")
    with closing(MqttBus(address, "bus", JumpingClock(), persistent=True)) as bus:
        bus.subscribe(["large/#"])
        bus.publish("large/a", b"x" * 900_000)
        assert len(bus.take(most=1, wait_s=WAIT_S)[0].payload) == 900_000
        assert say_and_hear(bus, 5_000) == [b"%d" % number for number in range(5_000)]
        assert bus.links_count == 1


def test_a_broker_that_asks_for_a_certificate_is_shown_ours_and_without_one_lets_nobody_in(serve, certificates):
    address = serve(asking(certificates))._replace(ca_file=certificates / "ca.crt")
    with pytest.raises(Unavailable):
        MqttBus(address, "bus", JumpingClock(), persistent=True, wait_s=1.0)
    ours = certificates / "devices"
    address = address._replace(cert_file=ours / "collector.crt", key_file=ours / "collector.key")
    with closing(MqttBus(address, "bus", JumpingClock(), persistent=True)) as bus:
        assert len(say_and_hear(bus, 10)) == 10


def test_files_for_tls_that_do_not_work_are_named_at_once(tmp_path):
    missing = tmp_path / "ca.crt"
    with pytest.raises(Misconfigured, match=r"ca\.crt"):
        MqttBus(Address("127.0.0.1", 1, ca_file=missing), "bus", JumpingClock(), persistent=True)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho lets go of a socket unclosed
def test_a_broker_of_another_authority_is_not_believed(serve, certificates, tmp_path):
    make_server(tmp_path / "other", ["127.0.0.1"])
    address = serve(encrypted(certificates))._replace(ca_file=tmp_path / "other/ca.crt")
    with pytest.raises(Unavailable, match="certificate"):
        MqttBus(address, "bus", JumpingClock(), persistent=True, wait_s=1.0)
