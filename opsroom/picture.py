# SPDX-License-Identifier: AGPL-3.0-or-later
"""The current state of the plant, folded from messages: no clock, no I/O, bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import msgspec

from collector.contract.codec import decode_json, parse_time
from collector.contract.errors import Refusal
from collector.contract.event import JobEnded, JobStarted, Noted, PartCounted, State, StateSeen
from collector.contract.place import parent
from collector.contract.reading import PEOPLE, Batch, Fact, Samples, address
from collector.contract.topics import Kind, Topic
from cyberfilter.contract.alert import AlertState
from cyberfilter.contract.index import Verdict
from opsroom.seen import AlertSeen, IndexSeen, JobSeen, MachineSeen, Seed

T = TypeVar("T")
MACHINES_MAX: Final = 5_000
"""Devices held; a newcomer beyond is not shown (the API still lists it)."""
INDICATORS_MAX: Final = 256
"""Newest raw values held of one device."""
TRAIL_POINTS_MAX: Final = 240
"""Newest values with their bands held of one index."""
CLOSED_MAX: Final = 30
"""Recently closed alerts held."""
CAUSES_MAX: Final = 8
"""Causes of scrap that were told last, to choose from."""
ALERTS_MAX: Final = 2_000
"""Open alerts held."""


@dataclass
class MachineNow:
    """What is known of one device; times in Unix s. `values` holds (time, value) by indicator."""

    device: str
    place: str | None
    dialect: str
    name: str | None = None
    state: State = State.UNKNOWN
    state_since: float | None = None
    state_why: str | None = None
    last_seen: float | None = None
    lag_s: float | None = None
    cadence_s: float = 0.0
    account: dict[str, int] = field(default_factory=dict)
    values: dict[str, tuple[float, float]] = field(default_factory=dict)
    job: JobStarted | None = None

    @property
    def address(self) -> str:
        """Where its history is kept: its place, or `@device`."""
        return address(self.device, self.place)


@dataclass(frozen=True)
class TrailPoint:
    """One value of an index with the band that was expected for it; `at` in Unix s."""

    at: float
    value: float | None
    lo: float | None
    hi: float | None
    verdict: Verdict


class Picture:
    """Machines, indices and alerts as they are now. Every change returns the addresses that it touched.

    `refused` counts messages that could not be read; they change nothing. `present` counts people by place, `causes`
    are those of scrap, newest first.
    """

    def __init__(self) -> None:
        self.machines: dict[str, MachineNow] = {}
        self._standing: dict[str, dict[str, MachineNow]] = {}
        self.indices: dict[str, dict[str, IndexSeen]] = {}
        self.trails: dict[tuple[str, str], deque[TrailPoint]] = {}
        self.alerts: dict[str, AlertSeen] = {}
        self.closed: list[AlertSeen] = []
        self.present: dict[str, int] = {}
        self.causes: list[str] = []
        self.refused = 0

    def seed(self, rows: Mapping[str, Any]) -> set[str]:
        """Take over the API's lists; open alerts that they do not hold are over. A Refusal where they do not fit."""
        try:
            seed = msgspec.convert(rows, Seed)
        except msgspec.ValidationError as error:
            raise Refusal("wrong_shape", f"seed: {error}") from None
        self.present |= {unit.place: unit.present for unit in seed.units if unit.present is not None}
        touched = {self._seed_machine(row) for row in seed.machines}
        touched |= {self._see_index(row) for row in seed.indices}
        kept = {row.id for row in seed.alerts if row.state is not AlertState.CLOSED}
        touched |= {gone.place for gone in self.alerts.values() if gone.id not in kept}
        self.alerts = {key: alert for key, alert in self.alerts.items() if key in kept}
        return touched | {self._see_alert(row, row.place) for row in reversed(seed.alerts)}

    def fold(self, topic: Topic, payload: bytes) -> set[str]:
        """Return the addresses that a message changed; what cannot be read counts as refused."""
        try:
            if topic.kind is Kind.FACT:
                return self._see_batch(_read(payload, Batch))
            if topic.kind is Kind.INDEX and payload:
                return {self._see_index(_read(payload, IndexSeen))}
            if topic.kind is Kind.ALERT and topic.place is not None and topic.id is not None:
                return self._fold_alert(topic.place, topic.id, payload)
        except Refusal:
            self.refused += 1
        return set()

    def at(self, place: str) -> list[MachineNow]:
        """Return the devices that stand at an address, by id."""
        return sorted(self._standing.get(place, {}).values(), key=lambda machine: machine.device)

    def addresses(self) -> list[str]:
        """Return every address at which a device stands."""
        return list(self._standing)

    def _seed_machine(self, row: MachineSeen) -> str:
        now = self._machine(row.device, row.place, row.dialect or "")
        if now is None:
            return address(row.device, row.place)
        now.name, now.account, now.lag_s = row.name, row.account, row.lag_s
        now.cadence_s = row.cadence_s or 0.0
        seen = parse_time(row.last_seen)
        if seen is not None and (now.last_seen is None or seen >= now.last_seen):
            now.last_seen, now.dialect = seen, row.dialect or now.dialect
            now.state, now.state_why, now.state_since = row.state, row.why, parse_time(row.state_since)
            now.job = _running(row.job)
        return now.address

    def _machine(self, device: str, place: str | None, dialect: str) -> MachineNow | None:
        known = self.machines.get(device)
        if known is None and len(self.machines) < MACHINES_MAX:
            known = self.machines[device] = MachineNow(device, place, dialect)
        if known is not None:
            self._stand(known, place)
        return known

    def _stand(self, machine: MachineNow, place: str | None) -> None:
        """Put a machine where it stands now; the address that it left is empty where nobody else stands there."""
        left = self._standing.get(machine.address, {})
        if machine.place != place:
            left.pop(machine.device, None)
            if not left:
                self._standing.pop(machine.address, None)
        machine.place = place
        self._standing.setdefault(machine.address, {})[machine.device] = machine

    def _see_index(self, row: IndexSeen) -> str:
        ours = self.indices.setdefault(row.place, {})
        at, before = parse_time(row.at) or 0.0, ours.get(row.index)
        if before is not None and (parse_time(before.at) or 0.0) > at:
            return row.place
        ours[row.index] = row
        trail = self.trails.setdefault((row.place, row.index), deque(maxlen=TRAIL_POINTS_MAX))
        if trail and trail[-1].at == at:
            trail.pop()
        band = row.expected
        trail.append(
            TrailPoint(at, row.actuality, band.lo95 if band else None, band.hi95 if band else None, row.verdict)
        )
        return row.place

    def _fold_alert(self, place: str, alert_id: str, payload: bytes) -> set[str]:
        known = self.alerts.get(alert_id)
        if payload:
            return {self._see_alert(_read(payload, AlertSeen), place)}
        if known is None or known.place != place:
            return set()
        del self.alerts[alert_id]
        return {place}

    def _see_alert(self, row: AlertSeen, told_at: str) -> str:
        """Take the alert; the reduced copy at a parent's place never replaces the owner's own."""
        known = self.alerts.get(row.id)
        reduced = told_at != row.place
        if reduced and (known is not None or any(alert.id == row.id for alert in self.closed)):
            return row.place
        if row.state is AlertState.CLOSED:
            self.alerts.pop(row.id, None)
            others = [alert for alert in self.closed if alert.id != row.id]
            self.closed = [row, *others][:CLOSED_MAX]
        elif known is not None or len(self.alerts) < ALERTS_MAX:
            self.alerts[row.id] = row
        return row.place

    def _see_batch(self, batch: Batch) -> set[str]:
        told = self._see_people(batch)
        now = self._machine(batch.device, batch.place, batch.dialect) if batch.dialect != PEOPLE else None
        if now is None:
            return told
        now.dialect = batch.dialect
        now.last_seen = max(batch.at, now.last_seen or 0.0)
        for fact in batch.facts:
            if isinstance(fact, Samples):
                _see_samples(now, fact, batch.at)
            elif isinstance(fact, StateSeen):
                _see_state(now, fact)
            elif isinstance(fact, JobStarted):
                now.job = fact
            elif isinstance(fact, JobEnded) and now.job is not None and now.job.job == fact.job:
                now.job = None
        return {now.address} | told

    def _see_people(self, batch: Batch) -> set[str]:
        """Take what people said of parts and of themselves; return the addresses in whose unit they were counted."""
        touched: set[str] = set()
        for fact in batch.facts:
            if isinstance(fact, PartCounted) and fact.scrap and fact.cause:
                others = [cause for cause in self.causes if cause != fact.cause]
                self.causes = [fact.cause, *others][:CAUSES_MAX]
            elif batch.place is not None and (count := _count(fact)) is not None:
                self.present[batch.place] = count
                touched |= {key for key in self._standing if parent(key) == batch.place}
        return touched


