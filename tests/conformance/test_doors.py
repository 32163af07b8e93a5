# SPDX-License-Identifier: AGPL-3.0-or-later
# tidy: the two sites, and the one suite that both keep
"""What every door promises: the embedded nats-server and a real Mosquitto let the same machines do the same."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from collector.bus.broker import EmbeddedBroker
from collector.bus.broker_log import LogFile, LogTopics
from collector.bus.link import Address
from collector.bus.mosquitto import MosquittoFiles
from collector.bus.mqtt import MqttBus
from collector.contract.tree import Machine, Plant
from collector.doors import EmbeddedDoor, MosquittoDoor
from collector.keys import QUICK, Keys, user_name
from collector.violations import Violation, Watchman

WAIT_S = 10.0
MK4 = Machine("mk4", "commons/mk4")
SAW = Machine("AC:67", "commons/saw")
OCTO = Machine("octo", "commons/octo", "octoprint", "octoPrint/octo")


def plant_of(*machines: Machine) -> Plant:
    return Plant({}, {machine.device: machine for machine in machines})


def until(true: Callable[[], object], what: str) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < deadline_s, f"not within {WAIT_S} s: {what}"
        time.sleep(0.005)


class StillClock:
    def now(self) -> float:
        return 0.0

    def real_s(self, plant_s: float) -> float:
        return plant_s


class EmbeddedSite:
    """The embedded broker; its log is heard as it runs."""

    def __init__(self, folder: Path, leaving: ExitStack, violations: list[Violation]) -> None:
        broker = leaving.enter_context(EmbeddedBroker(folder / "nats", on_violation=violations.append))
        self.address = broker.address
        self.door = EmbeddedDoor(broker)

    def hear(self) -> None:
        """Nothing to do: its log is read by a thread."""


class MosquittoSite:
    """A real Mosquitto with the rights files that we write, and the log in full."""

    def __init__(self, folder: Path, leaving: ExitStack, violations: list[Violation]) -> None:
        program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
        if program is None:
            pytest.skip("no mosquitto on PATH: apt-get install mosquitto")
        with socket.create_server(("127.0.0.1", 0)) as trial:
            port = trial.getsockname()[1]
        config, log = folder / "mosquitto.conf", folder / "log"
        config.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous false\nuser {os.environ.get('USER', 'root')}\n"
            f"pid_file {folder}/pid\npassword_file {folder}/users\nacl_file {folder}/acl\n"
            f"log_dest file {log}\nlog_dest topic\nlog_type all\n"
        )
        reload_command = ["sh", "-c", f"test ! -e {folder}/pid || kill -HUP $(cat {folder}/pid)"]
        files = MosquittoFiles(folder, reload_command=reload_command)
        self.door = MosquittoDoor(files, username="cybersyn", password="services")
        self.door.apply(plant_of(), Keys(None))
        child = subprocess.Popen([program, "-c", config], stderr=subprocess.DEVNULL)
        leaving.callback(child.wait)
        leaving.callback(child.terminate)
        self.address = Address("127.0.0.1", port, "cybersyn", "services")
        until(lambda: (folder / "pid").exists() and answers(port), "mosquitto listens")
        self._log = LogFile(log, violations.append)
        leaving.callback(self._log.close)

    def hear(self) -> None:
        self._log.turn()


def answers(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0


class Client:
    """A machine's own MQTT client; `heard` is what came, `refused` why the broker did not let it in."""

    def __init__(self, address: Address, user: str, word: str, *, client_id: str = "", subscribe: str = "") -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.refused: str | None = None
        self.granted: bool | None = None
        self._answered = False
        self._mqtt = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, reconnect_on_failure=False)
        self._mqtt.username_pw_set(user, word)
        self._mqtt.on_connect = self._connected
        self._mqtt.on_message = lambda _client, _data, message: self.heard.append((message.topic, message.payload))
        self._mqtt.on_subscribe = self._subscribed
        self._mqtt.connect(address.host, address.port)
        self._mqtt.loop_start()
        until(lambda: self._answered, "broker answers")
        if subscribe:
            self._mqtt.subscribe(subscribe, 1)
            until(lambda: self.granted is not None, "subscription is answered")

    def _connected(self, _client, _data, _flags, code, _properties):
        self.refused = str(code) if code.is_failure else None
        self._answered = True

    def _subscribed(self, _client, _data, _mid, codes, _properties):
        self.granted = not codes[0].is_failure

    @property
    def connected(self) -> bool:
        return self._mqtt.is_connected()

    def publish(self, *topics: str) -> None:
        for topic in topics:
            self._mqtt.publish(topic, b"x", qos=1).wait_for_publish(WAIT_S)

    def close(self) -> None:
        self._mqtt.disconnect()
        self._mqtt.loop_stop()


