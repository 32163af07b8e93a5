# SPDX-License-Identifier: AGPL-3.0-or-later
"""The only place where adapters are chosen and parts are put together."""

from __future__ import annotations

import secrets
import shlex
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, NamedTuple

from collector import listing
from collector.attach.switchboard import Switchboard
from collector.bus.broker import EmbeddedBroker
from collector.bus.broker_log import LogFile, LogTopics
from collector.bus.edge import EdgeLink
from collector.bus.link import Address
from collector.bus.mosquitto import MosquittoFiles
from collector.bus.mqtt import MqttBus
from collector.chronicle import SqliteChronicle
from collector.contract.errors import Unavailable
from collector.contract.ports import Bus, Clock, FactLog, Historian, Posting
from collector.disk import Bounds, Disk
from collector.doors import Door, EmbeddedDoor, MosquittoDoor
from collector.drain import Drain
from collector.fresh import FreshHistorian
from collector.historian.embedded import EmbeddedHistorian
from collector.historian.influx import InfluxHistorian
from collector.historian.memory import MemoryHistorian
from collector.journal import SqliteJournal
from collector.keys import Keys
from collector.login import Login
from collector.mine import Mine
from collector.newcomers import Scout
from collector.private import write_private
from collector.quota import Quota
from collector.register import LOOK_S, Register
from collector.registry import Registry
from collector.rules import Rules
from collector.security import Record
from collector.service import Collector
from collector.spool import Spool
from collector.stays import MovedHistorian
from collector.violations import Violation
from collector.ways import Ways
from cyberfilter.bookkeeping import READER as BOOK_READER
from cyberfilter.bookkeeping import Bookkeeping
from cyberfilter.contract.alert import shown as shown_alert
from cyberfilter.contract.index import shown as shown_index
from cyberfilter.outputs.home_assistant import Home
from cyberfilter.outputs.ports import Wanted
from cyberfilter.outputs.service import Outputs, withdraw
from cyberfilter.outputs.sparkplug import Node
from cyberfilter.outputs.uns import Namespace
from cyberfilter.service import READER as FILTER_READER
from cyberfilter.service import Cyberfilter
from deploy.settings import Settings, retention
from deploy.works import Collecting, Filtering, Publishing

CLOSED_SHOWN: Final = 30
"""Closed alerts that the room shows after a start."""


def historian(settings: Settings, folder: Path) -> Historian:
    """Return the historian that the settings name."""
    chosen = settings.historian
    if chosen.kind == "influx":
        influx = InfluxHistorian(
            chosen.url, token=chosen.token, database=chosen.bucket, org=chosen.org, raw_days=chosen.raw_days
        )
        with suppress(Unavailable):  # it may be away now: facts wait in the log, and the database is made then
            influx.ensure()
        return influx
    if chosen.kind == "memory":
        return MemoryHistorian(retention(settings))
    return EmbeddedHistorian(folder / "historian.db", retention(settings))


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
    tls = broker.ca_file, broker.cert_file, broker.key_file
    return Address(broker.host, broker.port, broker.username, broker.password, *tls)


def kept_token(folder: Path) -> str:
    """Return the token of this data folder, made at the first call; its file is for the owner's eyes alone."""
    path = folder / "token"
    if not path.exists():
        write_private(path, secrets.token_urlsafe(32))
    return path.read_text(encoding="utf-8").strip()


class Parts(NamedTuple):
    """What every service of a site is built from."""

    folder: Path
    address: Address
    clock: Clock
    register: Register
    keys: Keys
    historian: Historian
    settings: Settings

    @property
    def root(self) -> str:
        """Return the first level of our topics."""
        return self.settings.broker.root


def collecting(parts: Parts) -> Collecting:
    """Return the collector at work; its session at the broker persists under a fixed name."""
    chosen, register = parts.settings.collector, parts.register
    disk = Disk(parts.folder, Bounds(chosen.log_bytes_max, chosen.disk_reserve_bytes), ballast=True)
    spool = Spool(parts.folder / "facts.db", disk=disk, silent_s_max=86_400.0 * chosen.reader_silent_days)
    for reader in (FILTER_READER, BOOK_READER):
        spool.passed(reader, 0)  # facts wait for them from the first on
    bus = MqttBus(parts.address, f"{parts.root}-{chosen.name}", parts.clock, persistent=True)
    part = Collector(
        spool=spool,
        bus=bus,
        clock=parts.clock,
        registry=Registry(register.plant),
        ways=_ways(parts.settings)._replace(newcomers=parts.folder / "newcomers.json"),
    )
    drain = Drain(
        spool,
        parts.historian,
        parts.clock,
        note=lambda gone: part.note("reader_dropped", {"reader": gone.name, "n": gone.n, "why": gone.why}),
    )
    violations = Record(part.note)
    fresh = MovedHistorian(FreshHistorian(parts.historian, drain, parts.clock), lambda: register.plant)
    return Collecting(
        part,
        drain,
        spool,
        bus,
        fresh,
        register,
        parts.keys,
        kept_token(parts.folder),
        Login(parts.keys, required=login_required(parts.settings), on_violation=violations.hear),
        violations,
        Mine(parts.folder / "people.db"),
        Switchboard(bus, parts.folder),
    )


def _ways(settings: Settings) -> Ways:
    """Return how the collector of these settings works."""
    chosen = settings.collector
    return Ways(
        root=settings.broker.root,
        filters=chosen.filters.split() or None,
        name=chosen.name,
        rules=Rules(chosen.ahead_s_max, settings.historian.raw_days),
        quota=Quota(chosen.device_messages_per_s_max, chosen.device_bytes_per_s_max),
        calm_s=chosen.calm_ms / 1000,
        ours=wanted_outputs(settings).topics,
    )


