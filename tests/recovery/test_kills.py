# SPDX-License-Identifier: AGPL-3.0-or-later
# tidy: the yard, the killer and the one test that they are for
"""Everything is killed with -9 at random moments while messages flow; then every message is accounted for.

The small run has the embedded broker and historian. The large one, 120,000 messages through a real Mosquitto into a
real InfluxDB, takes minutes: `make kills`, and .ci/run, which sets ALL_KILLS.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import httpx
import pytest

ROOT = Path(__file__).parents[2]
WAIT_S = 180.0
MOSQUITTO_PROGRAM = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
INFLUX_LOGIN = ("kills", "kills")
MOSQUITTO = """
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {folder}/
autosave_interval 1
autosave_on_changes true
max_queued_messages 0
max_queued_bytes 268435456
max_inflight_messages 2000
"""
INFLUX = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
dir = "{folder}/influx/meta"
[data]
dir = "{folder}/influx/data"
wal-dir = "{folder}/influx/wal"
[http]
bind-address = "127.0.0.1:{port}"
auth-enabled = true
log-enabled = false
[monitor]
store-enabled = false
[logging]
level = "error"
"""


class Run(NamedTuple):
    """How many messages of how many devices, and how many kills."""

    servers: bool
    messages: int
    kills: int
    devices: int = 20


SMALL = Run(servers=False, messages=8_000, kills=6)
LARGE = Run(servers=True, messages=120_000, kills=24)


