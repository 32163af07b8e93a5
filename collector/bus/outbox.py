# SPDX-License-Identifier: AGPL-3.0-or-later
"""What waits to be published: bounded, in order; during an outage only the newest of a retained topic counts."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Final

from collector.contract.errors import Refusal
from collector.contract.limits import TOPIC_BYTES_MAX
from collector.contract.ports import Posting

POSTINGS_MAX: Final = 10_000
"""Messages that wait while the broker is away."""
POSTINGS_BYTES_MAX: Final = 64 * 1024 * 1024
"""Their payloads together."""
POSTING_BYTES_MAX: Final = 1_000_000
"""Largest payload that is published: nats-server closes the connection above 1 MiB, header included."""
_TOPICS_KEPT: Final = 8_192
_FORBIDDEN: Final = frozenset("+#\x7f")


def fine_ones(postings: Sequence[Posting]) -> list[Posting]:
    """Return the postings that a broker would take, in their order."""
    fine = []
    for posting in postings:
        with suppress(Refusal):
            fine.append(check_posting(posting))
    return fine


def check_posting(posting: Posting) -> Posting:
    """Return the posting unchanged; a Refusal names what a broker would close the connection for.

    A client that resends such a message after every reconnect would never get another one through
    (building-blocks a: a space, more than 1 MiB).
    """
    if (problem := _topic_problem(posting.topic)) is not None:
        raise Refusal("bad_topic", problem)
    if len(posting.payload) > POSTING_BYTES_MAX:
        raise Refusal("too_large", f"payload has {len(posting.payload)} bytes, at most {POSTING_BYTES_MAX} are allowed")
    return posting


@lru_cache(_TOPICS_KEPT)
def _topic_problem(topic: str) -> str | None:
    if not 0 < len(topic.encode(errors="replace")) <= TOPIC_BYTES_MAX:
        return f"topic has {len(topic)} characters, 1..{TOPIC_BYTES_MAX} bytes are allowed"
    if any(sign <= " " or sign in _FORBIDDEN or "\ud800" <= sign <= "\udfff" for sign in topic):
        return f"topic {topic[:80]!r} has a space, a control character, a wildcard or half a pair"
    return None


class Outbox:
    """Postings in the order in which they were added; not thread-safe, its owner locks.

    When it is full, the oldest posting that is not retained goes first, then the oldest retained one;
    `dropped_count` counts both.
    """

    def __init__(self, *, most: int = POSTINGS_MAX, bytes_max: int = POSTINGS_BYTES_MAX) -> None:
        self._most = most
        self._bytes_max = bytes_max
        self._waiting: OrderedDict[str | int, Posting] = OrderedDict()
        self._plain: deque[int] = deque()
        self._next = 0
        self._bytes = 0
        self.dropped_count = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """Tell whether one more posting would cost another."""
        return len(self._waiting) >= self._most or self._bytes >= self._bytes_max

    def add(self, posting: Posting, *, newest_only: bool) -> None:
        """Put a posting behind the others; with `newest_only` a retained one takes the place of its topic's last such.

        That is for outages: nobody could have seen the older one, and a topic that changes often fills nothing.
        """
        key: str | int = posting.topic if posting.retain and newest_only else self._number()
        if not posting.retain:
            self._plain.append(self._next)
        older = self._waiting.get(key)
        self._bytes += len(posting.payload) - (len(older.payload) if older else 0)
        self._waiting[key] = posting
        while len(self._waiting) > self._most or self._bytes > self._bytes_max:
            self._forget(self._waiting.pop(self._plain[0] if self._plain else next(iter(self._waiting))))
            self.dropped_count += 1

    def pop(self) -> Posting | None:
        """Take out the first posting; None where nothing waits."""
        if not self._waiting:
            return None
        posting = self._waiting.popitem(last=False)[1]
        self._forget(posting)
        return posting

    def put_back(self, postings: Sequence[Posting]) -> None:
        """Let postings that were taken out but may not have arrived come first again, in their order.

        A retained one that a newer one of its topic has replaced stays out.
        """
        for posting in reversed(postings):
            if posting.retain and posting.topic in self._waiting:
                continue
            key = self._number()
            if not posting.retain:
                self._plain.appendleft(key)
            self._waiting[key] = posting
            self._waiting.move_to_end(key, last=False)
            self._bytes += len(posting.payload)

    def _number(self) -> int:
        self._next += 1
        return self._next

    def _forget(self, posting: Posting) -> None:
        """Count out the posting that was removed, the first of its kind."""
        if not posting.retain:
            self._plain.popleft()
        self._bytes -= len(posting.payload)