def login_required(settings: Settings) -> bool:
    """Tell whether the HTTP intake asks for credentials: where something listens beyond loopback, unless told."""
    wanted = settings.collector.intake_login
    return wanted == "always" or (wanted == "auto" and settings.network.listen != "loopback")


def door_of(settings: Settings, broker: EmbeddedBroker | None) -> Door | None:
    """Return what lets machines in: the embedded broker, or files for a Mosquitto; None for one that others keep."""
    chosen = settings.broker
    if broker is not None:
        return EmbeddedDoor(broker, root=chosen.root)
    if chosen.users_dir is None:
        return None
    files = MosquittoFiles(chosen.users_dir, reload_command=shlex.split(chosen.reload_command))
    return MosquittoDoor(files, username=chosen.username, password=chosen.password, root=chosen.root)


def log_of(
    settings: Settings, address: Address, clock: Clock, hear: Callable[[Violation], None]
) -> Callable[[], object]:
    """Return the turn that listens to an external broker's log."""
    if settings.broker.log_file is not None:
        return LogFile(settings.broker.log_file, hear).turn
    bus = MqttBus(address, f"{settings.broker.root}-log", clock, persistent=False)
    return LogTopics(bus, hear).turn


def scouting(parts: Parts, collected: Collecting) -> tuple[Scout, Bus]:
    """Return who listens for machines that nobody registered, and its connection."""
    bus = MqttBus(parts.address, f"{parts.root}-{parts.settings.collector.name}-scout", parts.clock, persistent=False)
    return Scout(bus, collected.collector.newcomers), bus


def watching(register: Register) -> Callable[[], object]:
    """Return the turn that takes the plant file over where somebody changed it."""

    def turn() -> None:
        register.look()
        time.sleep(LOOK_S)

    return turn


def filtering(parts: Parts, *, facts: FactLog, book_facts: FactLog) -> Filtering:
    """Return the cyberfilter at work; the production book reads the same log as a reader of its own."""
    journal = SqliteJournal(parts.folder / "journal.db")
    bus = MqttBus(parts.address, f"{parts.root}-cyberfilter", parts.clock, persistent=True)
    part = Cyberfilter(
        facts=facts,
        historian=parts.historian,
        journal=journal,
        bus=bus,
        clock=parts.clock,
        plant=parts.register.plant,
        root=parts.root,
    )
    chronicle = SqliteChronicle(parts.folder / "production.db")
    books = Bookkeeping(
        facts=book_facts,
        chronicle=chronicle,
        clock=parts.clock,
        plant=parts.register.plant,
        kept_days=parts.settings.cyberfilter.production_days,
    )
    parts.register.listen("cyberfilter", part.replant)
    parts.register.listen("production", books.replant)
    return Filtering(part, journal, bus, books, chronicle)


def wanted_outputs(settings: Settings) -> Wanted:
    """Return which outputs the settings want."""
    chosen, root = settings.outputs, settings.broker.root
    return Wanted(
        Home(chosen.home_assistant_prefix, root, version("cybersyn")) if chosen.home_assistant else None,
        Namespace(chosen.uns_root, chosen.uns_above) if chosen.uns else None,
        Node(chosen.sparkplug_group, chosen.sparkplug_node) if chosen.sparkplug else None,
    )


def publishing(parts: Parts, filtered: Filtering, *, facts: FactLog) -> Publishing | None:
    """Return what lets other programs read us at work; None, and nothing left behind, where nothing is wanted."""
    wanted, path = wanted_outputs(parts.settings), parts.folder / "outputs.json"
    if wanted == Wanted() and not path.exists():
        return None
    will = Posting(wanted.home.availability, b"offline", retain=True) if wanted.home else None
    bus = MqttBus(parts.address, f"{parts.root}-outputs", parts.clock, persistent=False, will=will)
    if wanted == Wanted():
        withdraw(path, bus)
        bus.close()
        return None
    part = Outputs(
        wanted,
        facts=facts,
        source=filtered.cyberfilter,
        bus=bus,
        clock=parts.clock,
        plant=parts.register.plant,
        path=path,
    )
    if (node := wanted.node) is not None:
        name, number = f"{parts.root}-edge", part.bd_seq
        part.attach(EdgeLink(parts.address, name, filters=[node.commands], will=node.will, number=number))
    parts.register.listen("outputs", part.replant)
    return Publishing(part, bus)


def room_bus(address: Address, clock: Clock, root: str) -> MqttBus:
    """Return the room's own connection; what it missed it gets from the API, so its session need not persist."""
    return MqttBus(address, f"{root}-opsroom", clock, persistent=False)


def seed_of(collected: Collecting, filtered: Filtering) -> dict[str, Any]:
    """Return what the room begins with: machines, indices, open and last closed alerts, as the API lists them."""
    part, alerts = collected.collector, filtered.cyberfilter.alerts
    rows = listing.machines(part.memory, part.registry, collected.spool)
    return {
        "machines": [row for row in rows if not part.registry.is_gateway(row["device"])],
        "units": listing.units(part.memory, part.registry),
        "indices": [shown_index(value) for value in filtered.cyberfilter.indices()],
        "alerts": [shown_alert(alert) for alert in [*alerts(is_open=True), *alerts(is_open=False)[:CLOSED_SHOWN]]],
    }
