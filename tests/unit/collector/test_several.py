# SPDX-License-Identifier: AGPL-3.0-or-later
"""Several collectors on one broker: each hears its own topics, in its sender's order, and nothing is taken twice."""

from __future__ import annotations

import json
from pathlib import Path

from collector.bus.local import LocalBroker, LocalBus
from collector.contract.tree import read_plant
from collector.registry import Registry
from collector.service import Collector
from collector.spool import Spool
from collector.ways import Ways
from deploy.clock import FileClock

NOW = 1_795_400_000.0
HALLS = ("north", "south")
PLANT = read_plant({"machines": {f"{hall}-{n}": {"place": f"site/{hall}/m{n}"} for hall in HALLS for n in range(3)}})


def test_two_collectors_with_disjoint_filters_take_every_message_once_and_in_order(tmp_path: Path) -> None:
    broker, clock = LocalBroker(), FileClock(NOW)
    sender = LocalBus(broker, "machines", clock, persistent=False)
    collectors = {}
    for hall in HALLS:
        filters = [f"cybersyn/v1/{kind}/site/{hall}/#" for kind in ("reading", "state", "event")]
        collectors[hall] = Collector(
            spool=Spool(tmp_path / f"{hall}.db"),
            bus=LocalBus(broker, f"cybersyn-{hall}", clock, persistent=True),
            clock=clock,
            registry=Registry(PLANT),
            ways=Ways(name=hall, filters=filters),
        )
    for seq in range(20):
        for machine in PLANT.machines.values():
            body = {"v": 1, "boot": "9f1c6b0e2d7a4415", "seq": seq, "m": {"power_w": seq}}
            sender.publish(f"cybersyn/v1/reading/{machine.place}", json.dumps(body).encode())
    for hall, collector in collectors.items():
        collector.turn(wait_s=0.0)
        taken = [(batch.device, batch.seq) for _, batch in collector.spool.read_from(1, most=1_000)]
        assert taken == [(f"{hall}-{n}", seq) for seq in range(20) for n in range(3)]
        collector.spool.close()


def test_a_collector_without_filters_shares_no_subscription() -> None:
    """A shared subscription ($share) would hand one sender's messages to several collectors, in no order."""
    sources = Path(__file__).parents[3].joinpath("collector").rglob("*.py")
    assert [str(path) for path in sources if '"$share' in path.read_text(encoding="utf-8")] == []
