# SPDX-License-Identifier: AGPL-3.0-or-later
"""Mill, laser, placer, plug and printer live as workshops do, and each fault shows where it should."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import pytest

from collector.contract.event import JobEnded, JobStarted, Outcome, PartCounted, State, StateSeen
from firmware_sim.faults import POWER_CAUSE, FaultPlan, Kind
from firmware_sim.machines.kinds import KINDS, STATIONS, make, make_plug
from firmware_sim.machines.laser import Laser
from firmware_sim.machines.machine import Machine
from firmware_sim.machines.mill import Mill
from firmware_sim.machines.thermals import MAXTEMP, MINTEMP, RUNAWAY
from firmware_sim.truth import Happening

START = 1_795_399_200.0
HOUR_S = 3600.0


def machine(kind: str, seed: int = 3, *, warm: bool = True) -> Machine:
    made = make(kind, f"{kind}-01", seed, start=START, tag="t", rests=False)
    made.begin(warm_share=1.0 if warm else 0.0)
    return made


def live(made: Machine, for_s: float, *, step_s: float = 5.0) -> list[Happening]:
    told: list[Happening] = []
    end = made.now + for_s
    while made.now < end:
        told += made.advance(made.now + step_s)
    return told


def sensed(made: Machine, word: str) -> float:
    value = made.sense()[made.words.index(word)]
    assert value is not None
    return value


def strike(made: Machine, kind: Kind, lasts_s: float = 600.0) -> Sequence[Happening]:
    return made.strike(FaultPlan(kind, "m", "a/m", made.now, lasts_s))


def states(told: Sequence[Happening]) -> list[State]:
    return [each.state for each in told if isinstance(each, StateSeen)]


@pytest.mark.parametrize("kind", STATIONS)
def test_a_day_of_a_station_has_jobs_that_end_once_and_parts_that_are_counted_once(kind: str) -> None:
    told = live(machine(kind), 24 * HOUR_S)
    begun = [each.job for each in told if isinstance(each, JobStarted)]
    ended = [each for each in told if isinstance(each, JobEnded)]
    parts = [each.id for each in told if isinstance(each, PartCounted)]
    assert len({each.job for each in ended}) == len(ended) > 5
    assert len(set(parts)) == len(parts) > 20
    assert 0 <= len(begun) + 1 - len(ended) <= 1
    assert sum(each.outcome is Outcome.DONE for each in ended) > len(ended) / 2


@pytest.mark.parametrize("kind", STATIONS)
def test_the_same_seed_lives_the_same_day(kind: str) -> None:
    assert live(machine(kind, 4), 5 * HOUR_S) == live(machine(kind, 4), 5 * HOUR_S)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "plug"])
def test_every_indicator_has_its_unit_last_and_a_value(kind: str) -> None:
    made = machine(kind)
    live(made, 60.0)
    units = {"pct", "rpm", "min", "ratio", "w", "kwh", "m", "kpa", "degc", "h", "count"}
    assert {word.rpartition("_")[2] for word in made.words} <= units
    assert len(made.sense()) == len(made.words)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "plug"])
def test_without_power_the_job_is_lost_and_nothing_is_used_until_it_returns(kind: str) -> None:
    made = machine(kind)
    live(made, 60.0)
    ended, off = strike(made, Kind.POWER_LOSS)
    assert isinstance(ended, JobEnded)
    assert (ended.outcome, ended.cause) == (Outcome.FAILED, POWER_CAUSE)
    assert states([off]) == [State.OFFLINE]
    before_kwh = made.energy_kwh
    assert live(made, 600.0) == []
    assert (made.energy_kwh, made.power_w) == (before_kwh, 0.0)
    assert states(made.ease(Kind.POWER_LOSS)) == [State.IDLE]


@pytest.mark.parametrize(
    ("kind", "fault", "word"),
    [
        ("mill", Kind.TOOL_BREAK, "alarm: tool broken"),
        ("mill", Kind.ALARM, "alarm: axis following error"),
        ("laser", Kind.CHILLER, "interlock: cooling water too warm"),
        ("placer", Kind.NOZZLE_CLOG, "nozzle blocked: vacuum too weak"),
        ("printer", Kind.THERMISTOR_OPEN, MINTEMP),
        ("printer", Kind.THERMISTOR_SHORT, MAXTEMP),
        ("printer", Kind.THERMAL_RUNAWAY, RUNAWAY),
        ("printer", Kind.HEATER_DEAD, RUNAWAY),
    ],
)
def test_a_machine_that_breaks_fails_its_job_with_that_word_and_is_repaired(kind: str, fault: Kind, word: str) -> None:
    made = machine(kind, 2)
    live(made, 60.0)
    strike(made, fault)
    told: list[Happening] = []
    while State.FAULT not in states(told) and made.now < START + 3 * HOUR_S:
        told += made.advance(made.now + 5.0)
    ended = [each for each in told if isinstance(each, JobEnded)][-1]
    assert (ended.outcome, ended.cause, made.why) == (Outcome.FAILED, word, word)
    live(made, HOUR_S)
    assert not made.suffers(fault)


def test_a_dead_heater_stops_a_hot_printer_within_half_a_minute_and_an_open_thermistor_at_once() -> None:
    for fault, most_s in ((Kind.HEATER_DEAD, 30.0), (Kind.THERMISTOR_OPEN, 5.0)):
        made = machine("printer", 2)
        live(made, 60.0)
        strike(made, fault)
        assert State.FAULT in states(live(made, most_s))


def test_a_heater_that_wears_takes_more_power_for_days_before_it_stops_the_printer() -> None:
    made = machine("printer", 2)
    live(made, 600.0)
    strike(made, Kind.HEATER_WEARS, 2 * 86_400.0)
    taken: list[float] = []
    while made.state is not State.FAULT and made.now < START + 3 * 86_400:
        made.advance(made.now + 60.0 if made.state is not State.SETUP else made.now + 5.0)
        if made.state is State.RUNNING:
            taken.append(sensed(made, "heater_power_w"))
    assert made.why == RUNAWAY
    assert made.now > START + 86_400
    assert statistics.fmean(taken[-200:]) > 1.5 * statistics.fmean(taken[:200])


def test_a_printer_without_filament_waits_for_a_person_and_goes_on() -> None:
    made = machine("printer", 2)
    live(made, 60.0)
    strike(made, Kind.RUN_OUT)
    assert states(live(made, 10.0)) == [State.WAITING_PERSON]
    assert live(made, 600.0) == []
    assert states(made.ease(Kind.RUN_OUT)) == [State.RUNNING]


def test_a_print_that_came_off_the_bed_is_cancelled_by_a_person() -> None:
    made = machine("printer", 2)
    strike(made, Kind.SPAGHETTI, 300.0)
    ended = next(each for each in live(made, 400.0) if isinstance(each, JobEnded))
    assert (ended.outcome, ended.cause) == (Outcome.CANCELLED, "cancelled by a person")
    assert not made.suffers(Kind.SPAGHETTI)


def test_a_shifted_layer_makes_scrap_that_only_the_truth_knows() -> None:
    made = machine("printer", 2)
    strike(made, Kind.LAYER_SHIFT)
    told = live(made, 4 * HOUR_S)
    part = next(each for each in told if isinstance(each, PartCounted))
    assert (part.good, part.scrap, part.cause) == (0, 1, "layer shift")


def test_a_tool_that_wears_loads_the_spindle_half_a_percent_more_a_part() -> None:
    made = machine("mill", 5)
    assert isinstance(made, Mill)
    loads: dict[int, list[float]] = {10: [], 60: []}
    for parts, seen in loads.items():
        made.cut_parts = parts
        while len(seen) < 60:
            made.advance(made.now + 1.0)
            made.cut_parts = parts
            if made.state is State.RUNNING:
                seen.append(made.load_pct)
    assert statistics.fmean(loads[60]) / statistics.fmean(loads[10]) == pytest.approx(1.30 / 1.05, rel=0.05)


def test_door_and_feed_hold_hold_a_mill_and_let_it_go_on() -> None:
    for fault in (Kind.DOOR, Kind.FEED_HOLD):
        made = machine("mill", 5)
        live(made, 30.0)
        strike(made, fault)
        assert states(live(made, 60.0)) == [State.HELD]
        made.ease(fault)
        assert states(live(made, 5.0)) == [State.RUNNING]


def test_a_dirty_lens_takes_more_energy_a_metre_and_at_last_time() -> None:
    made = machine("laser", 5)
    assert isinstance(made, Laser)
    live(made, 30.0)
    before = sensed(made, "energy_j_m")
    strike(made, Kind.LENS_DIRT, 60.0)
    live(made, 90.0)
    assert sensed(made, "energy_j_m") > 1.5 * before
    assert made.cycle_ratio() > 1.0


@pytest.mark.parametrize(("kind", "why"), [("laser", "lens cleaning"), ("mill", "tool change")])
def test_what_wears_by_use_is_looked_after_between_two_jobs(kind: str, why: str) -> None:
    told = live(machine(kind), 7 * 24 * HOUR_S)
    cared = [each.ts for each in told if isinstance(each, StateSeen) and each.why == why]
    assert 1 <= len(cared) < 70


def test_a_laser_without_air_makes_charred_scrap() -> None:
    made = machine("laser", 5)
    strike(made, Kind.AIR_ASSIST)
    parts = [each for each in live(made, 900.0) if isinstance(each, PartCounted)]
    assert parts
    assert {each.cause for each in parts} == {"charred edges"}
    assert sensed(made, "air_assist_kpa") < 50


def test_a_tube_that_loses_power_is_set_higher() -> None:
    made = machine("laser", 5)
    live(made, 30.0)
    before = sensed(made, "tube_set_pct")
    strike(made, Kind.TUBE_LOSS, 60.0)
    live(made, 60.0)
    assert sensed(made, "tube_set_pct") > 1.3 * before


def test_mispicks_are_discarded_and_slow_a_placer() -> None:
    well, ill = machine("placer", 5), machine("placer", 5)
    strike(ill, Kind.MISPICKS, 3_600.0)
    for made in (well, ill):
        live(made, 900.0)
    assert sensed(ill, "discard_count") > 3 * sensed(well, "discard_count")
    assert sensed(ill, "mispick_pct") == pytest.approx(10 * sensed(well, "mispick_pct"), rel=0.01)


def test_a_clogged_nozzle_weakens_the_vacuum() -> None:
    made = machine("placer", 5)
    live(made, 30.0)
    assert sensed(made, "vacuum_kpa") < -55
    strike(made, Kind.NOZZLE_CLOG, 600.0)
    live(made, 30.0)
    assert -35 < sensed(made, "vacuum_kpa") < -20


def test_an_empty_feeder_starves_a_placer_until_a_new_reel_is_in() -> None:
    made = machine("placer", 5)
    live(made, 30.0)
    strike(made, Kind.FEEDER_EMPTY)
    assert states(live(made, 30.0)) == [State.STARVED]
    made.ease(Kind.FEEDER_EMPTY)
    assert states(live(made, 5.0)) == [State.RUNNING]


def test_a_plug_meters_what_its_machine_uses_and_says_when_it_runs() -> None:
    load = machine("mill", 5)
    plug = make_plug(load, "mill", 9, start=START)
    before_kwh = load.energy_kwh
    seen: list[Happening] = []
    for _ in range(720):
        load.advance(load.now + 5.0)
        seen += plug.advance(load.now)
    used_kwh = load.energy_kwh - before_kwh
    assert plug.energy_kwh == pytest.approx(used_kwh + 0.001, abs=1e-6)
    assert plug.state == (State.RUNNING if load.power_w > 400 else State.IDLE)
    assert State.RUNNING in states(seen)
