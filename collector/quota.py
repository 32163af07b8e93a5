# SPDX-License-Identifier: AGPL-3.0-or-later
"""How much one sender may say: a token bucket each, so that an offender is throttled alone (pure)."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, NamedTuple

BURST_S: Final = 10.0
"""What a sender may save up while it says little, in seconds of its rate: room for what it kept in an outage."""
SENDERS_MAX: Final = 100_000
"""Senders remembered; beyond, the one that was quiet longest begins with a full bucket."""


class Quota(NamedTuple):
    """What a sender may say in a second, on average over BURST_S; 0: as much as it likes."""

    messages_per_s_max: float = 5_000.0
    bytes_per_s_max: float = 4_194_304.0


class Quotas:
    """The buckets of all senders. Times are monotonic seconds."""

    def __init__(self, quota: Quota) -> None:
        self.quota = quota
        self._left: OrderedDict[str, tuple[float, float, float]] = OrderedDict()

    def exceeded(self, sender: str, size_bytes: int, now_s: float) -> str | None:
        """Take a message out of its sender's bucket; where it does not fit, take none and return which bound is met."""
        messages_max, bytes_max = self.quota
        at_s, messages, size = self._left.get(sender) or (now_s, messages_max * BURST_S, bytes_max * BURST_S)
        passed_s = now_s - at_s
        messages = min(messages + passed_s * messages_max, messages_max * BURST_S)
        size = min(size + passed_s * bytes_max, bytes_max * BURST_S)
        why = None
        if messages_max and messages < 1.0:
            why = f"more than {messages_max:g} messages/s"
        elif bytes_max and size < size_bytes and size < bytes_max * BURST_S:
            why = f"more than {bytes_max:g} bytes/s"
        else:
            messages, size = messages - 1.0, size - size_bytes
        if sender not in self._left and len(self._left) >= SENDERS_MAX:
            self._left.popitem(last=False)
        self._left[sender] = (now_s, messages, size)
        self._left.move_to_end(sender)
        return why
