# SPDX-License-Identifier: AGPL-3.0-or-later
"""How a device's clock stands to ours, as far as arrivals tell (pure).

A message arrives after its stamp by its delay and by how far the sender's clock is behind ours. Delay is never less
than nothing, so the least of many such lags is the best guess of the clock (the minimum filter of NTP, RFC 5905, 10).
"""

from __future__ import annotations

from typing import Final

import msgspec

BLOCK: Final = 64
"""Messages after which the least lag begins anew; the one of the block before counts as well."""
_JITTER_SHARE: Final = 1 / 16
"""RFC 3550, 6.4.1."""


class ClockSeen(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of one device's clock; all in seconds, `newest_at` the newest of its own stamps (Unix s)."""

    newest_at: float
    lag_s: float
    low_s: float
    low_before_s: float | None = None
    jitter_s: float = 0.0
    count: int = 1

    @property
    def skew_s(self) -> float:
        """Return how far its clock is behind ours (ahead with a minus), the least delay included."""
        return self.low_s if self.low_before_s is None else min(self.low_s, self.low_before_s)


def see(before: ClockSeen | None, stamp: float, at: float) -> ClockSeen:
    """Return what is known after a message with this newest stamp that arrived at `at`.

    >>> see(see(None, 10.0, 12.0), 11.0, 11.5).skew_s
    0.5
    """
    lag_s = at - stamp
    if before is None:
        return ClockSeen(stamp, lag_s, lag_s)
    jitter_s = before.jitter_s + (abs(lag_s - before.lag_s) - before.jitter_s) * _JITTER_SHARE
    newest_at = max(stamp, before.newest_at)
    if before.count >= BLOCK:
        return ClockSeen(newest_at, lag_s, lag_s, before.low_s, jitter_s)
    return ClockSeen(newest_at, lag_s, min(lag_s, before.low_s), before.low_before_s, jitter_s, before.count + 1)
