# SPDX-License-Identifier: AGPL-3.0-or-later
"""All machines at once: batches in, index rows, newest values and signals out. No I/O, no clock: the log decides."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Final, NamedTuple

from msgspec.structs import replace

from collector.contract.errors import Refusal
from collector.contract.event import Noted, Trouble
from collector.contract.place import parent
from collector.contract.ports import IndexRow
from collector.contract.reading import PEOPLE, Batch
from collector.contract.tree import Capacity, Plant
from cyberfilter import record
from cyberfilter.alerts.common import Commons, gather, leave, members
from cyberfilter.alerts.rules import Mode, look
from cyberfilter.alerts.signal import Signal, Whose
from cyberfilter.alerts.standing import watch
from cyberfilter.alerts.watched import Judged, Watch, accept, clock_s, expects, foretell
from cyberfilter.checkpoint import VERSION, MachineMemory, Memory
from cyberfilter.contract.index import Forecast, IndexValue
from cyberfilter.contract.intervention import Intervention, Sort
from cyberfilter.families import Families
from cyberfilter.filter.transform import TRANSFORMS
from cyberfilter.indices.catalogue import CATALOGUE
from cyberfilter.indices.fold import believed, close, take
from cyberfilter.indices.revision import Beyond, note
from cyberfilter.indices.triple import capacity_of, vector
from cyberfilter.judge import FILTER, Closed, FilterName, Judge, Notice, Series, Verdicted, band

FORETOLD_MAX: Final = 32
"""Interventions that wait for an index's next values."""
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

    def __init__(self, plant: Plant, memory: Memory | None = None, *, filter_name: FilterName = FILTER) -> None:
        self._plant, self._top = plant, _top_of(plant)
        remembered = memory.machines if memory else {}
        self.machines: dict[str, MachineMemory] = {
            device: machine for device, machine in remembered.items() if device in plant.machines
        }
        self.present: dict[str, int] = dict(memory.present) if memory else {}
        self.families = Families(plant, memory.lessons if memory else None)
        self.judge = Judge(memory.banks if memory else None, self.families.lesson, filter_name=filter_name)
        self._commons: Commons = memory.commons if memory else {}
        self.judged_count = 0

    @property
    def forgotten(self) -> list[str]:
        """The groups of series whose filter another version kept: they begin anew."""
        return self.judge.forgotten

    def replant(self, plant: Plant) -> None:
        """Go by this plant from now on; a machine that moved keeps what was learned, one that is gone is forgotten."""
        self._plant, self._top = plant, _top_of(plant)
        self.families.replant(plant)
        for device in [device for device in self.machines if device not in plant.machines]:
            del self.machines[device]

    def memory(self, n: int, owed: Sequence[IndexRow]) -> Memory:
        """Return all that the next output depends on."""
        banks, lessons = self.judge.states(), self.families.kept
        return Memory(VERSION, n, self.machines, banks, list(owed), dict(self.present), lessons, self._commons)

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

    def rejudge(self, closed: Sequence[Closed], places: Mapping[str, str], *, mode: Mode) -> Told:
        """Return what index values lead to that were folded before; `places` says where their devices stand."""
        for device in {each.series.device for each in closed}:
            self.machines.setdefault(device, MachineMemory(places[device]))
        return self._decide(list(closed), [], mode=mode)

    def accept(self, place: str, device: str | None, index: str) -> bool:
        """Take an index's present level as the usual one: a person closed its alert. Tell whether that changed it.

        Without a device it is the alert of all machines below the place; a machine whose change is in such an alert
        is accepted with it, not alone.
        """
        together = members(self._commons, index, place=place) if device is None else set()
        if device is not None and members(self._commons, index, device=device):
            return False
        changed = False
        for each in sorted(together) if device is None else [device]:
            machine = self.machines.get(each)
            if machine is not None and index in machine.watches and accept(CATALOGUE[index], machine.watches[index]):
                self.judge.accept(Series(each, index))
                changed = True
        leave(self._commons, index, together if device is None else {device})
        return changed

    def foretell(self, said: Intervention) -> list[str]:
        """Keep a person's word for the next values of the index at its place; returns the devices that it is about.

        Raises Refusal `unknown_index` where no machine at the place has that index, `off_scale`, `too_many`.
        """
        devices = [
            device
            for device, machine in self.machines.items()
            if machine.place == said.place and said.index in machine.watches
        ]
        if not devices:
            raise Refusal("unknown_index", f"there is no index {said.index[:80]!r} at {said.place[:200]!r}")
        scale = TRANSFORMS[CATALOGUE[said.index].transform]
        if said.action is Sort.LEVEL and scale.is_off(said.mean or 0.0):
            raise Refusal("off_scale", f"mean = {said.mean:g} is not within {scale.low:g}..{scale.high:g}")
        for device in devices:
            told = self.machines[device].foretold.setdefault(said.index, [])
            if len(told) >= FORETOLD_MAX:
                raise Refusal("too_many", f"{said.index} at {said.place} has {FORETOLD_MAX} interventions to come")
            told.append(said)
        return devices

    def unsay(self, said: Intervention) -> None:
        """Forget a word that could not be kept."""
        for machine in self.machines.values():
            if said in machine.foretold.get(said.index, ()):
                machine.foretold[said.index].remove(said)

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
        signals = watch(machine.standing, batch.facts, cadence_s=(known.cadence_s or 0.0) if known else 0.0)
        take(machine.fold, believed(batch), (batch.boot, batch.seq) if batch.boot and batch.seq is not None else None)
        closed = [Closed(Series(batch.device, value.name), value) for value in close(machine.fold)]
        return [(whose, signal) for signal in signals], closed

    def _count_people(self, place: str, batch: Batch) -> None:
        for fact in batch.facts:
            count = fact.body.get("count") if isinstance(fact, Noted) and fact.event == "presence" else None
            if isinstance(count, int):
                self.present[place] = count

    def _like(self, place: str, index: str) -> int:
        """Return how many machines below the same unit have this index."""
        above = parent(place)
        return sum(index in each.watches and parent(each.place) == above for each in self.machines.values())

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
        for verdicted in chain.from_iterable(self.judge.judge(queue, self._notices)):
            series, judged = verdicted
            machine = self.machines[series.device]
            seen = machine.watches.setdefault(series.name, Watch())
            ignored = any(said.covers(judged.ts) for said in machine.foretold.get(series.name, ()))
            row = CATALOGUE[series.name]
            signal = None if ignored else look(row, seen, judged, mode=mode)
            capacity = capacity_of(row, self._agreed(series))
            capability = capacity.capability if capacity else None
            note(machine.beyond.setdefault(series.name, Beyond()), row, judged.value, capability, judged.ts)
            record.note(machine.records.setdefault(series.name, record.Record()), judged)
            if signal is not None:
                whose = Whose(series.device, machine.place)
                signals += gather(self._commons, whose, signal, self._like(machine.place, series.name))
            expected = band(judged.ts, judged.mean, judged.lo95, judged.hi95)
            rows.append(_banded(machine.place, series.name, judged, expected))
            last[series] = verdicted
        self.judged_count += len(rows)
        forecasts = self.judge.forecast({series: known.judged.ts for series, known in last.items()})
        newest = [
            (series.device, self._newest(series, known.judged, forecasts[series])) for series, known in last.items()
        ]
        return Told(signals, rows, newest)

    def _notices(self, closed: Closed) -> list[Notice]:
        """Return what the filter is to be told before this value: a person's word, and what is usual elsewhere."""
        (device, name), value = closed
        machine = self.machines[device]
        seen = machine.watches.setdefault(name, Watch())
        usual = expects(CATALOGUE[name], seen, value.regime)
        found = []
        if usual is not None:
            mean, sd = usual
            found.append(Notice(Sort.UNCERTAIN, 0.0, sd) if math.isnan(mean) else Notice(Sort.LEVEL, mean, sd))
        for said in self._due(machine, name, value.ts):
            doubt = foretell(CATALOGUE[name], seen, value.regime, said)
            found.append(Notice(said.action, said.mean or 0.0, doubt))
        return found

    @staticmethod
    def _due(machine: MachineMemory, name: str, ts: float) -> list[Intervention]:
        """Return what was foretold of the value whose bucket ends at `ts`, and keep what is still to come."""
        told = machine.foretold.get(name)
        if not told:
            return []
        due = [said for said in told if said.ts <= ts and (said.until is None or said.covers(ts))]
        left = [said for said in told if said.ts > ts or said.covers(ts)]
        # an ignored value's own bucket is its end: the one value that was meant, and no other
        machine.foretold[name] = [
            replace(said, until=ts) if said.covers(ts) and said.until is None else said for said in left
        ]
        return due

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
            change=judged.change,
            clock_s=clock_s(row, machine.watches[row.name]),
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
