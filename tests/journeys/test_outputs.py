# SPDX-License-Identifier: AGPL-3.0-or-later
"""What other programs read of us, on a real Mosquitto: announced, mirrored, born; through a kill, and taken back."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import paho.mqtt.client as mqtt
import pytest

from collector.contract.sparkplug_b import payload_class

pytestmark = pytest.mark.timeout(240)
GET_MOSQUITTO = "mosquitto is neither on PATH nor in /usr/sbin; on Debian: apt-get install mosquitto"
WAIT_S = 60.0
ON = "[outputs]\nhome_assistant = true\nuns = true\nsparkplug = true\n"
ONLINE = "homeassistant/cybersyn/availability"
CONFIG = "homeassistant/device/cybersyn_mk4/config"
STATE = "homeassistant/cybersyn/mk4/state"
PROGRESS = "umh/v1/commons/hall/mk4/_cybersyn/progress_ratio"
REBIRTH = b"\x12\x18\x0a\x14Node Control/Rebirth\x70\x01"


def until(true: Callable[[], Any], what: str) -> Any:
    deadline_s = time.monotonic() + WAIT_S
    while not (found := true()):
        assert time.monotonic() < deadline_s, f"not within {WAIT_S} s: {what}"
        time.sleep(0.05)
    return found


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def listens(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0


class Site:
    """A Mosquitto, all services in one process, a machine, and a stranger who listens to everything."""

    def __init__(self, folder: Path, program: str) -> None:
        self.folder, self.room, (self.port,) = folder, 0, free_ports(1)
        self.heard: list[tuple[str, bytes]] = []
        conf = f"listener {self.port} 127.0.0.1\nallow_anonymous true\n"
        (folder / "mosquitto.conf").write_text(conf)
        with (folder / "mosquitto.log").open("ab") as log:
            self.mosquitto = subprocess.Popen([program, "-c", folder / "mosquitto.conf"], stdout=log, stderr=log)
        until(lambda: listens(self.port), "mosquitto")
        self.services: subprocess.Popen[bytes] | None = None
        self.client = self.connect()
        self.client.subscribe([("homeassistant/#", 1), ("umh/#", 1), ("spBv1.0/#", 1), ("cybersyn/v1/fact/#", 1)])
        self.seq = 0

    def connect(self) -> mqtt.Client:
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        client.on_message = lambda _c, _u, message: self.heard.append((message.topic, message.payload))
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        return client

    def start(self, outputs: str, *devices: str) -> None:
        self.plant(*devices)
        places = dict(zip(("collector", "cyberfilter", "opsroom"), free_ports(3), strict=True))
        self.room = places["opsroom"]
        ports = "".join(f"[{part}]\nport = {port}\n" for part, port in places.items())
        broker = f'[broker]\nkind = "external"\nport = {self.port}\n[historian]\nkind = "memory"\n'
        (self.folder / "config.toml").write_text(broker + ports + outputs)
        command = [sys.executable, "-P", "-m", "deploy.cli", "run", "all", "--config", self.folder / "config.toml"]
        with (self.folder / "services.log").open("ab") as log:
            self.services = subprocess.Popen([*command, "--data-dir", self.folder], stdout=log, stderr=log)
        until(self.is_up, "the services")

    def is_up(self) -> bool:
        assert self.services is not None
        assert self.services.poll() is None, (self.folder / "services.log").read_text()[-2000:]
        try:
            return httpx.get(f"http://127.0.0.1:{self.room}/healthz", timeout=2.0).is_success
        except httpx.HTTPError:
            return False

    def plant(self, *devices: str) -> None:
        rows = "".join(f'[machines.{device}]\nplace = "commons/hall/{device}"\n' for device in devices)
        (self.folder / "plant.toml").write_text(rows)

    def say(self, progress: float) -> None:
        state = {"v": 1, "state": "running", "ts": 1_795_400_000_000}
        reading = {"v": 1, "boot": "9f1c6b0e2d7a4415", "seq": self.seq, "m": {"progress_ratio": progress}}
        self.seq += 1
        self.client.publish("cybersyn/v1/state/@mk4", json.dumps(state), qos=1, retain=True)
        self.client.publish("cybersyn/v1/reading/@mk4", json.dumps(reading), qos=1)

    def retained(self) -> dict[str, Any]:
        """Return what the broker keeps for others, as one who comes now sees it."""
        found: dict[str, Any] = {}
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        client.on_message = lambda _c, _u, message: found.__setitem__(message.topic, message.payload)
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        for wanted in ("homeassistant/#", "umh/#", "spBv1.0/#"):
            client.subscribe(wanted, qos=1)
        client.publish("homeassistant/end", b"", qos=1)  # comes after what is retained: the broker keeps the order
        until(lambda: "homeassistant/end" in found, "the end of what is retained")
        client.disconnect()
        client.loop_stop()
        del found["homeassistant/end"]
        return found

    def sparkplug(self, kind: str) -> list[Any]:
        """Return the payloads of a kind of message of the node, oldest first."""
        blobs = [payload for topic, payload in list(self.heard) if topic.startswith(f"spBv1.0/cybersyn/{kind}/plant")]
        return [payload_class().FromString(blob) for blob in blobs]

    def kill(self) -> None:
        assert self.services is not None
        self.services.kill()
        self.services.wait()

    def leave(self) -> None:
        assert self.services is not None
        self.services.terminate()
        self.services.wait(timeout=WAIT_S)

    def end(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()
        for child in (self.services, self.mosquitto):
            if child is not None and child.poll() is None:
                child.terminate()
                child.wait(timeout=20)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        pytest.skip(GET_MOSQUITTO)
    found = Site(tmp_path, program)
    yield found
    found.end()


def settled(site: Site) -> dict[str, bytes]:
    """Return what is retained once nothing has changed for longer than one saying takes."""
    kept: dict[str, bytes] = {}
    while (now := site.retained()) != kept:
        kept = now
        time.sleep(3.0)
    return kept


def bd_seq(payload: Any) -> int:
    (found,) = [metric.long_value for metric in payload.metrics if metric.name == "bdSeq"]
    return int(found)


def test_others_read_a_machine_through_a_kill_until_it_is_revoked(site: Site) -> None:
    site.start(ON, "mk4")
    site.say(0.25)
    until(lambda: {CONFIG, STATE, PROGRESS, ONLINE} <= site.retained().keys(), "announcement and mirror")
    until(lambda: b"running" in site.retained()[STATE], "the state")
    until(lambda: site.sparkplug("DBIRTH"), "the machine's birth")
    before = settled(site)
    assert json.loads(before[PROGRESS])["value"] == 0.25

    site.kill()
    until(lambda: site.retained()[ONLINE] == b"offline", "our last will")
    (death,) = until(lambda: site.sparkplug("NDEATH"), "the node's death")
    assert (bd_seq(death), death.HasField("seq")) == (bd_seq(site.sparkplug("NBIRTH")[0]), False)

    site.start(ON, "mk4")
    until(lambda: site.retained() == before, "the same retained messages")
    until(lambda: len(site.sparkplug("NBIRTH")) == 2, "another birth")
    assert bd_seq(site.sparkplug("NBIRTH")[1]) == bd_seq(death) + 1

    site.client.publish("spBv1.0/cybersyn/NCMD/plant", REBIRTH)
    until(lambda: len(site.sparkplug("NBIRTH")) == 3, "the birth that a host asked for")
    site.plant()
    until(lambda: site.retained().keys() == {ONLINE}, "nothing of a machine that is gone")
    until(lambda: site.sparkplug("DDEATH"), "the machine's death")
    site.leave()
    assert site.retained() == {ONLINE: b"offline"}
    until(lambda: len(site.sparkplug("NDEATH")) == 2, "the death that a departing node says")


def test_what_is_switched_off_is_withdrawn_and_nothing_more_is_published(site: Site) -> None:
    site.start(ON, "mk4")
    site.say(0.25)
    until(lambda: {CONFIG, PROGRESS} <= site.retained().keys(), "announcement and mirror")
    site.kill()
    site.start("", "mk4")
    assert site.retained() == {ONLINE: b"offline"}
    assert not (site.folder / "outputs.json").exists()
    site.heard.clear()
    site.say(0.5)
    until(lambda: any("/fact/" in topic for topic, _ in list(site.heard)), "the fact")
    assert [topic for topic, payload in site.heard if payload and not topic.startswith("cybersyn/")] == []
