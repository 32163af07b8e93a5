# SPDX-License-Identifier: AGPL-3.0-or-later
"""The shipped Mosquitto, run: its start script, its rights, TLS, client certificates, devices that come and go."""

from __future__ import annotations

import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from collector.bus.mosquitto import MosquittoFiles
from collector.contract.tree import Machine, Plant
from collector.doors import MosquittoDoor
from collector.keys import QUICK, Keys
from deploy.certificates import make_device, make_server

ROOT = Path(__file__).parents[3]
WAIT_S = 10.0
SERVICES = ("cybersyn", "s3cret")
PORTS = {"1883": "machines", "1884": "inside", "8883": "tls", "8884": "certificates"}


def until(true: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < deadline_s, f"not within {WAIT_S} s: {what}"
        time.sleep(0.01)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


class Broker(NamedTuple):
    """The running broker: its ports by purpose, its folder of certificates, how devices are let in."""

    ports: dict[str, int]
    certificates: Path
    door: MosquittoDoor
    keys: Keys


def shipped(folder: Path, ports: dict[str, int], server: Path) -> Path:
    """Return a copy of deploy/mosquitto in which paths and ports are those of this test."""
    copy = folder / "conf"
    shutil.copytree(ROOT / "deploy/mosquitto", copy)
    for name in ("mosquitto.conf", "tls.conf"):
        text = (copy / name).read_text()
        for old, purpose in PORTS.items():
            text = text.replace(f"listener {old}\n", f"listener {ports[purpose]} 127.0.0.1\n")
        text = text.replace("/tmp/", f"{folder}/work/").replace("/mosquitto/data/", f"{folder}/work/")
        (copy / name).write_text(text.replace("/etc/cybersyn/tls", str(server)))
    with (copy / "mosquitto.conf").open("a") as file:
        file.write("user root\n")
    return copy


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    for program in ("mosquitto", "mosquitto_passwd", "openssl"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program} on PATH: apt install mosquitto openssl")
    folder = tmp_path_factory.mktemp("mosquitto")
    (folder / "work").mkdir()
    (folder / "secret").write_text("cybersyn:s3cret\nsimulator:s1m\n")
    server = make_server(folder / "tls", ["127.0.0.1", "localhost"])
    ports = {purpose: free_port() for purpose in PORTS.values()}
    environ = {
        "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/usr/local/sbin",
        "CYBERSYN_MOSQUITTO": str(shipped(folder, ports, server)),
        "CYBERSYN_USERS_SECRET": str(folder / "secret"),
        "CYBERSYN_DEVICES": str(folder / "devices"),
        "CYBERSYN_TLS": str(server),
        "CYBERSYN_WORK": str(folder / "work"),
    }
    script = subprocess.Popen(["sh", ROOT / "deploy/mosquitto/start.sh"], env=environ, stderr=subprocess.DEVNULL)
    try:
        until(lambda: all(answers(port) for port in ports.values()), "all listeners answer")
        door = MosquittoDoor(MosquittoFiles(folder / "devices"), username=SERVICES[0], password=SERVICES[1])
        yield Broker(ports, folder / "tls", door, Keys(None, work=QUICK))
    finally:
        script.send_signal(signal.SIGTERM)
        assert script.wait(10) == 0
        assert not any(answers(port) for port in ports.values())


class Client:
    """An MQTT 5 client: `refused` is why it did not get in, `said` what became of each publish."""

    def __init__(self, port: int, user: tuple[str, str] | None = None, *, client_id: str = "", tls: object = None):
        self.refused: str | None = None
        self.said: list[bool] = []
        self.heard: list[str] = []
        self._answered = False
        self._mqtt = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5, reconnect_on_failure=False
        )
        if user is not None:
            self._mqtt.username_pw_set(*user)
        if isinstance(tls, ssl.SSLContext):
            self._mqtt.tls_set_context(tls)
        self._mqtt.on_connect = self._connected
        self._mqtt.on_publish = lambda _c, _d, _mid, code, _p: self.said.append(not code.is_failure)
        self._mqtt.on_message = lambda _c, _d, message: self.heard.append(message.topic)
        self._mqtt.connect("127.0.0.1", port)
        self._mqtt.loop_start()
        until(lambda: self._answered, "broker answers")

    def _connected(self, _client, _data, _flags, code, _properties):
        self.refused = str(code) if code.is_failure else None
        self._answered = True

    @property
    def connected(self) -> bool:
        return self._mqtt.is_connected()

    def may_publish(self, topic: str) -> bool:
        count = len(self.said)
        self._mqtt.publish(topic, b"{}", qos=1)
        until(lambda: len(self.said) > count or not self.connected, "publish is answered")
        return self.said[count]

    def subscribe(self, topic: str) -> None:
        self._mqtt.subscribe(topic, 1)

    def close(self) -> None:
        self._mqtt.disconnect()
        self._mqtt.loop_stop()


def gets_in(*arguments: object, **more: object) -> bool:
    client = Client(*arguments, **more)
    client.close()
    return client.refused is None


