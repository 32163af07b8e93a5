# SPDX-License-Identifier: AGPL-3.0-or-later
"""The Bus port over MQTT: reconnect, resubscribe, acknowledge by hand.

Bounds. An MQTT 5 broker sends at most RECEIVE_MAX unacknowledged messages, nats-server `max_ack_pending` per filter;
the inbound queue holds more than that. Should a broker send more all the same, the rest of that connection is passed
over unacknowledged (the network thread never waits, so keepalives go on), and when the reader has caught up the bus
reconnects and the broker sends it again, in order. What a broker does not keep (QoS 0, a session that is not
persistent) is lost so, and counted.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Final, cast

from collector.bus.inbox import Inbox
from collector.bus.keeper import Keeper
from collector.bus.link import Address, Session
from collector.bus.outbox import check_posting, fine_ones
from collector.bus.outgoing import Outgoing
from collector.contract.errors import Misconfigured, Unavailable
from collector.contract.limits import BUS_QUEUE_MAX
from collector.contract.ports import Clock, Delivery, Posting

FAREWELL_S: Final = 1.0
"""How long `close` waits for what is under way."""


class MqttBus:
    """A connection to an MQTT broker; connected when the constructor returns. Thread-safe.

    `will` is what the broker publishes for us when the connection is lost without a goodbye.

    Raises Unavailable where no broker answers within `wait_s`, Misconfigured where it refuses the user, the password
    or the client id, or where the files for TLS do not work.
    """

    def __init__(
        self,
        address: Address,
        client_id: str,
        clock: Clock,
        *,
        persistent: bool,
        will: Posting | None = None,
        wait_s: float = 10.0,
        keepalive_s: int = 10,
        queue_max: int = BUS_QUEUE_MAX,
    ) -> None:
        self._inbox = Inbox(queue_max)
        self._outgoing = Outgoing()
        session = Session(client_id, persistent, will)
        self._keeper = keeper = Keeper(
            address, session, clock, keepalive_s=keepalive_s, inbox=self._inbox, outgoing=self._outgoing
        )
        if keeper.first.wait(wait_s) and keeper.refused is None:
            return
        self.close()
        if keeper.refused is not None:
            raise Misconfigured(keeper.refused)
        raise Unavailable(f"{keeper.where} did not let {client_id} in within {wait_s} s: {keeper.trouble}")

    @property
    def connected(self) -> bool:
        """Tell whether the broker answers now."""
        return (link := self._keeper.link) is not None and link.up

    @property
    def trouble(self) -> str | None:
        """Say why it is not connected, or that another process has the same name; None where all is well."""
        return self._keeper.trouble

    @property
    def busy(self) -> bool:
        """Tell whether something published has not been acknowledged by the broker yet."""
        return self._outgoing.is_busy

    @property
    def links_count(self) -> int:
        """Count the connections made."""
        return self._keeper.links_count

    @property
    def sessions_lost(self) -> int:
        """Count how often the broker had forgotten a session that it was to keep: a possible gap each."""
        return self._keeper.sessions_lost

    @property
    def takeovers_count(self) -> int:
        """Count how often another connection took our client id.

        Few brokers say so. A connection that was cut without a word by a broker that lets us in again at the first
        attempt counts too; a restart within a fraction of a second looks the same.
        """
        return self._keeper.takeovers_count

    @property
    def takes_turns(self) -> bool:
        """Tell whether that happened more than three times within the last minute: two processes have one name."""
        return self._keeper.takes_turns

    @property
    def failures_count(self) -> int:
        """Count connections ended by our own failure to take in what came; the broker sends it again."""
        return self._keeper.failures_count

    @property
    def passed_over_count(self) -> int:
        """Count what was received beyond the bound, and lost."""
        return self._keeper.passed_over_count

    @property
    def dropped_count(self) -> int:
        """Count what was published while the outbox was full."""
        return self._outgoing.dropped_count

    @property
    def refused_count(self) -> int:
        """Count what was published and refused by an MQTT 5 broker."""
        return self._outgoing.refused_count

    def subscribe(self, filters: Sequence[str]) -> None:
        """Ask for these topic filters, now and after every reconnect; returns when the broker has answered.

        Raises Misconfigured for a filter that it refuses (nats-server: above 65 filters, or without the right).
        Filters that overlap may deliver a message twice; order holds within one filter (nats-server queues by filter).
        """
        self._keeper.subscribe(filters)

    def unsubscribe(self, filters: Sequence[str]) -> None:
        """Ask for these topic filters no more, also after a reconnect."""
        self._keeper.unsubscribe(filters)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Hand a message over (QoS 1); an empty retained payload clears the topic.

        While the broker is away it waits in the Outbox, up to that one's bounds; where a connected broker is slower
        than the caller, the caller waits for room, at most outgoing.ROOM_WAIT_S. Raises Refusal for what no broker
        takes.
        """
        self._outgoing.add_all([check_posting(Posting(topic, payload, retain))])

    def publish_all(self, postings: Sequence[Posting]) -> int:
        """Hand messages over in this order; return how many no broker would take."""
        fine = fine_ones(postings)
        self._outgoing.add_all(fine)
        return len(postings) - len(fine)

    def take_lost_spans(self) -> list[tuple[float, float]]:
        """Return what the broker lost of a session that was to persist, each span once, in plant time."""
        spans = self._keeper.lost_spans
        return [spans.popleft() for _ in range(len(spans))]

    def take(self, *, most: int, wait_s: float) -> list[Delivery]:
        """Return up to `most` deliveries; wait at most `wait_s` real seconds for the first."""
        spilled, newest = self._inbox.spilled(), self._keeper.newest
        if newest is not None and newest.base == spilled:
            newest.depart()
        return self._inbox.take(most=most, wait_s=wait_s)

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Tell the broker that these are safe; those of an earlier connection are passed over."""
        link = self._keeper.newest
        if link is None or not link.up:
            return
        base = link.base  # lower tokens are of earlier links, or of QoS 0
        numbers = [token - base for one in deliveries if (token := cast("int", one.token)) > base]
        if numbers:
            link.acknowledge(numbers)

    def close(self) -> None:
        """Send what waits for at most a second and leave; a persistent session stays with the broker."""
        deadline_s, idle = time.monotonic() + FAREWELL_S, threading.Event()
        while self.connected and self.busy and time.monotonic() < deadline_s:
            idle.wait(0.01)
        self._keeper.close()
        self._inbox.close()
