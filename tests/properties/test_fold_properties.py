# SPDX-License-Identifier: AGPL-3.0-or-later
"""Disorder within the window, duplicates and kills anywhere change neither an index value nor a journal entry."""

import random
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.bus.local import LocalBroker, LocalBus
from collector.contract.event import JobEnded, JobStarted, Outcome, State, StateSeen
from collector.contract.ports import Entry, IndexRow
from collector.contract.reading import Batch, Fact, Numbered, Samples
from collector.contract.tree import read_plant
from collector.historian.memory import MemoryHistorian
from collector.journal import MemoryJournal
from cyberfilter.indices.fold import WINDOW_S, MachineFold, Value, close, take
from cyberfilter.service import Cyberfilter

T0 = 1_795_399_200.0 - 1_795_399_200.0 % 3600
PLACE = "commons/cell/mk4"
PLANT = read_plant({"machines": {"mk4": {"place": PLACE, "cadence_s": 5.0}}})


class StillClock:
    def now(self) -> float:
        return T0 + 86_400.0

    def real_s(self, plant_s: float) -> float:
        return plant_s


class Log:
    def __init__(self, batches: Sequence[Batch]) -> None:
        self.batches, self.end = batches, 0

    def read_from(self, n: int, *, most: int, wait_s: float = 0.0) -> Sequence[Numbered]:
        return [Numbered(k, self.batches[k - 1]) for k in range(n, self.end + 1)][:most]

    def last(self) -> int:
        return self.end

    def passed(self, reader: str, n: int) -> None:
        """Keep everything: the same log is read again and again."""


def story(minutes: int, seed: int = 3) -> Iterator[tuple[float, Fact]]:
    """Yield a printer's facts with their times: jobs, faults, a sample every 20 s, half a minute in a message."""
    rng = random.Random(seed)
    yield T0, StateSeen(T0, State.RUNNING)
    yield T0 + 1, JobStarted("j1", T0 + 1, "a.gcode", 9_000.0)
    for n in range(minutes):
        at = T0 + 60 * n
        effort = 30.0 if n < minutes * 0.8 else 40.0
        for half in (at, at + 30):
            times = (half, half + 10.0, half + 20.0)
            columns = {
                "nozzle_target_degc": (215.0,) * 3,
                "nozzle_degc": tuple(215.0 + rng.gauss(0, 0.3) for _ in times),
                "heater_power_w": tuple(rng.gauss(effort, 0.6) for _ in times),
                "progress_ratio": tuple((ts - T0) / 40_000 for ts in times),
            }
            yield half + 20.0, Samples(times, columns)
        if n % 41 == 40:
            yield at + 35, StateSeen(at + 35, State.FAULT, "MINTEMP")
            yield at + 95, StateSeen(at + 95, State.RUNNING)
    end = T0 + 60 * minutes
    yield end, JobEnded("j1", end, Outcome.DONE, "a.gcode")
    yield end + 1, StateSeen(end + 1, State.WAITING_PERSON)


STORY = list(story(400))
BATCHES = [Batch("mk4", PLACE, "native", ts, (fact,)) for ts, fact in STORY]


def folded(facts: Sequence[Fact]) -> list[Value]:
    fold, found = MachineFold(), []
    for fact in facts:
        take(fold, (fact,))
        found += close(fold)
    return found


STRAIGHT = folded([fact for _, fact in STORY])


def lived(cuts: Sequence[int], *, kill: bool) -> tuple[list[Entry], dict[tuple[str, float], IndexRow]]:
    """Let the service read the log up to each cut; after each it is killed, or just goes on."""
    log, journal, historian, broker = Log(BATCHES), MemoryJournal(), Keeper(), LocalBroker()

    def begin() -> Cyberfilter:
        bus = LocalBus(broker, "cyberfilter", StillClock(), persistent=True)
        return Cyberfilter(facts=log, historian=historian, journal=journal, bus=bus, clock=StillClock(), plant=PLANT)

    service = begin()
    for cut in (*cuts, len(BATCHES)):
        log.end = cut
        service.turn(0.0)
        if kill:
            service = begin()
    return sorted(journal.entries()), historian.rows


class Keeper(MemoryHistorian):
    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[tuple[str, float], IndexRow] = {}

    def write(self, rows: Sequence[object]) -> list[object]:  # type: ignore[override]
        for row in rows:
            assert isinstance(row, IndexRow)
            assert self.rows.setdefault((row.name, row.ts), row) == row
        return []


@pytest.fixture(scope="module")
def undisturbed() -> tuple[list[Entry], dict[tuple[str, float], IndexRow]]:
    return lived((), kill=False)


def test_the_story_has_values_of_minutes_and_alerts_of_each_class(undisturbed) -> None:
    entries, rows = undisturbed
    raised = {entry.body["kind"] for entry in entries if entry.kind == "alert_raise"}
    assert {"fault", "finished"} < raised
    assert raised & {"heater_effort_step", "heater_effort_slope"}
    assert {name for name, _ in rows} >= {"heater_effort_w", "nozzle_deviation_degc", "pace_ratio"}


@given(st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_disorder_within_the_window_changes_no_value(seed: int) -> None:
    rng = random.Random(seed)
    late = sorted(STORY, key=lambda item: item[0] + rng.uniform(0, WINDOW_S - 31))
    assert folded([fact for _, fact in late]) == STRAIGHT


@given(st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_duplicates_however_late_change_no_value(seed: int) -> None:
    rng = random.Random(seed)
    doubled = [(ts + rng.choice((0.0, 50.0, 5_000.0)) * n, fact) for ts, fact in STORY for n in range(2)]
    assert folded([fact for _, fact in sorted(doubled, key=lambda item: item[0])]) == STRAIGHT


@given(st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_a_numbered_reading_that_comes_ten_minutes_late_changes_no_value(seed: int) -> None:
    rng, fold, found = random.Random(seed), MachineFold(), []
    arrivals = []
    for seq, (ts, fact) in enumerate((ts, fact) for ts, fact in STORY if isinstance(fact, Samples)):
        late_s = 600.0 if seq and rng.random() < 0.05 else 0.0
        arrivals.append((ts + late_s, fact, ("9f1c", seq)))
    arrivals += [(ts, fact, None) for ts, fact in STORY if not isinstance(fact, Samples)]
    for _, fact, sent in sorted(arrivals, key=lambda item: item[0]):
        take(fold, (fact,), sent)
        found += close(fold)
    assert found == STRAIGHT[: len(found)]
    assert len(found) >= len(STRAIGHT) - 40


@given(st.sets(st.integers(1, len(BATCHES)), max_size=6))
@settings(max_examples=12, deadline=None)
def test_a_kill_anywhere_changes_neither_values_nor_the_journal(undisturbed, cuts: set[int]) -> None:
    assert lived(sorted(cuts), kill=True) == undisturbed


@given(st.sets(st.integers(1, len(BATCHES)), max_size=6))
@settings(max_examples=6, deadline=None)
def test_how_many_facts_a_turn_takes_changes_nothing(undisturbed, cuts: set[int]) -> None:
    assert lived(sorted(cuts), kill=False) == undisturbed
