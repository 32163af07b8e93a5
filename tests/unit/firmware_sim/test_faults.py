# SPDX-License-Identifier: AGPL-3.0-or-later
"""Each fault does to the measured values what its row says."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable
from typing import Any

import pytest

from collector.contract.event import JobEnded, Outcome, State, StateSeen
from firmware_sim.catalogue import CATALOGUE, draw_lasts_s
from firmware_sim.faults import CLOG_CAUSE, LOSS_GROWTH, FaultPlan, Kind, loss_ratio
from firmware_sim.machines.printer import Printer, Sensed


def minutes(sensed: list[Sensed], name: str) -> list[float]:
    values = [getattr(each, name) for each in sensed]
    return [statistics.fmean(values[i : i + 12]) for i in range(0, len(values) - 11, 12)]


def plan(kind: Kind, printer: Printer, lasts_s: float) -> FaultPlan:
    return FaultPlan(kind, "mk4-01", "commons/mk4-01", printer.now, lasts_s)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("kind", "direction"), [(Kind.HEATER_WEAK, 1), (Kind.CLOG, -1)])
def test_heater_power_moves_by_four_sigma_within_a_quarter_of_an_hour(
    make_printer: Callable[..., Printer], live: Callable[..., Any], seed: int, kind: Kind, direction: int
) -> None:
    printer = make_printer(seed)
    printer.begin()
    before = minutes(live(printer, 3600)[1], "heater_power_w")
    printer.strike(plan(kind, printer, 3000.0))
    after = minutes(live(printer, 900)[1], "heater_power_w")
    moved_w = direction * (after[-1] - statistics.fmean(before))
    assert moved_w > 4 * statistics.stdev(before)


@pytest.mark.parametrize("seed", range(5))
def test_one_minute_means_of_heater_power_spread_by_two_to_three_percent(
    make_printer: Callable[..., Printer], live: Callable[..., Any], seed: int
) -> None:
    printer = make_printer(seed, booked_after_s=4 * 3600.0)
    printer.begin()
    quiet = minutes(live(printer, 4 * 3600)[1], "heater_power_w")
    assert 0.012 < statistics.stdev(quiet) / statistics.fmean(quiet) < 0.035


def test_the_cold_filament_s_share_is_four_to_eight_watts(
    make_printer: Callable[..., Printer], live: Callable[..., Any]
) -> None:
    printer = make_printer(2)
    printer.begin()
    before = minutes(live(printer, 1800)[1], "heater_power_w")
    printer.strike(plan(Kind.CLOG, printer, 3000.0))
    after = minutes(live(printer, 900)[1], "heater_power_w")
    assert 4.0 < statistics.fmean(before) - after[-1] < 8.0


def test_a_clogged_job_fails_with_its_cause_and_waits_in_fault_for_a_repair(
    make_printer: Callable[..., Printer], live: Callable[..., Any]
) -> None:
    printer = make_printer()
    printer.begin()
    printer.strike(plan(Kind.CLOG, printer, 900.0))
    happened, _ = live(printer, 1000.0)
    ended = next(each for each in happened if isinstance(each, JobEnded))
    assert (ended.outcome, ended.cause) == (Outcome.FAILED, CLOG_CAUSE)
    assert [each.state for each in happened if isinstance(each, StateSeen)] == [State.FAULT]
    live(printer, 3600.0)
    assert not printer.clogged
    assert printer.state is not State.FAULT


def test_a_weak_heater_is_as_before_once_it_is_repaired(
    make_printer: Callable[..., Printer], live: Callable[..., Any]
) -> None:
    printer = make_printer()
    printer.begin()
    before = minutes(live(printer, 900)[1], "heater_power_w")
    printer.strike(plan(Kind.HEATER_WEAK, printer, 900.0))
    live(printer, 900)
    printer.ease(Kind.HEATER_WEAK)
    after = minutes(live(printer, 900)[1], "heater_power_w")
    assert statistics.fmean(after[5:]) == pytest.approx(statistics.fmean(before), rel=0.04)


def test_the_loss_grows_within_ten_minutes_to_its_bound_and_no_further() -> None:
    struck = FaultPlan(Kind.HEATER_WEAK, "mk4-01", "commons/mk4-01", 1000.0, 2400.0)
    assert loss_ratio(struck, 1000.0) == 1.0
    grown = loss_ratio(struck, 1600.0)
    assert 1 + LOSS_GROWTH[0] <= grown <= 1 + LOSS_GROWTH[1]
    assert loss_ratio(struck, 9000.0) == grown


def test_durations_are_drawn_within_their_rows() -> None:
    rng = random.Random(1)
    for row in CATALOGUE:
        for _ in range(50):
            assert row.lasts_s[0] <= draw_lasts_s(row.kind, rng) <= row.lasts_s[1]
