# SPDX-License-Identifier: AGPL-3.0-or-later
# tidy: banks by group, and the one door to them
"""Closed buckets through the filter: one bank per transform and cadence, one update per round of all its series.

A series' clock counts its values: time_s = count × cadence. While a gate is closed the clock stands still, so a
night without work is no gap. When a change began is told in the plant's time all the same: the ends of the last
buckets are kept.

What is known beforehand is told to the filter as notices: a person's, and what is usual where a series comes into
another regime (another file, another target). So a change of job is no step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Final, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector.contract.errors import Refusal
from cyberfilter.alerts.watched import Judged
from cyberfilter.contract.index import Change, Forecast, Verdict
from cyberfilter.filter import Bank, Belief, Learned, Verdicts
from cyberfilter.indices.catalogue import CATALOGUE, Index
from cyberfilter.indices.fold import Value

Indices = NDArray[np.int32]
FilterName = Literal["hypotheses", "classic"]
FILTER: Final[FilterName] = "hypotheses"
"""The filter of new banks, unless another one is asked for; a bank that was kept stays what it is."""
_SEPARATOR: Final = "|"
_COLUMNS: Final = ("forecast_mean", "forecast_lo95", "forecast_hi95", "level", "p_change")
_CHANGE: Final = ("change_size", "change_sd", "change_p", "change_before")
ENDS_COUNT: Final = 128
"""Ends of buckets kept of a series: a change is told for 100 values (filter.md §2)."""


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


class Notice(NamedTuple):
    """What the filter is told before a value comes (Bank.intervene); mean and sd in the index's unit."""

    action: str
    mean: float = 0.0
    sd: float = 0.0


Notices = Callable[[Closed], Sequence[Notice]]
"""Returns what the filter is to be told before this value."""


def no_notice(_: Closed) -> Sequence[Notice]:
    """Return nothing to be told."""
    return ()


class GroupState(msgspec.Struct):
    """One bank as it is kept: the series in the bank's order, how many values each had, the bank's own bytes.

    `ends` are the ends of their last buckets, float64, series by series.
    """

    series: list[Series]
    counts: list[int]
    bank: bytes
    ends: bytes


