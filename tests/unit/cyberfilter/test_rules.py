# SPDX-License-Identifier: AGPL-3.0-or-later
"""Alerts of the filter are rare, come soon, say how far out, and end by themselves when it is over."""

import random

from cyberfilter.alerts.lifecycle import Happening
from cyberfilter.alerts.rules import QUIET_COUNT, Home, Judged, Watch, accept, look
from cyberfilter.alerts.signal import Begins, Ends, Signal
from cyberfilter.contract.index import Verdict
from cyberfilter.indices.catalogue import ENERGY, HEATER_EFFORT, PACE
from cyberfilter.indices.fold import Value
from cyberfilter.judge import Closed, Judge, Series

NAN = float("nan")


def said(value: float, n: int, verdict: Verdict = Verdict.STEADY, regime: float = 0.0) -> Judged:
    return Judged(60.0 * n, value, regime, verdict, NAN, NAN, NAN, value, NAN)


def learned(level: float = 30.0, spread: float = 0.5) -> Watch:
    return Watch(homes={0.0: Home(240, level, spread**2)})


def play(watch: Watch, values: list[float], verdict: Verdict = Verdict.STEADY) -> list[Signal]:
    found = [look(HEATER_EFFORT, watch, said(v, n, verdict), mode="live") for n, v in enumerate(values)]
    return [signal for signal in found if signal is not None]


def judged(machines: int, values: list[float]) -> list[tuple[int, Signal]]:
    """Put a noise, then the given levels, through filter and rule; return the signals and the value's number."""
    judge, rng, watches = Judge(), random.Random(5), [Watch() for _ in range(machines)]
    found = []
    for n, level in enumerate(values):
        queue = [
            Closed(Series(str(m), HEATER_EFFORT.name), Value(HEATER_EFFORT.name, 60.0 * n, rng.gauss(level, 0.75)))
            for m in range(machines)
        ]
        for series, verdicted in judge.judge(queue):
            signal = look(HEATER_EFFORT, watches[int(series.device)], verdicted, mode="live")
            if signal is not None:
                found.append((n, signal))
    return found


def test_eight_machines_with_stationary_noise_raise_at_most_one_alert_in_a_day() -> None:
    assert len([s for _, s in judged(8, [30.0] * 1440) if isinstance(s, Begins)]) <= 1


def test_a_quarter_more_heater_effort_is_raised_within_five_values_on_every_machine() -> None:
    found = judged(8, [30.0] * 300 + [37.5] * 6)
    begins = [n for n, signal in found if isinstance(signal, Begins)]
    assert len(begins) == 8
    assert min(begins) >= 300
    assert max(begins) < 305


def test_a_drift_over_ten_minutes_is_raised_once() -> None:
    found = judged(1, [30.0] * 300 + [30 + 0.75 * n for n in range(10)] + [37.5] * 60)
    assert [type(signal) for _, signal in found] == [Begins]


def test_one_value_far_out_raises_nothing() -> None:
    assert play(learned(), [30.0, 60.0, 30.0, 30.0, 30.0, 30.0], Verdict.TRANSIENT) == []


def test_a_step_that_is_sure_but_too_small_to_matter_raises_nothing() -> None:
    assert play(learned(spread=0.01), [31.0] * 50, Verdict.STEP) == []


def test_two_values_are_enough_where_the_filter_says_step() -> None:
    (signal,) = play(learned(), [36.0, 36.0], Verdict.STEP)
    assert isinstance(signal, Begins)
    assert signal.kind == "heater_effort_step"
    assert (signal.facts["size"], signal.facts["expected"], signal.facts["size_ratio"]) == (6.0, 30.0, 0.2)


def test_four_of_five_values_are_enough_whatever_the_filter_says() -> None:
    assert play(learned(), [36.0, 36.0, 30.0, 36.0]) == []
    assert len(play(learned(), [36.0, 36.0, 30.0, 36.0, 36.0])) == 1


def test_one_episode_is_open_at_a_time() -> None:
    assert len(play(learned(), [36.0] * 100, Verdict.STEP)) == 1


def test_it_returns_after_five_values_well_inside_the_band_held_at_the_start() -> None:
    watch = learned()
    play(watch, [36.0] * 4)
    assert play(watch, [30.0, 30.0, 32.9, 30.0, 30.0, 30.0, 30.0]) == []
    (signal,) = play(watch, [30.0])
    assert isinstance(signal, Ends)
    assert signal.how is Happening.RETURN


def test_after_a_return_it_stays_quiet_for_some_values() -> None:
    watch = learned()
    play(watch, [36.0] * 4 + [30.0] * 5)
    assert play(watch, [36.0] * 10) == []
    assert len(play(watch, [30.0] * QUIET_COUNT + [36.0] * 4)) == 1


def test_a_closed_episode_makes_the_new_level_the_usual_one() -> None:
    watch = learned()
    play(watch, [36.0] * 4)
    assert accept(watch)
    assert play(watch, [36.0] * 200) == []


def test_another_target_has_its_own_usual_level() -> None:
    watch = learned()
    watch.homes[240.0] = Home(240, 36.0, 0.25)
    found = [look(HEATER_EFFORT, watch, said(36.0, n, regime=240.0), mode="live") for n in range(20)]
    assert found == [None] * 20


def test_more_pace_and_less_energy_please_and_less_pace_hurts() -> None:
    signs = []
    for row, level in ((PACE, 1.5), (ENERGY, 0.5), (PACE, 0.5)):
        watch = learned(1.0, 0.01)
        found = [look(row, watch, said(level, n), mode="live") for n in range(4)]
        signs += [signal.facts["sign"] for signal in found if isinstance(signal, Begins)]
    assert signs == ["pleasure", "pleasure", "pain"]


def test_nothing_is_raised_before_the_usual_level_is_known() -> None:
    assert play(Watch(), [30.0] * 59 + [60.0]) == []


def test_while_learning_a_new_level_is_taken_as_the_usual_one() -> None:
    watch = learned()
    found = [look(HEATER_EFFORT, watch, said(36.0, n), mode="learning") for n in range(100)]
    assert found == [None] * 100
    assert abs(watch.homes[0.0].mean - 36.0) < 0.1


def test_what_the_filter_does_not_know_yet_is_left_out() -> None:
    watch = learned()
    unknown = [Judged(60.0 * n, 36.0, 0.0, Verdict.UNSURE, NAN, NAN, NAN, NAN, NAN) for n in range(4)]
    found = [look(HEATER_EFFORT, watch, judged, mode="live") for judged in unknown]
    assert isinstance(found[-1], Begins)
    assert found[-1].facts["level"] == 36.0
    assert "probability" not in found[-1].facts