SITES = {"embedded": EmbeddedSite, "mosquitto": MosquittoSite}


class Yard:
    """A site with its keys, and clients that are closed at the end."""

    def __init__(self, made: EmbeddedSite | MosquittoSite, leaving: ExitStack, violations: list[Violation]) -> None:
        self.keys = Keys(None, work=QUICK)
        self.address, self.door, self.hear = made.address, made.door, made.hear
        self.violations = violations
        self._leaving = leaving

    def let_in(self, *machines: Machine) -> list[str]:
        words = self.keys.issue_all([machine.device for machine in machines])
        self.door.apply(plant_of(*machines), self.keys)
        until(lambda: all(self.gets_in(m, words[m.device]) for m in machines), "everybody gets in")
        return list(words.values())

    def gets_in(self, machine: Machine, word: str) -> bool:
        client = Client(self.address, user_name(machine.device), word)
        client.close()
        return client.refused is None

    def client(self, machine: Machine, word: str, *, client_id: str = "", subscribe: str = "") -> Client:
        user = user_name(machine.device)
        return self._keep(Client(self.address, user, word, client_id=client_id, subscribe=subscribe))

    def services(self, subscribe: str) -> Client:
        return self._keep(Client(self.address, self.address.username, self.address.password, subscribe=subscribe))

    def _keep(self, client: Client) -> Client:
        self._leaving.callback(client.close)
        return client


@pytest.fixture(params=list(SITES))
def yard(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Yard]:
    with ExitStack() as leaving:
        violations: list[Violation] = []
        yield Yard(SITES[request.param](tmp_path, leaving, violations), leaving, violations)


def topics(client: Client) -> list[str]:
    return [topic for topic, _ in client.heard]


def test_a_machine_gets_in_by_its_own_password_alone(yard):
    mk4, saw = yard.let_in(MK4, SAW)
    assert [yard.gets_in(MK4, mk4), yard.gets_in(SAW, saw)] == [True, True]
    assert [yard.gets_in(MK4, saw), yard.gets_in(MK4, ""), yard.gets_in(OCTO, mk4)] == [False, False, False]


def test_row_20_credentials_write_under_their_own_addresses_alone(yard):
    mk4, _ = yard.let_in(MK4, SAW)
    services = yard.services("#")
    own = ["reading/@mk4", "state/@mk4", "event/@mk4", "reading/commons/mk4", "state/commons/mk4", "event/commons/mk4"]
    foreign = ["reading/@AC:67", "reading/commons/saw", "receipt/@mk4", "fact/commons/mk4", "alert/commons/mk4/_1"]
    client = yard.client(MK4, mk4)
    client.publish(*[f"cybersyn/v1/{topic}" for topic in foreign], "octoPrint/mk4/x", "cybersyn/v1/reading/@mk4/x")
    client.publish(*[f"cybersyn/v1/{topic}" for topic in own])
    until(lambda: len(services.heard) >= len(own), "own topics arrive")
    assert topics(services) == [f"cybersyn/v1/{topic}" for topic in own]


def test_row_20_a_refused_publish_makes_one_security_event(yard):
    (mk4,) = yard.let_in(MK4)
    yard.client(MK4, mk4, client_id="mk4").publish(*["cybersyn/v1/reading/@other"] * 3)
    until(lambda: yard.hear() or len(yard.violations) >= 3, "broker says what it refused")
    watchman = Watchman()
    events = [event for one in yard.violations if (event := watchman.event_of(one, 0.0)) is not None]
    assert [(event.event, event.body["kind"], event.body["who"]) for event in events] == [
        ("security", "publish_violation", "mk4")
    ]


def test_a_foreign_machine_writes_under_its_prefix_and_reads_nothing(yard):
    (octo,) = yard.let_in(OCTO)
    services = yard.services("#")
    client = yard.client(OCTO, octo, subscribe="cybersyn/#")
    client.publish("octoPrint/other/x", "cybersyn/v1/reading/@octo", "octoPrint/octo/event/a")
    until(lambda: services.heard, "own topic arrives")
    services_publish(yard, "cybersyn/v1/receipt/@octo")
    assert topics(services)[0] == "octoPrint/octo/event/a"
    assert client.heard == []


def services_publish(yard: Yard, *names: str) -> None:
    client = yard.services("")
    client.publish(*names)


