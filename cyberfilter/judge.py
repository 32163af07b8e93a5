# SPDX-License-Identifier: AGPL-3.0-or-later
"""Closed buckets through the filter: one bank per transform and cadence, one update per round of all its series.

A series' clock counts its values: time_s = count × cadence. While a gate is closed the clock stands still, so a
night without work is no gap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal, NamedTuple

import msgspec
import numpy as np

from cyberfilter.alerts.rules import Judged
from cyberfilter.contract.index import Forecast, Verdict
from cyberfilter.filter import Bank, Learned
from cyberfilter.indices.catalogue import CATALOGUE, Index
from cyberfilter.indices.fold import Value

FILTER: Final[Literal["classic", "hypotheses"]] = "classic"
_SEPARATOR: Final = "|"
_COLUMNS: Final = ("forecast_mean", "forecast_lo95", "forecast_hi95", "level", "p_change")


class Series(NamedTuple):
    """A series is an index of a device, wherever the device stands."""

    device: str
    name: str


class Closed(NamedTuple):
    """One value that has to be judged."""

    series: Series
    value: Value


class Verdicted(NamedTuple):
    """One judged value."""

    series: Series
    judged: Judged


Lesson = Callable[[Series], Learned | None]
"""What a series that joins begins with (families.py); None: with its own first values."""


class GroupState(msgspec.Struct):
    """One bank as it is kept: the series in the bank's order, how many values each had, the bank's own bytes."""

    series: list[Series]
    counts: list[int]
    bank: bytes


class _Group:
    """One bank and who is in it."""

    def __init__(self, row: Index, lesson: Lesson, state: GroupState | None = None) -> None:
        self._row, self._lesson = row, lesson
        self.numbers: dict[Series, int] = {}
        self.counts: list[int] = []
        self._bank: Bank | None = None
        if state is not None:
            self.numbers = {series: number for number, series in enumerate(state.series)}
            self.counts = list(state.counts)
            self._bank = Bank.load(state.bank)

    def state(self) -> GroupState:
        assert self._bank is not None
        return GroupState(list(self.numbers), self.counts, self._bank.save())

    def admit(self, wanted: Iterable[Series]) -> Bank:
        """Return the bank with all these series in it."""
        fresh = [series for series in dict.fromkeys(wanted) if series not in self.numbers]
        for series in fresh:
            self.numbers[series] = len(self.counts)
            self.counts.append(0)
        if self._bank is None:
            cadence_s, transform = self._row.cadence_s, self._row.transform
            self._bank = Bank(len(fresh), filter=FILTER, transform=transform, cadence_s=cadence_s)
        elif fresh:
            self._bank.join(len(fresh))
        if self._bank.filter != "classic":
            for series in fresh:
                known = self._lesson(series)
                if known is not None:
                    self._bank.adopt([self.numbers[series]], known)
        return self._bank

    def learning(self, series: Series) -> tuple[int, int]:
        """Return how many values a series has learned from, and how many it needs."""
        number, need = self.numbers.get(series), self._bank.learning_count if self._bank else 0
        return min(self.counts[number] if number is not None else 0, need), need

    def learned(self, wanted: Sequence[Series]) -> Learned | None:
        """Return what these series, which are in it, have learned; None where the filter can't hand it on."""
        if self._bank is None or not wanted or self._bank.filter == "classic":
            return None
        return self._bank.learned([self.numbers[series] for series in wanted])

    def adopt(self, wanted: Sequence[Series], given: Learned) -> None:
        """Let these series, which are in it, go by what was learned elsewhere."""
        if self._bank is not None and wanted and self._bank.filter != "classic":
            self._bank.adopt([self.numbers[series] for series in wanted], given)

    def judge(self, queue: Sequence[Closed]) -> list[Verdicted]:
        """Return the queue's verdicts, a series' values in their order: the first of every series, then the second."""
        bank = self.admit(closed.series for closed in queue)
        rounds: list[list[Closed]] = []
        depth: dict[Series, int] = {}
        for closed in queue:
            nth = depth.get(closed.series, 0)
            depth[closed.series] = nth + 1
            if nth == len(rounds):
                rounds.append([])
            rounds[nth].append(closed)
        found: list[Verdicted] = []
        for together in rounds:
            found += self._round(bank, together)
        return found

    def _round(self, bank: Bank, together: Sequence[Closed]) -> list[Verdicted]:
        numbers = np.array([self.numbers[closed.series] for closed in together], dtype=np.int32)
        for number in numbers:
            self.counts[number] += 1
        time_s = np.array([self.counts[n] for n in numbers], dtype=np.float64) * self._row.cadence_s
        values = np.array([closed.value.value for closed in together], dtype=np.float64)
        verdicts = bank.update(numbers, time_s, values)
        columns = [getattr(verdicts, name).tolist() for name in _COLUMNS]
        words = verdicts.verdict.tolist()
        return [
            Verdicted(series, Judged(value.ts, value.value, value.regime, Verdict(word), *figures))
            for (series, value), word, figures in zip(together, words, zip(*columns, strict=True), strict=True)
        ]

    def forecast(self, wanted: Sequence[tuple[Series, float]]) -> list[Forecast | None]:
        """Return where each series' next value is expected; the float is the last value's end (Unix s)."""
        bank = self.admit(series for series, _ in wanted)
        numbers = np.array([self.numbers[series] for series, _ in wanted], dtype=np.int32)
        time_s = np.array([self.counts[n] + 1 for n in numbers], dtype=np.float64) * self._row.cadence_s
        found = bank.forecast(numbers, time_s)
        bands = zip(found.mean.tolist(), found.lo95.tolist(), found.hi95.tolist(), strict=True)
        return [band(last + self._row.cadence_s, *figures) for (_, last), figures in zip(wanted, bands, strict=True)]


