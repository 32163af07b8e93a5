# SPDX-License-Identifier: AGPL-3.0-or-later
"""Faults against alarms, by hand: what is found, missed, late, mistyped, and for nothing."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from cyberfilter.backtest.faults import (
    AFTER_S,
    Alarm,
    Fault,
    by_kind,
    by_size,
    confusion,
    false_rate,
    match,
    material,
    size_sigma,
    sure,
)  # fmt: skip

WEAK = Fault("weak", "a/1", "effort", 1_000.0, 5_000.0, "step", 6.0, ("energy",))
DIRT = Fault("dirt", "a/2", "energy", 1_000.0, 9_000.0, "slope", 2.5)
SPIKE = Fault("spike", "a/3", "effort", 1_000.0, 1_060.0, "transient", 8.0, due="never")
WEAR = Fault("wear", "a/4", "energy", 0.0, 9_000.0, "usual", due="may")
ALL = (WEAK, DIRT, SPIKE, WEAR)


def test_an_alarm_finds_the_fault_of_its_place_and_index() -> None:
    found = match(ALL, [Alarm("a/1", "effort", 1_300.0, "step")]).found
    assert [(each.fault.kind, each.delay_s) for each in found if each.alarm] == [("weak", 300.0)]


def test_an_alarm_about_what_the_fault_touches_finds_it_too() -> None:
    assert match(ALL, [Alarm("a/1", "energy", 1_300.0)]).found[0].alarm is not None


@pytest.mark.parametrize(
    "alarm",
    [
        Alarm("a/1", "pace", 1_300.0),
        Alarm("a/9", "effort", 1_300.0),
        Alarm("a/1", "effort", 999.0),
        Alarm("a/1", "effort", 5_001.0 + AFTER_S),
        Alarm("a/3", "effort", 1_020.0),
    ],
    ids=["another index", "another place", "before the onset", "long after the end", "where none must be"],
)
def test_an_alarm_that_belongs_to_no_fault_is_false(alarm: Alarm) -> None:
    matched = match(ALL, [alarm])
    assert matched.false == [alarm]
    assert [each.alarm for each in matched.found] == [None, None]


def test_an_alarm_about_usual_wear_is_neither_false_nor_a_find() -> None:
    matched = match(ALL, [Alarm("a/4", "energy", 1_300.0)])
    assert matched.false == []
    assert [each.fault.kind for each in matched.found] == ["weak", "dirt"]


def test_one_alarm_finds_one_fault_the_one_that_began_last() -> None:
    later = replace(WEAK, kind="later", onset=2_000.0)
    found = match([WEAK, later], [Alarm("a/1", "effort", 2_100.0)]).found
    assert [(each.fault.kind, each.alarm is not None) for each in found] == [("weak", False), ("later", True)]


def test_the_first_alarm_counts_and_the_second_is_not_false() -> None:
    alarms = [Alarm("a/1", "effort", 3_000.0, "slope"), Alarm("a/1", "effort", 1_600.0, "step")]
    matched = match(ALL, alarms)
    assert matched.found[0].alarm == alarms[1]
    assert matched.false == []


def test_recall_delay_and_type_are_told_by_size_and_by_kind() -> None:
    alarms = [Alarm("a/1", "effort", 1_600.0, "slope"), Alarm("a/2", "energy", 4_600.0, "slope")]
    found = match(ALL, alarms).found
    assert [(row.label, row.found, row.delay_s, row.right) for row in by_size(found)] == [
        ("2–3 σ", 1, 3_600.0, 1),
        ("5–10 σ", 1, 600.0, 0),
    ]
    assert [row.label for row in by_kind(found)] == ["weak", "dirt"]
    assert sure(found).right_share.value == 0.0
    assert confusion(found) == {("step", "slope"): 1, ("slope", "slope"): 1}


def test_what_was_missed_has_no_delay_and_no_type() -> None:
    row = by_kind(match([WEAK], []).found)[0]
    assert (row.found, row.typed, math.isnan(row.delay_s)) == (0, 0, True)
    assert confusion(match([WEAK], []).found) == {("step", "missed"): 1}


def test_what_is_worth_an_alert_is_told_apart() -> None:
    found = match([replace(WEAK, material=True), DIRT], [Alarm("a/1", "effort", 1_600.0)]).found
    assert (material(found).count, material(found).found) == (1, 1)


def test_false_alarms_are_told_for_fifty_machines_and_a_week() -> None:
    assert false_rate(4, machines=25, weeks=20).value == pytest.approx(0.4)
    assert false_rate(11, machines=50, weeks=20).hi < 1.0 < false_rate(12, machines=50, weeks=20).hi


def test_a_size_is_told_in_the_spread_of_what_was_before() -> None:
    before = [10.0 + 0.1 * k for k in range(-10, 11)]
    assert size_sigma(before, [12.0] * 9) == pytest.approx(2.0 / (1.4826 * 0.5))
    assert math.isnan(size_sigma(before[:5], [12.0]))
    assert math.isnan(size_sigma([1.0] * 20, [12.0]))