@pytest.fixture(scope="module")
def load() -> ModuleType:
    """The load generator of the benchmarks: raw sockets, receipts, resending."""
    spec = importlib.util.spec_from_file_location("load", ROOT / "tests" / "bench" / "load.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["load"] = module
    spec.loader.exec_module(module)
    return module


def until(true: Callable[[], object], what: str, wait_s: float = WAIT_S) -> None:
    deadline_s = time.monotonic() + wait_s
    while not true():
        assert time.monotonic() < deadline_s, f"not within {wait_s} s: {what}"
        time.sleep(0.05)


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Yard:
    """Broker, collector and historian, each a process that can be killed and started again."""

    def __init__(self, folder: Path, run: Run) -> None:
        self.folder, self.run = folder, run
        self.devices = [f"kill-{n:02d}" for n in range(run.devices)]
        self.api, self.mqtt, self.influx, self._rpc = free_ports(4)
        self.url = f"http://127.0.0.1:{self.api}"
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        plant = "".join(f'[machines.{each}]\nplace = "yard/{each}"\n' for each in self.devices)
        (folder / "plant.toml").write_text(plant)
        broker = {"kind": "external" if run.servers else "embedded", "port": self.mqtt}
        config: dict[str, dict[str, Any]] = {"collector": {"port": self.api}, "broker": broker}
        if run.servers:
            (folder / "mosquitto.conf").write_text(MOSQUITTO.format(port=self.mqtt, folder=folder))
            (folder / "influx.conf").write_text(INFLUX.format(port=self.influx, rpc=self._rpc, folder=folder))
            url, token = f"http://127.0.0.1:{self.influx}", ":".join(INFLUX_LOGIN)
            config["historian"] = {"kind": "influx", "url": url, "token": token, "bucket": "kills"}
        rows = [f"[{k}]\n" + "".join(f"{n} = {json.dumps(v)}\n" for n, v in part.items()) for k, part in config.items()]
        (folder / "config.toml").write_text("\n".join(rows))

    def open(self) -> None:
        for part in self.parts:
            self.start(part)
            self.await_up(part)

    @property
    def parts(self) -> tuple[str, ...]:
        return ("influxd", "mosquitto", "collector") if self.run.servers else ("collector",)

    @property
    def victims(self) -> tuple[str, ...]:
        return self.parts if self.run.servers else ("collector", "broker")

    def start(self, part: str) -> None:
        options = ["--config", str(self.folder / "config.toml"), "--data-dir", str(self.folder)]
        commands = {
            "collector": [sys.executable, "-P", "-m", "deploy.cli", "run", "collector", *options],
            "mosquitto": [str(MOSQUITTO_PROGRAM), "-c", str(self.folder / "mosquitto.conf")],
            "influxd": [str(shutil.which("influxd")), "run", "-config", str(self.folder / "influx.conf")],
        }
        with (self.folder / f"{part}.log").open("ab") as log:
            self.children[part] = subprocess.Popen(commands[part], stdout=log, stderr=log)

    def await_up(self, part: str) -> None:
        if part == "mosquitto":
            until(lambda: answers(self.mqtt), part)
        elif part == "influxd":
            until(lambda: answers(self.influx), part)
            query = {"q": "CREATE USER kills WITH PASSWORD 'kills' WITH ALL PRIVILEGES"}
            httpx.post(f"http://127.0.0.1:{self.influx}/query", data=query, auth=INFLUX_LOGIN)
        else:
            until(lambda: self.get("/healthz") is not None, (self.folder / "collector.log").read_text()[-2000:])

    def kill(self, part: str) -> None:
        if part == "broker":  # the collector's child, which it starts again
            with suppress(OSError, ValueError):
                os.kill(int((self.folder / "broker" / "nats.pid").read_text()), signal.SIGKILL)
            return
        self.children[part].kill()
        self.children[part].wait()
        self.start(part)

    def get(self, path: str, **params: Any) -> Any:
        try:
            answer = httpx.get(self.url + path, params=params, timeout=20.0)
        except httpx.HTTPError:
            return None
        return answer.json() if answer.status_code == 200 else None

    def passwords(self) -> dict[str, str]:
        if self.run.servers:
            return dict.fromkeys(self.devices, "")
        token = json.loads((self.folder / "broker.json").read_text())["token"]
        login = {"Authorization": f"Bearer {token}"}
        path = self.url + "/api/v1/machines/{}/credentials"
        return {d: httpx.post(path.format(d), headers=login, timeout=20).json()["password"] for d in self.devices}

    def facts(self) -> Iterator[dict[str, Any]]:
        """Yield every batch that a reader of the log is given, from the first on."""
        after = 0
        while True:
            found = self.get("/api/v1/facts", after=after, reader="kills", limit=2_000)
            assert found is not None
            if not found["items"]:
                return
            yield from found["items"]
            after = found["items"][-1]["n"]

    def stored_count(self, place: str) -> int:
        """Return how many samples the historian has of a place."""
        if self.run.servers:
            query = f"SELECT count(value) FROM reading WHERE place = '{place}'"
            params = {"db": "kills", "q": query}
            answer = httpx.get(f"http://127.0.0.1:{self.influx}/query", params=params, auth=INFLUX_LOGIN, timeout=60)
            series = answer.json()["results"][0].get("series")
            return int(series[0]["values"][0][1]) if series else 0
        span = {"from": "2020-01-01T00:00:00Z", "to": "2090-01-01T00:00:00Z"}
        found = self.get("/api/v1/series", place=place, indicator="power_w", **span)
        return len(found["points"])

    def end(self) -> None:
        for child in self.children.values():
            child.terminate()
        for child in self.children.values():
            with suppress(subprocess.TimeoutExpired):
                child.wait(timeout=20)
            child.kill()
            child.wait()


def answers(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(params=[SMALL, LARGE], ids=["small", "large"])
def yard(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Yard]:
    run: Run = request.param
    if run.servers:
        if not os.environ.get("ALL_KILLS"):
            pytest.skip("takes minutes: `make kills` runs it")
        if shutil.which("influxd") is None or MOSQUITTO_PROGRAM is None:
            pytest.skip("needs influxd and mosquitto on PATH (.ci/run installs both)")
    with ExitStack() as stack:
        made = Yard(tmp_path, run)
        stack.callback(made.end)
        made.open()
        yield made


@pytest.mark.timeout(1_200)
def test_row_05_no_message_is_lost_or_doubled_whatever_is_killed(yard: Yard, load: ModuleType) -> None:
    senders = send_among_kills(yard, load)
    seqs: dict[str, Counter[int]] = {device: Counter() for device in yard.devices}
    for batch in yard.facts():
        if batch["device"] in seqs and batch.get("seq") is not None:
            seqs[batch["device"]][batch["seq"]] += 1
    assert [(device, seq) for device, found in seqs.items() for seq, times in found.items() if times > 1] == []
    gaps: dict[str, list[tuple[int, int]]] = {device: [] for device in yard.devices}
    for gap in all_gaps(yard):
        gaps[gap["device"]].append((gap["first"], gap["last"]))
    for sender in senders:
        device, sent = sender.device, set(range(sender.next))
        missing = sorted(sent - set(seqs[device]))
        if sender.keeps:
            assert missing == [], f"{device} keeps its messages until the receipt, and these are lost"
        listed = [seq for low, high in gaps[device] for seq in range(low, high + 1)]
        assert sorted(listed) == missing, f"{device}: what is missing is listed, and nothing else"
        place = f"yard/{device}"
        assert yard.stored_count(place) == len(seqs[device]), "every sample is in the historian, once"


def send_among_kills(yard: Yard, load: ModuleType) -> list[Any]:
    """Send all messages while parts are killed; every second device keeps nothing beyond the broker's word."""
    chance, run = random.Random(1972), yard.run
    each = run.messages // run.devices
    senders = []
    for number, (device, word) in enumerate(yard.passwords().items()):
        boot = f"{number:016x}"
        login = load.Login("127.0.0.1", yard.mqtt, device if word else "", word)
        samples = load.Samples(boot, columns=1, rows=1)
        senders.append(load.Sender(device, login, samples, boot=boot, count=each, window=200, keeps=number % 2 == 0))
    crowd = load.Crowd(senders)
    yard.get("/api/v1/facts", after=0, reader="kills", limit=1)  # the log waits for us from the first on
    kills = 0
    next_s = time.monotonic() + 1.0
    end_s = time.monotonic() + 900.0
    try:
        while not all(sender.done for sender in senders) or kills < run.kills:
            assert time.monotonic() < end_s, f"after {kills} kills: {[len(s.held) for s in senders]} held"
            allowed = each * (kills + 1) // (run.kills + 1) + 1  # so that every kill comes while messages flow
            for sender in senders:
                sender.count = each if kills >= run.kills else min(each - 1, allowed)
            crowd.turn()
            if kills < run.kills and time.monotonic() >= next_s:
                yard.kill(chance.choice(yard.victims))
                kills += 1
                next_s = time.monotonic() + chance.uniform(0.5, 3.5)
    finally:
        crowd.close()
    for part in yard.parts:
        yard.await_up(part)
    until(lambda: settled(yard, senders), "the last message of every sender is in the log")
    return senders


def settled(yard: Yard, senders: list[Any]) -> bool:
    """Tell whether the newest seq of every sender is on disk, and all in the historian."""
    state = yard.get("/api/v1/intake")
    if state is None or state["historian"]["behind"]:
        return False
    machines = yard.get("/api/v1/machines", limit=500)["items"]
    received = {m["device"]: m["account"]["stored"] + m["missing_count"] for m in machines}
    return all(received.get(sender.device, 0) >= sender.next for sender in senders)


def all_gaps(yard: Yard) -> Iterator[dict[str, Any]]:
    cursor = None
    while True:
        found = yard.get("/api/v1/gaps", limit=500, **({"cursor": cursor} if cursor else {}))
        yield from found["items"]
        cursor = found["next"]
        if cursor is None:
            return
