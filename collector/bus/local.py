# SPDX-License-Identifier: AGPL-3.0-or-later
"""A bus inside one process: the broker as a few dictionaries, with the promises of a real one.

Sessions, retained messages and redelivery behave as MQTT brokers do, so that tests, the direct replay and a single
process need no server. `stop` and `start` are the outage of a broker that keeps its store.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Sequence
from itertools import count
from typing import Final, NamedTuple

from collector.bus.outbox import Outbox, check_posting, fine_ones
from collector.contract.limits import BUS_QUEUE_MAX
from collector.contract.ports import Clock, Delivery, Posting
from collector.contract.topics import matches

_TOPICS_KEPT: Final = 8_192


class _Queued(NamedTuple):
    posting: Posting
    retained: bool


class _Session:
    """What is kept of one client: its filters, what waits for it, what it has not acknowledged, what it holds back."""

    def __init__(self) -> None:
        self.filters: dict[str, None] = {}
        self.queue: deque[_Queued] = deque()
        self.unacknowledged: OrderedDict[int, _Queued] = OrderedDict()
        self.outbox = Outbox()
        self.connection = 0
        self._wanted: dict[str, bool] = {}

    def give_up(self, filters: Sequence[str]) -> None:
        self.filters = {wanted: None for wanted in self.filters if wanted not in filters}
        self._wanted.clear()

    def ask(self, filters: Sequence[str]) -> None:
        self.filters.update(dict.fromkeys(filters))
        self._wanted.clear()

    def wants(self, topic: str) -> bool:
        if (found := self._wanted.get(topic)) is None:
            if len(self._wanted) >= _TOPICS_KEPT:
                self._wanted.clear()
            found = self._wanted[topic] = any(matches(wanted, topic) for wanted in self.filters)
        return found

    def hand_back(self) -> None:
        """Let everything that was not acknowledged wait again, before the rest."""
        self.queue.extendleft(reversed(self.unacknowledged.values()))
        self.unacknowledged.clear()


class LocalBroker:
    """A broker for the buses of one process; thread-safe.

    A session holds at most `queue_max` messages, unacknowledged ones included; what is published beyond goes past
    that session, as with a broker's own limit, and is counted in `dropped_count`.
    """

    def __init__(self, *, queue_max: int = BUS_QUEUE_MAX) -> None:
        self.changed = threading.Condition()
        self.running = True
        self.dropped_count = 0
        self.numbers = count(1)
        self._queue_max = queue_max
        self._retained: dict[str, Posting] = {}
        self._sessions: dict[str, _Session] = {}

    def stop(self) -> None:
        """Be away: every bus is disconnected; sessions and retained messages are kept."""
        with self.changed:
            self.running = False
            for session in self._sessions.values():
                session.hand_back()
            self.changed.notify_all()

    def start(self) -> None:
        """Be there again: buses are connected, and what they held back is published."""
        with self.changed:
            self.running = True
            for session in list(self._sessions.values()):
                self.flush(session)
            self.changed.notify_all()

    def attach(self, client_id: str, *, persistent: bool) -> _Session:
        """Return the client's session under a new connection number; an older connection of that name ends."""
        with self.changed:
            kept = self._sessions.get(client_id) if persistent else None
            session = self._sessions[client_id] = kept or _Session()
            session.hand_back()
            session.connection = next(self.numbers)
            self.changed.notify_all()
            return session

    def detach(self, client_id: str, session: _Session, *, persistent: bool) -> None:
        """End the connection; only a persistent session stays."""
        with self.changed:
            session.hand_back()
            session.connection = 0
            if not persistent and self._sessions.get(client_id) is session:
                del self._sessions[client_id]
            self.changed.notify_all()

    def subscribe(self, session: _Session, filters: Sequence[str]) -> None:
        """Add filters to a session; retained messages that match one of them come at once."""
        with self.changed:
            session.ask(filters)
            for posting in self._retained.values():
                if any(matches(wanted, posting.topic) for wanted in filters):
                    self._queue(session, _Queued(posting, retained=True))
            self.changed.notify_all()

    def unsubscribe(self, session: _Session, filters: Sequence[str]) -> None:
        """Take filters away from a session; what waits for it already still comes."""
        with self.changed:
            session.give_up(filters)

    def flush(self, session: _Session) -> None:
        """Hand what the session's outbox holds to every session that wants it, while the broker runs."""
        with self.changed:
            while self.running and (posting := session.outbox.pop()) is not None:
                self._publish(posting)
            self.changed.notify_all()

    def _publish(self, posting: Posting) -> None:
        if posting.retain and posting.payload:
            self._retained[posting.topic] = posting
        elif posting.retain:
            self._retained.pop(posting.topic, None)
        for session in self._sessions.values():
            if session.wants(posting.topic):
                self._queue(session, _Queued(posting, retained=False))

    def _queue(self, session: _Session, queued: _Queued) -> None:
        if len(session.queue) + len(session.unacknowledged) < self._queue_max:
            session.queue.append(queued)
        else:
            self.dropped_count += 1


