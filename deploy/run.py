# SPDX-License-Identifier: AGPL-3.0-or-later
"""The services for real use: all in one process, or each in its own."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final, Protocol

from fastapi import FastAPI

import opsroom.app
from collector import plant_file
from collector.bus.broker import EmbeddedBroker
from collector.bus.link import Address
from collector.contract.figure import Figure
from collector.contract.ports import FactLog, Historian
from collector.keys import Keys
from collector.register import Register
from deploy import wiring
from deploy.clock import SystemClock
from deploy.lines import Where
from deploy.remote import HttpFactLog, asking, seed_of
from deploy.settings import Settings
from deploy.supervisor import Supervisor
from deploy.web import Port, Service, application, check_port
from deploy.where import Running, running, tell
from deploy.works import Collecting, Filtering
from opsroom.app import Room

GARBAGE: Final = (20_000, 50, 100)
"""Messages are many short-lived objects without cycles: looking for cycles every 700 of them costs a sixth."""
PARTS: Final = ("all", "collector", "cyberfilter", "opsroom")


def run(part: str, settings: Settings, stop: threading.Event, say: Callable[[str], None]) -> int:
    """Run a service, or all of them, until `stop` is set; return the exit code."""
    gc.set_threshold(*GARBAGE)
    with ExitStack() as stack:
        works = _Works(settings, stack, say, stop)
        works.open(part)
        stop.wait()
    return 1 if works.supervisor.broken else 0


def _sample(sample: Path | None, path: Path) -> None:
    """Copy the sample where there is no plant file yet."""
    if sample is not None and not path.exists():
        plant_file.save(path, plant_file.load(sample))


class Listening(Protocol):
    """Where a service listens."""

    @property
    def host(self) -> str:
        """Return the address."""

    @property
    def port(self) -> int:
        """Return the port."""


class _Works:
    """The parts of this process; what was opened is closed by the stack, newest first."""

    def __init__(self, settings: Settings, stack: ExitStack, say: Callable[[str], None], stop: threading.Event) -> None:
        self.settings = settings
        self.stack = stack
        self.say = say
        self.clock = SystemClock()
        self.folder = settings.paths.data_dir
        self.folder.mkdir(parents=True, exist_ok=True)
        self.plant_path = settings.paths.plant or self.folder / "plant.toml"
        _sample(settings.paths.plant_sample, self.plant_path)
        self.keys = Keys(self.folder)
        self.register = Register(self.plant_path, self.keys, now=self.clock.now, root=settings.broker.root)
        self.supervisor = Supervisor(stop.set)
        self.loops: list[tuple[str, Callable[[], object]]] = []
        self.ports: list[Port] = []
        self.broker: EmbeddedBroker | None = None
        self.collected: Collecting | None = None
        self.filtered: Filtering | None = None

    def open(self, part: str) -> None:
        """Put the wanted parts together, let them run, and say where they are."""
        wanted = PARTS[1:] if part == "all" else (part,)
        for name in wanted:
            section = getattr(self.settings, name)
            check_port(section.host, section.port)
        address = self._address(part)
        for name, build in (
            ("collector", self._collector),
            ("cyberfilter", self._cyberfilter),
            ("opsroom", self._opsroom),
        ):
            if name in wanted:
                build(address)
        self.loops.append(("register", wiring.watching(self.register)))
        self.stack.callback(self.supervisor.stop)
        for loop in self.loops:
            self.supervisor.run(*loop)
        for port in self.ports:
            port.start()
            self.stack.callback(port.stop)
        self._tell(wanted, address)

    def _tell_of_machines(self) -> None:
        plant, known = self.register.plant, self.keys.devices()
        where = f"--data-dir {self.folder}"
        if not plant.machines:
            self.say(f"no machine is registered yet: cybersyn machine add PLACE {where} says what to type into it")
        for device in sorted(plant.machines.keys() - known) if wiring.door_of(self.settings, self.broker) else ():
            place = plant.machines[device].place
            self.say(f"{device} has no password yet: cybersyn machine add {place} --device {device} {where}")

    def _address(self, part: str) -> Address:
        settings = self.settings
        if settings.broker.kind == "external" or part not in {"all", "collector"}:
            return self._known_address()
        self.broker = self.stack.enter_context(
            wiring.embedded_broker(settings, self.folder, settings.broker.port or None)
        )
        return self.broker.address

    def _known_address(self) -> Address:
        """Return the external broker, or the embedded one that the collector's process has told in broker.json."""
        if self.settings.broker.kind == "external":
            return wiring.external_address(self.settings)
        found = running(self.folder)
        return Address(found.host, found.port, found.username, found.password)

    def _parts(self, address: Address, historian: Historian) -> wiring.Parts:
        return wiring.Parts(self.folder, address, self.clock, self.register, self.keys, historian, self.settings)

    def _collector(self, address: Address) -> None:
        historian = wiring.historian(self.settings, self.folder)
        self.stack.callback(historian.close)
        parts = self._parts(address, historian)
        self.collected = wiring.collecting(parts)
        self.stack.callback(self.collected.close)
        self.collected.broker = self.broker
        self.collected.open_door(wiring.door_of(self.settings, self.broker))
        self.loops += [("collector", self.collected.collector.turn), ("historian", self.collected.drain.turn)]
        if self.settings.collector.newcomers:
            scout, bus = wiring.scouting(parts, self.collected)
            self.stack.callback(bus.close)
            self.loops.append(("newcomers", scout.turn))
        if self.broker is None:
            hear = self.collected.violations.hear
            self.loops.append(("broker's log", wiring.log_of(self.settings, address, self.clock, hear)))
        self._serve(self._collectors_service(address), self.settings.collector)

    def _collectors_service(self, address: Address) -> Service:
        assert self.collected is not None
        chosen = self.settings.collector
        host, _, port = (self.settings.broker.seen_as or f"{address.host}:{address.port}").rpartition(":")
        where = Where(host, int(port), f"http://{chosen.host}:{chosen.port}", self.settings.broker.root)
        return self.collected.service(self.supervisor, where)

    def _cyberfilter(self, address: Address) -> None:
        if self.collected is not None:
            historian = self.collected.historian
        else:
            historian = wiring.historian(self.settings, self.folder)
            self.stack.callback(historian.close)
        parts = self._parts(address, historian)
        self.filtered = wiring.filtering(parts, facts=self._facts(), book_facts=self._facts())
        self.stack.callback(self.filtered.close)
        published = self.filtered.published = wiring.publishing(parts, self.filtered, facts=self._facts())
        if published is not None:
            self.stack.callback(published.close)
            self.loops.append(("outputs", published.turn))
        self.loops.append(("cyberfilter", partial(self.filtered.cyberfilter.turn, 0.25)))
        self.loops.append(("production", partial(self.filtered.books.turn, 0.25)))
        self.loops.append(("commissioning", partial(self.filtered.commissioning(historian, self.clock).turn, 1.0)))
        self._serve(self.filtered.service(self.supervisor), self.settings.cyberfilter)

    def _facts(self) -> FactLog:
        """Return the fact log for one reader: the collector's own, or over HTTP."""
        if self.collected is not None:
            return self.collected.spool
        remote = HttpFactLog(self.settings.cyberfilter.collector_url)
        self.stack.callback(remote.close)
        return remote

    def _opsroom(self, address: Address) -> None:
        room = self.settings.opsroom
        bus = wiring.room_bus(address, self.clock, self.settings.broker.root)
        self.stack.callback(bus.close)
        if self.collected is not None and self.filtered is not None:
            collected, filtered = self.collected, self.filtered
            inner = [*self._collectors_service(address).routers, *filtered.service(self.supervisor).routers]
            seed = partial(wiring.seed_of, collected, filtered)
        else:
            inner = [asking(room.collector_url, room.cyberfilter_url)]
            seed = partial(seed_of, room.collector_url, room.cyberfilter_url)

        def mount(server: FastAPI) -> Room:
            return opsroom.app.mount(
                server,
                bus=bus,
                clock=self.clock,
                seed=seed,
                root=self.settings.broker.root,
                version=version("cybersyn"),
                source=room.source_url or None,
                language=room.language,
            )

        def figures() -> Iterator[Figure]:
            if self.collected is not None:
                yield from self.collected.figures()
            if self.filtered is not None:
                yield from self.filtered.figures()

        def ready() -> str | None:
            return self.supervisor.reason() or (None if bus.connected else f"the broker does not answer: {bus.trouble}")

        self._serve(Service("Cybersyn operations room", inner, ready, figures, mount), room)

    def _serve(self, service: Service, section: Listening) -> None:
        server = application(service, version=version("cybersyn"))
        self.ports.append(Port(server, host=section.host, port=section.port))

    def _tell(self, wanted: tuple[str, ...], address: Address) -> None:
        """Say where everything is, in words and for other commands."""
        settings = self.settings
        main = settings.opsroom if "opsroom" in wanted else getattr(settings, wanted[0])
        url = f"http://{main.host}:{main.port}"
        if "collector" in wanted:
            token = wiring.kept_token(self.folder)
            tell(self.folder, Running(address.host, address.port, address.username, address.password, url, token))
            self.say(f"the MQTT broker is at {address.host}:{address.port}")
            self._tell_of_machines()
        for name in wanted:
            section = getattr(settings, name)
            self.say(f"{name}: http://{section.host}:{section.port}")
