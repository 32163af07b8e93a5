# SPDX-License-Identifier: AGPL-3.0-or-later
"""A recording through the collector and the cyberfilter in one process, on the recording's own clock."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from collector import job_book
from collector.bus.local import LocalBroker, LocalBus
from collector.contract.event import StateSeen
from collector.contract.tree import Machine, Plant, Unit
from collector.dialects import recognise
from collector.historian.memory import MemoryHistorian
from collector.journal import MemoryJournal
from collector.registry import Registry
from collector.service import Collector
from collector.spool import Spool
from cyberfilter.service import Cyberfilter
from deploy.clock import FileClock
from firmware_sim.replay import Line

PLACE = "replay"


def recognised(lines: Sequence[Line]) -> list[Machine]:
    """Return the machines whose words the recording holds, known by their form and named by their topic prefix."""
    found: dict[str, Machine] = {}
    for line in lines:
        known = recognise(line.topic)
        if known is not None and known[1].prefix not in found:
            dialect, prefix = known[0], known[1].prefix
            found[prefix] = Machine(prefix, f"{PLACE}/{len(found) + 1}", dialect.name, prefix)
    return list(found.values())


def replay(lines: Sequence[Line], machines: Sequence[Machine]) -> dict[str, Any]:
    """Return what becomes of the recording: jobs, states, alerts, and how many messages were quarantined."""
    plant = Plant({PLACE: Unit(PLACE, PLACE)}, {machine.device: machine for machine in machines})
    clock = FileClock()
    with tempfile.TemporaryDirectory(prefix="cybersyn-") as folder:
        spool = Spool(Path(folder, "facts.db"))
        broker = LocalBroker()
        sender, heard, told = (
            LocalBus(broker, name, clock, persistent=False) for name in ("machine", "collector", "filter")
        )
        collector = Collector(spool=spool, bus=heard, clock=clock, registry=Registry(plant))
        cyberfilter = Cyberfilter(
            facts=spool, historian=MemoryHistorian(), journal=MemoryJournal(), bus=told, clock=clock, plant=plant
        )
        for line in sorted(lines, key=lambda line: line.ts):
            clock.set(line.ts)
            sender.publish(line.topic, line.payload)
            collector.turn(wait_s=0.0)
            cyberfilter.turn(wait_s=0.0)
        collector.finish()
        cyberfilter.turn(wait_s=0.0)
        document = _document(spool, cyberfilter)
        spool.close()
    return document


def _document(spool: Spool, cyberfilter: Cyberfilter) -> dict[str, Any]:
    with spool.reading() as db:
        jobs = job_book.jobs(db, place=None, start=None, end=None)
    states = [
        {"machine": batch.device, "ts": fact.ts, "state": fact.state.value, "why": fact.why}
        for _, batch in spool.read_from(1, most=spool.last() + 1)
        for fact in batch.facts
        if isinstance(fact, StateSeen)
    ]
    alerts = [
        {"machine": a.device, "ts": a.raised_at, "class": a.alert_class.value, "kind": a.kind, "why": a.why}
        for a in reversed(cyberfilter.alerts())
    ]
    quarantined = sum(count for (_, word), count in spool.counts().items() if word == "quarantined")
    return {
        "jobs": [_job(job) for job in reversed(jobs)],
        "states": states,
        "alerts": alerts,
        "quarantined": quarantined,
    }


def _job(job: job_book.Job) -> dict[str, Any]:
    """Return the job as contract 5 wants it: times in Unix seconds, what is not known null."""
    told = job_book.shown(job)
    start, end = job_book.times(job)
    kept = {name: told[name] for name in told if name not in {"device", "place", "started_at", "ended_at"}}
    return {"machine": job.device, "start": start, "end": end, **kept}
