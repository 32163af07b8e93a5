# SPDX-License-Identifier: AGPL-3.0-or-later
# tidy: one bench: its programs, its figures, its looking up
"""The whole intake as an operator runs it: messages/s, samples/s, CPU µs a message of every process, memory, log age.

`python tests/bench/bench_intake.py [--minutes M] [--only single-embedded,…] [--rate N]`. A collector in a process of
its own, a broker, a historian, and 40 devices with passwords that keep their messages until a receipt covers them;
at the end every sample is looked up. It prints figures and never fails on time.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from deploy import wiring
from deploy.clock import SystemClock
from deploy.settings import load

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # benchmarks run with a safe path
from load import Samples, total  # noqa: E402
from servers import free_ports, influx, program, wait_for  # noqa: E402

DEVICES = tuple(f"bench-{n:02d}" for n in range(40))
PLACE = "bench/{}"
TICK_S = 1.0
PAGE = 200_000
TICKS = os.sysconf("SC_CLK_TCK")
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


class Case(NamedTuple):
    """What is sent, and through what: `columns` indicators of `rows` samples a message."""

    name: str
    columns: int
    rows: int
    servers: bool


CASES = (
    Case("single-embedded", 1, 1, servers=False),
    Case("batch-embedded", 4, 20, servers=False),
    Case("batch-servers", 4, 20, servers=True),
    Case("single-servers", 1, 1, servers=True),
)


class Process(NamedTuple):
    """What /proc says of a process: CPU seconds, resident and peak MB."""

    cpu_s: float
    rss_mb: float
    peak_mb: float


def look(pid: int) -> Process:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    kb = [int(status[name].split()[0]) for name in ("VmRSS", "VmHWM")]
    return Process((int(fields[11]) + int(fields[12])) / TICKS, kb[0] / 1024, kb[1] / 1024)


class Age:
    """How old the oldest fact was that the historian lacked, as /metrics said it every second."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.age_s_max = self.behind_max = 0.0
        self._client = httpx.Client(timeout=20)

    def ask(self) -> float:
        """Return how many batches the historian lacks; pass the cyberfilter's place, who is not here."""
        found = self.figures()
        behind = found["cybersyn_drain_behind"]
        with suppress(httpx.HTTPError):
            last = int(found["cybersyn_facts_total"])
            self._client.get(f"{self._url}/api/v1/facts?after={last}&reader=cyberfilter&limit=1")
        self.age_s_max = max(self.age_s_max, found["cybersyn_drain_age_seconds"])
        self.behind_max = max(self.behind_max, behind)
        return behind

    def figures(self) -> dict[str, float]:
        lines = self._client.get(f"{self._url}/metrics").text.splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines) if name[:1] != "#"}


