# SPDX-License-Identifier: AGPL-3.0-or-later
"""From a sample on MQTT to the verdict on the bus: 200 devices, everything running. Prints, never fails on time.

`python tests/bench/bench_latency.py [--devices N] [--seconds S]`. Every device says its power once a second, stamped
20 s after the one before, so every third reading closes a minute of its energy index; what is measured is the real time
from the publishing of that reading to the arrival of the index message with that minute's verdict, at one client.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import httpx
import paho.mqtt.client as mqtt

from collector.contract.codec import format_time, parse_time

STEP_S: Final = 20.0
MINUTE_S: Final = 60.0
LATE_S: Final = 120.0
"""How far a machine's own samples are past a minute when it closes (two cadences)."""
WARM_S: Final = 20.0


class Watcher:
    """One client of the broker: says what every device says, and hears the verdicts."""

    def __init__(self, told: dict[str, Any], count: int, start: float) -> None:
        self.count, self.start = count, start
        self.sent: dict[tuple[int, float], float] = {}
        self.found: list[float] = []
        self._lock = threading.Lock()
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="bench-latency", clean_session=True)
        self.client.username_pw_set(told["username"], told["password"])
        self.client.on_message = self._heard
        self.client.max_inflight_messages_set(1_000)
        self.client.connect(told["host"], told["port"])
        self.client.loop_start()
        self.client.subscribe("cybersyn/v1/index/#", qos=0)

    def say(self, kind: str, device: int, body: dict[str, Any]) -> None:
        self.client.publish(f"cybersyn/v1/{kind}/bench/hall/dev-{device:04d}", json.dumps({"v": 1, **body}), qos=1)

    def reading(self, device: int, seq: int) -> None:
        ts = self.start + STEP_S * seq
        minute = math.floor((ts - LATE_S) / MINUTE_S) * MINUTE_S
        before = math.floor((ts - STEP_S - LATE_S) / MINUTE_S) * MINUTE_S
        if seq and minute > before:
            with self._lock:
                self.sent[device, minute] = time.perf_counter()
        power_w = 100.0 + random.gauss(0, 3)
        self.say(
            "reading", device, {"boot": f"{device:016x}", "seq": seq, "ts": format_time(ts), "m": {"power_w": power_w}}
        )

    def _heard(self, _client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        now = time.perf_counter()
        told = json.loads(message.payload)
        device, at = int(told["place"][-4:]), parse_time(told["at"])
        with self._lock:
            began = self.sent.pop((device, at or 0.0), None)
        if began is not None and told["index"] == "energy_w":
            self.found.append(now - began)


def main() -> None:
    """Print how long verdicts took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cybersyn-latency-") as name:
        folder = Path(name)
        rows = (f'[machines.dev-{n:04d}]\nplace = "bench/hall/dev-{n:04d}"\n' for n in range(asked.devices))
        (folder / "plant.toml").write_text("".join(rows))
        command = [sys.executable, "-P", "-m", "deploy.cli", "run", "all", "--data-dir", name]
        with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as child:
            try:
                measure(folder, child, asked.devices, asked.seconds)
            finally:
                child.terminate()


def measure(folder: Path, child: subprocess.Popen[bytes], count: int, seconds: float) -> None:
    began = time.monotonic()
    while True:
        with suppress(httpx.HTTPError):
            if httpx.get("http://127.0.0.1:8050/readyz", timeout=2.0).status_code == httpx.codes.OK:
                break
        if child.poll() is not None or time.monotonic() - began > 120:
            raise SystemExit((folder / "log").read_text()[-2000:])
        time.sleep(0.05)
    told = json.loads((folder / "broker.json").read_text())
    total = round(seconds + WARM_S)
    start = math.floor(time.time() / MINUTE_S) * MINUTE_S - STEP_S * (total + 30)
    watcher = Watcher(told, count, start)
    for device in range(count):
        watcher.say("state", device, {"state": "running", "ts": format_time(start), "boot": f"{device:016x}"})
    time.sleep(2.0)
    drive(watcher, total)
    watcher.client.disconnect()
    watcher.client.loop_stop()
    late = sorted(watcher.found)
    if not late:
        raise SystemExit("no verdict was heard:\n" + (folder / "log").read_text()[-2000:])
    ms = [1000 * late[min(len(late) - 1, int(share * len(late)))] for share in (0.5, 0.95, 0.99, 1.0)]
    print(
        f"latency: {count} devices, {count} readings/s, {len(late)} verdicts on the bus: p50 {ms[0]:.1f} ms, "
        f"p95 {ms[1]:.1f} ms, p99 {ms[2]:.1f} ms, most {ms[3]:.1f} ms; {len(watcher.sent)} not heard"
    )


def drive(watcher: Watcher, total: int) -> None:
    """Let every device speak once a second, one after the other; what the first seconds showed is not counted."""
    began, sent = time.perf_counter(), 0
    warm = False
    while sent < total * watcher.count:
        wait_s = began + sent / watcher.count - time.perf_counter()
        if wait_s > 0:
            time.sleep(wait_s)
        watcher.reading(sent % watcher.count, sent // watcher.count)
        sent += 1
        if not warm and sent >= WARM_S * watcher.count:
            warm = True
            watcher.found.clear()
            watcher.sent.clear()
    time.sleep(2.0)


if __name__ == "__main__":
    main()
