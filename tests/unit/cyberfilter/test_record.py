# SPDX-License-Identifier: AGPL-3.0-or-later
"""How the filter did: coverage, error against the last value, words, over thirty days and no more."""

from __future__ import annotations

import math

import pytest

from cyberfilter.alerts.watched import Judged
from cyberfilter.contract.index import Verdict
from cyberfilter.record import DAY_S, DAYS, Record, Showing, note, showing


def judged(ts: float, value: float, mean: float = 10.0, verdict: Verdict = Verdict.STEADY) -> Judged:
    return Judged(ts, value, 0.0, verdict, mean, mean - 2, mean + 2, mean, 0.0)


def test_coverage_and_errors_are_shares_of_what_had_a_forecast() -> None:
    record = Record()
    note(record, judged(0.0, 9.0, math.nan, Verdict.UNSURE))
    for n, value in enumerate((11.0, 9.0, 13.0), start=1):
        note(record, judged(60.0 * n, value))
    found = showing(record)
    assert (found.count, found.coverage, found.words) == (4, pytest.approx(2 / 3), {"unsure": 1, "steady": 3})
    assert found.error == pytest.approx((1 + 1 + 3) / 3)
    assert found.error_ratio == pytest.approx((1 + 1 + 3) / (2 + 2 + 4))


def test_what_is_older_than_thirty_days_is_forgotten() -> None:
    record = Record()
    for day in range(DAYS + 5):
        note(record, judged(day * DAY_S, 10.0))
    assert len(record.days) == DAYS
    assert showing(record).since == 5 * DAY_S


def test_where_nothing_was_judged_nothing_is_claimed() -> None:
    assert showing(Record()) == Showing(0, None, None, None, {}, None)
