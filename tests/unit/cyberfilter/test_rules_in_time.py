# SPDX-License-Identifier: AGPL-3.0-or-later
"""What passes calls nobody, and what was usual long ago is no measure."""

import copy
import random

from cyberfilter.alerts.home import Home
from cyberfilter.alerts.lifecycle import Happening
from cyberfilter.alerts.rules import look
from cyberfilter.alerts.signal import Begins, Signal
from cyberfilter.contract.index import Change, Verdict
from cyberfilter.indices.catalogue import HEATER_EFFORT
from tests.unit.cyberfilter.test_rules import SPREAD, learned, said


def test_a_disturbance_of_a_minute_that_falls_into_two_values_calls_nobody() -> None:
    watch, change = learned(), Change("step", 60.0, 6.0)
    values = [(36.0, Verdict.UNSURE), (36.0, Verdict.STEP), (30.0, Verdict.STEADY), (30.0, Verdict.STEADY)]
    told = [
        said(value, n, verdict)._replace(change=change if verdict is Verdict.STEP else None)
        for n, (value, verdict) in enumerate(values, start=1)
    ]
    again = copy.deepcopy(watch)
    assert [look(HEATER_EFFORT, watch, one, mode="live") for one in told] == [None] * 4
    lasting = [*told[:2], said(36.0, 3, Verdict.STEP)._replace(change=change)]
    assert [look(HEATER_EFFORT, again, one, mode="live") is None for one in lasting] == [True, True, False]


def back_after(drift_w: float) -> list[Signal | None]:
    """Return what comes of another job's file at 33 W, known at 30 W, after the first's level went on so far."""
    rng, watch = random.Random(4), learned()
    watch.homes[7.0], watch.regime = Home(240, 30.0, SPREAD**2), 7.0
    for n in range(12_000):
        level = 30.0 + drift_w * min(n / 10_000, 1.0)
        look(HEATER_EFFORT, watch, said(rng.gauss(level, SPREAD), n), mode="live")
    told = [said(rng.gauss(33.5, SPREAD), n, Verdict.STEP, regime=7.0) for n in range(12_001, 12_041)]
    return [signal for judged in told if (signal := look(HEATER_EFFORT, watch, judged, mode="live")) is not None]


def test_a_level_that_all_jobs_have_slowly_come_to_is_no_news_in_the_file_that_was_away() -> None:
    assert len(back_after(0.0)) == 1
    assert back_after(3.5) == []


def sorts(told: list[tuple[float, Verdict, Change | None]]) -> list[tuple[str, Happening | None]]:
    """Return kinds and happenings of what these values, verdicts and changes raise."""
    watch = learned()
    judged = [said(value, n, verdict)._replace(change=change) for n, (value, verdict, change) in enumerate(told)]
    found = [look(HEATER_EFFORT, watch, one, mode="live") for one in judged]
    return [(signal.kind, signal.how) for signal in found if isinstance(signal, Begins)]


def test_a_step_from_half_the_way_is_the_end_of_a_slope() -> None:
    creeping = Change("step", -600.0, 1.5, before=32.5)
    assert sorts([(34.0, Verdict.STEP, creeping)] * 20) == [("heater_effort_slope", None)]
    jumped = Change("step", -600.0, 4.0, before=30.5)
    assert sorts([(34.0, Verdict.STEP, jumped)] * 20) == [("heater_effort_step", None)]


def test_a_slope_that_does_not_go_on_was_a_step_though_the_filter_has_nothing_more_to_say() -> None:
    slope = Change("slope", -600.0, 0.5, before=30.0)
    quick = [(36.0, Verdict.SLOPE, slope)] * 3 + [(36.0, Verdict.STEADY, None)] * 30
    assert sorts(quick) == [("heater_effort_slope", None), ("heater_effort_step", Happening.CORRECT)]
    going_on = [(36.0 + 0.5 * n, Verdict.SLOPE, slope) for n in range(17)]
    assert sorts(going_on) == [("heater_effort_slope", None)]


def test_noise_that_looked_like_a_step_at_first_is_told_as_noise() -> None:
    rng = random.Random(2)
    step, noise = Change("step", -120.0, 6.0), Change("noise", 300.0, 8.0)
    loud = [(36.0, Verdict.STEP, step)] * 3 + [(30.0 + 6.0 * rng.choice((-1, 1)), Verdict.NOISE, noise)] * 1
    loud += [(30.0 + 6.0 * (-1) ** n, Verdict.NOISE, noise) for n in range(30)]
    assert sorts(loud)[:2] == [("heater_effort_step", None), ("heater_effort_noise", Happening.CORRECT)]