class _Group:
    """One bank and who is in it."""

    def __init__(
        self, row: Index, lesson: Lesson, state: GroupState | None = None, *, filter_name: FilterName = FILTER
    ) -> None:
        self._row, self._lesson, self._filter = row, lesson, filter_name
        self.numbers: dict[Series, int] = {}
        self.counts: list[int] = []
        self.ends = np.empty((0, ENDS_COUNT))
        self._bank: Bank | None = None
        if state is not None:
            self.numbers = {series: number for number, series in enumerate(state.series)}
            self.counts = list(state.counts)
            self.ends = np.frombuffer(state.ends).reshape(-1, ENDS_COUNT).copy()
            self._bank = Bank.load(state.bank)

    def state(self) -> GroupState:
        assert self._bank is not None
        return GroupState(list(self.numbers), self.counts, self._bank.save(), self.ends.tobytes())

    def admit(self, wanted: Iterable[tuple[Series, float]]) -> Bank:
        """Return the bank with all these series in it; the float is the end of the (first) next value (Unix s)."""
        fresh: dict[Series, float] = {}
        for series, ts in wanted:
            if series not in self.numbers:
                fresh.setdefault(series, ts)
        for series in fresh:
            self.numbers[series] = len(self.counts)
            self.counts.append(0)
        if self._bank is None:
            cadence_s, transform = self._row.cadence_s, self._row.transform
            self._bank = Bank(len(fresh), filter=self._filter, transform=transform, cadence_s=cadence_s)
        elif fresh:
            self._bank.join(len(fresh))
        if fresh:
            self.ends = np.concatenate((self.ends, np.full((len(fresh), ENDS_COUNT), np.nan)))
        if self._bank.adopts:
            for series, ts in fresh.items():
                known = self._lesson(series)
                if known is not None:
                    before = np.array([ts / self._row.cadence_s - 1.0])
                    self._bank.adopt([self.numbers[series]], known.later(-before))
        return self._bank

    def learning(self, series: Series) -> tuple[int, int]:
        """Return how many values a series has learned from, and how many it needs."""
        number, need = self.numbers.get(series), self._bank.learning_count if self._bank else 0
        return min(self.counts[number] if number is not None else 0, need), need

    def learned(self, wanted: Sequence[Series]) -> Learned | None:
        """Return what these series, which are in it, have learned; None where the filter can't hand it on.

        A season's time is the plant's: their own clocks differ.
        """
        if self._bank is None or not wanted or not self._bank.adopts:
            return None
        return self._bank.learned([self.numbers[series] for series in wanted]).later(self._before(wanted))

    def adopt(self, wanted: Sequence[Series], given: Learned) -> None:
        """Let these series, which are in it, go by what was learned elsewhere."""
        if self._bank is not None and wanted and self._bank.adopts:
            self._bank.adopt([self.numbers[series] for series in wanted], given.later(-self._before(wanted)))

    def _before(self, wanted: Sequence[Series]) -> NDArray[np.float64]:
        """Return how far the plant's clock is ahead of these series' own, by their last values, in cadences."""
        numbers = [self.numbers[series] for series in wanted]
        ends = np.array([self.ends[number, self.counts[number] % ENDS_COUNT] for number in numbers])
        return np.asarray(ends / self._row.cadence_s - [self.counts[number] for number in numbers])

    def judge(self, queue: Sequence[Closed], notices: Notices) -> Iterator[list[Verdicted]]:
        """Yield the queue's verdicts in rounds, a series' values in their order: first of every series, then second."""
        bank = self.admit((closed.series, closed.value.ts) for closed in queue)
        rounds: list[list[Closed]] = []
        depth: dict[Series, int] = {}
        for closed in queue:
            nth = depth.get(closed.series, 0)
            depth[closed.series] = nth + 1
            if nth == len(rounds):
                rounds.append([])
            rounds[nth].append(closed)
        for together in rounds:
            yield self._round(bank, together, notices)

    def _round(self, bank: Bank, together: Sequence[Closed], notices: Notices) -> list[Verdicted]:
        numbers = np.array([self.numbers[closed.series] for closed in together], dtype=np.int32)
        self._foretell(bank, together, notices)
        for number, closed in zip(numbers.tolist(), together, strict=True):
            self.counts[number] += 1
            self.ends[number, self.counts[number] % ENDS_COUNT] = closed.value.ts
        time_s = np.array([self.counts[n] for n in numbers], dtype=np.float64) * self._row.cadence_s
        values = np.array([closed.value.value for closed in together], dtype=np.float64)
        verdicts = bank.update(numbers, time_s, values)
        columns = [getattr(verdicts, name).tolist() for name in _COLUMNS]
        changes = self._changes(numbers, verdicts)
        words = verdicts.verdict.tolist()
        return [
            Verdicted(series, _judged(value, word, figures, change))
            for (series, value), word, figures, change in zip(
                together, words, zip(*columns, strict=True), changes, strict=True
            )
        ]

    def _foretell(self, bank: Bank, together: Sequence[Closed], notices: Notices) -> None:
        """Tell the bank what is known of the values beforehand, a series' notices in their order."""
        waves: dict[tuple[int, str], list[tuple[int, Notice]]] = {}
        for closed in together:
            for nth, notice in enumerate(notices(closed)):
                waves.setdefault((nth, notice.action), []).append((self.numbers[closed.series], notice))
        for (_, action), told in sorted(waves.items()):
            series = np.array([number for number, _ in told], dtype=np.int32)
            mean, sd = (np.array([getattr(notice, name) for _, notice in told]) for name in ("mean", "sd"))
            try:
                bank.intervene(series, action, mean, sd)
            except Refusal:  # one that has only begun knows no level to be told anything of
                for nth in range(len(told)):
                    with suppress(Refusal):
                        bank.intervene(series[nth : nth + 1], action, mean[nth : nth + 1], sd[nth : nth + 1])

    def _changes(self, numbers: Indices, verdicts: Verdicts) -> list[Change | None]:
        """Return what changed of each series, since when in the plant's time (Unix s)."""
        told = zip(*(getattr(verdicts, name).tolist() for name in _CHANGE), strict=True)
        kinds, sinces = verdicts.change_kind.tolist(), verdicts.change_since.tolist()
        return [
            Change(kind, self._end(number, since), *figures) if kind else None
            for number, kind, since, figures in zip(numbers.tolist(), kinds, sinces, told, strict=True)
        ]

    def _end(self, number: int, time_s: float) -> float:
        """Return the end of the bucket at this time (s) of the series' clock, or the oldest that is kept."""
        count = self.counts[number]
        nth = max(round(time_s / self._row.cadence_s), count - ENDS_COUNT + 1, 1)
        return float(self.ends[number, nth % ENDS_COUNT])

    def beliefs(self, series: Series) -> list[Belief]:
        """Return what is believed of a series; `since` in the plant's time (Unix s)."""
        number = self.numbers.get(series)
        found = self._bank.beliefs(number) if self._bank is not None and number is not None else []
        return [
            one._replace(since=self._end(number, one.since)) if number is not None and np.isfinite(one.since) else one
            for one in found
        ]

    def accept(self, series: Series) -> None:
        """Take the series' standing change as its new base."""
        if self._bank is not None and series in self.numbers:
            self._bank.accept(np.array([self.numbers[series]], dtype=np.int32))

    def forecast(self, wanted: Sequence[tuple[Series, float]]) -> list[Forecast | None]:
        """Return where each series' next value is expected; the float is the last value's end (Unix s)."""
        bank = self.admit((series, last + self._row.cadence_s) for series, last in wanted)
        numbers = np.array([self.numbers[series] for series, _ in wanted], dtype=np.int32)
        time_s = np.array([self.counts[n] + 1 for n in numbers], dtype=np.float64) * self._row.cadence_s
        found = bank.forecast(numbers, time_s)
        bands = zip(found.mean.tolist(), found.lo95.tolist(), found.hi95.tolist(), strict=True)
        return [band(last + self._row.cadence_s, *figures) for (_, last), figures in zip(wanted, bands, strict=True)]


