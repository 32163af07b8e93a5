# SPDX-License-Identifier: AGPL-3.0-or-later
"""One thread that keeps a connection to a broker: it opens links and replaces one that is lost, dead or silent.

MQTT 5 is tried first; a broker that answers "unsupported version" is spoken to in 3.1.1. Everything that waits does so
by the monotonic clock: a step of the wall clock changes nothing here.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Final

from collector.bus.answer import Answer
from collector.bus.inbox import Inbox
from collector.bus.link import Address, Link, Owner, Session, Version
from collector.bus.outgoing import Outgoing
from collector.bus.pause import MAX_S, TAKEN_OVER_MAX_S, Pause
from collector.contract.errors import Misconfigured
from collector.contract.ports import Clock, Delivery

NOBODYS: Final = ("cybersyn-heartbeat/nobody",)
"""A filter that nobody has: to give it up costs nothing, and is answered."""
SUBSCRIBE_WAIT_S: Final = 5.0
TURN_S: Final = 1.0
"""How often the thread looks when nothing wakes it."""
SILENCE_FACTOR: Final = 1.5
"""A link unheard for so many keepalives is replaced (ingest.md 6, row 27)."""
LOST_SPANS_MAX: Final = 100
"""Spans that wait to be taken; beyond, the oldest is forgotten."""
TAKEOVERS_A_MINUTE: Final = 3
"""More than so many within a minute are a second process with our name, and not a restart (row 23)."""
_MINUTE_S: Final = 60.0
_LOG: Final = logging.getLogger(__name__)


class Keeper(Owner):
    """Keeps `link`, the one that works, or None; `newest` may be under way still. Fills the inbox, empties `outgoing`.

    The counters and `trouble` are those of MqttBus. `refused` says why it gave up before it ever was connected.
    """

    def __init__(
        self,
        address: Address,
        session: Session,
        clock: Clock,
        *,
        keepalive_s: int,
        inbox: Inbox,
        outgoing: Outgoing,
    ) -> None:
        self.sessions_lost = 0
        self.passed_over_count = 0
        self.failures_count = 0
        self.takeovers_count = 0
        self.links_count = 0
        self.trouble: str | None = "not connected yet"
        self.refused: str | None = None
        self.link: Link | None = None
        self.newest: Link | None = None
        self.lost_spans: deque[tuple[float, float]] = deque(maxlen=LOST_SPANS_MAX)
        self.first = threading.Event()
        """Set when it is connected for the first time, or has given up."""
        self.where = f"broker {address.host}:{address.port}"
        self._address = address
        self._session = session
        self._clock = clock
        self._keepalive_s = keepalive_s
        self._inbox = inbox
        self._outgoing = outgoing
        self._version = Version.MQTTv5
        self._number = 0
        self._heard_at = clock.now()
        self._takeovers_s: deque[float] = deque(maxlen=TAKEOVERS_A_MINUTE + 1)
        self._filters: dict[str, None] = {}
        self._subscribing = threading.Lock()
        self._closing = threading.Event()
        self._waking = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"bus-{session.client_id}", daemon=True)
        self._thread.start()

    @property
    def takes_turns(self) -> bool:
        """Tell whether our client id was taken over more than TAKEOVERS_A_MINUTE times within the last minute."""
        times_s = list(self._takeovers_s)
        return len(times_s) > TAKEOVERS_A_MINUTE and time.monotonic() - times_s[0] < _MINUTE_S

    def subscribe(self, filters: Sequence[str]) -> None:
        """Ask for filters now and after every reconnect; raises Misconfigured for those that the broker refuses."""
        self._filters.update(dict.fromkeys(filters))
        link = self.link
        if link is None or not link.up:
            return
        if refused := self._ask(link, filters):
            self._filters = {wanted: None for wanted in self._filters if wanted not in refused}
            raise Misconfigured(f"{self.where} refuses the filters {refused}")

    def unsubscribe(self, filters: Sequence[str]) -> None:
        """Ask for these filters no more, also after a reconnect."""
        self._filters = {wanted: None for wanted in self._filters if wanted not in filters}
        link = self.link
        if link is not None and link.up:
            link.unsubscribe(filters)

    def close(self) -> None:
        """Leave, and end the thread."""
        self._closing.set()
        self._waking.set()
        self._thread.join()

    def now(self) -> float:
        """Return the plant's time, which stamps what arrives."""
        return self._clock.now()

    def deliver(self, link: Link, deliveries: list[Delivery]) -> None:
        """Keep deliveries for `take`; what is beyond the bound comes again, where the broker keeps it."""
        if not link.up:  # what it still has comes again by the next one, in order
            return
        kept = self._inbox.offer_all(deliveries, link.base)
        over = deliveries[kept:]
        self.passed_over_count += sum(one.token == link.base or not self._session.persistent for one in over)

    def acknowledged(self, link: Link, numbers: Sequence[int], refused_count: int) -> None:
        """Let the next postings go."""
        self._outgoing.acknowledged(link, numbers, refused_count)

    def failed(self) -> None:
        """Count it."""
        self.failures_count += 1

    def wake(self) -> None:
        """Let the thread look at its link."""
        self._waking.set()

    def _keep(self) -> None:
        """Hold a link open until it is to close; a lost one is followed by another after a pause."""
        pause, cut = Pause(self._closing), False
        while not self._closing.is_set():
            before = self._version
            link = self._open()
            if link is None:
                cut = False
                if self._version is before:
                    pause.wait()
                continue
            if cut:  # by a broker that was there all the time
                self._count_takeover()
            since_s = time.monotonic()
            self._tend(link)
            self._take_back(link)
            cut = link.cut
            if link.taken_over:
                self._count_takeover()
            shared = link.taken_over or (cut and self.takes_turns)
            pause.wait(time.monotonic() - since_s, longest_s=TAKEN_OVER_MAX_S if shared else MAX_S)

    def _count_takeover(self) -> None:
        self.takeovers_count += 1
        self._takeovers_s.append(time.monotonic())
        if self.takes_turns:
            self.trouble = f"another connection seems to take the name {self._session.client_id} again and again"

    def _open(self) -> Link | None:
        try:
            link = self._make_link()
        except Misconfigured as error:
            self._refuse(str(error))
            return None
        self.newest = link  # deliveries of a session that goes on come before `open` returns
        answer = link.open()
        if answer is Answer.ACCEPTED:
            self._welcome(link)
            return link
        link.abandon()
        self.trouble = link.reason
        if answer is Answer.OTHER_VERSION:
            self._version = Version.MQTTv311
        elif answer is Answer.UNWELCOME:
            user, name = self._address.username, self._session.client_id
            self._refuse(f"{self.where} refuses user {user!r} as {name!r}: {link.reason}")
        return None

    def _make_link(self) -> Link:
        """Return a link with a number above all before."""
        self._number += 1
        return Link(
            self._address,
            self._session,
            self,
            version=self._version,
            keepalive_s=self._keepalive_s,
            number=self._number,
        )

    def _refuse(self, why: str) -> None:
        """Give up where it never worked; what worked once may work again."""
        self.trouble = why
        if not self.links_count:
            self.refused = why
            self.first.set()

    def _welcome(self, link: Link) -> None:
        name = self._session.client_id
        if self._session.persistent and self.links_count and not link.session_present:
            self.sessions_lost += 1
            self.lost_spans.append((self._heard_at, self._clock.now()))
            _LOG.warning("broker has forgotten the session of %s: possible gap", name)
        self.link = link
        self.trouble = None
        self.links_count += 1
        if self._filters and (refused := self._ask(link, list(self._filters))):
            _LOG.warning("broker refuses filters %s", refused)
        self._outgoing.carry(link)
        _LOG.info("connected to %s as %s", self.where, name)
        self.first.set()

    def _ask(self, link: Link, filters: Sequence[str]) -> list[str]:
        with self._subscribing:
            return link.subscribe(filters, wait_s=SUBSCRIBE_WAIT_S)

    def _tend(self, link: Link) -> None:
        """Stay with the link until it is lost, silent, or it is time to close."""
        while link.up and not self._closing.is_set():
            self._waking.wait(TURN_S)
            self._waking.clear()
            link.look()
            stale_s = link.stale_s()
            if not link.up:
                return
            if stale_s > SILENCE_FACTOR * self._keepalive_s:
                link.reason = f"nothing heard for {stale_s:.0f} s"
                _LOG.warning("connection of %s is stuck: it is rebuilt", self._session.client_id)
                return
            if stale_s > self._keepalive_s / 2:
                link.unsubscribe(NOBODYS)

    def _take_back(self, link: Link) -> None:
        """End the link; what it sent without an answer waits for the next one."""
        self.link = None
        if self._closing.is_set():
            link.leave()
            return
        self._heard_at = link.heard_at()
        link.abandon()
        self.trouble = link.reason
        _LOG.warning("lost %s: %s", self.where, link.reason)
        self._outgoing.carry(None)
