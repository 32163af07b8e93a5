# SPDX-License-Identifier: AGPL-3.0-or-later
"""The only place where adapters are chosen and parts are put together."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import collector.api
import cyberfilter.api
from collector import listing
from collector.bus.broker import EmbeddedBroker
from collector.bus.link import Address
from collector.bus.mqtt import MqttBus
from collector.bus.rights import BrokerUser, device_user, foreign_user
from collector.contract.errors import Unavailable
from collector.contract.figure import Figure
from collector.contract.ports import Bus, Clock, FactLog, Historian
from collector.contract.topics import ROOT_DEFAULT
from collector.contract.tree import Plant
from collector.drain import Drain
from collector.historian.embedded import EmbeddedHistorian
from collector.historian.influx import InfluxHistorian
from collector.historian.memory import MemoryHistorian
from collector.journal import SqliteJournal
from collector.registry import NATIVE, Registry
from collector.service import Collector
from collector.spool import Spool
from cyberfilter.contract.alert import shown as shown_alert
from cyberfilter.contract.index import shown as shown_index
from cyberfilter.service import READER as FILTER_READER
from cyberfilter.service import Cyberfilter
from deploy.settings import Settings
from deploy.supervisor import Supervisor
from deploy.web import Service

CLOSED_SHOWN: Final = 30
"""Closed alerts that the room shows after a start."""


def historian(settings: Settings, folder: Path) -> Historian:
    """Return the historian that the settings name."""
    chosen = settings.historian
    if chosen.kind == "influx":
        influx = InfluxHistorian(chosen.url, token=chosen.token, database=chosen.bucket, org=chosen.org)
        with suppress(Unavailable):  # it may be away now: facts wait in the log, and the database is made then
            influx.ensure()
        return influx
    if chosen.kind == "memory":
        return MemoryHistorian()
    return EmbeddedHistorian(folder / "historian.db")


def credentials(folder: Path, plant: Plant) -> dict[str, tuple[str, str]]:
    """Return (user, password) of every registered device; new ones are made, and kept in a file of the owner alone."""
    path = folder / "devices.json"
    known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    fresh = {device: secrets.token_urlsafe(18) for device in plant.machines if device not in known}
    if fresh:
        known |= fresh
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            json.dump(known, file, indent=1)
    return {device: (device, known[device]) for device in plant.machines}


def broker_users(plant: Plant, passwords: Mapping[str, tuple[str, str]], root: str) -> dict[str, BrokerUser]:
    """Return the broker accounts of the registered devices, each with the rights of its own topics alone."""
    users = {}
    for machine in plant.machines.values():
        user, word = passwords[machine.device]
        if machine.dialect == NATIVE:
            alone = sum(other.place == machine.place for other in plant.machines.values()) == 1
            users[user] = device_user(word, machine.device, machine.place if alone else None, root=root)
        else:
            users[user] = foreign_user(word, str(machine.prefix))
    return users


def embedded_broker(
    settings: Settings, folder: Path, port: int | None, *, begins_empty: bool = False
) -> EmbeddedBroker:
    """Return the embedded broker, not started, without users: they are let in once the collector listens."""
    return EmbeddedBroker(
        folder / "broker",
        port=port,
        host=settings.broker.host,
        store_bytes_max=settings.broker.store_bytes_max,
        begins_empty=begins_empty,
    )


def external_address(settings: Settings) -> Address:
    """Return where the broker of the settings is, and who we are there."""
    broker = settings.broker
    return Address(broker.host, broker.port, broker.username, broker.password, broker.ca_file)


class Parts(NamedTuple):
    """What every service of a site is built from."""

    folder: Path
    address: Address
    clock: Clock
    plant: Plant
    historian: Historian
    root: str = ROOT_DEFAULT


@dataclass
class Collecting:
    """The collector with its log, its bus and its way to the historian."""

    collector: Collector
    drain: Drain
    spool: Spool
    bus: MqttBus
    historian: Historian
    broker: EmbeddedBroker | None = None

    def service(self, supervisor: Supervisor) -> Service:
        """Return what it puts on its port."""
        return Service(
            "Cybersyn collector",
            [collector.api.routes(self.collector, self.historian)],
            lambda: supervisor.reason() or self._trouble(),
            self.figures,
        )

    def _trouble(self) -> str | None:
        return None if self.bus.connected else f"the broker does not answer: {self.bus.trouble}"

    def figures(self) -> Iterator[Figure]:
        """Yield its figures for /metrics."""
        yield from listing.figures(self.spool, self.collector.memory)
        yield Figure("cybersyn_bus_connected", "gauge", "whether the broker answers", float(self.bus.connected))
        yield Figure("cybersyn_bus_sessions_lost", "counter", "sessions that the broker forgot", self.bus.sessions_lost)
        if self.broker is not None:
            yield Figure(
                "cybersyn_broker_restarts", "counter", "times it was started again", self.broker.restarts_count
            )
            for kind, count in sorted(self.broker.violation_counts.items()):
                yield Figure("cybersyn_broker_violations", "counter", "what it refused", count, {"kind": kind})
        yield Figure("cybersyn_bus_dropped", "counter", "messages that could not be sent", self.bus.dropped_count)
        yield Figure("cybersyn_bus_passed_over", "counter", "messages left to come again", self.bus.passed_over_count)
        untold = self.collector.untold_count
        yield Figure("cybersyn_untold", "counter", "facts and receipts too large for the broker", untold)
        yield Figure("cybersyn_historian_refused_rows", "counter", "rows refused for good", self.drain.refused_count)

    def close(self) -> None:
        """Let go of everything, the bus first."""
        self.bus.close()
        self.spool.close()


def collecting(parts: Parts) -> Collecting:
    """Return the collector at work; its session at the broker persists under a fixed name."""
    spool = Spool(parts.folder / "facts.db")
    spool.passed(FILTER_READER, 0)  # facts wait for the cyberfilter from the first on
    bus = MqttBus(parts.address, f"{parts.root}-collector", parts.clock, persistent=True)
    part = Collector(spool=spool, bus=bus, clock=parts.clock, registry=Registry(parts.plant), root=parts.root)
    return Collecting(part, Drain(spool, parts.historian, parts.clock), spool, bus, parts.historian)


@dataclass
class Filtering:
    """The cyberfilter with its journal and its bus."""

    cyberfilter: Cyberfilter
    journal: SqliteJournal
    bus: Bus

    def service(self, supervisor: Supervisor) -> Service:
        """Return what it puts on its port."""
        return Service(
            "Cybersyn cyberfilter",
            [cyberfilter.api.routes(self.cyberfilter)],
            lambda: supervisor.reason() or self.cyberfilter.ready(),
            self.cyberfilter.figures,
        )

    def close(self) -> None:
        """Write the last checkpoint and let go of everything."""
        self.cyberfilter.close()
        self.bus.close()
        self.journal.close()


def filtering(parts: Parts, *, facts: FactLog) -> Filtering:
    """Return the cyberfilter at work."""
    journal = SqliteJournal(parts.folder / "journal.db")
    bus = MqttBus(parts.address, f"{parts.root}-cyberfilter", parts.clock, persistent=True)
    part = Cyberfilter(
        facts=facts,
        historian=parts.historian,
        journal=journal,
        bus=bus,
        clock=parts.clock,
        plant=parts.plant,
        root=parts.root,
    )
    return Filtering(part, journal, bus)


def room_bus(address: Address, clock: Clock, root: str) -> MqttBus:
    """Return the room's own connection; what it missed it gets from the API, so its session need not persist."""
    return MqttBus(address, f"{root}-opsroom", clock, persistent=False)


def seed_of(collected: Collecting, filtered: Filtering) -> dict[str, Any]:
    """Return what the room begins with: machines, indices, open and last closed alerts, as the API lists them."""
    part, alerts = collected.collector, filtered.cyberfilter.alerts
    return {
        "machines": listing.machines(part.memory, part.registry, collected.spool),
        "indices": [shown_index(value) for value in filtered.cyberfilter.indices()],
        "alerts": [shown_alert(alert) for alert in [*alerts(is_open=True), *alerts(is_open=False)[:CLOSED_SHOWN]]],
    }
