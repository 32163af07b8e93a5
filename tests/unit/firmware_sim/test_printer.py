# SPDX-License-Identifier: AGPL-3.0-or-later
"""A printer's day: jobs, states, people, and the same again for the same seed."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable
from typing import Any

import pytest

from collector.contract.event import JobEnded, JobStarted, Outcome, State, StateSeen
from firmware_sim.machines.build import BIAS, build
from firmware_sim.machines.people import WAIT_S_MAX
from firmware_sim.machines.printer import Printer

MayFollow = {
    State.IDLE: {State.SETUP},
    State.SETUP: {State.RUNNING},
    State.RUNNING: {State.WAITING_PERSON, State.IDLE},
    State.WAITING_PERSON: {State.IDLE},
}


def test_the_same_seed_lives_the_same_day(make_printer: Callable[..., Printer], live: Callable[..., Any]) -> None:
    days = []
    for _ in range(2):
        printer = make_printer(4, booked_after_s=None)
        days.append((printer.begin(), live(printer, 4 * 3600)))
    assert days[0] == days[1]


def test_another_seed_lives_another_day(make_printer: Callable[..., Printer], live: Callable[..., Any]) -> None:
    first, second = make_printer(4), make_printer(5)
    assert live(first, 600) != live(second, 600)


def test_states_follow_each_other_as_in_a_workshop(
    make_printer: Callable[..., Printer], live: Callable[..., Any]
) -> None:
    printer = make_printer(3, booked_after_s=None)
    happened = printer.begin() + live(printer, 24 * 3600)[0]
    states = [each.state for each in happened if isinstance(each, StateSeen)]
    assert len(states) > 20
    assert all(after in MayFollow[before] for before, after in itertools.pairwise(states))


def test_every_job_ends_once_under_the_id_it_began_with(
    make_printer: Callable[..., Printer], live: Callable[..., Any]
) -> None:
    printer = make_printer(3, booked_after_s=None)
    happened = printer.begin() + live(printer, 24 * 3600)[0]
    begun = [each.job for each in happened if isinstance(each, JobStarted)]
    ended = [each.job for each in happened if isinstance(each, JobEnded)]
    assert len(set(begun)) == len(begun)
    assert ended == begun[: len(ended)]
    assert len(begun) - len(ended) <= 1


def test_a_done_job_took_its_estimate_times_the_machine_s_bias(
    make_printer: Callable[..., Printer], live: Callable[..., Any]
) -> None:
    printer = make_printer(3, booked_after_s=None)
    happened = printer.begin() + live(printer, 24 * 3600)[0]
    done = [each for each in happened if isinstance(each, JobEnded) and each.outcome is Outcome.DONE]
    for job in done:
        assert job.print_duration_s is not None
        assert job.estimate_s is not None
        assert job.print_duration_s / job.estimate_s == pytest.approx(printer.built.bias, rel=0.15)


def test_the_plate_is_cleared_within_a_quarter_of_an_hour(
    make_printer: Callable[..., Printer], live: Callable[..., Any]
) -> None:
    printer = make_printer(3, booked_after_s=None)
    happened = [each for each in live(printer, 24 * 3600)[0] if isinstance(each, StateSeen)]
    waits = [b.ts - a.ts for a, b in itertools.pairwise(happened) if a.state is State.WAITING_PERSON]
    assert waits
    assert max(waits) <= WAIT_S_MAX + 5


def test_progress_and_energy_never_go_back_within_a_job(
    make_printer: Callable[..., Printer], live: Callable[..., Any]
) -> None:
    printer = make_printer(6)
    printer.begin()
    _, sensed = live(printer, 3600)
    ratios = [each.progress_ratio for each in sensed]
    assert ratios == sorted(ratios)
    assert 0.0 <= ratios[0] < ratios[-1] <= 1.0
    assert [each.energy_kwh for each in sensed] == sorted(each.energy_kwh for each in sensed)


def test_the_energy_meter_is_the_power_s_integral(
    make_printer: Callable[..., Printer], live: Callable[..., Any]
) -> None:
    printer = make_printer(6)
    printer.begin()
    before_kwh = printer.energy_kwh
    _, sensed = live(printer, 3600)
    mean_kw = sum(each.power_w for each in sensed) / len(sensed) / 1000
    assert printer.energy_kwh - before_kwh == pytest.approx(mean_kw, rel=0.01)


def test_a_booked_printer_is_hot_and_printing_from_the_first_moment(make_printer: Callable[..., Printer]) -> None:
    printer = make_printer(booked_after_s=900.0)
    started, running = printer.begin()
    assert isinstance(started, JobStarted)
    assert started.ts == printer.now
    assert printer.hotend.reached()
    assert isinstance(running, StateSeen)
    assert running.state is State.RUNNING


def test_a_printer_that_begins_at_rest_starts_a_job_within_four_minutes(
    make_printer: Callable[..., Printer], live: Callable[..., Any]
) -> None:
    printer = make_printer(booked_after_s=None)
    assert [each.state for each in printer.begin(warm_share=0.0)] == [State.IDLE]
    assert isinstance(live(printer, 245)[0][0], JobStarted)


def test_pace_varies_within_a_job_more_than_from_job_to_job(
    make_printer: Callable[..., Printer], live: Callable[..., Any]
) -> None:
    printer = make_printer(6)
    printer.begin()
    ratios = [each.progress_ratio for each in live(printer, 4500)[1]]
    five_minutes = [after - before for before, after in itertools.pairwise(ratios[::60])]
    assert 0.02 < statistics.stdev(five_minutes) / statistics.fmean(five_minutes) < 0.10


def test_every_build_has_a_bias_within_the_catalogue() -> None:
    assert all(BIAS[0] <= build("mk4-01", seed).bias <= BIAS[1] for seed in range(50))