def _judged(value: Value, word: str, figures: Sequence[float], change: Change | None) -> Judged:
    mean, lo95, hi95, level, p_change = figures
    return Judged(
        ts=value.ts,
        value=value.value,
        regime=value.regime,
        verdict=Verdict(word),
        mean=mean,
        lo95=lo95,
        hi95=hi95,
        level=level,
        p_change=p_change,
        change=change,
    )


def band(at: float, mean: float, lo95: float, hi95: float) -> Forecast | None:
    """Return the forecast, or None where one of its figures is not known."""
    known = np.isfinite([mean, lo95, hi95]).all()
    return Forecast(at, mean, lo95, hi95) if known else None


class Judge:
    """All banks of the Cyberfilter; `forgotten` names the groups whose kept bank could not be read."""

    def __init__(
        self,
        states: dict[str, GroupState] | None = None,
        lesson: Lesson = lambda _: None,
        *,
        filter_name: FilterName = FILTER,
    ) -> None:
        self._lesson, self._filter = lesson, filter_name
        self._groups: dict[str, _Group] = {}
        self.forgotten: list[str] = []
        for name, state in (states or {}).items():
            try:
                self._groups[name] = _Group(CATALOGUE[state.series[0].name], lesson, state)
            except Refusal:  # another version's bank: its series begin anew
                self.forgotten.append(name)

    def states(self) -> dict[str, GroupState]:
        """Return all that the next verdicts depend on."""
        return {name: group.state() for name, group in self._groups.items()}

    def judge(self, queue: Iterable[Closed], notices: Notices = no_notice) -> Iterator[list[Verdicted]]:
        """Yield the verdicts of all values, at most one of a series at a time; a series' come in order of time.

        `notices` is asked before each value, after every earlier one of its series has been yielded.
        """
        sorted_out: dict[str, list[Closed]] = {}
        for closed in queue:
            sorted_out.setdefault(_group_of(closed.series), []).append(closed)
        for name, together in sorted_out.items():
            yield from self._group(name, together[0].series).judge(together, notices)

    def beliefs(self, series: Series) -> list[Belief]:
        """Return what is believed of a series (filter.Bank.beliefs); `since` in Unix s, NaN where it has none."""
        return self._group(_group_of(series), series).beliefs(series)

    def accept(self, series: Series) -> None:
        """Take a series' standing change as its new base (Bank.accept)."""
        self._group(_group_of(series), series).accept(series)

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
            self._groups[name] = _Group(CATALOGUE[series.name], self._lesson, filter_name=self._filter)
        return self._groups[name]


def _group_of(series: Series) -> str:
    row = CATALOGUE[series.name]
    return f"{row.transform}{_SEPARATOR}{row.cadence_s:.0f}"