class LocalBus:
    """The Bus port over a LocalBroker. What is published while the broker is stopped waits in an Outbox."""

    def __init__(self, broker: LocalBroker, client_id: str, clock: Clock, *, persistent: bool) -> None:
        self._broker = broker
        self._client_id = client_id
        self._clock = clock
        self._persistent = persistent
        self._session = broker.attach(client_id, persistent=persistent)
        self._connection = self._session.connection

    @property
    def connected(self) -> bool:
        """Tell whether the broker runs, the bus is open, and no other bus has taken its client id."""
        return self._broker.running and self._session.connection == self._connection

    def subscribe(self, filters: Sequence[str]) -> None:
        """Ask for these topic filters; the session keeps them."""
        self._broker.subscribe(self._session, filters)

    def unsubscribe(self, filters: Sequence[str]) -> None:
        """Ask for these topic filters no more."""
        self._broker.unsubscribe(self._session, filters)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Hand a message over; an empty retained payload clears the topic. Raises Refusal for what no broker takes."""
        self._hand_over([check_posting(Posting(topic, payload, retain))])

    def publish_all(self, postings: Sequence[Posting]) -> int:
        """Hand messages over in this order; return how many no broker would take."""
        fine = fine_ones(postings)
        self._hand_over(fine)
        return len(postings) - len(fine)

    def _hand_over(self, postings: Sequence[Posting]) -> None:
        with self._broker.changed:
            outbox, is_connected = self._session.outbox, self.connected
            for posting in postings:
                outbox.add(posting, newest_only=not is_connected)
                if outbox.full:
                    self._broker.flush(self._session)
            self._broker.flush(self._session)

    def take_lost_spans(self) -> list[tuple[float, float]]:
        """Return none: this broker forgets no session."""
        return []

    def take(self, *, most: int, wait_s: float) -> list[Delivery]:
        """Return up to `most` deliveries; wait at most `wait_s` real seconds for the first."""
        with self._broker.changed:
            self._broker.changed.wait_for(lambda: self.connected and self._session.queue, wait_s)
            if not self.connected:
                return []
            count_taken = min(most, len(self._session.queue))
            return [self._deliver(self._session.queue.popleft()) for _ in range(count_taken)]

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Forget deliveries that are safe; those of an earlier connection are passed over."""
        with self._broker.changed:
            for delivery in deliveries:
                assert isinstance(delivery.token, int)
                self._session.unacknowledged.pop(delivery.token, None)

    def close(self) -> None:
        """Leave; a persistent session stays with the broker and goes on filling."""
        with self._broker.changed:
            if self._session.connection == self._connection:
                self._broker.detach(self._client_id, self._session, persistent=self._persistent)

    def _deliver(self, queued: _Queued) -> Delivery:
        number = next(self._broker.numbers)
        self._session.unacknowledged[number] = queued
        return Delivery(queued.posting.topic, queued.posting.payload, queued.retained, self._clock.now(), number)
