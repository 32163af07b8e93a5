# SPDX-License-Identifier: AGPL-3.0-or-later
"""The loop: take, decide, keep, acknowledge, tell. What has been acknowledged is on disk."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, Final, TypeVar

import msgspec
from msgspec.structs import replace

from collector import intake, jobs, quarantine, receipts
from collector.census import silent
from collector.contract.codec import encode
from collector.contract.errors import Refusal, Unavailable
from collector.contract.event import Noted, Trouble
from collector.contract.limits import BATCH_MESSAGES_MAX, RECEIPT_EVENTS_MAX
from collector.contract.ports import Bus, Clock, Delivery
from collector.contract.reading import Batch, Fact, Numbered
from collector.contract.topics import ROOT_DEFAULT, Kind, Topic, format_topic
from collector.contract.tree import Plant
from collector.memory import Memory
from collector.registry import NATIVE, Registry, foreign_filters, native_filters
from collector.spool import Spool
from collector.turn import Quarantined, Turn

_ANSWER_S: Final = 20.0
_DEAF_S: Final = 1.0
"""A turn that comes later than this (real s) after the one before was deaf meanwhile: silence then is ours."""


_T = TypeVar("_T")
OURSELVES: Final = "collector"
"""The device under whose name the collector states its own trouble."""
AWAY_S: Final = 30.0
"""After how long without the broker (real s) that is trouble."""


class _Asked:
    """A message that somebody waits for: over HTTP, or out of quarantine. The loop decides it."""

    def __init__(self, decide: Callable[[], intake.Decision]) -> None:
        self.decide = decide
        self.answer: Future[str] = Future()


class Collector:
    """Turns messages into numbered facts. `turn` is called by one thread; everything else may be by any."""

    def __init__(
        self,
        *,
        spool: Spool,
        bus: Bus,
        clock: Clock,
        registry: Registry,
        root: str = ROOT_DEFAULT,
        filters: Sequence[str] | None = None,
        name: str = OURSELVES,
    ) -> None:
        self.spool = spool
        self.clock = clock
        self.registry = registry
        self.memory = Memory(spool)
        self._bus = bus
        self.root = root
        self._asked: queue.Queue[_Asked] = queue.Queue()
        self._receipts = receipts.Thinned()
        self._held: list[Delivery] = []
        self._held_asked: list[_Asked] = []
        self._listening_since = clock.now()
        self._watched_at_s = self._connected_at_s = time.monotonic()
        self._away_told = False
        self._troubles: dict[str, str] = {}
        self.untold_count = 0
        self._name, self._all = name, filters is None
        self._notes: queue.Queue[Batch] = queue.Queue()
        bus.subscribe(filters if filters is not None else [*native_filters(root), *foreign_filters(registry)])

    def note(self, event: str, body: dict[str, Any], *, device: str | None = None) -> None:
        """Put an event of our own into the log with the next turn. Any thread may call."""
        now = self.clock.now()
        self._notes.put(Batch(device or self._name, None, NATIVE, now, (Noted(now, event, body),)))

    def replant(self, plant: Plant) -> None:
        """Go by this plant from now on. Any thread may call."""
        before = set(foreign_filters(self.registry))
        self.registry = Registry(plant)
        if self._all and (fresh := [f for f in foreign_filters(self.registry) if f not in before]):
            self._bus.subscribe(fresh)

    def turn(self, wait_s: float = 0.05) -> int:
        """Decide and keep what has come; return how many. Raises Unavailable, and then they wait for the next turn."""
        if not self._held and not self._held_asked:
            self._held = self._bus.take(most=BATCH_MESSAGES_MAX, wait_s=wait_s)
            self._held_asked = list(_emptied(self._asked))
        turn = Turn()
        for delivery in self._held:
            self._decide(delivery, turn)
        answers = [(asked, self._decide_asked(asked, turn)) for asked in self._held_asked]
        turn.made.extend(_emptied(self._notes))
        self._watch(turn)
        self._keep(turn)
        self._bus.acknowledge(self._held)
        for asked, answer in answers:
            _answer(asked, answer)
        count = len(self._held) + len(answers)
        self._held, self._held_asked = [], []
        self._send_receipts()
        return count

    def _keep(self, turn: Turn) -> None:
        self.memory.stage(turn)
        if turn.empty():
            return
        try:
            numbered = self.spool.commit(turn)
        except Unavailable as error:
            self.memory.forget()
            self._troubles["disk"] = f"{len(turn.batches)} messages had to wait: {error}"
            raise
        self._troubles.clear()
        self.memory.keep()
        self._tell(numbered)

    def _decide(self, delivery: Delivery, turn: Turn) -> None:
        decision = intake.decide(delivery, self.memory, self.registry, root=self.root)
        if isinstance(decision, intake.Refused):
            _count(turn, decision.device, "quarantined")
            if decision.record is not None:
                # A refused seq counts as stored: quarantine has it, and its sender may forget it (contract 2).
                self.memory.learn(decision.record, boot=decision.boot)
                self._want_receipt(delivery.topic, decision.device)
            kept = Quarantined.of(
                delivery.topic,
                delivery.payload,
                device=decision.device,
                reason=decision.reason,
                detail=decision.detail,
                at=delivery.at,
            )
            turn.quarantined.append(kept)
            return
        self._accept(decision, turn)
        if intake.is_ours(delivery.topic, self.root):
            self._want_receipt(delivery.topic, decision.record.device)

    def _decide_asked(self, asked: _Asked, turn: Turn) -> Refusal | str:
        decision = asked.decide()
        if isinstance(decision, intake.Refused):
            _count(turn, decision.device, "rejected")
            return Refusal(decision.reason, decision.detail)
        self._accept(decision, turn)
        return decision.record.device

    def _accept(self, decision: intake.Accepted | intake.Duplicate, turn: Turn) -> None:
        device = decision.record.device
        if isinstance(decision, intake.Duplicate):
            _count(turn, device, "duplicate")
            self.memory.learn(decision.record)
            return
        _count(turn, device, "kept" if decision.batch is not None else "empty")
        self.memory.learn(decision.record, boot=decision.boot, event=decision.event)
        turn.quarantined.extend(decision.aside)
        if decision.batch is not None:
            turn.batches.append(decision.batch)

    def finish(self) -> None:
        """Decide what still waits for more words, as at the end of a recording."""
        turn = Turn()
        self._settle(turn, now=float("inf"))
        self._keep(turn)

    def _watch(self, turn: Turn) -> None:
        """Add what time alone tells: ends that have waited long enough, and silence."""
        now, real_s = self.clock.now(), time.monotonic()
        if not self._bus.connected or real_s - self._watched_at_s > _DEAF_S:
            self._listening_since = now
        self._watched_at_s = real_s
        self._settle(turn, now=now)
        self._complain(turn, now, real_s)
        if len(self._held) < BATCH_MESSAGES_MAX:
            self._hush(turn, now)

    def _settle(self, turn: Turn, *, now: float) -> None:
        for record in self._newest():
            track, facts = jobs.settle(record.track, now)
            if facts:
                self._state(replace(record, track=track), turn, facts)

    def _complain(self, turn: Turn, now: float, real_s: float) -> None:
        """State our own trouble as facts: a broker that was away long, a disk that could not be written."""
        if self._bus.connected:
            self._connected_at_s, self._away_told = real_s, False
        elif not self._away_told and real_s - self._connected_at_s > AWAY_S:
            self._away_told = True
            self._troubles["broker"] = f"the broker has not answered for {AWAY_S:.0f} s"
        for kind, why in self._troubles.items():
            turn.made.append(Batch(OURSELVES, None, NATIVE, now, (Trouble(now, kind, why),)))

    def _hush(self, turn: Turn, now: float) -> None:
        """Say who fell silent; while we did not listen ourselves, nobody did."""
        census = {record.device: record.presence for record in self._newest() if record.presence.cadence_s > 0}
        for device, presence, fact in silent(census, now, listening_since=self._listening_since):
            record = self.memory.device(device)
            assert record is not None
            self._state(replace(record, presence=presence, state=fact), turn, (fact,))

    def _newest(self) -> list[intake.Device]:
        return [self.memory.device(record.device) or record for record in self.memory.devices()]

    def _state(self, record: intake.Device, turn: Turn, facts: tuple[Fact, ...]) -> None:
        """Put facts into the log that no message brought."""
        self.memory.learn(record)
        turn.made.append(Batch(record.device, record.place, record.dialect, self.clock.now(), facts))

    def _want_receipt(self, topic: str, device: str) -> None:
        where = topic.removeprefix(f"{self.root}/v1/").partition("/")[2]
        self._receipts.want(f"{self.root}/v1/{Kind.RECEIPT}/{where}", device)

    def _tell(self, numbered: Sequence[Numbered]) -> None:
        for n, batch in numbered:
            topic = Topic(Kind.FACT, place=batch.place, device=None if batch.place else batch.device)
            self._publish(format_topic(topic, root=self.root), encode({"n": n, **msgspec.to_builtins(batch)}))

    def _send_receipts(self) -> None:
        for topic, device in self._receipts.due(time.monotonic()):
            self._publish(topic, self.receipt(device), retain=True)

    def _publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Say it; what the broker could never take is counted: the fact log has it all the same."""
        try:
            self._bus.publish(topic, payload, retain=retain)
        except Refusal:
            self.untold_count += 1

    def receipt(self, device: str) -> bytes:
        """Return what a device may forget: what is on disk now."""
        events = self.spool.events(device, RECEIPT_EVENTS_MAX)
        return receipts.body(self.memory.boots_of(device), events, now=self.clock.now())

    def post(self, kind: Kind, body: bytes) -> bytes:
        """Return the receipt once the body is on disk, also of a duplicate. Raises Refusal or Unavailable."""
        return self._ask(lambda: intake.decide_posted(kind, body, self.memory, self.registry, now=self.clock.now()))

    def replay(self, item_id: int) -> bytes:
        """Return the receipt once a quarantined message is on disk; a Refusal where it still breaks the contract."""
        item = quarantine.find(self.spool, item_id)
        if item is None or not item.replayable:
            why = "is not there" if item is None else f"has {item.bytes} bytes, and only its head was kept"
            raise Refusal("not_replayable", f"quarantined message {item_id} {why}")
        payload = quarantine.payload(self.spool, item_id)
        receipt = self._ask(
            lambda: intake.decide(
                Delivery(item.topic, payload, retained=False, at=self.clock.now()),
                self.memory,
                self.registry,
                root=self.root,
            )
        )
        quarantine.replayed(self.spool, item_id, at=self.clock.now())
        return receipt

    def _ask(self, decide: Callable[[], intake.Decision]) -> bytes:
        asked = _Asked(decide)
        self._asked.put(asked)
        try:
            return self.receipt(asked.answer.result(timeout=_ANSWER_S))
        except TimeoutError:
            raise Unavailable(f"nothing was written within {_ANSWER_S:.0f} s; send it again") from None


def _count(turn: Turn, device: str, word: str) -> None:
    turn.counts[device, "received"] += 1
    turn.counts[device, word] += 1


def _answer(asked: _Asked, answer: Refusal | str) -> None:
    if isinstance(answer, Refusal):
        asked.answer.set_exception(answer)
    else:
        asked.answer.set_result(answer)


def _emptied(waiting: queue.Queue[_T]) -> Iterator[_T]:
    while True:
        try:
            yield waiting.get_nowait()
        except queue.Empty:
            return
