# SPDX-License-Identifier: AGPL-3.0-or-later
"""The loop: take, decide, keep, acknowledge, tell. What has been acknowledged is on disk."""

from __future__ import annotations

import queue
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from collector import intake, quarantine, receipts
from collector.asking import Asked, emptied
from collector.contract.codec import encode_batch
from collector.contract.errors import Refusal, Unavailable
from collector.contract.event import Noted, Trouble
from collector.contract.limits import BATCH_MESSAGES_MAX, RECEIPT_EVENTS_MAX
from collector.contract.ports import Bus, Clock, Delivery, Posting
from collector.contract.reading import Batch, Numbered
from collector.contract.topics import Kind, Topic, format_topic
from collector.contract.tree import Plant
from collector.decision import Accepted, Decision, Duplicate, Refused
from collector.memory import Memory
from collector.newcomers import Newcomers
from collector.notices import Notice, Notices
from collector.pace import Pace
from collector.quota import Quotas
from collector.registry import NATIVE, Registry, changed_filters, foreign_filters, native_filters
from collector.spool import Spool
from collector.turn import Quarantined, Turn
from collector.watch import Watch
from collector.ways import Ways

NULL_NAMES_MAX: Final = 10_000
"""Indicators whose empty cells are counted."""


class Collector:
    """Turns messages into numbered facts. `turn` is called by one thread; everything else may be by any."""

    def __init__(self, *, spool: Spool, bus: Bus, clock: Clock, registry: Registry, ways: Ways = Ways()) -> None:  # noqa: B008 - it never changes
        self.spool = spool
        self.clock = clock
        self.registry = registry
        self.ways = ways
        self.memory = Memory(spool)
        self.newcomers = Newcomers(lambda: self.registry, root=ways.root, file=ways.newcomers, ours=ways.ours)
        self._bus = bus
        self._watch = Watch(self.memory, bus, clock, name=ways.name)
        self._pace = Pace(ways.calm_s) if ways.calm_s else None
        self._quotas = Quotas(ways.quota)
        self._notices = Notices()
        self._asked: queue.Queue[Asked] = queue.Queue()
        self._notes: queue.Queue[Batch] = queue.Queue()
        self._receipts = receipts.Thinned()
        self._held: list[Delivery] = []
        self._held_over: list[tuple[Delivery, str]] = []
        self._own: list[Batch] = []
        self._held_asked: list[Asked] = []
        self._asks: list[Posting] = []
        self._disk_told = False
        self.untold_count = 0
        self.failed_count = 0
        self.null_counts: Counter[str] = Counter()
        bus.subscribe(ways.filters or [*native_filters(ways.root), *foreign_filters(registry)])

    def note(self, event: str, body: dict[str, Any], *, device: str | None = None) -> None:
        """Put an event of our own into the log with the next turn. Any thread may call."""
        now = self.clock.now()
        self._notes.put(Batch(device or self.ways.name, None, NATIVE, now, (Noted(now, event, body),)))

    def replant(self, plant: Plant) -> None:
        """Go by this plant from now on. Any thread may call."""
        before, self.registry = self.registry, Registry(plant)
        fresh, gone = changed_filters(before, self.registry) if self.ways.filters is None else ([], [])
        if fresh:
            self._bus.subscribe(fresh)
        if gone:
            self._bus.unsubscribe(gone)

    def turn(self, wait_s: float = 0.05) -> int:
        """Decide and keep what has come; return how many. Raises Unavailable, and then they wait for the next turn."""
        room = BATCH_MESSAGES_MAX - len(self._held) - len(self._held_over)
        if room > 0:
            self._take(self._bus.take(most=room, wait_s=wait_s))
        for asked in emptied(self._asked):
            asked.over = (
                self._quotas.exceeded(asked.sender, asked.size_bytes, time.monotonic()) if asked.sender else None
            )
            self._held_asked.append(asked)
        self._own += [*emptied(self._notes), *self._watch.noticed()]
        if self._may_wait():
            return 0
        turn = Turn()
        for delivery in self._held:
            self._decide(delivery, turn)
        for delivery, over in self._held_over:
            self._throttle(delivery, turn, over)
        answers = [(asked, self._decide_asked(asked, turn)) for asked in self._held_asked]
        turn.made += self._own
        self._watch.look(turn, is_behind=len(self._held) >= BATCH_MESSAGES_MAX)
        self._keep(turn)
        taken = [*self._held, *(delivery for delivery, _ in self._held_over)]
        self._bus.acknowledge(taken)
        for asked, answer in answers:
            asked.answer(answer)
        self._held, self._held_over, self._held_asked = [], [], []
        self._send_receipts()
        asks, self._asks = self._asks, []
        self.untold_count += self._bus.publish_all(asks)
        return len(taken) + len(answers)

    def _take(self, arrived: Sequence[Delivery]) -> None:
        """Hold what has come until it is kept; what is beyond its sender's quota, apart; nobody's words, not at all."""
        now_s, root, is_wide = time.monotonic(), self.ways.root, self.ways.filters is None and self.registry.is_wide
        for delivery in arrived:
            sender = intake.sender(delivery.topic, self.registry, root)
            if not sender and is_wide:  # it came only because the filters of many machines became one
                self._bus.acknowledge([delivery])
                continue
            over = self._quotas.exceeded(sender, len(delivery.payload), now_s)
            if over is None:
                self._held.append(delivery)
            else:
                self._held_over.append((delivery, over))

    def _may_wait(self) -> bool:
        """Tell whether what has come may wait for more to share an fsync: only readings do, and nobody is asking."""
        if self._pace is None or not self._held or self._held_asked or len(self._held) >= BATCH_MESSAGES_MAX:
            return False
        may = not self._pace.is_due(len(self._held), time.monotonic())
        return may and not any(intake.is_urgent(delivery, self.registry, self.ways.root) for delivery in self._held)

    def _keep(self, turn: Turn) -> None:
        self.memory.stage(turn)
        if turn.empty():
            return
        try:
            numbered = self.spool.commit(turn)
        except Unavailable as error:
            self.memory.forget()
            self._tell_of_disk(f"{len(turn.batches)} messages wait: {error}")
            raise
        self._disk_told, self._own = False, []
        self.memory.keep()
        if self._pace is not None and self._held:
            self._pace.committed(len(self._held), time.monotonic())
        self._notices.add(turn.made)
        self._tell(numbered)

    def _tell_of_disk(self, why: str) -> None:
        """State once that messages have to wait: there may be room for that where there is none for them."""
        if not self._disk_told:
            now = self.clock.now()
            self._own.append(Batch(self.ways.name, None, NATIVE, now, (Trouble(now, "disk", why),)))
            self._disk_told = True
        if self._own:
            with suppress(Unavailable):
                self._tell(self.spool.commit(Turn(made=self._own)))
                self._notices.add(self._own)
                self._own = []

    def _decide(self, delivery: Delivery, turn: Turn) -> None:
        """Put what becomes of a message into the turn; one that breaks us is kept as well."""
        ways = self.ways
        try:
            decision = intake.decide(delivery, self.memory, self.registry, root=ways.root, rules=ways.rules)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next message must be taken
            self.failed_count += 1
            decision = Refused("", "our_fault", f"{type(error).__name__}: {error}"[:300])
        if isinstance(decision, Refused):
            self._refuse(delivery, decision, turn)
            return
        self._accept(decision, turn)
        if intake.is_ours(delivery.topic, ways.root):
            self._want_receipt(delivery.topic, decision.record.device)

    def _refuse(self, delivery: Delivery, decision: Refused, turn: Turn) -> None:
        turn.count(decision.device, "quarantined")
        if decision.record is not None:
            # A refused seq counts as stored: quarantine has it, and its sender may forget it (contract 2).
            self.memory.learn(decision.record, boot=decision.boot)
            self._want_receipt(delivery.topic, decision.device)
        device, reason, detail = decision.device, decision.reason, decision.detail
        kept = Quarantined.of(
            delivery.topic, delivery.payload, device=device, reason=reason, detail=detail, at=delivery.at
        )
        turn.quarantined.append(kept)
        if reason == "clock_ahead" and device and self._notices.is_due((reason, device), delivery.at):
            self._note(turn, device, delivery.at, reason, detail)

    def _throttle(self, delivery: Delivery, turn: Turn, over: str) -> None:
        """Leave a message that its sender still has to it, for no receipt names it; keep any other in quarantine."""
        decision = intake.throttled(delivery, self.registry, root=self.ways.root)
        if decision.keeps:
            turn.count(decision.device, "rejected")
        else:
            self._refuse(delivery, Refused(decision.device, "over_quota", over), turn)
        if self._notices.is_due(("over_quota", decision.device), delivery.at):
            self._note(turn, decision.device or self.ways.name, delivery.at, "throttled", over)

    def _note(self, turn: Turn, device: str, at: float, event: str, detail: str) -> None:
        machine = self.registry.plant.machines.get(device)
        place = machine.place if machine is not None else None
        turn.made.append(Batch(device, place, NATIVE, at, (Noted(at, event, {"detail": detail}),)))

    def _decide_asked(self, asked: Asked, turn: Turn) -> Refusal | str:
        decision = asked.decide() if asked.over is None else Refused("", "over_quota", asked.over)
        if isinstance(decision, Refused):
            turn.count(decision.device, "rejected")
            return Refusal(decision.reason, decision.detail)
        self._accept(decision, turn)
        return decision.record.device

    def _accept(self, decision: Accepted | Duplicate, turn: Turn) -> None:
        device = decision.record.device
        if isinstance(decision, Duplicate):
            turn.count(device, "duplicate")
            self.memory.learn(decision.record)
            return
        turn.count(device, "kept" if decision.batch is not None else "empty")
        self.memory.learn(decision.record, boot=decision.boot, event=decision.event, names=decision.names)
        turn.quarantined.extend(decision.aside)
        if decision.nulls and len(self.null_counts) < NULL_NAMES_MAX:
            self.null_counts.update(decision.nulls)
        turn.made.extend(decision.made)
        if decision.batch is not None:
            turn.batches.append(decision.batch)
        for record, batch in decision.further:
            self.memory.learn(record)
            if batch is not None:
                turn.count(record.device, "kept")
                turn.batches.append(batch)
        self._asks += decision.asks

    def noticed(self) -> list[Notice]:
        """Return what was noticed since the start, oldest first. Any thread may call."""
        return self._notices.newest()

    def finish(self) -> None:
        """Decide what still waits for more words, as at the end of a recording."""
        turn = Turn()
        self._watch.settle(turn, now=float("inf"))
        self._keep(turn)

    def _want_receipt(self, topic: str, device: str) -> None:
        self._receipts.want(intake.receipt_topic(topic, self.ways.root), device)

    def _tell(self, numbered: Sequence[Numbered]) -> None:
        """Say what is in the log now; what the broker could never take is counted: the log has it all the same."""
        postings: list[Posting] = []
        for n, batch in numbered:
            where = Topic(Kind.FACT, place=batch.place, device=None if batch.place else batch.device)
            body = b'{"n":%d,%b' % (n, encode_batch(batch)[1:])
            postings.append(Posting(format_topic(where, root=self.ways.root), body))
        self.untold_count += self._bus.publish_all(postings)

    def _send_receipts(self) -> None:
        due = self._receipts.due(time.monotonic())
        if due:
            self.untold_count += self._bus.publish_all(
                [Posting(topic, self.receipt(device), retain=True) for topic, device in due]
            )

    def receipt(self, device: str) -> bytes:
        """Return what a device may forget: what is on disk now."""
        events = self.spool.events(device, RECEIPT_EVENTS_MAX)
        return receipts.body(self.memory.boots_of(device), events, now=self.clock.now())

    def post(self, kind: Kind, body: bytes) -> bytes:
        """Return the receipt once the body is on disk, also of a duplicate. Raises Refusal or Unavailable."""
        ways = self.ways
        return self._ask(
            lambda: intake.decide_posted(
                kind, body, self.memory, self.registry, now=self.clock.now(), rules=ways.rules
            ),
            sender=intake.sender_of(body),
            size_bytes=len(body),
        )

    def replay(self, item_id: int) -> bytes:
        """Return the receipt once a quarantined message is on disk; a Refusal where it still breaks the contract."""
        item = quarantine.find(self.spool, item_id)
        if item is None or not item.replayable:
            why = "is not there" if item is None else f"has {item.bytes} bytes, and only its head was kept"
            raise Refusal("not_replayable", f"quarantined message {item_id} {why}")
        message = Delivery(item.topic, quarantine.payload(self.spool, item_id), retained=False, at=self.clock.now())
        ways = self.ways
        receipt = self._ask(
            lambda: intake.decide(message, self.memory, self.registry, root=ways.root, rules=ways.rules)
        )
        quarantine.replayed(self.spool, item_id, at=self.clock.now())
        return receipt

    def _ask(self, decide: Callable[[], Decision], *, sender: str = "", size_bytes: int = 0) -> bytes:
        asked = Asked(decide, sender=sender, size_bytes=size_bytes)
        self._asked.put(asked)
        return self.receipt(asked.wait())
