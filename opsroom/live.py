# SPDX-License-Identifier: AGPL-3.0-or-later
"""From the bus to every open browser: the newest value wins, a frame is encoded once, a slow browser delays nobody."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec

from collector.contract.codec import encode
from collector.contract.errors import Refusal
from collector.contract.place import check_device, check_place
from collector.contract.ports import Bus, Clock, Delivery
from collector.contract.topics import Kind, parse_topic
from opsroom.picture import Picture
from opsroom.views import alerts as alert_views
from opsroom.views import intake as intake_views
from opsroom.views import machine as machine_views
from opsroom.views import tiles as tile_views

PERIOD_S: Final = 0.2
"""Real seconds between frames, at least."""
BEAT_S: Final = 1.0
"""Real seconds after which a frame comes though nothing changed."""
REVIEW_S: Final = 2.0
"""Real seconds between looks at what time alone changes: silence, urgency."""
CLIENTS_MAX: Final = 500
"""Browsers at a time; one more is refused."""
STALLED_S: Final = 20.0
"""A browser that takes nothing for so long (real s) is let go; it comes back by itself."""
ASK_BYTES_MAX: Final = 1_024
"""Largest message that a browser may send."""
TAKE_MOST: Final = 500
RESEED_S: Final = 60.0
RETRY_S: Final = 2.0
_KINDS: Final = (Kind.FACT, Kind.INDEX, Kind.ALERT)
_LOG: Final = logging.getLogger("cybersyn.opsroom")


class Watch(msgspec.Struct):
    """What a browser may say: tell me all of this address."""

    watch: str


class Client:
    """One open browser: at most one frame and one detail wait for it; what it misses, a snapshot makes good."""

    def __init__(self) -> None:
        self.wake = asyncio.Event()
        self.watch: str | None = None
        self.fresh = True
        self.left = False
        self._frame: bytes | None = None
        self._detail: bytes | None = None

    def give(self, frame: bytes) -> None:
        """Put a frame in its hand; where one is still waiting, it gets a snapshot instead of both."""
        if self._frame is not None:
            self.fresh = True
        self._frame = frame
        self.wake.set()

    def tell(self, detail: bytes) -> None:
        """Put the newest detail in its hand; an older one that waits is dropped."""
        self._detail = detail
        self.wake.set()

    def leave(self) -> None:
        """Make its sender end."""
        self.left = True
        self.wake.set()

    async def waiting(self, snapshot: Callable[[], bytes]) -> list[bytes]:
        """Wait for something to send; an empty list says that it is over."""
        while not self.left:
            await self.wake.wait()
            self.wake.clear()
            frame, detail = self._frame, self._detail
            self._frame = self._detail = None
            if self.fresh and frame is not None:
                self.fresh, frame = False, snapshot()
            found = [each for each in (frame, detail) if each is not None]
            if found and not self.left:
                return found
        return []


class Hub:
    """The picture, and the browsers that see it. The bus's thread folds; the event loop's `tick` tells."""

    def __init__(self, clock: Clock, *, root: str) -> None:
        self.picture = Picture()
        self.clients: set[Client] = set()
        self.connected = False
        self.looked = asyncio.Event()
        self._intake: intake_views.Intake | None = None
        self._standing: intake_views.Standing | None = None
        self._clock = clock
        self._root = root
        self._lock = threading.Lock()
        self._touched: set[str] = set()
        self._tiles: dict[str, tile_views.Tile] = {}
        self._alerts: tuple[list[alert_views.AlertRow], list[alert_views.AlertRow]] = ([], [])
        self._order: list[str] = []
        self._counts: dict[str, int] = {}
        self._seq = 0
        self._snapshot: tuple[int, bytes] = (-1, b"")
        self._told_s = self._reviewed_s = float("-inf")

    def seed(self, rows: dict[str, Any]) -> None:
        """Take over the API's lists; raises Refusal where they do not fit."""
        with self._lock:
            self._touched |= self.picture.seed(rows)

    def absorb(self, deliveries: Sequence[Delivery]) -> None:
        """Fold what the bus brought; topics that are not ours are passed over."""
        with self._lock:
            for delivery in deliveries:
                try:
                    topic = parse_topic(delivery.topic, root=self._root)
                except Refusal:
                    continue
                self._touched |= self.picture.fold(topic, delivery.payload)

    def know(self, intake: intake_views.Intake) -> None:
        """Take over how the intake stands; who watches it is told."""
        with self._lock:
            self._intake = intake
            self._touched.add(intake_views.ADDRESS)

    def is_watched(self, address: str) -> bool:
        """Tell whether a browser watches this address."""
        return any(client.watch == address for client in self.clients)

    def tick(self, real_s: float) -> None:
        """Tell every browser what changed; `real_s` is the monotonic clock."""
        with self._lock:
            touched, self._touched = self._touched, set()
            now = self._clock.now()
            review = real_s - self._reviewed_s >= REVIEW_S
            changes: dict[str, Any] = {}
            if touched or review:
                self._reviewed_s = real_s if review else self._reviewed_s
                changes = self._changes(now, {*self.picture.addresses(), *self._tiles} if review else touched)
            details = {c.watch: self._detail(c.watch) for c in self.clients if c.watch in touched and c.watch}
        if changes or real_s - self._told_s >= BEAT_S:
            self._told_s = real_s
            self._seq += 1
            frame = encode({"type": "delta" if changes else "beat", **self._head(now), **changes})
            for client in self.clients:
                client.give(frame)
        for client in self.clients:
            if client.watch in details:
                client.tell(details[client.watch])

    def snapshot(self) -> bytes:
        """Return everything as it was told last, encoded once per frame."""
        if self._snapshot[0] != self._seq:
            everything = {
                "type": "snap",
                **self._head(self._clock.now()),
                "tiles": [self._tiles[key] for key in self._order],
                "order": self._order,
                "alerts": self._alerts[0],
                "closed": self._alerts[1],
                "counts": self._counts,
                "intake": self._standing,
            }
            self._snapshot = (self._seq, encode(everything))
        return self._snapshot[1]

    def join(self, client: Client) -> None:
        """Let a browser in; its first frame is a snapshot."""
        self.clients.add(client)
        self.looked.set()
        client.give(b"")

    def leave(self, client: Client) -> None:
        """Let it go."""
        self.clients.discard(client)
        client.leave()

    def hear(self, client: Client, text: str) -> None:
        """Do what a browser asks: it watches an address from now on, and gets its trail. Nonsense changes nothing."""
        try:
            asked = msgspec.json.decode(text[:ASK_BYTES_MAX], type=Watch).watch
            if asked != intake_views.ADDRESS:
                check_device(asked[1:]) if asked.startswith("@") else check_place(asked)
        except (msgspec.DecodeError, Refusal):
            return
        client.watch = asked
        self.looked.set()
        with self._lock:
            client.tell(self._detail(asked, trail=True))

    def _head(self, now: float) -> dict[str, Any]:
        speed = 1.0 / self._clock.real_s(1.0)
        return {"seq": self._seq, "now": now, "speed": round(speed, 3), "connected": self.connected}

    def _changes(self, now: float, touched: set[str]) -> dict[str, Any]:
        """Return what differs at these addresses from what was told last, and remember it as told."""
        known, drawn = self._tiles, tile_views.drawn(self.picture, touched, now)
        gone = touched - drawn.keys()
        tiles = sorted(({k: v for k, v in known.items() if k not in gone} | drawn).values(), key=tile_views.badness)
        alerts = (alert_views.open_rows(self.picture, now), alert_views.closed_rows(self.picture, now))
        order, found = [tile.key for tile in tiles], {tile.key: tile for tile in tiles}
        counted = tile_views.counts(tiles, self.picture)
        changes: dict[str, Any] = {}
        changed = [tile for key, tile in drawn.items() if known.get(key) != tile]
        if changed:
            changes["tiles"] = changed
        if order != self._order:
            changes["order"] = order
        if alerts != self._alerts:
            changes["alerts"], changes["closed"] = alerts
        if counted != self._counts:
            changes["counts"] = counted
        if self._intake is not None and self._intake.standing is not self._standing:
            changes["intake"] = self._standing = self._intake.standing
        self._tiles, self._order, self._alerts, self._counts = found, order, alerts, counted
        return changes

    def _detail(self, key: str, *, trail: bool = False) -> bytes:
        if key == intake_views.ADDRESS:
            return encode({"type": "detail", "detail": self._intake})
        told = {"type": "detail", "detail": machine_views.detail(self.picture, key)}
        return encode(told | ({"trail": machine_views.trail(self.picture, key)} if trail else {}))