def _count(fact: Fact) -> int | None:
    """Return how many people the fact counts as present, None where it counts none."""
    count = fact.body.get("count") if isinstance(fact, Noted) and fact.event == "presence" else None
    return count if isinstance(count, int) else None


def _see_state(now: MachineNow, fact: StateSeen) -> None:
    if now.state_since is not None and fact.ts < now.state_since:
        return
    if fact.state is not now.state or now.state_since is None:
        now.state_since = fact.ts
    now.state, now.state_why = fact.state, fact.why


def _see_samples(now: MachineNow, fact: Samples, arrived: float) -> None:
    if fact.times and not fact.assigned:
        now.lag_s = max(0.0, arrived - fact.times[-1])
    for name, column in fact.values.items():
        newest = _newest(zip(fact.times, column, strict=False))
        known = now.values.get(name)
        full = known is None and len(now.values) >= INDICATORS_MAX
        if newest is not None and not full and (known is None or newest[0] >= known[0]):
            now.values[name] = newest


def _newest(cells: Iterable[tuple[float, float | None]]) -> tuple[float, float] | None:
    return max(((ts, value) for ts, value in cells if value is not None), default=None)


def _running(job: JobSeen | None) -> JobStarted | None:
    return None if job is None else JobStarted(job.job, parse_time(job.started_at), job.file, job.estimate_s)


def _read(payload: bytes, shape: type[T]) -> T:
    return decode_json(payload, msgspec.json.Decoder(shape).decode)
