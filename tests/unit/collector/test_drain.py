# SPDX-License-Identifier: AGPL-3.0-or-later
"""From the log into a historian that is away, slow, or refuses: nothing is lost, doubled or held up."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from collector import quarantine
from collector.contract.errors import Unavailable
from collector.contract.limits import HISTORIAN_EVERY_S
from collector.contract.ports import ReadingColumn, ReadingRow, RefusedRow
from collector.contract.reading import Batch, Samples
from collector.drain import Drain, columns_of, rows_of
from collector.fresh import FreshHistorian
from collector.historian.admission import rows_of_column
from collector.historian.memory import MemoryHistorian
from collector.spool import Spool
from collector.turn import Turn
from deploy.clock import FileClock


class Moody(MemoryHistorian):
    """A historian that can be away, hang, and refuse values."""

    def __init__(self) -> None:
        super().__init__()
        self.away: Unavailable | None = None
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.asked = threading.Event()
        self.in_flight = self.in_flight_max = 0
        self.written_count = 0
        self.tidied_at: list[float] = []
        self.to_tidy = 0

    def tidy(self, now: float) -> int:
        if self.away is not None:
            raise self.away
        self.tidied_at.append(now)
        did, self.to_tidy = self.to_tidy, max(self.to_tidy - 1, 0)
        return did

    def write(self, rows: Sequence[object]) -> Sequence[RefusedRow]:
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight, self.in_flight_max)
        self.asked.set()
        self.may_answer.wait()
        self.in_flight -= 1
        if self.away is not None:
            raise self.away
        bad = [RefusedRow(row, "poison") for row in rows if isinstance(row, ReadingRow) and row.value == -666.0]
        self.written_count += len(rows) - len(bad)
        return [*bad, *super().write([row for row in rows if row not in [refused.row for refused in bad]])]  # type: ignore[list-item]


class Works:
    """A log, a drain and a historian, on clocks that a test moves."""

    def __init__(self, path: Path) -> None:
        self.spool = Spool(path / "facts.db")
        self.historian = Moody()
        self.clock = FileClock(1_000.0)
        self.now_s = 0.0
        self.drain = Drain(self.spool, self.historian, self.clock, monotonic_s=lambda: self.now_s)

    def commit(self, *seqs: int, value: float | None = None) -> None:
        self.spool.commit(
            Turn([
                Batch("mk4", "p", "native", 1.0, (Samples((float(n),), {"a_w": (n if value is None else value,)}),))
                for n in seqs
            ])
        )  # fmt: skip

    def kept(self) -> list[tuple[float, float]]:
        return self.historian.series("p", "a_w", start=0.0, end=1e9, most=1_000_000)


@pytest.fixture
def works(tmp_path: Path) -> Iterator[Works]:
    made = Works(tmp_path)
    yield made
    made.spool.close()


def test_row_02_facts_of_an_outage_arrive_in_order_and_once(works: Works) -> None:
    works.historian.away = Unavailable("down")
    for hour in range(10):
        works.commit(*range(hour * 100, hour * 100 + 100))
        with pytest.raises(Unavailable, match="down"):
            works.drain.turn(wait_s=0.0)
    assert (works.drain.waits, works.spool.state().behind) == ("down", 1_000)
    works.historian.away = None
    assert works.drain.turn(wait_s=0.0) == 1_000
    assert works.kept() == [(float(n), float(n)) for n in range(1_000)]
    assert (works.historian.written_count, works.drain.waits, works.spool.pending("historian")) == (1_000, None, {})


def test_row_03_commits_go_on_while_the_historian_hangs_and_one_request_is_in_flight(works: Works) -> None:
    works.commit(0)
    works.historian.may_answer.clear()
    thread = threading.Thread(target=works.drain.turn, args=(0.0,))
    thread.start()
    works.historian.asked.wait()
    for n in range(1, 51):  # each of them would hang here if the drain held anything of the log
        works.commit(n)
    assert (works.spool.last(), works.spool.state().behind, works.kept()) == (51, 51, [])
    works.historian.may_answer.set()
    thread.join()
    works.drain.turn(wait_s=0.0)
    assert (len(works.kept()), works.historian.in_flight_max) == (51, 1)


def test_historian_tidies_once_a_minute_and_a_step_each_turn_while_there_is_more(works: Works) -> None:
    works.historian.to_tidy = 2
    for _ in range(9):
        works.drain.turn(wait_s=0.001)  # nothing is in the log: it lingers, and tidies all the same
    assert works.historian.tidied_at == [1_000.0] * 3
    works.now_s = 59.9
    works.drain.turn(wait_s=0.001)
    assert len(works.historian.tidied_at) == 3
    works.now_s = 60.0
    works.drain.turn(wait_s=0.001)
    assert len(works.historian.tidied_at) == 4


def test_historian_that_cannot_tidy_is_in_trouble_until_it_can(works: Works) -> None:
    works.historian.away = Unavailable("locked")
    with pytest.raises(Unavailable, match="locked"):
        works.drain.turn(wait_s=0.001)
    assert works.drain.waits == "locked"
    works.historian.away = None
    works.drain.turn(wait_s=0.001)
    assert works.drain.waits is None


def test_wish_of_the_historian_is_granted(works: Works) -> None:
    works.commit(0)
    works.historian.away = Unavailable("busy", retry_after_s=17.0)
    with pytest.raises(Unavailable) as told:
        works.drain.turn(wait_s=0.0)
    assert told.value.retry_after_s == 17.0


def test_wait_doubles_up_to_a_minute_with_jitter_and_begins_anew_after_success(works: Works) -> None:
    works.commit(0)
    works.historian.away = Unavailable("down")
    waits = []
    for _ in range(12):
        with pytest.raises(Unavailable) as told:
            works.drain.turn(wait_s=0.0)
        waits.append(told.value.retry_after_s or 0.0)
    assert all(0.5 * min(2.0**n / 2, 60.0) <= wait <= min(2.0**n / 2, 60.0) for n, wait in enumerate(waits, 1))
    works.historian.away = None
    works.drain.turn(wait_s=0.0)
    works.commit(1)
    works.historian.away = Unavailable("down")
    with pytest.raises(Unavailable) as told:
        works.drain.turn(wait_s=0.0)
    assert (told.value.retry_after_s or 0.0) <= 1.0


def test_poison_row_is_quarantined_under_its_device_and_the_rest_is_written(works: Works) -> None:
    works.commit(1, 2)
    works.commit(3, value=-666.0)
    works.commit(4)
    assert works.drain.turn(wait_s=0.0) == 4
    (item,) = quarantine.items(works.spool)
    assert (item.device, item.reason, item.detail, works.drain.refused_count) == ("mk4", "historian", "poison", 1)
    assert [ts for ts, _ in works.kept()] == [1.0, 2.0, 4.0]


def test_few_facts_linger_and_many_do_not(works: Works) -> None:
    works.commit(0)
    assert works.drain.turn(wait_s=0.001) == 1
    works.commit(1)
    assert works.drain.turn(wait_s=0.001) == 0
    works.now_s = HISTORIAN_EVERY_S
    assert works.drain.turn(wait_s=0.001) == 1
    works.commit(*range(2, 502))
    assert works.drain.turn(wait_s=0.001) == 500


def test_question_about_now_finds_what_was_just_acknowledged(works: Works) -> None:
    works.commit(0)
    works.drain.turn(wait_s=0.0)
    works.commit(999)
    stop = threading.Event()

    def turns() -> None:
        while not stop.is_set():
            works.drain.turn(wait_s=0.01)

    thread = threading.Thread(target=turns)
    thread.start()
    found = FreshHistorian(works.historian, works.drain, works.clock).series("p", "a_w", start=0, end=1_001, most=9)
    stop.set()
    thread.join()
    assert [ts for ts, _ in found] == [0.0, 999.0]


def test_question_does_not_wait_for_a_historian_that_is_away(works: Works) -> None:
    works.commit(0)
    works.historian.away = Unavailable("down")
    with pytest.raises(Unavailable):
        works.drain.turn(wait_s=0.0)
    works.drain.hurry(wait_s=1e6)


def test_rate_is_that_of_the_last_minute(works: Works) -> None:
    works.commit(*range(600))
    works.now_s = 10.0
    works.drain.turn(wait_s=0.0)
    assert works.drain.rate_per_s == 60.0
    works.now_s = 69.0
    assert works.drain.rate_per_s == 10.0
    works.now_s = 71.0
    assert works.drain.rate_per_s == 0.0


def test_age_of_the_oldest_fact_is_told_on_the_plants_clock(works: Works) -> None:
    assert works.drain.age_s(works.spool.state().oldest_at) == 0.0
    works.commit(0)
    assert works.drain.age_s(works.spool.state().oldest_at) == 999.0


def test_numbers_that_no_fact_has_are_passed(works: Works) -> None:
    with works.spool.writing() as db:
        db.execute("INSERT OR REPLACE INTO sqlite_sequence (name, seq) VALUES ('facts', 1000)")
    works.spool.close()
    again = Spool(works.spool._path)
    drain = Drain(again, works.historian, works.clock)
    assert (drain.turn(wait_s=0.0), again.readers()) == (0, {"historian": 1_000})
    again.close()


def test_columns_say_the_same_as_rows() -> None:
    facts = (
        Samples((1.0, 2.0, 3.0), {"a_w": (1.0, None, 3.0), "b_w": (None, None, None), "c_w": (1.0, 2.0, 3.0)}),
        Samples((4.0,), {"a_w": (4.0,), "b_w": (None,)}),
    )
    batches = [Batch("d", None, "native", 1.0, facts), Batch("e", "p", "native", 1.0, facts)]
    columns = columns_of(batches)
    flat = [row for c in columns for row in (rows_of_column(c) if isinstance(c, ReadingColumn) else [c])]
    assert flat == rows_of(batches)
