# SPDX-License-Identifier: AGPL-3.0-or-later
"""The demo: simulated microfactories with weeks behind them, and all that a workshop runs, in one process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from msgspec.structs import replace

import opsroom.app
from collector import plant_file
from collector.contract.ports import Historian, ReadingRow
from collector.contract.reading import Batch
from collector.contract.tree import Machine, Plant, Unit
from collector.drain import rows_of
from collector.job_book import keep_jobs
from collector.keys import QUICK, Keys, user_name
from collector.register import Register
from deploy import wiring
from deploy.clock import DemoClock
from deploy.lines import Where
from deploy.recorded import DIALECTS, RECORDED, RECORDED_PLACE, speak
from deploy.settings import Settings
from deploy.summary import in_words, summary
from deploy.supervisor import Supervisor
from deploy.web import Port, Service, application, check_port
from deploy.where import Running, as_json, tell
from firmware_sim.control import HttpSwitch
from firmware_sim.fleet import Fleet
from firmware_sim.history import generate
from firmware_sim.scenario import Scenario, faults_of
from firmware_sim.stories import scenario
from firmware_sim.truth import Truth
from firmware_sim.voices.catalogue import LAN, spoken
from opsroom.notice import Notice

HISTORY_S: Final = 14 * 86_400.0
"""What lies behind the machines when the demo begins: two weeks of one-minute values."""
RUNS_S: Final = 3_600.0
"""How long a demo without --for takes to reach the present."""
_ROWS_A_WRITE: Final = 50_000
_BATCHES_A_WRITE: Final = 200


@dataclass(frozen=True)
class Wish:
    """What the visitor asked for; `lasts_s` None: until interrupted. `say` tells how far it is."""

    machines: int | None
    seed: int
    speed: float
    scenario: str
    port: int
    mqtt_port: int | None
    folder: Path
    lasts_s: float | None
    summary: Path | None
    control: int | None
    say: Callable[[str], None]


def plant_of(story: Scenario) -> Plant:
    """Return the plant of a scenario, the recorded real machines included."""
    machines = {}
    for spec in story.machines:
        dialect, prefix = (spec.voice, None) if spec.prefix is None else spoken(spec.voice, spec.prefix)
        machines[spec.device] = Machine(spec.device, spec.place, dialect, prefix, spec.cadence_s)
    for device, dialect, prefix in RECORDED:
        machines[device] = Machine(device, f"{RECORDED_PLACE}/{device}", dialect, prefix)
    names = {**story.units, RECORDED_PLACE: "Recorded real printers"}
    used = {
        place: name for place, name in names.items() if any(m.place.startswith(f"{place}/") for m in machines.values())
    }
    return Plant({place: Unit(place, name) for place, name in used.items()}, machines)


def run(wish: Wish, settings: Settings, stop: threading.Event) -> int:
    """Run the demo until its time is up or `stop` is set; return the exit code."""
    with ExitStack() as stack:
        demo = _Demo(wish, settings, stack, stop)
        demo.serve()
        ends_at = None if wish.lasts_s is None else time.monotonic() + wish.lasts_s
        arrived = wish.speed <= 1.0
        while not stop.wait(0.2) and (ends_at is None or time.monotonic() < ends_at):
            if demo.clock.arrived and not arrived:
                arrived = True
                wish.say("the plant's time has reached the present; it goes on at speed 1")
        demo.end()
    return 1 if demo.supervisor.broken else 0


class _Demo:
    """The parts of a running demo; what was opened is closed by the stack, newest first."""

    def __init__(self, wish: Wish, settings: Settings, stack: ExitStack, stop: threading.Event) -> None:
        self.wish = wish
        check_port("127.0.0.1", wish.port)
        wish.folder.mkdir(parents=True, exist_ok=True)
        self.story = self._told(scenario(wish.scenario, machines=wish.machines, seed=wish.seed))
        self.register, self.keys, self.passwords = self._registered(wish.folder, plant_of(self.story))
        self.broker = stack.enter_context(
            wiring.embedded_broker(settings, wish.folder, wish.mqtt_port, begins_empty=True)
        )
        self.historian: Historian = wiring.historian(settings, wish.folder)
        stack.callback(self.historian.close)
        self.clock = DemoClock(start=time.time() - (wish.lasts_s or RUNS_S) * (wish.speed - 1.0), speed=wish.speed)
        parts = wiring.Parts(
            wish.folder, self.broker.address, self.clock, self.register, self.keys, self.historian, settings
        )
        self.collected = wiring.collecting(parts)
        stack.callback(self.collected.close)
        self.scout, scout_bus = wiring.scouting(parts, self.collected)
        stack.callback(scout_bus.close)
        self.collected.broker = self.broker
        self.collected.open_door(wiring.door_of(settings, self.broker))
        self.filtered = wiring.filtering(parts, facts=self.collected.spool, book_facts=self.collected.spool)
        stack.callback(self.filtered.close)
        self.meters_kwh: dict[str, float] = {}
        self._remember()
        self.room_bus = wiring.room_bus(self.broker.address, self.clock, settings.broker.root)
        stack.callback(self.room_bus.close)
        self.truth = stack.enter_context(Truth(wish.folder / "truth.jsonl"))
        self._stack = stack
        self._halt = threading.Event()
        self._threads: list[threading.Thread] = []
        stack.callback(self._quiet)
        self.supervisor = Supervisor(stop.set)
        stack.callback(self.supervisor.stop)  # before the machines leave: that is no fault

    def _told(self, story: Scenario) -> Scenario:
        """Return the story without printers that have to be dialled: the demo has no certificates for them."""
        dialled = [spec.device for spec in story.machines if spec.voice in LAN]
        if dialled:
            self.wish.say(f"left out, because they are dialled: {', '.join(dialled)} (see cybersyn sim {story.name})")
        return story._replace(machines=tuple(spec for spec in story.machines if spec.voice not in LAN))

    def _registered(self, folder: Path, plant: Plant) -> tuple[Register, Keys, dict[str, tuple[str, str]]]:
        """Return the register with the story's machines and those that visitors added, and the story's passwords."""
        path = folder / "plant.toml"
        before = plant_file.load(path)
        # What visitors agreed for a unit (shifts, duty …) stays; only its name is the story's.
        told = {place: replace(before.units.get(place, unit), name=unit.name) for place, unit in plant.units.items()}
        plant_file.save(path, Plant({**before.units, **told}, {**before.machines, **plant.machines}))
        keys = Keys(folder, work=QUICK)
        words = keys.issue_all(sorted(plant.machines))
        known = {device: (user_name(device), word) for device, word in words.items()}
        return Register(path, keys, now=lambda: self.clock.now()), keys, known  # noqa: PLW0108 - the clock comes later

    def _remember(self) -> None:
        """Put weeks behind the machines; a folder with data goes on after its last stamp."""
        stamps = [record.presence.heard_at for record in self.collected.collector.memory.devices()]
        last = max(stamps, default=None)
        self.clock.start = max(self.clock.start, last or 0.0)
        start = self.clock.start - HISTORY_S if last is None else last
        began_s = time.monotonic()
        self.filtered.cyberfilter.rehearse(self._kept(generate(self.story, start, self.clock.start), start))
        days = (self.clock.start - start) / 86_400
        self.wish.say(
            f"{days:.1f} days of history for {len(self.story.machines)} machines: {time.monotonic() - began_s:.0f} s"
        )

    def _kept(self, batches: Iterator[Batch], start: float) -> Iterator[Batch]:
        """Yield the batches; what they hold goes to the historian and into the book of jobs."""
        rows: list[ReadingRow] = []
        hour: list[Batch] = []
        told = 0
        for batch in batches:
            fresh = rows_of([batch])
            rows += fresh
            self.meters_kwh.update({row.device: row.value for row in fresh if row.name == "energy_kwh"})
            if len(rows) >= _ROWS_A_WRITE:
                self.historian.write(rows)
                rows.clear()
            with self.collected.spool.writing() as db:
                keep_jobs(db, [batch])
            hour.append(batch)
            if len(hour) >= _BATCHES_A_WRITE:
                self.filtered.books.rehearse(hour)
                hour.clear()
            yield batch
            share = int(10 * (batch.at - start) / max(self.clock.start - start, 1.0))
            if share > told:
                told = share
                self.wish.say(f"history: {10 * share} %")
        self.filtered.books.rehearse(hour)
        self.historian.write(rows)

    def serve(self) -> None:
        """Let everything run, and say where it is."""
        wish, collected, filtered = self.wish, self.collected, self.filtered
        self.clock.begin()
        self.supervisor.run("collector", collected.collector.turn)
        self.supervisor.run("historian", collected.drain.turn)
        self.supervisor.run("newcomers", self.scout.turn)
        self.supervisor.run("cyberfilter", partial(filtered.cyberfilter.turn, 0.1))
        self.supervisor.run("production", partial(filtered.books.turn, 0.1))
        self.supervisor.run("commissioning", partial(filtered.commissioning(self.historian, self.clock).turn, 1.0))
        self.supervisor.run("register", wiring.watching(self.register))
        port = Port(application(self._service(), version=version("cybersyn")), host="127.0.0.1", port=wish.port)
        address = self.broker.address
        url = f"http://127.0.0.1:{wish.port}"
        token = wiring.kept_token(wish.folder)
        tell(wish.folder, Running(address.host, address.port, address.username, address.password, url, token))
        self._machines()
        port.start()
        self._stack.callback(port.stop)
        wish.say(f"the ops room is at {url}")
        wish.say(
            f"the MQTT broker is at {address.host}:{address.port}; other commands find it with --data-dir {wish.folder}"
        )

    def _service(self) -> Service:
        address = self.broker.address
        where = Where(
            address.host, address.port, f"http://127.0.0.1:{self.wish.port}", self.collected.collector.ways.root
        )
        collected, filtered = self.collected.service(self.supervisor, where), self.filtered.service(self.supervisor)
        return Service(
            "Cybersyn demo",
            [*collected.routers, *filtered.routers],
            lambda: collected.ready() or filtered.ready(),
            lambda: chain(collected.figures(), filtered.figures()),
            self._mount,
        )

    def _mount(self, server: FastAPI) -> opsroom.app.Room:
        return opsroom.app.mount(
            server,
            bus=self.room_bus,
            clock=self.clock,
            seed=lambda: wiring.seed_of(self.collected, self.filtered),
            root=self.collected.collector.ways.root,
            notice=Notice(len(self.story.machines), len(RECORDED)),
            version=version("cybersyn"),
        )

    def _machines(self) -> None:
        """Switch the simulated machines on, and the recorded ones."""
        lasts_s = self.wish.lasts_s or RUNS_S
        start = self.clock.start
        faults = faults_of(self.story, self.wish.seed, start, start + lasts_s * self.wish.speed)
        address = self.broker.address
        fleet = Fleet(
            self.story,
            self.clock,
            host=address.host,
            port=address.port,
            credentials=self.passwords,
            faults=faults,
            truth=self.truth,
            root=self.collected.collector.ways.root,
            meters_kwh=self.meters_kwh,
        )
        if self.wish.control is not None:
            control = self._stack.enter_context(HttpSwitch(fleet, self.wish.control))
            self.wish.say(f"faults are switched at http://127.0.0.1:{control.port}")
        works: dict[str, Callable[[], None]] = {"machines": partial(fleet.run, self._halt)}
        for dialect in DIALECTS:
            works[dialect] = partial(speak, dialect, self.broker.address, self.clock, self._halt)
        for name, work in works.items():
            thread = threading.Thread(target=work, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def _quiet(self) -> None:
        self._halt.set()
        for thread in self._threads:
            thread.join(timeout=10)

    def end(self) -> None:
        """Say what this run found, as it stands before the machines are switched off."""
        alerts = [alert for alert in self.filtered.cyberfilter.alerts() if alert.raised_at >= self.clock.start]
        told = summary(self.truth.faults, alerts)
        self.wish.say(in_words(told, self.truth.faults, alerts))
        if self.wish.summary is not None:
            self.wish.summary.write_text(as_json(told), encoding="utf-8")
