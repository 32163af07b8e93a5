# SPDX-License-Identifier: AGPL-3.0-or-later
"""Programs that are not ours, each in an environment of its own, and a simulated machine for them to read."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from firmware_sim.machines.build import build
from firmware_sim.machines.people import Rhythm
from firmware_sim.machines.printer import Printer
from firmware_sim.physics import SAMPLE_S
from firmware_sim.uplink import Uplink
from firmware_sim.voices.voice import Publication, Voice

collect_ignore = ["readers"]
"""They import programs that are not in our environment."""
HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parents[1] / ".ci/cache/outside"
START = 1_795_399_200.0
WAIT_S = 30.0
GAP_S = 0.3
"""Longer than any voice's real gap, so that nothing measured is held back."""


class Plant:
    """A printer with a voice on a clock that the test moves; an uplink or a LAN listener calls it."""

    reachable = True

    def __init__(self, voice: Voice) -> None:
        self.voice = voice
        self.printer = Printer(build("m", 3), seed=3, start=START, tag="t", rhythm=Rhythm(rests=False))
        self.real_s = 0.0

    @property
    def will(self) -> Publication:
        return self.voice.will

    @property
    def subscriptions(self) -> tuple[str, ...]:
        return self.voice.subscriptions

    def connected(self, real_s: float) -> None:
        self.voice.connected(self.printer, self.real_s)

    def received(self, topic: str, payload: bytes, real_s: float) -> None:
        self.voice.received(topic, payload, self.real_s)

    def take(self, room: int, real_s: float) -> list[Publication]:
        return self.voice.take(room, self.real_s)

    def tick(self) -> None:
        self.real_s += GAP_S
        for happening in self.printer.advance(self.printer.now + SAMPLE_S):
            self.voice.happened(happening, self.printer, self.real_s)
        self.voice.sampled(self.printer, self.real_s)


class Reader:
    """A program of others that says, line by line, what it knows whenever it is asked."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self._child = child

    def ask(self, line: str = "") -> dict[str, Any]:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(f"{line}\n")
        self._child.stdin.flush()
        answer = self._child.stdout.readline()
        assert answer, f"the reader ended with {self._child.wait()}"
        found: dict[str, Any] = json.loads(answer)
        return found

    def until(self, true: dict[str, Any], turn: Callable[[], None] = lambda: None) -> None:
        """Go on turning until the reader knows what is true, of the names in it; after 30 s show the difference."""
        deadline_s = time.monotonic() + WAIT_S
        while time.monotonic() < deadline_s:
            turn()
            if _part(self.ask(), true) == true:
                return
        assert _part(self.ask(), true) == true


def _part(found: Any, true: dict[str, Any]) -> Any:
    if not isinstance(found, dict):
        return found
    return {
        name: _part(found.get(name), value) if isinstance(value, dict) else found.get(name)
        for name, value in true.items()
    }


@pytest.fixture
def plant() -> Callable[[Voice], Plant]:
    return Plant


@pytest.fixture
def reader() -> Iterator[Callable[..., Reader]]:
    children: list[subprocess.Popen[str]] = []

    def start(name: str, *arguments: str) -> Reader:
        python = ENVIRONMENTS / name / "bin/python"
        if not python.exists():
            pytest.skip(f"no environment of {name}: .ci/run makes it from tests/outside/requirements/{name}.txt")
        script = HERE / "readers" / f"read_{name}.py"
        clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        child = subprocess.Popen([python, script, *arguments], text=True, env=clean, **pipes)
        children.append(child)
        return Reader(child)

    yield start
    for child in children:
        child.kill()
        child.communicate()


def _listens(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def broker_port(tmp_path: Path) -> Iterator[int]:
    program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("no mosquitto on PATH: apt-get install mosquitto")
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port = int(trial.getsockname()[1])
    config = tmp_path / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nuser {os.environ.get('USER', 'root')}\n")
    child = subprocess.Popen([program, "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline_s = time.monotonic() + WAIT_S
    while not _listens(port):
        assert time.monotonic() < deadline_s, "mosquitto does not listen"
        time.sleep(0.01)
    yield port
    child.terminate()
    child.wait()


@pytest.fixture
def on_broker(broker_port: int) -> Iterator[Callable[[Plant], Callable[[], None]]]:
    uplink = Uplink("127.0.0.1", broker_port)

    def join(plant: Plant) -> Callable[[], None]:
        uplink.add(plant, client_id="machine", credentials=None)
        deadline_s = time.monotonic() + WAIT_S
        while not uplink.up_count:
            assert time.monotonic() < deadline_s, "no connection"
            uplink.turn(0.05)
        for _ in range(5):  # what it listens to is on its way
            uplink.turn(0.05)
        return lambda: uplink.turn(0.05)

    yield join
    uplink.close()
