# SPDX-License-Identifier: AGPL-3.0-or-later
"""Who holds the log back, and for how long."""

from __future__ import annotations

from pathlib import Path

from collector.contract.reading import Batch, Samples
from collector.readers import Readers
from collector.spool import Spool
from collector.turn import Turn

DAY_S = 86_400.0


def test_silence_is_counted_in_our_own_running_time() -> None:
    readers = Readers([("elsewhere", 3, 6 * DAY_S), ("historian", 9, 6 * DAY_S)], now_s=100.0)
    readers.count_silence(100.0 + 0.5 * DAY_S)
    assert readers.drop_silent(7 * DAY_S) == []
    readers.count_silence(100.0 + 1.5 * DAY_S)
    (dropped,) = readers.drop_silent(7 * DAY_S)
    assert (dropped.name, dropped.n, dropped.why) == ("elsewhere", 3, "it has not asked for 7.5 days")
    assert readers.positions == {"historian": 9}


def test_reader_that_asks_again_at_the_same_number_is_not_silent() -> None:
    readers = Readers([("elsewhere", 3, 6 * DAY_S)], now_s=0.0)
    assert readers.passed("elsewhere", 3) is None
    readers.count_silence(6 * DAY_S)
    assert readers.drop_silent(7 * DAY_S) == []


def test_reader_behind_an_essential_one_that_lags_too_is_not_blamed() -> None:
    readers = Readers([("elsewhere", 3, 0.0), ("historian", 3, 0.0), ("cyberfilter", 9, 0.0)], now_s=0.0)
    assert readers.drop_lagging("bound") == []
    readers.passed("historian", 9)
    assert [dropped.name for dropped in readers.drop_lagging("bound")] == ["elsewhere"]


def test_positions_are_due_seldom() -> None:
    readers = Readers([("r", 3, 0.0)], now_s=0.0)
    assert not readers.due(99.0)
    readers.passed("r", 4)
    assert (readers.due(9.9), readers.due(10.0)) == (False, True)
    readers.kept(10.0)
    assert not readers.due(99.0)


def test_silent_reader_holds_the_log_back_no_longer_and_may_come_back(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "facts.db", silent_s_max=-1.0)
    spool.commit(Turn([Batch("d", None, "native", 1.0, (Samples((1.0,), {"a_w": (1.0,)}),))]))
    spool.passed("historian", 1)
    spool.passed("elsewhere", 0)
    assert spool.prune() == 1
    assert [dropped.name for dropped in spool.take_dropped()] == ["elsewhere"]
    spool.passed("elsewhere", 0)
    assert spool.readers() == {"historian": 1, "elsewhere": 0}
    spool.close()