def test_a_machine_reads_its_own_receipts_and_nobody_elses(yard):
    (mk4,) = yard.let_in(MK4)
    own = yard.client(MK4, mk4, subscribe="cybersyn/v1/receipt/@mk4")
    other = yard.client(MK4, mk4, subscribe="cybersyn/v1/receipt/@other")
    services_publish(yard, "cybersyn/v1/receipt/@other", "cybersyn/v1/receipt/@mk4")
    until(lambda: own.heard, "receipt arrives")
    assert (topics(own), other.heard) == (["cybersyn/v1/receipt/@mk4"], [])


def test_a_revoked_machine_is_cut_and_does_not_come_back_while_the_others_stay(yard):
    mk4, saw = yard.let_in(MK4, SAW)
    gone, stays = yard.client(MK4, mk4), yard.client(SAW, saw)
    yard.keys.revoke("mk4")
    yard.door.apply(plant_of(MK4, SAW), yard.keys)
    until(lambda: not gone.connected, "the revoked one is cut")
    assert not yard.gets_in(MK4, mk4)
    assert stays.connected


def test_a_machine_that_comes_while_others_work_gets_in(yard):
    (mk4,) = yard.let_in(MK4)
    early = yard.client(MK4, mk4)
    saw = yard.keys.issue(SAW.device)
    yard.door.apply(plant_of(MK4, SAW), yard.keys)
    until(lambda: yard.gets_in(SAW, saw), "the new one gets in")
    assert early.connected


def test_new_credentials_make_the_old_ones_worthless(yard):
    (old,) = yard.let_in(MK4)
    client = yard.client(MK4, old)
    (new,) = yard.let_in(MK4)
    until(lambda: not client.connected, "who came with the old ones is cut")
    assert (yard.gets_in(MK4, old), yard.gets_in(MK4, new)) == (False, True)


def test_a_machine_that_moves_writes_at_its_new_place_and_no_more_at_the_old_one(yard):
    (mk4,) = yard.let_in(MK4)
    services = yard.services("#")
    yard.door.apply(plant_of(Machine("mk4", "commons/east/mk4")), yard.keys)

    def arrives() -> bool:
        yard.client(MK4, mk4).publish("cybersyn/v1/reading/commons/east/mk4")
        return bool(services.heard)

    until(arrives, "new place is open")
    before = len(services.heard)
    yard.client(MK4, mk4).publish("cybersyn/v1/reading/commons/mk4", "cybersyn/v1/reading/@mk4")
    until(lambda: len(services.heard) > before, "its own id is open")
    assert "cybersyn/v1/reading/commons/mk4" not in topics(services)


def test_of_two_machines_at_one_place_neither_writes_under_the_place(yard):
    beside = Machine("plug", MK4.place)
    mk4, _ = yard.let_in(MK4, beside)
    services = yard.services("#")
    yard.client(MK4, mk4).publish("cybersyn/v1/reading/commons/mk4", "cybersyn/v1/reading/@mk4")
    until(lambda: services.heard, "its own id is open")
    assert topics(services) == ["cybersyn/v1/reading/@mk4"]


def test_row_23_a_client_id_that_is_taken_again_and_again_is_noticed(yard):
    (mk4,) = yard.let_in(MK4)
    first = yard.client(MK4, mk4, client_id="twin")
    second = yard.client(MK4, mk4, client_id="twin")
    until(lambda: not first.connected, "the old connection is closed")
    assert second.connected
    until(lambda: yard.hear() or any(one.kind == "takeover" for one in yard.violations), "the takeover is told")
    assert [one.who for one in yard.violations if one.kind == "takeover"] == ["twin"]


def test_row_24_wrong_passwords_are_told(yard):
    yard.let_in(MK4)
    yard.violations.clear()
    for _ in range(10):
        yard.gets_in(MK4, "wrong")
    until(lambda: yard.hear() or len(yard.violations) >= 10, "broker says whom it refused")
    watchman = Watchman()
    assert sum(watchman.event_of(one, 0.0) is not None for one in yard.violations) == 1


def test_mosquittos_log_topics_tell_of_wrong_passwords_and_takeovers(tmp_path):
    with ExitStack() as leaving:
        yard = Yard(MosquittoSite(tmp_path, leaving, []), leaving, [])
        (mk4,) = yard.let_in(MK4)
        bus = MqttBus(yard.address, "log-reader", StillClock(), persistent=False)
        leaving.callback(bus.close)
        log = LogTopics(bus, yard.violations.append)
        yard.gets_in(MK4, "wrong")
        yard.client(MK4, mk4, client_id="twin")
        yard.client(MK4, mk4, client_id="twin")
        until(lambda: log.turn() >= 0 and len(yard.violations) >= 2, "both are told")
        assert {one.kind for one in yard.violations} == {"authentication_error", "takeover"}
