# SPDX-License-Identifier: AGPL-3.0-or-later
# tidy: conftest is one file: the system, the machine and the hand that kills belong together
"""A whole system in processes of its own, a machine that speaks to it, and a hand that kills."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import paho.mqtt.client as mqtt
import pytest

DEVICE, PLACE = "mk4-07", "commons/valparaiso/printing/mk4-07"
STEADY_MIN, RAISED_MIN = 300, 30
SAMPLES_A_MINUTE = 6
WAIT_S = 60.0
PLANT = f'[machines.{DEVICE}]\nplace = "{PLACE}"\n'
GET_MOSQUITTO = "mosquitto is neither on PATH nor in /usr/sbin; on Debian: apt-get install mosquitto"
MOSQUITTO = """
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {folder}/
autosave_interval 1
autosave_on_changes true
max_queued_messages 0
"""


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def until(true: Callable[[], Any], what: str, wait_s: float = WAIT_S) -> Any:
    deadline_s = time.monotonic() + wait_s
    while not (found := true()):
        assert time.monotonic() < deadline_s, f"not within {wait_s} s: {what}"
        time.sleep(0.05)
    return found


def _listens(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0


class System:
    """Collector, cyberfilter and ops room, each a process, on an embedded or a real broker and historian."""

    def __init__(self, folder: Path, config: dict[str, dict[str, object]], mosquitto: tuple[str, int] | None) -> None:
        self.folder = folder
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self._mosquitto = mosquitto
        self._login: tuple[str, str] | None = None
        folder.mkdir()
        (folder / "plant.toml").write_text(PLANT)
        rows = [
            f"[{section}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in part.items())
            for section, part in config.items()
        ]
        (folder / "config.toml").write_text("\n".join(rows))
        self.urls = {
            part: f"http://127.0.0.1:{config[part]['port']}" for part in ("collector", "cyberfilter", "opsroom")
        }
        for part in (["mosquitto"] if mosquitto else []) + ["collector", "cyberfilter", "opsroom"]:
            self.start(part)

    @property
    def has_mosquitto(self) -> bool:
        return self._mosquitto is not None

    def start(self, part: str) -> None:
        """Start a part and wait until it answers."""
        if part == "mosquitto" and self._mosquitto is not None:
            program, port = self._mosquitto
            (self.folder / "mosquitto.conf").write_text(MOSQUITTO.format(port=port, folder=self.folder))
            command = [program, "-c", str(self.folder / "mosquitto.conf")]
        else:
            config = ["--config", str(self.folder / "config.toml"), "--data-dir", str(self.folder)]
            command = [sys.executable, "-P", "-m", "deploy.cli", "run", part, *config]
        with (self.folder / f"{part}.log").open("ab") as log:
            self.children[part] = subprocess.Popen(command, stdout=log, stderr=log)
        if part in self.urls:
            until(lambda: self._answers(part), f"{part}: {(self.folder / f'{part}.log').read_text()[-2000:]}")
        else:
            until(lambda: _listens(port), part)

    def _answers(self, part: str) -> bool:
        assert self.children[part].poll() is None, (self.folder / f"{part}.log").read_text()[-3000:]
        try:
            return httpx.get(self.urls[part] + "/healthz", timeout=2.0).status_code == 200
        except httpx.HTTPError:
            return False

    def kill(self, part: str) -> None:
        """Kill a part with -9; the embedded broker is the collector's child, and is watched by it."""
        if part == "broker":
            os.kill(int((self.folder / "broker" / "nats.pid").read_text()), signal.SIGKILL)
            return
        self.children[part].kill()
        self.children[part].wait()

    def get(self, path: str, part: str = "opsroom") -> Any:
        """Return the JSON of an answer; None while nobody answers."""
        try:
            answer = httpx.get(self.urls[part] + path, timeout=10.0)
        except httpx.HTTPError:
            return None
        return answer.json() if answer.status_code == 200 else None

    def broker(self) -> tuple[str, int, str, str]:
        told = json.loads((self.folder / "broker.json").read_text())
        if self._mosquitto is not None:
            return told["host"], told["port"], "", ""
        if self._login is None:
            login = {"Authorization": f"Bearer {told['token']}"}
            answer = httpx.post(f"{told['api_url']}/api/v1/machines/{DEVICE}/credentials", headers=login).json()
            self._login = answer["user"], answer["password"]
        return told["host"], told["port"], *self._login

    def end(self) -> None:
        for child in reversed(self.children.values()):
            child.terminate()
        for child in self.children.values():
            try:
                child.wait(timeout=15)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