class Pump:
    """The thread that takes from the bus into the hub; it seeds it at the start, after a reconnect, now and then."""

    def __init__(self, hub: Hub, bus: Bus, seed: Callable[[], dict[str, Any]], *, root: str) -> None:
        self._hub = hub
        self._bus = bus
        self._seed = seed
        self._topics = [f"{root}/v1/{kind}/#" for kind in _KINDS]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="opsroom-pump", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def close(self) -> None:
        """End the thread; the bus belongs to whoever made it."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2.0)

    def _run(self) -> None:
        self._bus.subscribe(self._topics)
        seed_at, was_connected, told = 0.0, False, False
        while not self._over.is_set():
            self._hub.connected = connected = self._bus.connected
            if time.monotonic() >= seed_at or (connected and not was_connected):
                seeded = self._try_seed(told=told)
                seed_at, told = time.monotonic() + (RESEED_S if seeded else RETRY_S), not seeded
            was_connected = connected
            deliveries = self._bus.take(most=TAKE_MOST, wait_s=0.1)
            if deliveries:
                self._hub.absorb(deliveries)
                self._bus.acknowledge(deliveries)
            elif not connected:
                self._over.wait(0.1)

    def _try_seed(self, *, told: bool) -> bool:
        """Return whether the hub was seeded; the log says once why not."""
        try:
            self._hub.seed(self._seed())
        except Exception as error:  # noqa: BLE001 - the room waits for lists, whatever its neighbours answer
            if not told:
                _LOG.warning("the room has no lists to start from yet: %s", error)
            return False
        return True


async def keep_telling(hub: Hub) -> None:
    """Tick until cancelled."""
    while True:
        hub.tick(time.monotonic())
        await asyncio.sleep(PERIOD_S)


async def serve(hub: Hub, client: Client, send: Callable[[bytes], Awaitable[None]]) -> None:
    """Send to one browser until it leaves, or takes nothing for STALLED_S; only its own sender waits for it."""
    with suppress(TimeoutError):
        while frames := await client.waiting(hub.snapshot):
            for frame in frames:
                async with asyncio.timeout(STALLED_S):
                    await send(frame)
