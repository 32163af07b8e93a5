# SPDX-License-Identifier: Apache-2.0
"""What a Clock, Bus, FactLog, Historian and Journal must do. Adapters are chosen in deploy.wiring alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from collector.contract.reading import Numbered


class Clock(Protocol):
    """The plant's time; retries, keepalives and timeouts use the monotonic clock instead."""

    def now(self) -> float:
        """Return the time in Unix seconds."""

    def real_s(self, plant_s: float) -> float:
        """Return how many real seconds that many seconds of the plant's time take."""


class Delivery(NamedTuple):
    """A message from the bus; `retained` says that it is an old one, kept by the broker.

    `at` is the arrival on the plant's clock; `token` is the bus's own, for acknowledging.
    """

    topic: str
    payload: bytes
    retained: bool
    at: float
    token: object = None


class Posting(NamedTuple):
    """A message on its way out."""

    topic: str
    payload: bytes
    retain: bool = False


class Bus(Protocol):
    """A connection to a broker: at-least-once, in order per sender, acknowledged by hand.

    A delivery that was not acknowledged comes again after a reconnect. Losing the broker raises nothing:
    the bus reconnects by itself, `connected` tells, and what was published meanwhile waits (bounded).
    """

    @property
    def connected(self) -> bool:
        """Tell whether the broker answers now."""

    def subscribe(self, filters: Sequence[str]) -> None:
        """Ask for these topic filters, now and after every reconnect."""

    def unsubscribe(self, filters: Sequence[str]) -> None:
        """Ask for these topic filters no more; what has come already is still given out."""

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Hand a message over (QoS 1); an empty retained payload clears the topic."""

    def publish_all(self, postings: Sequence[Posting]) -> int:
        """Hand messages over together, in this order (QoS 1); return how many no broker would take: they are left out.

        Cheaper by the message than `publish`, and otherwise the same.
        """

    def take(self, *, most: int, wait_s: float) -> list[Delivery]:
        """Return up to `most` deliveries; wait at most `wait_s` real seconds for the first."""

    def take_lost_spans(self) -> list[tuple[float, float]]:
        """Return, each once, the spans (from, to) in plant time of which messages may be missing.

        In them the broker kept nothing for a session that it was to keep.
        """

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Tell the broker that these are safe; those of an earlier connection are passed over."""

    def close(self) -> None:
        """Leave; a session that was asked to persist stays with the broker."""


class FactLog(Protocol):
    """The numbered facts: what has a number is on disk."""

    def read_from(self, n: int, *, most: int, wait_s: float = 0.0) -> Sequence[Numbered]:
        """Return batches with numbers >= n in order; where there are none yet, wait up to `wait_s` real seconds."""

    def last(self) -> int:
        """Return the newest number, 0 before there is one."""

    def passed(self, reader: str, n: int) -> None:
        """Note that this reader needs nothing up to and including n; what all have passed may go."""


class ReadingRow(NamedTuple):
    """One sample: the `reading` measurement of contract 8; `place` is an address, `name` the indicator's."""

    place: str
    device: str
    name: str
    ts: float
    value: float


class ReadingColumn(NamedTuple):
    """Samples of one series: what as many ReadingRows say, for less; `values` has a number for every time.

    The times may come in any order; of equal ones the later counts.
    """

    place: str
    device: str
    name: str
    times: Sequence[float]
    values: Sequence[float]


class IndexRow(NamedTuple):
    """One value of the index `name` (contract 8); the band is None where there was none."""

    place: str
    name: str
    ts: float
    value: float
    lo95: float | None = None
    hi95: float | None = None


class RefusedRow(NamedTuple):
    """A row that the historian will never take, and why; the rest of the batch is written."""

    row: ReadingRow | IndexRow
    reason: str


class Historian(Protocol):
    """Where samples are kept for reading back. The same row twice is one row; the later value wins.

    Times are kept to the microsecond. `write` is durable when it returns.
    """

    def write(self, rows: Sequence[ReadingRow | IndexRow | ReadingColumn]) -> Sequence[RefusedRow]:
        """Keep the rows; return those that can never be kept, a column's one by one.

        Raises Unavailable; then trying again is up to the caller, and does no harm.
        """

    def series(self, place: str, name: str, *, start: float, end: float, most: int) -> list[tuple[float, float]]:
        """Return (Unix s, value) of an indicator or an index at the place, start <= t < end, oldest first.

        Returns at most `most` + 1 points, so that the caller can tell too many from enough. Samples whose time is
        up (`tidy`) are not among them; `rolled` knows what is left of them.
        """

    def rolled(
        self, place: str, name: str, *, start: float, end: float, step_s: float, most: int
    ) -> list[tuple[float, float, float, float]]:
        """Return (bucket start, min, mean, max) of buckets aligned to multiples of `step_s`, without empty ones."""

    def tidy(self, now: float) -> int:
        """Roll up what is old enough at `now` (the plant's Unix s) and forget what is too old; return how much it did.

        To be called every minute or so, and again at once while it returns more than 0; it never takes long, and
        writing and reading go on meanwhile.
        """

    def ready(self) -> str | None:
        """Return None where it can be used, else the reason why not."""

    def close(self) -> None:
        """Let go of files and connections."""


class Entry(NamedTuple):
    """One thing that happened to a subject (an alert's id); the same `id` is kept once, whatever is said twice."""

    id: str
    ts: float
    kind: str
    subject: str
    body: dict[str, object]


class Checkpoint(NamedTuple):
    """A reader's state, true after fact number n."""

    n: int
    state: bytes


class Journal(Protocol):
    """The append-only record of events, with the state that they came from: both or neither are kept."""

    def append(
        self, entries: Sequence[Entry], *, said: int | None = None, checkpoint: Checkpoint | None = None
    ) -> None:
        """Keep entries (those whose id is there already are passed over) and what is given, in one transaction.

        `said` is the number of the fact up to which events are kept: who starts again from an older checkpoint
        goes through those facts in silence.
        """

    def entries(self) -> list[Entry]:
        """Return all entries in the order in which they were kept."""

    def said(self) -> int:
        """Return the number of the last fact whose events are kept, 0 before there is one."""

    def checkpoint(self) -> Checkpoint | None:
        """Return the newest checkpoint."""

    def close(self) -> None:
        """Let go of the file."""


class Record(NamedTuple):
    """Something of a device that lasted from `start` to `end` (Unix s; the same for a moment): kind and key name it."""

    kind: str
    device: str
    key: str
    start: float
    end: float
    body: bytes


class Chronicle(Protocol):
    """What happened, by kind, device and time, with the number of the last fact that is in it: both or neither."""

    def keep(self, records: Sequence[Record], *, n: int | None = None) -> None:
        """Keep the records, each instead of the one of its kind, device and key, and the number, in one transaction.

        Raises Unavailable: then nothing of the call was kept.
        """

    def n(self) -> int:
        """Return the number of the last fact that is in it, 0 before there is one."""

    def get(self, kind: str, device: str, key: str) -> Record | None:
        """Return the record of this name."""

    def find(self, kind: str, device: str, *, start: float, end: float) -> list[Record]:
        """Return the records that touch [start, end), by start and key."""

    def newest(self, kind: str, device: str, *, before: float) -> Record | None:
        """Return the last record that started before this moment (Unix s)."""

    def oldest(self, kind: str, device: str) -> Record | None:
        """Return the record that started first."""

    def forget(self, before: float, *, most: int) -> int:
        """Let go of at most so many records that ended before this moment (Unix s); return how many went."""

    def close(self) -> None:
        """Let go of the file."""
