# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a small workshop costs its computer: 10 devices, 10 indicators each, once a second, everything running.

`python tests/bench/bench_footprint.py [--seconds S]`. Prints the start, the resident memory, the share of a core and
what is written to the disk by all processes together (checkpoints of two indices a device are in it), and, where strace
is on PATH, how often they let the disk catch up (fsync, fdatasync). What a day takes on disk is told by
bench_historians.py.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import paho.mqtt.client as mqtt

from collector.contract.codec import format_time

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # benchmarks run with a safe path
from load import Login, Samples, Sender, drive  # noqa: E402

DEVICES = tuple(f"foot-{n}" for n in range(10))
TICKS = os.sysconf("SC_CLK_TCK")


class TenIndicators(Samples):
    """One sample of ten indicators a message."""

    NAMES = (*Samples.NAMES, "flow2_lpm", "tank2_bar")


def family(pid: int) -> list[int]:
    """Return a process and all below it."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):
            for child in (task / "children").read_text().split():
                found += family(int(child))
    return found


def cpu_s(pids: list[int]) -> float:
    total = 0.0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / TICKS
    return total


def written_mb(pids: list[int]) -> float:
    """Return what the processes have sent to the disk."""
    fields = (Path(f"/proc/{pid}/io").read_text().split("write_bytes: ")[1] for pid in pids)
    return sum(int(field.split()[0]) for field in fields) / 1e6


def rss_mb(pids: list[int]) -> float:
    total = 0.0
    for pid in pids:
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        total += int(status["VmRSS"].split()[0]) / 1024
    return total


def passwords(folder: Path) -> tuple[Any, dict[str, str]]:
    told = json.loads((folder / "broker.json").read_text())
    login = {"Authorization": f"Bearer {told['token']}"}
    url = told["api_url"] + "/api/v1/machines/{}/credentials"
    return told, {each: httpx.post(url.format(each), headers=login, timeout=20).json()["password"] for each in DEVICES}


def say_running(told: dict[str, Any]) -> None:
    """Only what runs has indices."""
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="bench-footprint")
    client.username_pw_set(told["username"], told["password"])
    client.connect(told["host"], told["port"])
    client.loop_start()
    for each in DEVICES:
        running = json.dumps({"v": 1, "state": "running", "ts": format_time(time.time()), "boot": f"{0:016x}"})
        client.publish(f"cybersyn/v1/state/foot/hall/{each}", running, qos=1).wait_for_publish(20)
    client.disconnect()
    client.loop_stop()


def syncs(pids: list[int], seconds: float) -> str:
    """Count what strace sees of fsync and fdatasync."""
    program = shutil.which("strace")
    if program is None:
        return "not counted (strace is not on PATH)"
    command = [program, "-f", "-y", "-e", "trace=fsync,fdatasync", *(f"-p{pid}" for pid in pids)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        time.sleep(seconds)
        tracer.send_signal(signal.SIGINT)
        assert tracer.stderr is not None
        lines = tracer.stderr.read().splitlines()
    files = Counter(
        "/".join(Path(found[1]).parts[-4:]) for line in lines if (found := re.search(r"sync\(\d+<([^>]*)>", line))
    )
    return f"{files.total() / seconds:.2f} fsync/s: " + ", ".join(f"{name} {n}" for name, n in files.most_common(6))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cybersyn-foot-") as name:
        folder = Path(name)
        plant = "".join(f'[machines.{each}]\nplace = "foot/hall/{each}"\ncadence_s = 1.0\n' for each in DEVICES)
        (folder / "plant.toml").write_text(plant)
        start_s = time.monotonic()
        command = [sys.executable, "-P", "-m", "deploy.cli", "run", "all", "--data-dir", name]
        with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as child:
            try:
                measure(folder, child, start_s, asked.seconds)
            finally:
                child.terminate()


def measure(folder: Path, child: subprocess.Popen[bytes], start_s: float, seconds: float) -> None:
    while True:
        with suppress(httpx.HTTPError):
            if httpx.get("http://127.0.0.1:8050/readyz", timeout=2.0).status_code == 200:
                break
        if child.poll() is not None or time.monotonic() - start_s > 120:
            raise SystemExit((folder / "log").read_text()[-2000:])
        time.sleep(0.05)
    print(f"footprint: ready after {time.monotonic() - start_s:.1f} s")
    told, words = passwords(folder)
    say_running(told)
    command = [sys.executable, "-P", str(HERE / "bench_footprint.py"), "--send", str(2 * seconds + 10)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as load:
        assert load.stdin is not None
        load.stdin.write(json.dumps({"host": told["host"], "port": told["port"], "words": words}))
        load.stdin.close()
        time.sleep(10.0)
        pids = family(child.pid)
        before, written, began_s = cpu_s(pids), written_mb(pids), time.monotonic()
        time.sleep(seconds)
        took_s = time.monotonic() - began_s
        share, rate = (cpu_s(pids) - before) / took_s, (written_mb(pids) - written) / took_s
        print(f"  {rss_mb(pids):.0f} MB resident in {len(pids)} processes, {100 * share:.1f} % of a core")
        print(f"  {86.4 * rate:.1f} GB a day written to the disk")
        print(f"  {syncs(pids, seconds)}")
        account = httpx.get(f"{told['api_url']}/api/v1/intake", timeout=20).json()["account"]
        print(f"  {account['received']} messages received, {account['stored']} stored, {account['pending']} pending")
        load.terminate()


def send(seconds: float) -> None:
    told = json.loads(sys.stdin.read())
    senders = []
    for number, (device, word) in enumerate(told["words"].items()):
        boot = f"{number:08x}{time.time_ns() & 0xFFFFFFFF:08x}"
        login = Login(told["host"], told["port"], device, word)
        senders.append(Sender(device, login, TenIndicators(boot, columns=10, rows=1), boot=boot))
    drive(senders, seconds=seconds, rate=float(len(senders)))


if __name__ == "__main__":
    if "--send" in sys.argv:
        send(float(sys.argv[-1]))
    else:
        main()