class Bench:
    """One case: everything started, loaded, watched, looked up."""

    def __init__(self, stack: ExitStack, case: Case, seconds: float, rate: float) -> None:
        self.case, self.seconds, self.rate = case, seconds, rate
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cybersyn-bench-")))
        self._stack = stack
        self.pids: dict[str, int] = {}
        self._config()
        self._log = log = self.folder / "collector.log"
        command = [sys.executable, "-P", "-m", "deploy.cli", "run", "collector", *self._options()]
        self._child = child = stack.enter_context(program(command, log))
        self.pids["collector"] = child.pid
        wait_for(f"{self.url}/readyz", child, log)
        if not case.servers:
            self.pids["nats-server"] = int((self.folder / "broker" / "nats.pid").read_text())

    def _options(self) -> list[str]:
        return ["--config", str(self.folder / "config.toml"), "--data-dir", str(self.folder)]

    def _config(self) -> None:
        plant = "".join(f'[machines.{each}]\nplace = "{PLACE.format(each)}"\n' for each in DEVICES)
        (self.folder / "plant.toml").write_text(plant)
        api, mqtt = free_ports(2)
        self.url = f"http://127.0.0.1:{api}"
        config: dict[str, dict[str, object]] = {
            "collector": {"port": api},
            "broker": {"kind": "embedded", "port": mqtt},
        }
        if self.case.servers:
            mosquitto = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
            assert mosquitto is not None
            (self.folder / "mosquitto.conf").write_text(MOSQUITTO.format(port=mqtt, folder=self.folder))
            log = self.folder / "mosquitto.log"
            command = [mosquitto, "-c", str(self.folder / "mosquitto.conf")]
            self.pids["mosquitto"] = self._stack.enter_context(program(command, log)).pid
            self.influx, self.pids["influxd"] = influx(self._stack, self.folder)
            config["broker"] = {"kind": "external", "port": mqtt}
            config["historian"] = {"kind": "influx", "url": self.influx, "token": "bench:bench", "bucket": "bench"}
        self.mqtt = mqtt
        rows = [f"[{k}]\n" + "".join(f"{n} = {json.dumps(v)}\n" for n, v in part.items()) for k, part in config.items()]
        (self.folder / "config.toml").write_text("\n".join(rows))

    def _logins(self) -> Path:
        words = dict.fromkeys(DEVICES, "")
        if not self.case.servers:
            token = json.loads((self.folder / "broker.json").read_text())["token"]
            login, url = {"Authorization": f"Bearer {token}"}, self.url + "/api/v1/machines/{}/credentials"
            for device in DEVICES:
                words[device] = httpx.post(url.format(device), headers=login, timeout=30).json()["password"]
        path = self.folder / "logins.json"
        path.write_text(json.dumps({"host": "127.0.0.1", "port": self.mqtt, "devices": words}))
        return path

    def run(self) -> None:
        """Send, watch until the historian has passed everything, and say what was seen."""
        before = {name: look(pid) for name, pid in self.pids.items()}
        command = [sys.executable, "-P", str(HERE / "load.py"), str(self._logins()), "--seconds", str(self.seconds)]
        command += ["--columns", str(self.case.columns), "--rows", str(self.case.rows), "--rate", str(self.rate)]
        age, start_s = Age(self.url), time.monotonic()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as load:
            while load.poll() is None:
                time.sleep(TICK_S)
                if self._child.poll() is not None:
                    raise SystemExit(f"the collector ended: {self._log.read_text()[-3000:]}")
                age.ask()
            assert load.stdout is not None
            told = json.loads(load.stdout.read())
        while age.ask() and time.monotonic() - start_s < self.seconds + 300:
            time.sleep(0.2)
        drained_s = time.monotonic() - start_s
        self._say(told, age, drained_s, {name: (before[name], look(pid)) for name, pid in self.pids.items()})

    def _say(self, told: Any, age: Age, drained_s: float, seen: dict[str, tuple[Process, Process]]) -> None:
        count, samples = sum(told["sent"].values()), self.case.columns * self.case.rows
        speed = count / told["took_s"]
        print(
            f"{self.case.name}: {speed:,.0f} messages/s, {speed * samples:,.0f} samples/s into the log, "
            f"{count * samples / drained_s:,.0f} samples/s into the historian ({count:,} messages, {drained_s:.0f} s); "
            f"second half sent at {told['second_half_per_s']:,.0f}/s; resent {told['resent']}, "
            f"uncovered {told['uncovered']}; log age <= {age.age_s_max:.1f} s, {age.behind_max:,.0f} batches behind"
        )
        for name, (old, new) in seen.items():
            print(
                f"  {name}: {1e6 * (new.cpu_s - old.cpu_s) / count:.1f} CPU µs/message, "
                f"{(new.cpu_s - old.cpu_s) / drained_s:.2f} cores, {new.rss_mb:.0f} MB now, {new.peak_mb:.0f} MB peak"
            )
        print(f"  load generator: {told['cpu_us']:.1f} CPU µs/message")
        self._look_up(told["sent"])

    def _look_up(self, sent: dict[str, int]) -> None:
        """Count every sample in the historian, and add up what it says."""
        start_s = time.monotonic()
        names, rows = Samples.NAMES[: self.case.columns], self.case.rows
        found, wrong = 0, []
        for device, count in sent.items():
            for name in names:
                got, value = self._counted(PLACE.format(device), name)
                found += got
                if got != count * rows or abs(value - total(rows, count)) > 1e-3 * max(1, count) ** 0.5:
                    wrong.append(f"{device} {name}: {got} of {count * rows}")
        verdict = "every sample is there, sums agree" if not wrong else f"WRONG: {wrong[:5]} ({len(wrong)} series)"
        wanted = sum(sent.values()) * rows * len(names)
        print(f"  looked up {found:,} of {wanted:,} samples in {time.monotonic() - start_s:.0f} s: {verdict}")

    def _counted(self, place: str, name: str) -> tuple[int, float]:
        if self.case.servers:
            query = f"SELECT count(value), sum(value) FROM reading WHERE place = '{place}' AND indicator = '{name}'"
            asked = httpx.get(
                f"{self.influx}/query", params={"db": "bench", "q": query}, auth=("bench", "bench"), timeout=300
            ).json()
            (_, count, value) = asked["results"][0]["series"][0]["values"][0]
            return int(count), float(value)
        if not hasattr(self, "_historian"):
            self._historian = wiring.historian(load(self.folder / "config.toml", {}), self.folder)
        start, end, count, value = 0.0, SystemClock().now() + 3_600, 0, 0.0
        while points := self._historian.series(place, name, start=start, end=end, most=PAGE):
            count += len(points)
            value += sum(point for _, point in points)
            start = points[-1][0] + 1e-5
        return count, value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long each case sends")
    parser.add_argument("--minutes", type=float, default=0.0, help="the same in minutes, for the sustained run")
    parser.add_argument(
        "--only", default="", help="names of cases, with commas between: " + " ".join(c.name for c in CASES)
    )
    parser.add_argument("--rate", type=float, default=0.0, help="messages/s offered; 0: as fast as receipts come")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    os.environ["PYTHONPATH"] = str(HERE.parent.parent)
    for case in CASES:
        if asked.only and case.name not in asked.only.split(","):
            continue
        if case.servers and not (shutil.which("influxd") and shutil.which("mosquitto", path=os.defpath + ":/usr/sbin")):
            print(f"{case.name}: needs influxd and mosquitto on PATH (.ci/run installs both)")
            continue
        with ExitStack() as stack:
            Bench(stack, case, asked.minutes * 60 or asked.seconds, asked.rate).run()


if __name__ == "__main__":
    main()
