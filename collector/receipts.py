# SPDX-License-Identifier: AGPL-3.0-or-later
"""What each sender may forget: receipts say what is on disk, at once, then at most once a second."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from collector.contract.codec import encode
from collector.contract.limits import RECEIPT_BOOT_AGE_S, RECEIPT_EVENTS_MAX
from collector.order import Boot, receipt


def body(boots: Mapping[str, Boot], events: Iterable[str], *, now: float) -> bytes:
    """Return a receipt's payload: every boot heard in the last 7 days, and the newest 256 events (contract 2)."""
    rows: dict[str, dict[str, object]] = {}
    for name, boot in boots.items():
        if now - boot.heard_at <= RECEIPT_BOOT_AGE_S:
            told = receipt(boot)
            rows[name] = {"stored_through": told.stored_through, "missing": told.missing}
            if told.beyond:
                rows[name]["beyond"] = told.beyond
    return encode({"boots": rows, "events": list(events)[-RECEIPT_EVENTS_MAX:]})


MANY: Final = 20
"""A sender that said so much since its last receipt gets the next one after a second."""


class Thinned:
    """Addresses that wait for a message: each at once, then at most once in `every_s`; none is forgotten.

    Who says little waits up to `calm_s`: brokers write each retained message to their disk.
    """

    def __init__(self, every_s: float = 1.0, calm_s: float = 5.0) -> None:
        self._every_s, self._calm_s = every_s, calm_s
        self._waiting: dict[str, tuple[str, int]] = {}
        self._sent_at: dict[str, float] = {}

    def want(self, topic: str, device: str) -> None:
        """Note that this topic should carry the device's newest."""
        self._waiting[topic] = (device, self._waiting.get(topic, (device, 0))[1] + 1)

    def due(self, now_s: float) -> list[tuple[str, str]]:
        """Return (topic, device) of those whose turn has come, and take them off; `now_s` is monotonic."""
        found = [
            (topic, device)
            for topic, (device, count) in self._waiting.items()
            if now_s - self._sent_at.get(topic, float("-inf")) >= (self._every_s if count >= MANY else self._calm_s)
        ]
        for topic, _ in found:
            del self._waiting[topic]
            self._sent_at[topic] = now_s
        return found