class Machine:
    """A printer that keeps every reading until a receipt covers it, and whose heater needs more and more."""

    def __init__(self, system: System, *, start: float) -> None:
        self._system = system
        self.start = start
        self._held = dict(enumerate(self._readings()))
        self.count = len(self._held)

    def _readings(self) -> Iterator[bytes]:
        rng = random.Random(1972)
        for minute in range(STEADY_MIN + RAISED_MIN):
            base = 20.0 if minute < STEADY_MIN else 25.0
            columns = {
                "nozzle_degc": [round(210 + rng.gauss(0, 0.3), 2) for _ in range(SAMPLES_A_MINUTE)],
                "nozzle_target_degc": [210] * SAMPLES_A_MINUTE,
                "heater_power_w": [round(base + rng.gauss(0, 1.0), 2) for _ in range(SAMPLES_A_MINUTE)],
            }
            stamps = [10_000 * n for n in range(SAMPLES_A_MINUTE)]
            ts = round(1000 * (self.start + 60 * minute))
            yield json.dumps(
                {"v": 1, "boot": "9f1c6b0e2d7a4415", "seq": minute, "ts": ts, "dt_ms": stamps, "m": columns}
            ).encode()

    @property
    def stored_count(self) -> int:
        return self.count - len(self._held)

    def speak(self, *, a_second: float = 150.0, wait_s: float = 120.0) -> None:
        """Publish, resend what no receipt covers, and return when all is covered."""
        host, port, user, word = self._system.broker()
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=DEVICE, protocol=mqtt.MQTTv311)
        if user:
            client.username_pw_set(user, word)
        client.reconnect_delay_set(1, 1)
        client.on_connect = self._connected
        client.on_message = self._receipt
        client.connect(host, port)
        client.loop_start()
        end_s = time.monotonic() + wait_s
        try:
            while self._held and time.monotonic() < end_s:
                for seq in list(self._held):
                    payload = self._held.get(seq)
                    if payload is not None and client.is_connected():
                        client.publish(f"cybersyn/v1/reading/@{DEVICE}", payload, qos=1)
                        time.sleep(1 / a_second)
                time.sleep(2.0)
        finally:
            client.disconnect()
            client.loop_stop()
        assert not self._held, f"{len(self._held)} of {self.count} readings have no receipt"

    def _connected(self, client: mqtt.Client, *_: object) -> None:
        client.subscribe(f"cybersyn/v1/receipt/@{DEVICE}", qos=1)
        state = json.dumps({"v": 1, "state": "running", "ts": round(1000 * (self.start - 600))})
        client.publish(f"cybersyn/v1/state/@{DEVICE}", state, qos=1, retain=True)

    def _receipt(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        told = json.loads(message.payload)["boots"].get("9f1c6b0e2d7a4415")
        if told is not None:
            for seq in list(self._held):
                if seq <= told["stored_through"] and seq not in told["missing"]:
                    del self._held[seq]


@pytest.fixture(scope="module", params=["embedded", "servers"])
def build(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], System]]:
    """Give a maker of whole systems: all embedded, or on a real Mosquitto and a real InfluxDB."""
    systems: list[System] = []

    def make() -> System:
        ports = free_ports(4)
        config: dict[str, dict[str, object]] = {
            "broker": {"kind": "embedded", "port": 0},
            "historian": {"kind": "embedded"},
            "collector": {"port": ports[0]},
            "cyberfilter": {"port": ports[1], "collector_url": f"http://127.0.0.1:{ports[0]}"},
            "opsroom": {
                "port": ports[2],
                "collector_url": f"http://127.0.0.1:{ports[0]}",
                "cyberfilter_url": f"http://127.0.0.1:{ports[1]}",
            },
        }
        mosquitto = None
        if request.param == "servers":
            program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
            if program is None:
                pytest.skip(GET_MOSQUITTO)
            influx = request.getfixturevalue("influxd")
            mosquitto = program, ports[3]
            config["broker"] = {"kind": "external", "port": ports[3]}
            database = f"cybersyn{len(systems)}"
            config["historian"] = {"kind": "influx", "url": influx.url, "token": influx.token, "bucket": database}
        system = System(tmp_path_factory.mktemp("system") / "data", config, mosquitto)
        systems.append(system)
        return system

    yield make
    for system in systems:
        system.end()


