# SPDX-License-Identifier: AGPL-3.0-or-later
"""An hour without the historian at 500 messages/s, in full volume: how fast it is made up for, and with what memory.

`python tests/bench/bench_outage.py [--minutes M]`. The messages go through the collector's own loop into the fact log
while the historian refuses; then it is there, and the drain writes. Every series is compared, value by value.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from collector.contract.errors import Unavailable
from collector.contract.ports import Delivery, Historian, Posting
from collector.contract.tree import read_plant
from collector.drain import Drain
from collector.historian.embedded import EmbeddedHistorian
from collector.historian.influx import InfluxHistorian
from collector.registry import Registry
from collector.service import Collector
from collector.spool import Spool
from deploy.clock import FileClock

sys.path.insert(0, str(Path(__file__).parent))  # benchmarks run with a safe path
from servers import influx

DEVICES = 50
PER_S = 500
START = 1_795_400_000.0
PAGE = 200_000


class Silence:
    """A bus that brings what it is given, and takes everything."""

    connected = True

    def __init__(self) -> None:
        self.next: list[Delivery] = []

    def subscribe(self, filters: Sequence[str]) -> None:
        """Hear nothing else."""

    def publish_all(self, postings: Sequence[Posting]) -> int:
        return 0 * len(postings)

    def take(self, *, most: int, wait_s: float) -> list[Delivery]:
        del most, wait_s
        found, self.next = self.next, []
        return found

    def take_lost_spans(self) -> list[tuple[float, float]]:
        return []

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Remember nothing."""


class Away:
    """A historian that refuses until it is let."""

    def __init__(self, real: Historian) -> None:
        self.real, self.is_away = real, True

    def write(self, rows: Any) -> Any:
        if self.is_away:
            raise Unavailable("away")
        return self.real.write(rows)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


def value(seq: int) -> float:
    return seq % 10_000 / 10


def messages(second: int) -> Iterator[Delivery]:
    """Yield a second's messages: each device says ten readings."""
    each = PER_S // DEVICES
    for number in range(PER_S):
        device, seq = number % DEVICES, second * each + number // DEVICES
        at = START + second + (number // DEVICES) / each
        body = {"v": 1, "boot": f"{device:016x}", "seq": seq, "ts": round(1000 * at), "m": {"power_w": value(seq)}}
        yield Delivery(f"cybersyn/v1/reading/@d{device}", json.dumps(body).encode(), retained=False, at=at)


def memory_mb() -> float:
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmRSS"].split()[0]) / 1024


def run(name: str, folder: Path, historian: Historian, seconds: int) -> None:
    plant = read_plant({"machines": {f"d{n}": {"place": f"outage/d{n}"} for n in range(DEVICES)}})
    clock, bus, away = FileClock(START), Silence(), Away(historian)
    spool = Spool(folder / "facts.db")
    collector = Collector(spool=spool, bus=bus, clock=clock, registry=Registry(plant))
    drain = Drain(spool, away, clock)
    start_s = time.monotonic()
    for second in range(seconds):
        clock.set(START + second)
        bus.next = list(messages(second))
        collector.turn(wait_s=0.0)
        if second % 300 == 0:
            try:
                drain.turn(wait_s=0.0)
            except Unavailable:
                print(f"  {second / 60:.0f} min away: {memory_mb():.0f} MB", file=sys.stderr)
    filled_s, before_mb = time.monotonic() - start_s, memory_mb()
    size_mb = sum(path.stat().st_size for path in folder.glob("facts.db*")) / 1e6
    away.is_away = False
    start_s = time.monotonic()
    while drain.turn(wait_s=0.0):
        pass
    drained_s = time.monotonic() - start_s
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    count = seconds * PER_S
    print(
        f"{name}: {count:,} messages of {seconds / 60:.0f} min in the log ({size_mb:.0f} MB, {filled_s:.0f} s), "
        f"drained in {drained_s:.1f} s: {count / drained_s:,.0f} messages/s, {seconds / drained_s:.0f} x real time; "
        f"{before_mb:.0f} MB before, {memory_mb():.0f} after, {peak_mb:.0f} peak"
    )
    wrong = [device for device in range(DEVICES) if not intact(historian, device, seconds)]
    print(f"  every value at its time, in order: {'yes' if not wrong else f'NO: devices {wrong}'}")
    spool.close()


def intact(historian: Historian, device: int, seconds: int) -> bool:
    each = PER_S // DEVICES
    points, start = [], START - 1
    while page := historian.series(f"outage/d{device}", "power_w", start=start, end=START + seconds + 1, most=PAGE):
        points += page
        start = page[-1][0] + 1e-5
    wanted = [(round(START + n / each, 3), value(n)) for n in range(seconds * each)]
    return [(round(at, 3), found) for at, found in points] == wanted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="how long the outage is")
    asked = parser.parse_args()
    for name in ("embedded", "influx"):
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cybersyn-outage-")))
            if name == "influx":
                if shutil.which("influxd") is None:
                    print("influx: needs influxd on PATH (.ci/run installs it)")
                    continue
                url, _ = influx(stack, folder)
                historian: Historian = InfluxHistorian(url, token="bench:bench", database="outage")
            else:
                historian = EmbeddedHistorian(folder / "historian.db")
            run(name, folder, historian, round(60 * asked.minutes))
            historian.close()


if __name__ == "__main__":
    main()
