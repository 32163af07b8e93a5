# SPDX-License-Identifier: AGPL-3.0-or-later
"""The page Intake reads what the collector's API really answers, and knows the trouble that it really has."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace

import httpx
from fastapi import FastAPI

from collector import api, state_api
from collector.bus.local import LocalBroker, LocalBus
from collector.contract.tree import Machine, Plant
from collector.disk import Bounds, Disk
from collector.drain import Drain
from collector.historian.memory import MemoryHistorian
from collector.registry import Registry
from collector.service import Collector
from collector.spool import Spool
from deploy.clock import FileClock
from deploy.works import Collecting
from opsroom.intake import asked
from opsroom.views.intake import _BEGINNINGS, Intake, Standing

NOW = 1_795_400_000.0
PLANT = Plant({}, {"mk4": Machine("mk4", "commons/mk4", "native", None)})


def answered(folder: Path, *said: bytes, bounds: Bounds | None = None) -> Intake:
    """Return what the room makes of a collector to which a device said this."""
    clock, broker, spool = FileClock(NOW), LocalBroker(), Spool(folder / "facts.db", disk=Disk(folder, bounds))
    bus, machine = (LocalBus(broker, name, clock, persistent=False) for name in ("collector", "machine"))
    part = Collector(spool=spool, bus=bus, clock=clock, registry=Registry(PLANT))
    for payload in said:
        machine.publish("cybersyn/v1/reading/@mk4", payload)
    part.turn(wait_s=0.0)
    historian, server = MemoryHistorian(), FastAPI()
    server.include_router(api.routes(part, historian))
    server.include_router(state_api.routes(part, Drain(spool, historian, clock), spool.full))

    async def ask() -> Intake:
        inside = httpx.ASGITransport(app=server)
        async with httpx.AsyncClient(transport=inside, base_url="http://room") as client:
            return await asked(client, whole=True)

    found = asyncio.run(ask())
    spool.close()
    return found


def reading(seq: int) -> bytes:
    return json.dumps(
        {"v": 1, "boot": "9f1c6b0e2d7a4415", "seq": seq, "ts": int(NOW) * 1_000, "m": {"power_w": 9}}
    ).encode()


def test_every_message_is_in_the_account_of_its_device(tmp_path: Path) -> None:
    found = answered(tmp_path, reading(0), reading(3), reading(3), b"no JSON")
    assert found.standing is Standing.WELL
    assert found.lists is not None
    [row] = found.lists.devices
    told = {"received": 4, "stored": 0, "duplicate": 1, "rejected": 0, "quarantined": 1, "pending": 2}
    assert (row.device, row.place, row.account, row.missing, row.numbered) == ("mk4", "commons/mk4", told, 2, True)
    assert [(gap.first, gap.last, gap.name) for gap in found.lists.gaps] == [(1, 2, row.name)]
    assert [(each.reason, each.device, each.bytes) for each in found.lists.refused] == [("not_json", "mk4", 7)]


def test_a_full_log_is_told_as_one(tmp_path: Path) -> None:
    found = answered(tmp_path, bounds=Bounds(log_bytes_max=1, reserve_bytes=0))
    assert (found.standing, found.log_bytes_max, found.disk_reserve_bytes) == (Standing.FULL, 1, 0)
    found = answered(tmp_path, bounds=Bounds(reserve_bytes=2**62))
    assert (found.standing, found.disk_reserve_bytes) == (Standing.FULL, 2**62)


def test_the_collectors_words_for_its_neighbours_are_known() -> None:
    def trouble(*, connected: bool, waits: str | None) -> str:
        bus = SimpleNamespace(connected=connected, trouble="refused")
        parts = {"bus": bus, "spool": SimpleNamespace(full=lambda: None), "drain": SimpleNamespace(waits=waits)}
        return Collecting._trouble(SimpleNamespace(**parts)) or ""  # type: ignore[arg-type]

    begins = {found: begin for begin, found in _BEGINNINGS}
    assert trouble(connected=False, waits=None).startswith(begins[Standing.BROKER])
    assert trouble(connected=True, waits="away").startswith(begins[Standing.HISTORIAN])
