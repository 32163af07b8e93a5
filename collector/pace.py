# SPDX-License-Identifier: AGPL-3.0-or-later
"""When a turn is worth its fsync: few messages share one, many don't wait (pure)."""

from __future__ import annotations

from typing import Final

CALM_S: Final = 2.0
"""At little traffic one commit follows another no sooner (real s): a small computer's card lasts longer."""
BUSY_S: Final = 0.02
BUSY_FROM_PER_S: Final = 50.0
"""Messages a second from which on nobody waits longer than BUSY_S."""
FULL_FROM_PER_S: Final = 2_000.0
"""Messages a second from which on nobody waits: they come faster than they are kept, and share fsyncs anyway."""
_RATE_S: Final = 4.0


class Pace:
    """Tells when to commit. Times are monotonic seconds."""

    def __init__(self, calm_s: float = CALM_S) -> None:
        self._calm_s = calm_s
        self._committed_s = float("-inf")
        self._rate_per_s = 0.0

    def is_due(self, waiting: int, now_s: float) -> bool:
        """Tell whether the messages that wait should be committed now."""
        passed_s = now_s - self._committed_s
        rate_per_s = max(self._rate_per_s, waiting / max(passed_s, 1.0))
        if rate_per_s >= FULL_FROM_PER_S:
            return True
        return passed_s >= (min(BUSY_S, self._calm_s) if rate_per_s >= BUSY_FROM_PER_S else self._calm_s)

    def committed(self, count: int, now_s: float) -> None:
        """Note a commit of so many messages."""
        passed_s = max(now_s - self._committed_s, 1e-3)
        share = min(passed_s / _RATE_S, 1.0)
        self._rate_per_s += (count / passed_s - self._rate_per_s) * share
        self._committed_s = now_s