class Outcome(NamedTuple):
    """What a system says after the machine's last reading; `forecasts` are the filter's next output."""

    points: list[tuple[str, float]]
    forecasts: list[tuple[str, float, dict[str, Any]]]
    alerts: list[dict[str, Any]]
    account: dict[str, int]


def arrived(system: System, machine: Machine) -> Outcome:
    """Wait until everything has come through everywhere, and return it."""
    series = f"/api/v1/series?place={PLACE}&indicator=heater_power_w&from={stamp(machine.start - 60)}"
    wanted = SAMPLES_A_MINUTE * machine.count
    until(lambda: len((system.get(series) or {"points": []})["points"]) >= wanted, "all samples in the historian")
    until(lambda: items(system, "/api/v1/alerts?open=true"), "an alert")
    until(lambda: items(system, "/api/v1/machines")[0]["account"]["pending"] == 0, "nothing pending")
    last = system.get("/api/v1/facts?limit=1", "collector")["last"]
    until(lambda: fact_number(system) >= last, f"the cyberfilter at fact {last}")
    return Outcome(
        system.get(series)["points"],
        [(i["index"], i["actuality"], i["forecast"]) for i in items(system, f"/api/v1/indices?place={PLACE}")],
        items(system, "/api/v1/alerts?open=true"),
        items(system, "/api/v1/machines")[0]["account"],
    )


def stamp(ts: float) -> str:
    return datetime.fromtimestamp(ts, UTC).isoformat().replace("+00:00", "Z")


def items(system: System, path: str) -> list[dict[str, Any]]:
    found = system.get(path)
    return found["items"] if found else []


def fact_number(system: System) -> float:
    """Return how far the cyberfilter has read."""
    try:
        text = httpx.get(system.urls["cyberfilter"] + "/metrics", timeout=5.0).text
    except httpx.HTTPError:
        return -1.0
    found = re.search(r"^\w*cyberfilter_fact_number (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else -1.0


@pytest.fixture(scope="session")
def start() -> float:
    """The minute at which the machine's readings begin, the same for every run that is compared."""
    return (time.time() // 60 - STEADY_MIN - RAISED_MIN - 5) * 60


@pytest.fixture(scope="module")
def calm(build: Callable[[], System], start: float) -> tuple[System, Outcome]:
    """A journey in which nothing dies, and what came of it."""
    system = build()
    machine = Machine(system, start=start)
    machine.speak()
    return system, arrived(system, machine)


@pytest.fixture
def killed(build: Callable[[], System], start: float) -> tuple[System, Outcome]:
    """The same journey, with kill -9 of cyberfilter, collector and broker in the middle, each started again."""
    system = build()
    machine = Machine(system, start=start)
    speaking = threading.Thread(target=machine.speak, daemon=True)
    speaking.start()
    broker = "mosquitto" if system.has_mosquitto else "broker"
    for part, share in (("cyberfilter", 0.3), ("collector", 0.5), (broker, 0.7)):
        until(lambda share=share: machine.stored_count >= share * machine.count, f"{share} of the readings stored")
        system.kill(part)
        if part != "broker":
            system.start(part)
    speaking.join(timeout=WAIT_S)
    return system, arrived(system, machine)
