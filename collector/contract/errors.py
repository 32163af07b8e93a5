# SPDX-License-Identifier: Apache-2.0
"""Everything that can go wrong, as a tree.

CybersynError
├── Refusal        the world broke the contract: quarantine, count, go on
├── Unavailable    a neighbour is down: keep the data, back off, try again
└── Misconfigured  a setting cannot work: say which, what was found, what would work; do not start
"""

from __future__ import annotations


class CybersynError(Exception):
    """The root of what this product raises on purpose; our own mistakes are assertions."""


class Refusal(CybersynError):
    """A message breaks the contract: `reason` is a short word for counting, `detail` names thing, value and bound."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Unavailable(CybersynError):
    """A neighbour does not answer; `retry_after_s` is its own wish, where it told one."""

    def __init__(self, detail: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class Misconfigured(CybersynError):
    """A setting cannot work; the text says which, what was found, and what would work."""
