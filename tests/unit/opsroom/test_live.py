# SPDX-License-Identifier: AGPL-3.0-or-later
"""The newest value wins, a frame is encoded once, and a slow browser delays nobody."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from collector.contract.codec import encode_batch, format_time
from collector.contract.errors import Unavailable
from collector.contract.ports import Delivery
from collector.contract.reading import Batch, Samples
from opsroom.live import ASK_BYTES_MAX, BEAT_S, PERIOD_S, Client, Hub, Pump, serve

PLACE = "cell/mk4"


class StillClock:
    """A clock that stands, at a speed of 60."""

    def now(self) -> float:
        return 1_000.0

    def real_s(self, plant_s: float) -> float:
        return plant_s / 60


def said(value: float, ts: float = 999.0) -> list[Delivery]:
    batch = Batch("mk4", PLACE, "native", ts, (Samples((ts,), {"nozzle_degc": (value,)}),))
    return [Delivery(f"cybersyn/v1/fact/{PLACE}", encode_batch(batch), False, ts)]


def hub_with(*clients: Client) -> Hub:
    hub = Hub(StillClock(), root="cybersyn")
    hub.absorb(said(200.0))
    hub.tick(0.0)
    for client in clients:
        hub.join(client)
    return hub


async def next_frames(hub: Hub, client: Client) -> list[dict[str, Any]]:
    return [json.loads(frame) for frame in await asyncio.wait_for(client.waiting(hub.snapshot), 2)]


def run(story: Callable[[Hub, Client], Any]) -> Any:
    async def told() -> Any:
        client = Client()
        return await story(hub_with(client), client)

    return asyncio.run(told())


def test_the_first_frame_is_everything() -> None:
    async def story(hub: Hub, client: Client) -> None:
        [frame] = await next_frames(hub, client)
        assert (frame["type"], frame["order"], frame["speed"], frame["now"]) == ("snap", [PLACE], 60.0, 1_000.0)

    run(story)


def test_a_change_comes_as_a_delta() -> None:
    async def story(hub: Hub, client: Client) -> None:
        await next_frames(hub, client)
        hub.absorb(said(210.0, 1_000.0))
        hub.tick(PERIOD_S)
        [frame] = await next_frames(hub, client)
        assert (frame["type"], [tile["seen"] for tile in frame["tiles"]]) == ("delta", [1_000.0])

    run(story)


def test_nothing_new_is_a_heartbeat_once_a_second() -> None:
    async def story(hub: Hub, client: Client) -> None:
        await next_frames(hub, client)
        hub.tick(BEAT_S / 2)
        assert not client.wake.is_set()
        hub.tick(BEAT_S)
        [frame] = await next_frames(hub, client)
        assert (frame["type"], frame["connected"]) == ("beat", False)

    run(story)


def test_who_missed_a_frame_gets_everything_instead() -> None:
    async def story(hub: Hub, client: Client) -> None:
        await next_frames(hub, client)
        for n in range(3):
            hub.absorb(said(200.0 + n, 1_000.0 + n))
            hub.tick(n + 1.0)
        [frame] = await next_frames(hub, client)
        assert (frame["type"], frame["tiles"][0]["seen"]) == ("snap", 1_002.0)

    run(story)


def test_row_30_a_slow_browser_delays_nobody() -> None:
    async def story(hub: Hub, quick: Client) -> None:
        slow, got = Client(), []

        async def never(_: bytes) -> None:
            await asyncio.Event().wait()

        async def at_once(frame: bytes) -> None:
            got.append(frame)

        hub.join(slow)
        tasks = [asyncio.create_task(serve(hub, slow, never)), asyncio.create_task(serve(hub, quick, at_once))]
        for n in range(4):
            hub.absorb(said(200.0 + n, 1_000.0 + n))
            hub.tick(n + 1.0)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        assert len(got) == 4

    run(story)


def test_row_30_a_stalled_browser_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opsroom.live.STALLED_S", 0.01)

    async def story(hub: Hub, client: Client) -> None:
        async def never(_: bytes) -> None:
            await asyncio.Event().wait()

        await asyncio.wait_for(serve(hub, client, never), timeout=5.0)

    run(story)


def test_a_frame_is_encoded_once_for_all() -> None:
    async def story(hub: Hub, client: Client) -> None:
        other = Client()
        hub.join(other)
        assert (await client.waiting(hub.snapshot))[0] is (await other.waiting(hub.snapshot))[0]
        hub.absorb(said(1.0, 1_000.0))
        hub.tick(1.0)
        assert (await client.waiting(hub.snapshot))[0] is (await other.waiting(hub.snapshot))[0]

    run(story)


def test_who_watches_an_address_gets_its_raw_values_and_its_trail() -> None:
    async def story(hub: Hub, client: Client) -> None:
        hub.hear(client, json.dumps({"watch": PLACE}))
        _, first = await next_frames(hub, client)
        hub.absorb(said(222.0, 1_000.0))
        hub.tick(1.0)
        _, second = await next_frames(hub, client)
        assert (first["type"], first["trail"]) == ("detail", {})
        assert second["detail"]["devices"][0]["values"] == [["nozzle_degc", "°C", 1_000.0, 222.0]]

    run(story)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"watch":1}', '{"watch":"a//b"}', '{"watch":"@"}', '{"watch":"' + "a" * ASK_BYTES_MAX + '"}']
)
def test_nonsense_from_a_browser_changes_nothing(text: str) -> None:
    async def story(hub: Hub, client: Client) -> None:
        hub.hear(client, text)
        assert client.watch is None

    run(story)


def test_who_leaves_is_sent_nothing_more() -> None:
    async def story(hub: Hub, client: Client) -> None:
        hub.leave(client)
        assert (await next_frames(hub, client), hub.clients) == ([], set())

    run(story)


def test_topics_of_others_are_passed_over() -> None:
    hub = Hub(StillClock(), root="cybersyn")
    hub.absorb([Delivery("tele/plug/SENSOR", b"{}", False, 1.0), Delivery("cybersyn/v1/fact/", b"{}", False, 1.0)])
    assert (hub.picture.machines, hub.picture.refused) == ({}, 0)


class ListBus:
    """A bus that gives what it was given, once, and then says that it is over."""

    connected = True

    def __init__(self, deliveries: list[Delivery]) -> None:
        self.deliveries = deliveries
        self.over: Callable[[], None] = lambda: None
        self.subscribed: list[str] = []
        self.acknowledged: list[Delivery] = []

    def subscribe(self, filters: Any) -> None:
        self.subscribed = list(filters)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None: ...
    def close(self) -> None: ...

    def take(self, *, most: int, wait_s: float) -> list[Delivery]:
        found, self.deliveries = self.deliveries, []
        if not found:
            self.over()
        return found

    def acknowledge(self, deliveries: Any) -> None:
        self.acknowledged += deliveries


def pumped(seed: Callable[[], dict[str, Any]]) -> tuple[Hub, ListBus]:
    hub = Hub(StillClock(), root="cybersyn")
    bus = ListBus(said(200.0))
    pump = Pump(hub, bus, seed, root="cybersyn")
    bus.over = pump._over.set
    pump.start()
    pump._thread.join(timeout=5)
    return hub, bus


def test_the_pump_seeds_subscribes_folds_and_acknowledges() -> None:
    seen = format_time(900.0)
    hub, bus = pumped(lambda: {"machines": [{"device": "other", "place": "cell/other", "last_seen": seen}]})
    assert bus.subscribed == ["cybersyn/v1/fact/#", "cybersyn/v1/index/#", "cybersyn/v1/alert/#"]
    assert (set(hub.picture.machines), len(bus.acknowledged), hub.connected) == ({"mk4", "other"}, 1, True)


def test_a_room_without_lists_goes_on_with_what_the_bus_tells(caplog: pytest.LogCaptureFixture) -> None:
    def down() -> dict[str, Any]:
        raise Unavailable("collector at 127.0.0.1:8051 does not answer")

    hub, _ = pumped(down)
    assert set(hub.picture.machines) == {"mk4"}
    assert len(caplog.records) == 1


def test_a_machine_that_moved_leaves_no_tile_behind() -> None:
    async def story(hub: Hub, client: Client) -> None:
        await next_frames(hub, client)
        hub.seed({"machines": [{"device": "mk4", "place": "cell/other", "last_seen": format_time(999.0)}]})
        hub.tick(10.0)
        [frame] = await next_frames(hub, client)
        assert frame["order"] == ["cell/other"]

    run(story)
