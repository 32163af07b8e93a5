# SPDX-License-Identifier: AGPL-3.0-or-later
"""The heaters behave as the constants say."""

from __future__ import annotations

import math
import random
import statistics

import pytest

from firmware_sim.physics import BED, HOTEND, ROOM_DEGC, SAMPLE_S, Heater, Wander, room_degc


def heat(heater: Heater, dt_s: float, *, flow_w_k: float = 0.0, loss_ratio: float = 1.0) -> None:
    base = heater.spec.loss_w_k
    loss = base * loss_ratio
    heater.advance(dt_s, room_degc=ROOM_DEGC, loss_w_k=loss, flow_w_k=flow_w_k, fed_w_k=base + flow_w_k)


def test_the_nozzle_needs_45_to_90_seconds_from_22_to_200_degrees() -> None:
    hotend = Heater(HOTEND, ROOM_DEGC)
    hotend.target_degc = 200.0
    took_s = 0
    while not hotend.reached() and took_s < 300:
        heat(hotend, 1.0)
        took_s += 1
    assert 45 <= took_s <= 90


def test_the_bed_needs_one_to_five_minutes_to_60_degrees() -> None:
    bed = Heater(BED, ROOM_DEGC)
    bed.target_degc = 60.0
    took_s = 0
    while not bed.reached() and took_s < 600:
        heat(bed, 5.0)
        took_s += 5
    assert 60 <= took_s <= 300


@pytest.mark.parametrize("flow_w_k", [0.0, 0.028])
def test_steady_power_is_what_loss_and_filament_take_away(flow_w_k: float) -> None:
    hotend = Heater(HOTEND, ROOM_DEGC)
    hotend.target_degc = 210.0
    for _ in range(120):
        heat(hotend, 5.0, flow_w_k=flow_w_k)
    expected_w = (HOTEND.loss_w_k + flow_w_k) * (210.0 - ROOM_DEGC)
    assert hotend.power_w == pytest.approx(expected_w, rel=0.05)


def test_heating_up_overshoots_by_less_than_three_degrees() -> None:
    hotend = Heater(HOTEND, ROOM_DEGC)
    hotend.target_degc = 200.0
    highest = 0.0
    for _ in range(300):
        heat(hotend, 1.0)
        highest = max(highest, hotend.temp_degc)
    assert highest < 203.0


def test_one_long_settled_step_lands_where_many_short_ones_do() -> None:
    long, short = Heater(HOTEND, 210.0), Heater(HOTEND, 210.0)
    long.target_degc = short.target_degc = 210.0
    heat(long, 60.0, loss_ratio=1.001)
    for _ in range(60):
        heat(short, 1.0, loss_ratio=1.001)
    assert (long.temp_degc, long.power_w) == pytest.approx((short.temp_degc, short.power_w))


def test_a_loss_that_jumps_moves_the_temperature_first_and_then_the_power() -> None:
    hotend = Heater(HOTEND, ROOM_DEGC)
    hotend.target_degc = 210.0
    for _ in range(300):
        heat(hotend, 1.0)
    before_w = hotend.power_w
    for _ in range(15):
        heat(hotend, 1.0, loss_ratio=1.5)
    assert hotend.temp_degc < 209.5
    for _ in range(300):
        heat(hotend, 1.0, loss_ratio=1.5)
    assert hotend.temp_degc == pytest.approx(210.0, abs=0.3)
    assert hotend.power_w == pytest.approx(1.5 * before_w, rel=0.05)


def test_a_heater_that_is_off_cools_to_the_room_and_takes_no_power() -> None:
    hotend = Heater(HOTEND, 210.0)
    heat(hotend, 3600.0)
    assert hotend.power_w == 0.0
    assert hotend.temp_degc == pytest.approx(ROOM_DEGC, abs=0.1)


def test_a_heater_never_takes_more_than_its_power() -> None:
    hotend = Heater(HOTEND, ROOM_DEGC)
    hotend.target_degc = 240.0
    for _ in range(200):
        heat(hotend, 1.0, loss_ratio=3.0)
        assert 0.0 <= hotend.power_w <= HOTEND.power_w


def test_a_minute_of_wander_has_the_mean_s_spread_of_its_samples() -> None:
    by_minute, by_sample = (Wander(random.Random(5), sd=1.0, tau_s=90.0) for _ in range(2))
    minutes = [by_minute.advance(60.0) for _ in range(6000)]
    samples = [by_sample.advance(SAMPLE_S) for _ in range(72000)]
    means = [statistics.fmean(samples[i : i + 12]) for i in range(0, len(samples), 12)]
    assert statistics.stdev(minutes) == pytest.approx(statistics.stdev(means), rel=0.06)
    neighbours = [statistics.correlation(xs[1:], xs[:-1]) for xs in (minutes, means)]
    assert neighbours[0] == pytest.approx(neighbours[1], abs=0.05)


def test_wander_keeps_its_standard_deviation() -> None:
    wander = Wander(random.Random(3), sd=2.0, tau_s=60.0)
    values = [wander.advance(SAMPLE_S) for _ in range(60_000)]
    assert statistics.stdev(values) == pytest.approx(2.0, rel=0.05)


def test_the_room_stays_between_20_and_24_degrees() -> None:
    temperatures = [room_degc(1_795_399_200.0 + 600 * i) for i in range(144)]
    assert math.isclose(min(temperatures), 20.5, abs_tol=0.01)
    assert math.isclose(max(temperatures), 23.5, abs_tol=0.01)
