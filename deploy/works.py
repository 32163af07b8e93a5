# SPDX-License-Identifier: AGPL-3.0-or-later
"""Services at work: each with its neighbours, its pages and its figures. deploy.wiring puts them together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import collector.api
import collector.machine_api
import collector.me_api
import collector.newcomer_api
import collector.state_api
import cyberfilter.api
import cyberfilter.belief_api
import cyberfilter.production_api
from collector import listing, log_figures
from collector.attach.switchboard import Switchboard
from collector.bus.broker import EmbeddedBroker
from collector.bus.mqtt import MqttBus
from collector.contract.figure import Figure
from collector.contract.ports import Bus, Chronicle, Clock, Historian
from collector.doors import Door
from collector.drain import Drain
from collector.journal import SqliteJournal
from collector.keys import Keys
from collector.login import Login
from collector.machine_api import Desk
from collector.mine import Mine
from collector.register import Register
from collector.security import Record
from collector.service import Collector
from collector.spool import Spool
from cyberfilter.bookkeeping import Bookkeeping
from cyberfilter.commissioning import Commissioning
from cyberfilter.outputs.service import Outputs
from cyberfilter.service import Cyberfilter
from deploy.lines import Where, to_type
from deploy.supervisor import Supervisor
from deploy.web import Service


@dataclass
class Collecting:
    """The collector with its log, its bus, its way to the historian, and the door that machines come in by."""

    collector: Collector
    drain: Drain
    spool: Spool
    bus: MqttBus
    historian: Historian
    register: Register
    keys: Keys
    token: str
    login: Login
    violations: Record
    mine: Mine
    attached: Switchboard
    broker: EmbeddedBroker | None = None

    def service(self, supervisor: Supervisor, where: Where) -> Service:
        """Return what it puts on its port; `where` is the broker as machines reach it."""
        desk = Desk(
            self.register,
            self.token,
            lambda m, word: to_type(m, word, where),
            self.violations.newest,
            self.attached.dialled,
        )
        return Service(
            "Cybersyn collector",
            [
                collector.api.routes(self.collector, self.historian, self.login, self.mine),
                collector.me_api.routes(self.mine),
                collector.machine_api.routes(self.collector, desk),
                collector.newcomer_api.routes(self.collector, desk),
                collector.state_api.routes(self.collector, self.drain, self._trouble),
            ],
            lambda: supervisor.reason() or self._trouble(),
            self.figures,
        )

    def open_door(self, door: Door | None) -> None:
        """Let the register's machines in from now on, and tell everybody of it what changes."""
        if door is not None:
            self.register.listen("broker", lambda plant: door.apply(plant, self.keys))
        self.register.listen("collector", self.collector.replant)
        self.register.listen("dialled machines", self.attached.replant)
        if self.broker is not None:
            self.broker.on_violation = self.violations.hear
        self.register.tell()

    def _trouble(self) -> str | None:
        if not self.bus.connected:
            return f"the broker does not answer: {self.bus.trouble}"
        return self.spool.full() or (
            f"the historian: {self.drain.waits}" if self.drain.waits else self.register.trouble
        )

    def figures(self) -> Iterator[Figure]:
        """Yield its figures for /metrics."""
        yield from listing.figures(self.spool, self.collector.memory)
        yield from log_figures.figures(self.spool, self.drain)
        yield from self.attached.figures()
        yield Figure("cybersyn_bus_connected", "gauge", "whether the broker answers", float(self.bus.connected))
        yield Figure("cybersyn_bus_sessions_lost", "counter", "sessions that the broker forgot", self.bus.sessions_lost)
        if self.broker is not None:
            yield Figure(
                "cybersyn_broker_restarts", "counter", "times it was started again", self.broker.restarts_count
            )
            for kind, count in sorted(self.broker.violation_counts.items()):
                yield Figure("cybersyn_broker_violations", "counter", "what it refused", count, {"kind": kind})
        yield Figure("cybersyn_bus_dropped", "counter", "messages that could not be sent", self.bus.dropped_count)
        yield Figure(
            "cybersyn_bus_passed_over", "counter", "messages beyond the bound, lost", self.bus.passed_over_count
        )
        yield Figure("cybersyn_bus_refused", "counter", "messages that the broker refused", self.bus.refused_count)
        yield Figure(
            "cybersyn_bus_failures", "counter", "connections ended by a failure of ours", self.bus.failures_count
        )
        yield Figure("cybersyn_bus_takeovers", "counter", "times another took our client id", self.bus.takeovers_count)
        for name, count in sorted(self.collector.null_counts.items()):
            text = "cells without a value since the start"
            yield Figure("cybersyn_null_values", "counter", text, count, {"indicator": name})
        failed = self.collector.failed_count
        yield Figure("cybersyn_intake_failures", "counter", "messages that broke the collector's own code", failed)
        untold = self.collector.untold_count
        yield Figure("cybersyn_untold", "counter", "facts and receipts too large for the broker", untold)
        yield Figure("cybersyn_historian_refused_rows", "counter", "rows refused for good", self.drain.refused_count)

    def close(self) -> None:
        """Let go of everything: of the machines that are dialled first, then of the bus."""
        self.attached.close()
        self.bus.close()
        self.spool.close()
        self.mine.close()


@dataclass
class Filtering:
    """The cyberfilter with its journal and its bus, the production book, and what lets other programs read it."""

    cyberfilter: Cyberfilter
    journal: SqliteJournal
    bus: Bus
    books: Bookkeeping
    chronicle: Chronicle
    published: Publishing | None = None

    def service(self, supervisor: Supervisor) -> Service:
        """Return what it puts on its port."""
        return Service(
            "Cybersyn cyberfilter",
            [
                cyberfilter.api.routes(self.cyberfilter),
                cyberfilter.belief_api.routes(self.cyberfilter),
                cyberfilter.production_api.routes(self.books),
            ],
            lambda: supervisor.reason() or self.cyberfilter.ready() or self.books.ready(),
            self.figures,
        )

    def commissioning(self, historian: Historian, clock: Clock) -> Commissioning:
        """Return its nightly loop."""
        return Commissioning(cyberfilter=self.cyberfilter, historian=historian, clock=clock)

    def figures(self) -> Iterator[Figure]:
        """Yield its figures for /metrics."""
        yield from self.cyberfilter.figures()
        yield from self.books.figures()
        if self.published is not None:
            yield from self.published.outputs.figures()

    def close(self) -> None:
        """Write the last checkpoint and let go of everything."""
        self.cyberfilter.close()
        self.bus.close()
        self.journal.close()
        self.books.close()
        self.chronicle.close()


@dataclass
class Publishing:
    """What lets other programs read us, with its bus."""

    outputs: Outputs
    bus: Bus

    def turn(self) -> None:
        """Take what is new and say what is due."""
        self.outputs.turn(0.25)

    def close(self) -> None:
        """Say goodbye and let go of everything."""
        self.outputs.close()
        self.bus.close()
