# SPDX-License-Identifier: AGPL-3.0-or-later
"""The Bus port over MQTT: reconnect, resubscribe, acknowledge by hand.

MQTT 5 is tried first; a broker that answers "unsupported version" is spoken to in 3.1.1. One thread keeps the
connection: it opens links, sends what waits, and replaces a link that is lost, dead or silent.

Bounds. An MQTT 5 broker sends at most RECEIVE_MAX unacknowledged messages, nats-server `max_ack_pending` per filter;
the inbound queue holds more than that. Should a broker send more all the same, the rest of that connection is passed
over unacknowledged (the network thread never waits, so keepalives go on), and when the reader has caught up the bus
reconnects and the broker sends it again, in order. What a broker does not keep (QoS 0, a session that is not
persistent) is lost so, and counted.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from collector.bus.inbox import Inbox
from collector.bus.link import Address, Answer, Incoming, Link, Note, Session, Version
from collector.bus.outbox import Outbox, check_posting
from collector.bus.pause import Pause
from collector.contract.errors import Misconfigured, Refusal, Unavailable
from collector.contract.limits import BUS_QUEUE_MAX
from collector.contract.ports import Clock, Delivery, Posting

SUBSCRIBE_WAIT_S: Final = 5.0
ROOM_WAIT_S: Final = 5.0
"""How long a publish waits for room behind a slow broker, before the oldest posting is dropped instead."""
TURN_S: Final = 1.0
"""How often the keeping thread looks when nothing wakes it, and how long `close` waits for what is under way."""
SILENCE_FACTOR: Final = 1.5
"""A link unheard for so many keepalives is replaced (ingest.md 6, row 27)."""
_LOG: Final = logging.getLogger(__name__)


class _Token(NamedTuple):
    link: Link
    mid: int
    qos: int


class _Sent(NamedTuple):
    note: Note
    posting: Posting


class MqttBus:
    """A connection to an MQTT broker; connected when the constructor returns. Thread-safe.

    Raises Unavailable where no broker answers within `wait_s`, Misconfigured where it refuses the user, the password
    or the client id.
    Counters for metrics: `sessions_lost` (the broker had forgotten a session that it was to keep: a possible gap),
    `dropped_count` (published and never sent), `passed_over_count` (received beyond the bound, and lost),
    `links_count` (connections made). `trouble` says in words why it is not connected.
    """

    def __init__(
        self,
        address: Address,
        client_id: str,
        clock: Clock,
        *,
        persistent: bool,
        wait_s: float = 10.0,
        keepalive_s: int = 10,
        queue_max: int = BUS_QUEUE_MAX,
    ) -> None:
        self.sessions_lost = 0
        self.passed_over_count = 0
        self.links_count = 0
        self.trouble: str | None = "not connected yet"
        self._address = address
        self._where = f"broker {address.host}:{address.port}"
        self._session = Session(client_id, persistent)
        self._clock = clock
        self._keepalive_s = keepalive_s
        self._version = Version.MQTTv5
        self._refused: str | None = None
        self._link: Link | None = None
        self._first = threading.Event()
        self._closing = threading.Event()
        self._wake = threading.Event()
        self._room = threading.Condition()
        self._subscribing = threading.Lock()
        self._filters: dict[str, None] = {}
        self._lost_spans: list[tuple[float, float]] = []
        self._heard_at = clock.now()
        self._outbox = Outbox()
        self._sent: deque[_Sent] = deque()
        self._inbox = Inbox(queue_max)
        self._keeper = threading.Thread(target=self._keep, name=f"bus-{client_id}", daemon=True)
        self._keeper.start()
        self._await_first(wait_s)

    @property
    def connected(self) -> bool:
        """Tell whether the broker answers now."""
        return (link := self._link) is not None and link.up

    @property
    def dropped_count(self) -> int:
        """Count what was published while the outbox was full."""
        return self._outbox.dropped_count

    @property
    def busy(self) -> bool:
        """Tell whether something published has not been acknowledged by the broker yet."""
        return bool(self._outbox or self._sent)

    def subscribe(self, filters: Sequence[str]) -> None:
        """Ask for these topic filters, now and after every reconnect; returns when the broker has answered.

        Raises Misconfigured for a filter that it refuses (nats-server: above 65 filters, or without the right).
        Filters that overlap may deliver a message twice; order holds within one filter (nats-server queues by filter).
        """
        self._filters.update(dict.fromkeys(filters))
        link = self._link
        if link is None or not link.up:
            return
        if refused := self._ask(link, filters):
            self._filters = {wanted: None for wanted in self._filters if wanted not in refused}
            raise Misconfigured(f"{self._where} refuses the filters {refused}")

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Hand a message over (QoS 1); an empty retained payload clears the topic.

        While the broker is away it waits in the Outbox, up to that one's bounds; where a connected broker is slower
        than the caller, the caller waits, at most ROOM_WAIT_S. Raises Refusal for what no broker takes.
        """
        posting = check_posting(Posting(topic, payload, retain))
        with self._room:
            self._room.wait_for(lambda: not (self._outbox.full and self.connected), ROOM_WAIT_S)
            self._outbox.add(posting, newest_only=not self.connected)
        self._wake.set()

    def publish_all(self, postings: Sequence[Posting]) -> int:
        """Hand messages over in this order; return how many no broker would take."""
        refused = 0
        for topic, payload, retain in postings:
            try:
                self.publish(topic, payload, retain=retain)
            except Refusal:
                refused += 1
        return refused

    def take_lost_spans(self) -> list[tuple[float, float]]:
        """Return what the broker lost of a session that was to persist, each span once, in plant time."""
        with self._room:
            spans, self._lost_spans = self._lost_spans, []
        return spans

    def take(self, *, most: int, wait_s: float) -> list[Delivery]:
        """Return up to `most` deliveries; wait at most `wait_s` real seconds for the first."""
        if (spilled := self._inbox.spilled()) is not None:
            spilled.depart()
        return self._inbox.take(most=most, wait_s=wait_s)

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Tell the broker that these are safe; those of an earlier connection are passed over."""
        for delivery in deliveries:
            token = delivery.token
            assert isinstance(token, _Token)
            if token.qos and token.link.up:
                token.link.acknowledge(token.mid)

    def close(self) -> None:
        """Send what waits for at most a second and leave; a persistent session stays with the broker."""
        deadline_s = time.monotonic() + TURN_S
        while self.connected and self.busy and time.monotonic() < deadline_s:
            self._wake.set()
            self._closing.wait(0.01)
        self._closing.set()
        self._wake.set()
        self._keeper.join()
        self._inbox.close()

    def _await_first(self, wait_s: float) -> None:
        if self._first.wait(wait_s) and not self._refused:
            return
        self.close()
        where, user, name = self._where, self._address.username, self._session.client_id
        if self._refused:
            raise Misconfigured(f"{where} refuses user {user!r} as {name!r}: {self._refused}")
        raise Unavailable(f"{where} did not let {name} in within {wait_s} s: {self.trouble}")

    def _keep(self) -> None:
        """Hold a link open until the bus is closed; a lost one is followed by another after a pause."""
        pause = Pause(self._closing)
        while not self._closing.is_set():
            before = self._version
            link = self._open()
            if link is None:
                if self._version is before:
                    pause.wait()
                continue
            since_s = time.monotonic()
            self._tend(link)
            self._take_back(link)
            pause.wait(time.monotonic() - since_s)

    def _open(self) -> Link | None:
        link = Link(
            self._address,
            self._session,
            version=self._version,
            keepalive_s=self._keepalive_s,
            on_message=self._receive,
            wake=self._wake.set,
        )
        answer = link.open()
        if answer is Answer.ACCEPTED:
            self._welcome(link)
            return link
        link.abandon()
        self.trouble = link.reason
        if answer is Answer.OTHER_VERSION:
            self._version = Version.MQTTv311
        elif answer is Answer.UNWELCOME and not self.links_count:
            self._refused = link.reason
            self._first.set()
        return None

    def _welcome(self, link: Link) -> None:
        if self._session.persistent and self.links_count and not link.session_present:
            self.sessions_lost += 1
            with self._room:
                self._lost_spans.append((self._heard_at, self._clock.now()))
            _LOG.warning("broker has forgotten the session of %s: possible gap", self._session.client_id)
        self._link = link
        self.trouble = None
        self.links_count += 1
        if self._filters and (refused := self._ask(link, list(self._filters))):
            _LOG.warning("broker refuses filters %s", refused)
        _LOG.info("connected to %s as %s", self._where, self._session.client_id)
        self._first.set()

    def _ask(self, link: Link, filters: Sequence[str]) -> list[str]:
        with self._subscribing:
            return link.subscribe(filters, wait_s=SUBSCRIBE_WAIT_S)

    def _tend(self, link: Link) -> None:
        """Send what waits until the link is lost, silent, or the bus closes."""
        while link.up and not self._closing.is_set():
            self._wake.wait(TURN_S)
            self._wake.clear()
            while self._sent and self._sent[0].note.is_published():
                self._sent.popleft()
            while link.up and len(self._sent) < link.window and self._send(link):
                pass
            stale_s = link.stale_s()
            if not link.up:
                return
            if stale_s > SILENCE_FACTOR * self._keepalive_s:
                link.reason = f"nothing heard for {stale_s:.0f} s"
                _LOG.warning("connection of %s is stuck: it is rebuilt", self._session.client_id)
                return
            if stale_s > self._keepalive_s / 2:
                link.beat()

    def _send(self, link: Link) -> bool:
        with self._room:
            posting = self._outbox.pop()
            self._room.notify_all()
        if posting is None:
            return False
        note = link.publish(posting.topic, posting.payload, retain=posting.retain)
        if note is None:
            with self._room:
                self._outbox.put_back([posting])
            return False
        self._sent.append(_Sent(note, posting))
        return True

    def _take_back(self, link: Link) -> None:
        """End the link and let what it sent without an answer wait for the next one."""
        self._link = None
        if self._closing.is_set():
            link.leave()
            return
        self._heard_at = self._clock.now()
        link.abandon()
        self.trouble = link.reason
        _LOG.warning("lost %s: %s", self._where, link.reason)
        with self._room:
            self._outbox.put_back([sent.posting for sent in self._sent if not sent.note.is_published()])
            self._room.notify_all()
        self._sent.clear()

    def _receive(self, link: Link, arrived: Incoming) -> None:
        token = _Token(link, arrived.mid, arrived.qos)
        delivery = Delivery(arrived.topic, arrived.payload, arrived.retained, self._clock.now(), token)
        if not self._inbox.offer(delivery, link) and (arrived.qos == 0 or not self._session.persistent):
            self.passed_over_count += 1