def band(at: float, mean: float, lo95: float, hi95: float) -> Forecast | None:
    """Return the forecast, or None where one of its figures is not known."""
    known = np.isfinite([mean, lo95, hi95]).all()
    return Forecast(at, mean, lo95, hi95) if known else None


class Judge:
    """All banks of the Cyberfilter."""

    def __init__(self, states: dict[str, GroupState] | None = None, lesson: Lesson = lambda _: None) -> None:
        self._groups: dict[str, _Group] = {}
        self._lesson = lesson
        for name, state in (states or {}).items():
            self._groups[name] = _Group(CATALOGUE[state.series[0].name], lesson, state)

    def states(self) -> dict[str, GroupState]:
        """Return all that the next verdicts depend on."""
        return {name: group.state() for name, group in self._groups.items()}

    def judge(self, queue: Iterable[Closed]) -> list[Verdicted]:
        """Return the verdicts of all values; a series' values must come in order of time."""
        sorted_out: dict[str, list[Closed]] = {}
        for closed in queue:
            sorted_out.setdefault(_group_of(closed.series), []).append(closed)
        found: list[Verdicted] = []
        for name, together in sorted_out.items():
            found += self._group(name, together[0].series).judge(together)
        return found

    def forecast(self, last: dict[Series, float]) -> dict[Series, Forecast | None]:
        """Return where each series' next value is expected, by the end of its last bucket (Unix s)."""
        sorted_out: dict[str, list[tuple[Series, float]]] = {}
        for series, ts in last.items():
            sorted_out.setdefault(_group_of(series), []).append((series, ts))
        found: dict[Series, Forecast | None] = {}
        for name, wanted in sorted_out.items():
            bands = self._group(name, wanted[0][0]).forecast(wanted)
            found |= {series: known for (series, _), known in zip(wanted, bands, strict=True)}
        return found

    def series(self, index: str) -> list[Series]:
        """Return all series of an index."""
        group = self._groups.get(_group_of(Series("", index)))
        return [series for series in group.numbers if series.name == index] if group else []

    def learning(self, series: Series) -> tuple[int, int]:
        """Return how many values of its own a series has learned from, and how many it needs."""
        return self._group(_group_of(series), series).learning(series)

    def learned(self, wanted: Sequence[Series]) -> Learned | None:
        """Return what series of one index have learned; None where there are none, or nothing can be handed on."""
        return self._group(_group_of(wanted[0]), wanted[0]).learned(wanted) if wanted else None

    def adopt(self, wanted: Sequence[Series], given: Learned) -> None:
        """Let series of one index go by what was learned elsewhere (filter.Bank.adopt)."""
        if wanted:
            self._group(_group_of(wanted[0]), wanted[0]).adopt(wanted, given)

    def _group(self, name: str, series: Series) -> _Group:
        if name not in self._groups:
            self._groups[name] = _Group(CATALOGUE[series.name], self._lesson)
        return self._groups[name]


def _group_of(series: Series) -> str:
    row = CATALOGUE[series.name]
    return f"{row.transform}{_SEPARATOR}{row.cadence_s:.0f}"
