# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a fleet can say: 2,000 devices at a message a second, and what a fortnight's history costs.

The devices are of all kinds and voices, with jobs, thermal models and faults, in one process without threads of its
own; the embedded broker and a subscriber, which counts and gives receipts, are processes beside it. Run it as a
program: `python tests/bench/bench_fleet.py [DEVICES] [SECONDS]`. It prints figures and never fails.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections import Counter, defaultdict
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from collector.bus.broker import EmbeddedBroker
from collector.bus.link import Address
from firmware_sim.fleet import TURN_S, Fleet
from firmware_sim.history import generate
from firmware_sim.scenario import Scenario, rates
from firmware_sim.stories import read, workshop
from firmware_sim.voices.voice import Publication

DEVICES, FOR_S = 2_000, 60.0
SHARES = (
    ("printer", "native", 0.35), ("printer", "octoprint", 0.1), ("printer", "moonraker", 0.1),
    ("printer", "sparkplug", 0.05), ("mill", "native", 0.2), ("laser", "native", 0.1), ("placer", "native", 0.1),
)  # fmt: skip
FAULTS_TIMES = 100.0
"""Times the catalogue's rates, so that some hundred faults strike within a minute."""
RECEIPTS_S = 5.0
CONNECT_S_MAX = 60.0
WILLS = ("/mqtt", "/moonraker/status")
"""Ends of topics that wills are said at, too: those are not counted; so are states and NDEATH."""
START = 1_795_399_200.0


class WallClock:
    """The present, at speed 1."""

    def now(self) -> float:
        return time.time()

    def real_s(self, plant_s: float) -> float:
        return plant_s


def story(devices: int) -> Scenario:
    """A mixed fleet that measures once a second."""
    rows = [
        {"name": f"{kind}-{voice}", "kind": kind, "voice": voice, "place": f"bench/{kind}", "sample_s": 1.0,
         "count": round(devices * share)}
        for kind, voice, share in SHARES
    ]  # fmt: skip
    return read("bench", {"machines": rows})


def is_counted(topic: str) -> bool:
    """Whether truth and wire are compared in it."""
    return not (topic.endswith(WILLS) or "/v1/state/" in topic or "/v1/receipt/" in topic or "/NDEATH/" in topic)


def mark(topic: str, payload: bytes) -> bytes:
    return hashlib.blake2b(topic.encode() + b"\0" + payload, digest_size=8).digest()


