# SPDX-License-Identifier: AGPL-3.0-or-later
"""All machines at once: batches in, index rows, newest values and signals out. No I/O, no clock: the log decides."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from collector.contract.event import Noted, Trouble
from collector.contract.ports import IndexRow
from collector.contract.reading import PEOPLE, Batch
from collector.contract.tree import Capacity, Plant
from cyberfilter.alerts.book import Whose
from cyberfilter.alerts.rules import Judged, Mode, Watch, accept, look
from cyberfilter.alerts.signal import Signal
from cyberfilter.alerts.standing import watch
from cyberfilter.checkpoint import VERSION, MachineMemory, Memory
from cyberfilter.contract.index import Forecast, IndexValue
from cyberfilter.families import Families
from cyberfilter.indices.catalogue import CATALOGUE
from cyberfilter.indices.fold import believed, close, take
from cyberfilter.indices.revision import Beyond, note
from cyberfilter.indices.triple import capacity_of, vector
from cyberfilter.judge import Closed, Judge, Series, Verdicted, band

REHEARSED_VALUES: Final = 1_000
"""Values of each series that a rehearsal judges; what is older the filter would have forgotten anyway."""
REHEARSED_ROWS: Final = 50_000
"""Rows handed over at a time while rehearsing."""


class Told(NamedTuple):
    """What a bundle of batches led to."""

    signals: list[tuple[Whose, Signal]]
    rows: list[IndexRow]
    newest: list[tuple[str, IndexValue]]


class Floor:
    """The state behind all indices and signals."""

    def __init__(self, plant: Plant, memory: Memory | None = None) -> None:
        self._plant, self._top = plant, _top_of(plant)
        remembered = memory.machines if memory else {}
        self.machines: dict[str, MachineMemory] = {
            device: machine for device, machine in remembered.items() if device in plant.machines
        }
        self.present: dict[str, int] = dict(memory.present) if memory else {}
        self.families = Families(plant, memory.lessons if memory else None)
        self.judge = Judge(memory.banks if memory else None, self.families.lesson)
        self.judged_count = 0

    def replant(self, plant: Plant) -> None:
        """Go by this plant from now on; a machine that moved keeps what was learned, one that is gone is forgotten."""
        self._plant, self._top = plant, _top_of(plant)
        self.families.replant(plant)
        for device in [device for device in self.machines if device not in plant.machines]:
            del self.machines[device]

    def memory(self, n: int, owed: Sequence[IndexRow]) -> Memory:
        """Return all that the next output depends on."""
        banks, lessons = self.judge.states(), self.families.kept
        return Memory(VERSION, n, self.machines, banks, list(owed), dict(self.present), lessons)

    def take(self, batches: Iterable[Batch]) -> Told:
        """Return what the batches lead to, live."""
        signals: list[tuple[Whose, Signal]] = []
        queue: list[Closed] = []
        for batch in batches:
            found, closed = self._fold(batch)
            signals += found
            queue += closed
        return self._decide(queue, signals, mode="live")

    def rehearse(self, batches: Iterable[Batch]) -> Iterator[Told]:
        """Learn from old batches; yields rows by the bundle, and no signals. A machine's batches in order of time."""
        waiting: dict[Series, deque[Closed]] = {}
        rows: list[IndexRow] = []
        for batch in batches:
            for closed in self._fold(batch)[1]:
                kept = waiting.setdefault(closed.series, deque())
                kept.append(closed)
                if len(kept) > REHEARSED_VALUES:
                    rows.append(self._row(kept.popleft()))
            if len(rows) >= REHEARSED_ROWS:
                yield Told([], rows, [])
                rows = []
        told = self._decide([closed for kept in waiting.values() for closed in kept], [], mode="learning")
        yield Told([], rows + told.rows, told.newest)

    def accept(self, device: str, index: str) -> bool:
        """Take an index's present level as the usual one: a person closed its alert. Tell whether that changed it."""
        machine = self.machines.get(device)
        return machine is not None and index in machine.watches and accept(machine.watches[index])

    def newest(self, device: str | None, index: str | None) -> IndexValue | None:
        """Return the newest value of a device's index, if there is one."""
        machine = self.machines.get(device or "")
        return machine.newest.get(index or "") if machine else None

    def _fold(self, batch: Batch) -> tuple[list[tuple[Whose, Signal]], list[Closed]]:
        if batch.place is None:
            return self._homeless(batch), []
        self._count_people(batch.place, batch)
        if batch.dialect == PEOPLE:
            return [], []
        machine = self.machines.get(batch.device)
        if machine is None:
            machine = self.machines[batch.device] = MachineMemory(batch.place)
        machine.place = batch.place
        whose = Whose(batch.device, batch.place)
        known = self._plant.machines.get(batch.device)
        signals = watch(machine.standing, batch.facts, cadence_s=known.cadence_s if known else 0.0)
        take(machine.fold, believed(batch), (batch.boot, batch.seq) if batch.boot and batch.seq is not None else None)
        closed = [Closed(Series(batch.device, value.name), value) for value in close(machine.fold)]
        return [(whose, signal) for signal in signals], closed

    def _count_people(self, place: str, batch: Batch) -> None:
        for fact in batch.facts:
            count = fact.body.get("count") if isinstance(fact, Noted) and fact.event == "presence" else None
            if isinstance(count, int):
                self.present[place] = count

    def _homeless(self, batch: Batch) -> list[tuple[Whose, Signal]]:
        """Return the hazards of what stands nowhere (the collector itself, a newcomer): the whole plant hears them."""
        troubles = tuple(fact for fact in batch.facts if isinstance(fact, Trouble))
        if not troubles:
            return []
        standing = MachineMemory(self._top).standing
        return [(Whose(batch.device, self._top), signal) for signal in watch(standing, troubles, cadence_s=0.0)]

    def _decide(self, queue: list[Closed], signals: list[tuple[Whose, Signal]], *, mode: Mode) -> Told:
        rows: list[IndexRow] = []
        last: dict[Series, Verdicted] = {}
        for verdicted in self.judge.judge(queue):
            series, judged = verdicted
            machine = self.machines[series.device]
            row = CATALOGUE[series.name]
            signal = look(row, machine.watches.setdefault(series.name, Watch()), judged, mode=mode)
            capacity = capacity_of(row, self._agreed(series))
            capability = capacity.capability if capacity else None
            note(machine.beyond.setdefault(series.name, Beyond()), row, judged.value, capability, judged.ts)
            if signal is not None:
                signals.append((Whose(series.device, machine.place), signal))
            expected = band(judged.ts, judged.mean, judged.lo95, judged.hi95)
            rows.append(_banded(machine.place, series.name, judged, expected))
            last[series] = verdicted
        self.judged_count += len(rows)
        forecasts = self.judge.forecast({series: known.judged.ts for series, known in last.items()})
        newest = [
            (series.device, self._newest(series, known.judged, forecasts[series])) for series, known in last.items()
        ]
        return Told(signals, rows, newest)

    def _newest(self, series: Series, judged: Judged, forecast: Forecast | None) -> IndexValue:
        row, machine = CATALOGUE[series.name], self.machines[series.device]
        agreed = vector(row, judged.value, self._agreed(series))
        value = IndexValue(
            place=machine.place,
            index=row.name,
            unit=row.unit,
            at=judged.ts,
            actuality=judged.value,
            capability=agreed.capability,
            potentiality=agreed.potentiality,
            potentiality_assumed=agreed.potentiality_assumed,
            triple=agreed.triple,
            forecast=forecast,
            expected=band(judged.ts, judged.mean, judged.lo95, judged.hi95),
            verdict=judged.verdict,
            revision=machine.beyond[row.name].proposed,
            learning=self.families.learning(series, *self.judge.learning(series)),
        )
        machine.newest[row.name] = value
        return value

    def _agreed(self, series: Series) -> Capacity | None:
        known = self._plant.machines.get(series.device)
        return known.indices.get(series.name) if known else None

    def _row(self, closed: Closed) -> IndexRow:
        place = self.machines[closed.series.device].place
        return IndexRow(place, closed.series.name, closed.value.ts, closed.value.value)


def _top_of(plant: Plant) -> str:
    return min(plant.units, key=lambda place: (place.count("/"), place), default="plant")


def _banded(place: str, index: str, judged: Judged, expected: Forecast | None) -> IndexRow:
    lo95, hi95 = (expected.lo95, expected.hi95) if expected else (None, None)
    return IndexRow(place, index, judged.ts, judged.value, lo95, hi95)