def may(port: int, user: tuple[str, str] | None, topic: str, **more: object) -> bool:
    """Ask with a connection of its own, because Mosquitto 2.0.11 ends an MQTT 5 connection after a refused PUBLISH."""
    client = Client(port, user, **more)
    try:
        return client.refused is None and client.may_publish(topic)
    finally:
        client.close()


def let_in(broker: Broker, *devices: str) -> dict[str, str]:
    words = broker.keys.issue_all(list(devices))
    plant = Plant({}, {device: Machine(device, f"commons/{device}") for device in devices})
    broker.door.apply(plant, broker.keys)
    for device, word in words.items():
        until(lambda user=(device, word): gets_in(broker.ports["machines"], user), "device gets in")
    return words


def trusting(broker: Broker, device: str | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(broker.certificates / "ca.crt"))
    if device is not None:
        context.load_cert_chain(*make_device(broker.certificates, device))
    return context


@pytest.mark.parametrize(
    ("user", "topic", "allowed"),
    [
        (("simulator", "s1m"), "octoPrint/mk4-03/temperature/tool0", True),
        (("simulator", "s1m"), "cybersyn/v1/alert/commons/_x", False),
        (SERVICES, "cybersyn/v1/alert/commons/_x", True),
    ],
)
def test_users_of_the_compose_file_write_what_they_need(broker, user, topic, allowed):
    assert may(broker.ports["inside"], user, topic) is allowed


def test_health_check_hears_what_it_asks_for(broker):
    client = Client(broker.ports["inside"], SERVICES)
    client.subscribe("$SYS/broker/uptime")
    until(lambda: client.heard == ["$SYS/broker/uptime"], "uptime is told")
    client.close()


def test_row_20_a_device_writes_at_its_own_addresses_and_elsewhere_gets_0x87(broker):
    user = ("mk4", let_in(broker, "mk4", "saw")["mk4"])
    port = broker.ports["machines"]
    own = [f"cybersyn/v1/{kind}/{at}" for kind in ("reading", "state", "event") for at in ("@mk4", "commons/mk4")]
    assert all(may(port, user, topic) for topic in own)
    other = ("reading/@saw", "reading/commons/saw", "receipt/@mk4", "alert/commons/_x", "fact/commons/mk4")
    assert not any(may(port, user, f"cybersyn/v1/{topic}") for topic in other)


def test_a_device_that_comes_or_goes_counts_within_moments_and_the_others_stay(broker):
    words = let_in(broker, "mk4", "saw")
    mk4, saw = (Client(broker.ports["machines"], (device, words[device])) for device in ("mk4", "saw"))
    broker.keys.revoke("mk4")
    broker.door.apply(Plant({}, {d: Machine(d, f"commons/{d}") for d in ("mk4", "saw")}), broker.keys)
    until(lambda: not mk4.connected, "the revoked one is cut")
    assert not gets_in(broker.ports["machines"], ("mk4", words["mk4"]))
    assert saw.connected
    for client in (mk4, saw):
        client.close()


def test_row_23_nobody_pushes_another_machine_out_by_taking_its_client_id(broker):
    words = let_in(broker, "mk4", "saw")
    port = broker.ports["machines"]
    mk4 = Client(port, ("mk4", words["mk4"]), client_id="mk4")
    saw = Client(port, ("saw", words["saw"]), client_id="mk4")
    assert mk4.may_publish("cybersyn/v1/reading/@mk4")
    assert saw.may_publish("cybersyn/v1/reading/@saw")
    for client in (mk4, saw):
        client.close()


def test_password_works_over_tls_too(broker):
    words = let_in(broker, "mk4")
    assert may(broker.ports["tls"], ("mk4", words["mk4"]), "cybersyn/v1/reading/@mk4", tls=trusting(broker))
    assert not gets_in(broker.ports["tls"], ("mk4", "wrong"), tls=trusting(broker))


def test_broker_of_an_unknown_authority_is_not_trusted(broker):
    context = ssl.create_default_context()
    with socket.create_connection(("127.0.0.1", broker.ports["tls"])) as plain, pytest.raises(ssl.SSLError):
        context.wrap_socket(plain, server_hostname="127.0.0.1")


def test_a_certificate_stands_for_its_device_and_asks_for_no_password(broker):
    let_in(broker, "mk4", "saw")
    mine = trusting(broker, "mk4")
    assert may(broker.ports["certificates"], None, "cybersyn/v1/reading/@mk4", tls=mine)
    assert not may(broker.ports["certificates"], None, "cybersyn/v1/reading/@saw", tls=mine)


def test_a_certificate_of_a_device_that_was_revoked_may_do_nothing(broker):
    let_in(broker, "saw")
    assert not may(broker.ports["certificates"], None, "cybersyn/v1/reading/@gone", tls=trusting(broker, "gone"))


def test_without_a_certificate_nobody_gets_in_where_one_is_asked_for(broker):
    client = mqtt.Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
    client.tls_set_context(trusting(broker))
    ended: list[bool] = []
    client.on_connect = lambda *_: ended.append(False)
    client.on_disconnect = lambda *_: ended.append(True)
    client.connect("127.0.0.1", broker.ports["certificates"])
    client.loop_start()
    until(lambda: bool(ended), "broker hangs up")
    client.loop_stop()
    assert ended == [True]