class Subscriber:
    """Counts what comes, the same message once, and gives receipts as a collector does."""

    def __init__(self, address: Address) -> None:
        self.seen: set[bytes] = set()
        self.count = 0
        self._stored: dict[str, tuple[str, int, list[str]]] = {}
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="bench-subscriber")
        self.client.username_pw_set(address.username, address.password)
        self.client.on_message = self._heard
        self.client.on_connect = lambda *_: self.client.subscribe("#", 0)
        self.client.connect(address.host, address.port)

    def _heard(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        topic = message.topic
        if message.retain or not is_counted(topic):
            return
        self.count += 1
        self.seen.add(mark(topic, message.payload))
        if "/v1/reading/" in topic or "/v1/event/" in topic:
            body, device = json.loads(message.payload), topic.rpartition("@")[2]
            boot, through, events = self._stored.get(device, ("", -1, []))
            if "seq" in body:
                boot, through = body["boot"], max(through if body["boot"] == boot else -1, body["seq"])
            else:
                events = [*events[-50:], body["id"]]
            self._stored[device] = (boot, through, events)

    def run(self, pipe: Connection) -> None:
        """Work until something comes through the pipe, then send the marks back."""
        at = time.monotonic() + RECEIPTS_S
        while not pipe.poll():
            self.client.loop(0.05)
            if time.monotonic() >= at:
                at += RECEIPTS_S
                for device, (boot, through, events) in self._stored.items():
                    body = {"boots": {boot: {"stored_through": through, "missing": []}}, "events": events}
                    self.client.publish(f"cybersyn/v1/receipt/@{device}", json.dumps(body), 0)
                self._stored.clear()
        pipe.send((self.count, self.seen))


def subscribe(address: Address, pipe: Connection) -> None:
    subscriber = Subscriber(address)
    pipe.send("ready")
    subscriber.run(pipe)


class Said:
    """Everything that the devices said, by device, from a moment on."""

    def __init__(self, fleet: Fleet) -> None:
        self.marks: defaultdict[str, set[bytes]] = defaultdict(set)
        self.counts: Counter[str] = Counter()
        for name, device in fleet.devices.items():
            device.take = self._counted(name, device.take)  # type: ignore[method-assign]

    def _counted(self, name: str, take: Any) -> Any:
        def taken(room: int, real_s: float) -> list[Publication]:
            out: list[Publication] = take(room, real_s)
            for each in out:
                self.counts[name] += 1
                if is_counted(each.topic):
                    self.marks[name].add(mark(each.topic, each.payload))
            return out

        return taken


def step_for(fleet: Fleet, for_s: float) -> None:
    """Live for so many real seconds."""
    end = time.monotonic() + for_s
    while time.monotonic() < end:
        fleet.step(TURN_S)


def connect(fleet: Fleet, devices: int) -> None:
    """Wait until nearly all are connected (faults cut some off), and have said what they had kept."""
    begun = time.monotonic()
    while fleet.uplink.up_count < 0.99 * devices and time.monotonic() < begun + CONNECT_S_MAX:
        fleet.step(TURN_S)
    took_s = time.monotonic() - begun
    print(f"fleet: {fleet.uplink.up_count} of {devices} devices connected in {took_s:.1f} s", flush=True)
    step_for(fleet, 10.0)


def measure(fleet: Fleet, said: Said, for_s: float) -> None:
    """Print what the fleet says in that time, and what it costs."""
    devices = len(fleet.devices)
    before, cpu, begun = said.counts.total(), time.process_time(), time.monotonic()
    at = [device.next_at for device in fleet.devices.values()]
    step_for(fleet, for_s)
    cpu, took = time.process_time() - cpu, time.monotonic() - begun
    total = said.counts.total() - before
    lived_s = sum(device.next_at - then for device, then in zip(fleet.devices.values(), at, strict=True)) / devices
    jobs = sum(entry.what == "job_started" for entry in fleet.truth.entries)
    print(
        f"fleet: {devices} devices for {took:.0f} s: {total / took:.0f} messages/s "
        f"({total / took / devices:.2f} a device), {1e6 * cpu / max(total, 1):.0f} µs of CPU a message, "
        f"{100 * cpu / took:.0f} % of a core; {jobs} jobs, {len(fleet.truth.faults)} faults; "
        f"the plant lived {lived_s:.1f} s",
        flush=True,
    )


def compare(said: Said, heard: set[bytes], heard_count: int) -> None:
    """Print whether what was heard is what was said, device by device."""
    lost = {name: len(marks - heard) for name, marks in said.marks.items()}
    unsaid = len(heard - set().union(*said.marks.values()))
    said_count = sum(map(len, said.marks.values()))
    print(
        f"truth: {said_count} messages said, {len(heard)} different ones of {heard_count} heard, "
        f"{sum(lost.values())} lost, {unsaid} that nobody said; equal for {sum(not n for n in lost.values())} of "
        f"{len(lost)} devices",
        flush=True,
    )


def speak(devices: int, for_s: float, address: Address) -> None:
    """Print what that many devices say, once they are all connected, and what of it was heard."""
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.Process(target=subscribe, args=(address, theirs), daemon=True)
    child.start()
    ours.recv()
    scenario, clock = story(devices), WallClock()
    faults = rates(scenario, 7, clock.now() + 60.0, clock.now() + 3_600.0, times=FAULTS_TIMES)
    pair = (address.username or "", address.password or "")
    with Fleet(scenario, clock, host=address.host, port=address.port, credentials=pair, faults=faults) as fleet:
        said = Said(fleet)
        connect(fleet, devices)
        measure(fleet, said, for_s)
        drained = time.monotonic() + 5.0
        while time.monotonic() < drained:  # what is under way arrives; nothing new is measured
            fleet.uplink.turn(TURN_S)
        ours.send("end")
        heard_count, heard = ours.recv()
    child.join(timeout=10)
    compare(said, heard, heard_count)


def remember() -> None:
    """Print what a fortnight of eight machines costs."""
    begun, cpu = time.monotonic(), time.process_time()
    count = sum(1 for _ in generate(workshop(8, 7), START - 14 * 86_400, START))
    print(
        f"history: {count} batches (8 machines, 14 days) in {time.monotonic() - begun:.1f} s, "
        f"{time.process_time() - cpu:.1f} s of CPU"
    )


def main() -> None:
    """Print one line for the fleet, one for what was heard, and one for a fortnight's history."""
    devices = int(sys.argv[1]) if len(sys.argv) > 1 else DEVICES
    for_s = float(sys.argv[2]) if len(sys.argv) > 2 else FOR_S
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (16_384, max(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 16_384)))
    with tempfile.TemporaryDirectory() as folder, EmbeddedBroker(Path(folder)) as broker:
        speak(devices, for_s, broker.address)
    remember()


if __name__ == "__main__":
    main()
