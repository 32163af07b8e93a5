# SPDX-License-Identifier: AGPL-3.0-or-later
"""The contract's own dialect: batches with boot and seq, kept until a receipt covers them.

Whatever dies between the device and the collector's disk, nothing is lost as long as the buffer is not full:
a reading or event is sent again after every connect, and when no receipt came for a while.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final

from collector.contract.event import JobEnded, JobStarted, PartCounted, StateSeen
from firmware_sim.machines.machine import Machine, Sense
from firmware_sim.truth import Happening
from firmware_sim.voices.voice import Publication, stamp, text

HELD_MAX: Final = 20_000
"""Messages kept for a receipt; beyond, the oldest is given up and counted."""
GAP_S_MIN: Final = 0.5
"""Real seconds between two readings at a fast clock."""
SPAN_S_MAX: Final = 55.0
"""Plant's seconds from a batch's first sample to its last: with the next sample a minute is full."""
RECEIPT_S: Final = 8.0
RECEIPT_S_MAX: Final = 60.0
"""Real seconds without a receipt after which everything is sent again; doubled each time, up to the second."""
MISSING_S: Final = 2.0
"""Real seconds that a message which a receipt calls missing may still be on its way."""


class NativeVoice:
    """The voice of one native machine; `address` is `@device` or its place, `boot` new at every start.

    `clock_off_s` is how far its clock is wrong, `renames` what newer firmware calls its indicators.
    """

    def __init__(self, address: str, *, boot: str, root: str = "cybersyn") -> None:
        self._base = f"{root}/v1"
        self._address = address
        self._boot = boot
        self._seq = 0
        self._held: dict[int | str, Publication] = {}
        self._sent_at: dict[int | str, float] = {}
        self._outbox: deque[int | str | Publication] = deque()
        self._times_ms: list[int] = []
        self._rows: list[Sense] = []
        self._words: tuple[str, ...] = ()
        self.clock_off_s = 0.0
        self.renames: Mapping[str, str] = {}
        self._said_at = 0.0
        self._retry_s = RECEIPT_S
        self._retry_at = 0.0
        self.lost_count = 0

    @property
    def will(self) -> Publication:
        """Return the state `offline`; a will's time is ignored."""
        body = {"v": 1, "state": "offline", "boot": self._boot}
        return Publication(f"{self._base}/state/{self._address}", text(body), 1, True)

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """Return the receipt's topic at the device's own address."""
        return (f"{self._base}/receipt/{self._address}",)

    @property
    def held_count(self) -> int:
        """Return how many messages wait for a receipt."""
        return len(self._held)

    def connected(self, machine: Machine, real_s: float) -> None:
        """Queue the present state, and then everything that no receipt covers, oldest first."""
        self._outbox = deque([self._state(machine.now, str(machine.state), machine.why), *self._held])
        self._sent_at.clear()
        self._retry_at = real_s + self._retry_s

    def reboot(self, boot: str) -> int:
        """Start again as after a crash: readings without a receipt are gone; return how many. Events are on flash."""
        lost = [key for key in self._held if isinstance(key, int)]
        for key in lost:
            del self._held[key]
        gone_count = len(lost) + bool(self._rows)
        self._times_ms, self._rows, self._seq, self._boot = [], [], 0, boot
        self._outbox = deque(self._held)
        self._sent_at.clear()
        return gone_count

    def happened(self, happening: Happening, machine: Machine, real_s: float) -> None:
        """Queue what was measured before it, then the state or event itself."""
        self._flush(real_s)
        if isinstance(happening, StateSeen):
            self._outbox.append(self._state(happening.ts, str(happening.state), happening.why))
            return
        body = self._event(happening, machine)
        self._hold(str(body["id"]), Publication(f"{self._base}/event/{self._address}", text(body), 1, False))

    def sampled(self, machine: Machine, real_s: float) -> None:
        """Measure; the batch goes out half a real second after the last one, or when it spans a minute."""
        self._words = machine.words
        self._times_ms.append(round((machine.now + self.clock_off_s) * 1000))
        self._rows.append(machine.sense())
        span_s = (self._times_ms[-1] - self._times_ms[0]) / 1000
        if real_s - self._said_at >= GAP_S_MIN or span_s >= SPAN_S_MAX:
            self._flush(real_s)

    def received(self, topic: str, payload: bytes, real_s: float) -> None:
        """Forget what the receipt covers; send again what it calls missing."""
        if topic not in self.subscriptions:
            return
        try:
            receipt = json.loads(payload)
            mine = receipt.get("boots", {}).get(self._boot)
            through = int(mine["stored_through"]) if mine else -1
            missing = {int(seq) for seq in mine.get("missing", ())} if mine else set()
            events = {str(event) for event in receipt.get("events", ())}
        except (ValueError, TypeError, AttributeError, KeyError):
            return  # not a receipt: the retry will ask for another one
        stored = [key for key in self._held if _covered(key, through, missing, events)]
        for key in stored:
            del self._held[key]
            self._sent_at.pop(key, None)
        if stored:
            self._retry_s = RECEIPT_S
            self._retry_at = real_s + RECEIPT_S
        again = [seq for seq in sorted(missing) if real_s - self._sent_at.get(seq, real_s) > MISSING_S]
        # A receipt never calls an event missing: one that it passes over is sent again after a while.
        late = [key for key, at in self._sent_at.items() if isinstance(key, str) and real_s - at > RECEIPT_S]
        self._requeue([*again, *late])

    def take(self, room: int, real_s: float) -> list[Publication]:
        """Return what is due: states, and messages that are not sent yet or were too long without a receipt."""
        if self._sent_at and real_s >= self._retry_at:
            self._requeue([key for key, at in self._sent_at.items() if real_s - at >= self._retry_s])
            self._retry_s = min(self._retry_s * 2, RECEIPT_S_MAX)
            self._retry_at = real_s + self._retry_s
        out: list[Publication] = []
        while self._outbox and len(out) < room:
            item = self._outbox.popleft()
            if isinstance(item, Publication):
                out.append(item)
            elif item in self._held:
                if not self._sent_at:
                    self._retry_at = real_s + self._retry_s
                self._sent_at[item] = real_s
                out.append(self._held[item])
        return out

    def _requeue(self, keys: Sequence[int | str]) -> None:
        for key in keys:
            self._sent_at.pop(key, None)
        self._outbox.extendleft(key for key in reversed(keys) if key in self._held)

    def _hold(self, key: int | str, publication: Publication) -> None:
        if len(self._held) >= HELD_MAX:
            oldest = next(iter(self._held))
            del self._held[oldest]
            self._sent_at.pop(oldest, None)
            self.lost_count += 1
        self._held[key] = publication
        self._outbox.append(key)

    def _flush(self, real_s: float) -> None:
        if not self._rows:
            return
        first = self._times_ms[0]
        words = [self.renames.get(word, word) for word in self._words] if self.renames else self._words
        body: dict[str, Any] = {"v": 1, "boot": self._boot, "seq": self._seq, "ts": stamp(first / 1000)}
        if len(self._rows) == 1:
            body["m"] = dict(zip(words, self._rows[0], strict=True))
        else:
            body["dt_ms"] = [at - first for at in self._times_ms]
            body["m"] = dict(zip(words, map(list, zip(*self._rows, strict=True)), strict=True))
        self._hold(self._seq, Publication(f"{self._base}/reading/{self._address}", text(body), 1, False))
        self._seq += 1
        self._times_ms, self._rows = [], []
        self._said_at = real_s

    def _state(self, ts: float, state: str, why: str | None) -> Publication:
        body = {"v": 1, "state": state, "ts": stamp(ts + self.clock_off_s), "boot": self._boot}
        if why is not None:
            body["why"] = why
        return Publication(f"{self._base}/state/{self._address}", text(body), 1, True)

    def _event(self, happening: JobStarted | JobEnded | PartCounted, machine: Machine) -> dict[str, Any]:
        word, names = _EVENTS[type(happening)]
        ts = happening.ts if happening.ts is not None else machine.now
        told_id = happening.id if isinstance(happening, PartCounted) else f"{happening.job}-{word}"
        body: dict[str, Any] = {"v": 1, "id": told_id, "event": word, "job": happening.job}
        body["ts"] = stamp(ts + self.clock_off_s)
        for name in names:
            value = getattr(happening, name)
            if value is not None:
                body[name] = str(value) if name == "outcome" else value
        return body


def _covered(key: int | str, through: int, missing: set[int], events: set[str]) -> bool:
    if isinstance(key, int):
        return key <= through and key not in missing
    return key in events


_ENDED: Final = (
    "file", "outcome", "cause", "duration_s", "print_duration_s", "estimate_s", "material_g", "energy_kwh",
)  # fmt: skip
_EVENTS: Final[Mapping[type, tuple[str, tuple[str, ...]]]] = {
    JobStarted: ("job_started", ("file", "estimate_s")),
    JobEnded: ("job_ended", _ENDED),
    PartCounted: ("part", ("good", "scrap", "cause")),
}
"""The word of each event, and what it carries as far as known."""
