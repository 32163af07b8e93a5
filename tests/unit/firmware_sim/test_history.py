# SPDX-License-Identifier: AGPL-3.0-or-later
"""History is what the live printers would have measured, minute by minute, without faults."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from collector.contract.event import JobEnded, JobStarted, State, StateSeen
from collector.contract.reading import Batch, Samples
from firmware_sim.history import generate
from firmware_sim.machines.build import build
from firmware_sim.machines.people import Rhythm
from firmware_sim.machines.printer import Printer, Sensed
from firmware_sim.stories import workshop

START = 1_795_219_200.0
DAYS = 4
SCENARIO = workshop(4, 7)
Minute = tuple[float, float, float]


@pytest.fixture(scope="module")
def batches() -> list[Batch]:
    return list(generate(SCENARIO, START, START + DAYS * 86_400))


def running(batches: list[Batch], device: str) -> list[Minute]:
    state, since, found = State.UNKNOWN, 0.0, []
    for fact in (fact for batch in batches if batch.device == device for fact in batch.facts):
        if isinstance(fact, StateSeen):
            state, since = fact.state, fact.ts
        elif isinstance(fact, Samples) and state is State.RUNNING:
            rows = zip(
                *(fact.values[name] for name in ("heater_power_w", "nozzle_degc", "nozzle_target_degc", "power_w")),
                strict=True,
            )
            found += [(h, n - t, p) for ts, (h, n, t, p) in zip(fact.times, rows, strict=True) if ts > since + 120]  # type: ignore[operator]
    return found  # type: ignore[return-value]


def live_running(device: str, seed: int) -> list[Minute]:
    printer = Printer(build(device, seed), seed=f"{seed}/live", start=START, tag="t", rhythm=Rhythm(rests=False))
    printer.begin()
    since, found, rows = START, [], list[Sensed]()
    for tick in range(1, 2 * 17_280):
        since = next((h.ts for h in printer.advance(START + 5 * tick) if isinstance(h, StateSeen)), since)
        rows = [*rows, printer.sense()][-12:]
        if tick % 12 == 0 and printer.state is State.RUNNING and printer.now - since > 180:
            means = [
                statistics.fmean(column) for column in zip(*(r._replace(progress_ratio=0.0) for r in rows), strict=True)
            ]
            found.append((means[2], means[0] - means[1], means[5]))
    return found


@pytest.mark.parametrize("spec", SCENARIO.machines[:2], ids=lambda spec: spec.device)
def test_levels_and_noise_of_running_minutes_equal_the_live_printer_s(batches: list[Batch], spec: Any) -> None:
    past = list(zip(*running(batches, spec.device), strict=True))
    now = list(zip(*live_running(spec.device, spec.seed), strict=True))
    power_w, deviation_k, machine_w = range(3)
    assert statistics.fmean(past[power_w]) == pytest.approx(statistics.fmean(now[power_w]), rel=0.02)
    assert statistics.stdev(past[power_w]) == pytest.approx(statistics.stdev(now[power_w]), rel=0.2)
    assert statistics.fmean(past[deviation_k]) == pytest.approx(statistics.fmean(now[deviation_k]), abs=0.02)
    assert statistics.stdev(past[deviation_k]) == pytest.approx(statistics.stdev(now[deviation_k]), rel=0.15)
    assert statistics.fmean(past[machine_w]) == pytest.approx(statistics.fmean(now[machine_w]), rel=0.02)


def test_there_is_a_batch_per_device_and_hour_with_a_column_per_minute_or_per_five_while_it_rests(
    batches: list[Batch],
) -> None:
    assert len(batches) == 4 * 24 * DAYS
    for batch in batches:
        times = [ts for fact in batch.facts if isinstance(fact, Samples) for ts in fact.times]
        assert {b - a for a, b in pairwise(times)} <= {60.0 * n for n in range(1, 6)}
        assert 12 <= len(times) <= 60


def test_facts_stand_in_the_order_of_their_times(batches: list[Batch]) -> None:
    for spec in SCENARIO.machines:
        times: list[float] = []
        for fact in (fact for batch in batches if batch.device == spec.device for fact in batch.facts):
            if isinstance(fact, Samples):
                times += fact.times
            elif isinstance(fact, StateSeen | JobEnded):
                assert fact.ts is not None
                times.append(fact.ts)
        assert times == sorted(times)


def test_every_ended_job_was_started(batches: list[Batch]) -> None:
    facts = [fact for batch in batches for fact in batch.facts]
    started = [fact.job for fact in facts if isinstance(fact, JobStarted)]
    ended = [fact.job for fact in facts if isinstance(fact, JobEnded)]
    assert len(started) == len(set(started))
    assert set(ended) <= set(started)
    assert len(ended) == len(set(ended)) > 10


def test_at_the_end_no_job_is_open(batches: list[Batch]) -> None:
    facts = [fact for batch in batches for fact in batch.facts]
    started = {fact.job for fact in facts if isinstance(fact, JobStarted)}
    assert started == {fact.job for fact in facts if isinstance(fact, JobEnded)}


def test_nothing_is_in_fault_and_less_is_printed_at_night(batches: list[Batch]) -> None:
    states = {fact.state for batch in batches for fact in batch.facts if isinstance(fact, StateSeen)}
    assert states == {State.IDLE, State.SETUP, State.RUNNING, State.WAITING_PERSON}
    starts = [fact.ts for batch in batches for fact in batch.facts if isinstance(fact, JobStarted)]
    hours = [ts % 86_400 / 3600 for ts in starts if ts is not None]
    assert sum(8 <= hour < 20 for hour in hours) > 2 * sum(not 8 <= hour < 20 for hour in hours)


def test_an_octoprint_has_no_power_in_its_history(batches: list[Batch]) -> None:
    facts = [fact for batch in batches if batch.dialect == "octoprint" for fact in batch.facts]
    names = {name for fact in facts if isinstance(fact, Samples) for name in fact.values}
    assert names == {"nozzle_degc", "nozzle_target_degc", "bed_degc", "bed_target_degc", "progress_ratio"}


def test_the_same_scenario_has_the_same_history(batches: list[Batch]) -> None:
    assert list(generate(SCENARIO, START, START + DAYS * 86_400)) == batches


def test_an_hour_that_is_cut_holds_whole_minutes_only() -> None:
    (batch,) = generate(workshop(1, 1), START + 30.0, START + 150.0)
    times = [ts for fact in batch.facts if isinstance(fact, Samples) for ts in fact.times]
    assert times == [START + 90.0]


def test_meters_only_rise(batches: list[Batch], make_printer: Callable[..., Printer]) -> None:
    mine = [fact for batch in batches if batch.device == "mk4-01" for fact in batch.facts if isinstance(fact, Samples)]
    values = [value for fact in mine for value in fact.values["energy_kwh"] if value is not None]
    assert values == sorted(values)
