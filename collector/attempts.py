# SPDX-License-Identifier: AGPL-3.0-or-later
"""Whoever guesses passwords waits: by address, longer each time, and nobody else waits with them (pure)."""

from __future__ import annotations

from collections import OrderedDict, deque
from ipaddress import IPv6Address, ip_address
from typing import Final

FAILURES_MAX: Final = 10
"""Wrong passwords of one address within WINDOW_S before it has to wait."""
WINDOW_S: Final = 60.0
DELAY_S_MIN: Final = 1.0
DELAY_S_MAX: Final = 300.0
FORGET_S: Final = 600.0
"""After this long without a failure an address begins anew."""
ADDRESSES_MAX: Final = 4_096
"""Addresses remembered at once; beyond, the one that failed longest ago is forgotten."""
_IPV6_PREFIX_BITS: Final = 64


class _Failures:
    def __init__(self) -> None:
        self.times: deque[float] = deque(maxlen=FAILURES_MAX)
        self.delay_s = 0.0
        self.until_s = float("-inf")


class Attempts:
    """Failures by address; times are of the monotonic clock."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def wait_s(self, address: str, now_s: float) -> float:
        """Return how long this address has to wait before it may try, 0 where it may now."""
        found = self._failures.get(_group(address))
        return 0.0 if found is None else max(0.0, found.until_s - now_s)

    def failed(self, address: str, now_s: float) -> float:
        """Note a failure, and return how long the address has to wait now: from the tenth in a minute on, doubling."""
        group = _group(address)
        found = self._failures.get(group)
        if found is None or now_s - found.times[-1] > FORGET_S:
            found = self._failures[group] = _Failures()
        self._failures.move_to_end(group)
        if len(self._failures) > ADDRESSES_MAX:
            self._failures.popitem(last=False)
        found.times.append(now_s)
        if found.delay_s or (len(found.times) == FAILURES_MAX and now_s - found.times[0] <= WINDOW_S):
            found.delay_s = min(DELAY_S_MAX, 2 * found.delay_s or DELAY_S_MIN)
            found.until_s = now_s + found.delay_s
        return found.delay_s


def _group(address: str) -> str:
    """Return what counts as one address: of IPv6 the first 64 bits, which one subscriber has to himself."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        return str(int(found) >> _IPV6_PREFIX_BITS)
    return address
