# SPDX-License-Identifier: AGPL-3.0-or-later
"""The contract's own dialect: batches with boot and seq, kept until a receipt covers them.

Whatever dies between the device and the collector's disk, nothing is lost as long as the buffer is not full:
a reading or event is sent again after every connect, and when no receipt came for a while.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from collector.contract.event import JobEnded, JobStarted, StateSeen
from firmware_sim.machines.printer import Printer, Sensed
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
    """The voice of one native printer; `address` is `@device` or its place, `boot` new at every start."""

    def __init__(self, address: str, *, boot: str, root: str = "cybersyn") -> None:
        self._base = f"{root}/v1"
        self._address = address
        self._boot = boot
        self._seq = 0
        self._held: dict[int | str, Publication] = {}
        self._sent_at: dict[int | str, float] = {}
        self._outbox: deque[int | str | Publication] = deque()
        self._times_ms: list[int] = []
        self._rows: list[Sensed] = []
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

    def connected(self, printer: Printer, real_s: float) -> None:
        """Queue the present state, and then everything that no receipt covers, oldest first."""
        self._outbox = deque([self._state(printer.now, str(printer.state), printer.why), *self._held])
        self._sent_at.clear()
        self._retry_at = real_s + self._retry_s

    def happened(self, happening: Happening, printer: Printer, real_s: float) -> None:
        """Queue what was measured before it, then the state or event itself."""
        self._flush(real_s)
        if isinstance(happening, StateSeen):
            self._outbox.append(self._state(happening.ts, str(happening.state), happening.why))
            return
        body = _event(happening, printer)
        self._hold(str(body["id"]), Publication(f"{self._base}/event/{self._address}", text(body), 1, False))

    def sampled(self, printer: Printer, real_s: float) -> None:
        """Measure; the batch goes out half a real second after the last one, or when it spans a minute."""
        self._times_ms.append(round(printer.now * 1000))
        self._rows.append(printer.sense())
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
        self._requeue(again)

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
        body: dict[str, Any] = {"v": 1, "boot": self._boot, "seq": self._seq, "ts": stamp(first / 1000)}
        if len(self._rows) == 1:
            body["m"] = self._rows[0]._asdict()
        else:
            body["dt_ms"] = [at - first for at in self._times_ms]
            body["m"] = dict(zip(Sensed._fields, map(list, zip(*self._rows, strict=True)), strict=True))
        self._hold(self._seq, Publication(f"{self._base}/reading/{self._address}", text(body), 1, False))
        self._seq += 1
        self._times_ms, self._rows = [], []
        self._said_at = real_s

    def _state(self, ts: float, state: str, why: str | None) -> Publication:
        body = {"v": 1, "state": state, "ts": stamp(ts), "boot": self._boot}
        if why is not None:
            body["why"] = why
        return Publication(f"{self._base}/state/{self._address}", text(body), 1, True)


def _covered(key: int | str, through: int, missing: set[int], events: set[str]) -> bool:
    if isinstance(key, int):
        return key <= through and key not in missing
    return key in events


def _event(happening: JobStarted | JobEnded, printer: Printer) -> dict[str, Any]:
    started = isinstance(happening, JobStarted)
    word = "job_started" if started else "job_ended"
    body: dict[str, Any] = {"v": 1, "id": f"{happening.job}-{word}", "event": word, "job": happening.job}
    body["ts"] = stamp(happening.ts if happening.ts is not None else printer.now)
    names = ("file", "estimate_s") if started else _ENDED
    for name in names:
        value = getattr(happening, name)
        if value is not None:
            body[name] = str(value) if name == "outcome" else value
    return body


_ENDED: Final = (
    "file", "outcome", "cause", "duration_s", "print_duration_s", "estimate_s", "material_g", "energy_kwh",
)  # fmt: skip
