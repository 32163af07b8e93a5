# SPDX-License-Identifier: AGPL-3.0-or-later
"""A floor and its book of alerts without bus, disk and clock: batches in, index rows and alarms out, at full speed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from collector.contract.ports import IndexRow
from collector.contract.reading import Batch
from collector.contract.tree import Machine, Plant, Unit
from cyberfilter.alerts.book import Book
from cyberfilter.alerts.lifecycle import CORRECT, JOIN, RAISE
from cyberfilter.alerts.signal import Begins
from cyberfilter.backtest.faults import AFTER_S, Alarm
from cyberfilter.contract.alert import Alert, AlertClass
from cyberfilter.floor import Floor, Told
from cyberfilter.indices.catalogue import CATALOGUE
from cyberfilter.indices.fold import WINDOW_S
from cyberfilter.judge import FILTER, FilterName
from deploy.traces import CALL, SILENCE, STATE
from firmware_sim.scenario import Scenario
from firmware_sim.voices.catalogue import spoken

EVERYDAY: Final = frozenset({CALL, STATE})
"""What a machine says itself: no judgement of the filter's, and nothing that could be false."""


class Judging:
    """What runs in the Cyberfilter's service, called directly; nobody answers the alerts.

    An alarm about an index is dated when it would be raised: WINDOW_S after its bucket's end.
    """

    def __init__(self, plant: Plant, *, filter_name: FilterName = FILTER) -> None:
        self.plant, self.floor, self.book = plant, Floor(plant, filter_name=filter_name), Book()
        self.rows: list[IndexRow] = []
        self.alarms: list[Alarm] = []
        self._told: dict[str, set[str]] = {}

    def learn(self, batches: Iterable[Batch]) -> Iterable[IndexRow]:
        """Rehearse old batches, and yield their index rows."""
        for told in self.floor.rehearse(batches):
            yield from told.rows

    def hear(self, batches: Iterable[Batch]) -> None:
        """Take batches as they come in."""
        self.note(self.floor.take(batches))

    def note(self, told: Told) -> None:
        """Keep the rows, and the alarms that the signals raise."""
        self.rows += told.rows
        for whose, signal in told.signals:
            if isinstance(signal, Begins) and signal.alert_class is AlertClass.CALL:
                self.alarms.append(Alarm(whose.place, CALL, signal.ts))
                continue
            now = signal.ts + (WINDOW_S if signal.what in CATALOGUE else 0.0)
            for entry in self.book.entries(whose, signal, now=now, plant=self.plant):
                alert = self.book.add(entry)
                if entry.kind == CORRECT and alert is not None:
                    self._correct(alert)
                if entry.kind in (RAISE, JOIN) and alert is not None:
                    other = SILENCE if alert.alert_class is AlertClass.ALGEDONIC else STATE
                    kind = str(alert.facts.get("change", ""))
                    for place in self._about(alert):
                        self.alarms.append(Alarm(place, alert.index or other, now, kind))

    def _correct(self, alert: Alert) -> None:
        """Let the newest alarm of the alert's index be of the sort that is said now."""
        for nth in range(len(self.alarms) - 1, -1, -1):
            if (self.alarms[nth].place, self.alarms[nth].index) == (alert.place, alert.index):
                self.alarms[nth] = replace(self.alarms[nth], type=str(alert.facts.get("change", "")))
                return

    def _about(self, alert: Alert) -> list[str]:
        """Return the places that an alert says something new of: a common one is one of each machine that joins."""
        if "members" not in alert.facts:
            return [alert.place]
        told = self._told.setdefault(alert.id, set())
        joined = [name for name in str(alert.facts["members"]).split(", ") if name not in told]
        told.update(joined)
        return [self.plant.machines[name].place or alert.place for name in joined]


def after_s(index: str) -> float:
    """Return how long after a fault's end an alarm about the index still belongs to it."""
    return max(AFTER_S, 2 * CATALOGUE[index].cadence_s) if index in CATALOGUE else AFTER_S


def plant_of(story: Scenario) -> Plant:
    """Return the plant of a story, as its machines would be registered."""
    machines = {}
    for spec in story.machines:
        dialect, prefix = (spec.voice, None) if spec.prefix is None else spoken(spec.voice, spec.prefix)
        machines[spec.device] = Machine(spec.device, spec.place, dialect, prefix, spec.cadence_s)
    return Plant({place: Unit(place, name) for place, name in story.units.items()}, machines)
