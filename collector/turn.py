# SPDX-License-Identifier: AGPL-3.0-or-later
"""What one turn of the collector decided, to be kept all together or not at all."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from collector.contract.limits import PAYLOAD_BYTES_MAX, QUARANTINE_HEAD_BYTES
from collector.contract.reading import Batch
from collector.order import Boot


class Quarantined(NamedTuple):
    """A refused message, or a value of an accepted one, as quarantine keeps it (contract 3).

    `payload` is whole up to 256 KiB, of a larger one the head; `payload_bytes` is the size of the whole.
    """

    topic: str
    device: str
    reason: str
    detail: str
    at: float
    payload: bytes
    payload_bytes: int
    replayable: bool

    @classmethod
    def of(cls, topic: str, payload: bytes, *, device: str, reason: str, detail: str, at: float) -> Quarantined:
        """Return what is kept of a message: all up to 256 KiB; of a larger one the head, not replayable."""
        whole = len(payload) <= PAYLOAD_BYTES_MAX
        kept = payload if whole else payload[:QUARANTINE_HEAD_BYTES]
        return cls(topic, device, reason, detail, at, kept, len(payload), whole)


@dataclass
class Turn:
    """The changes of one turn: facts, senders' records, devices' states, event ids, refusals and counts.

    `batches` came as messages, `made` are the collector's own. Counts are by (device, word), words as in the account:
    received, kept, empty, duplicate, rejected, quarantined. `names` are indicators that a device never brought before.
    """

    batches: list[Batch] = field(default_factory=list)
    boots: dict[tuple[str, str], Boot] = field(default_factory=dict)
    devices: dict[str, bytes] = field(default_factory=dict)
    events: dict[tuple[str, str], float] = field(default_factory=dict)
    quarantined: list[Quarantined] = field(default_factory=list)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    made: list[Batch] = field(default_factory=list)
    names: dict[str, frozenset[str]] = field(default_factory=dict)

    def count(self, device: str, word: str) -> None:
        """Count a message that was received, and what became of it."""
        self.counts[device, "received"] += 1
        self.counts[device, word] += 1

    def empty(self) -> bool:
        """Tell whether there is nothing to keep."""
        return not (self.batches or self.made or self.quarantined or self.counts or self.devices)
