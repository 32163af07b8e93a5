# SPDX-License-Identifier: AGPL-3.0-or-later
"""Alerts of the filter are rare, come soon, say how far out, and end by themselves when it is over."""

import copy
import random
from itertools import chain

import pytest

from cyberfilter.alerts import clocks
from cyberfilter.alerts.home import RIPE_ALONE_COUNT, Home
from cyberfilter.alerts.lifecycle import Happening
from cyberfilter.alerts.rules import LASTING_S, look
from cyberfilter.alerts.signal import Begins, Ends, Signal
from cyberfilter.alerts.watched import QUIET_COUNT, Judged, Watch, accept
from cyberfilter.contract.index import Change, Verdict
from cyberfilter.indices.catalogue import ENERGY, HEATER_EFFORT, PACE
from cyberfilter.indices.fold import Value
from cyberfilter.judge import Closed, Judge, Series

NAN = float("nan")
SPREAD = 0.5


def said(value: float, n: int, verdict: Verdict = Verdict.STEADY, regime: float = 0.0) -> Judged:
    change = (
        Change(verdict.value, 60.0 * n - LASTING_S, value - 30.0) if verdict in {Verdict.STEP, Verdict.NOISE} else None
    )
    return Judged(60.0 * n, value, regime, verdict, NAN, NAN, NAN, value, NAN, change)


def learned(level: float = 30.0, spread: float = SPREAD) -> Watch:
    """Return a rule that has seen 240 values of Gaussian noise, and whose material change is 3 W."""
    rng, watch = random.Random(3), Watch(homes={0.0: Home(240, level, spread**2)})
    for _ in range(240):
        clocks.note(watch.clocks, rng.gauss(0.0, spread / HEATER_EFFORT.materiality.of(level)))
        clocks.learn(watch.clocks)
    return watch


def play(watch: Watch, values: list[float], verdict: Verdict = Verdict.STEADY) -> list[Signal]:
    found = [look(HEATER_EFFORT, watch, said(v, n, verdict), mode="live") for n, v in enumerate(values)]
    return [signal for signal in found if signal is not None]


class Hall:
    """Eight machines of steady effort, judged by filter and rule; `play` gives signals with their value's number."""

    def __init__(self, judge: Judge, watches: list[Watch], seed: int) -> None:
        self.judge, self.watches, self.rng, self.count = judge, watches, random.Random(seed), 0

    def play(self, levels: list[float]) -> list[tuple[int, Signal]]:
        found = []
        for nth, level in enumerate(levels):
            self.count += 1
            ts = 60.0 * self.count
            queue = [
                Closed(Series(str(m), HEATER_EFFORT.name), Value(HEATER_EFFORT.name, ts, self.rng.gauss(level, 0.75)))
                for m in range(len(self.watches))
            ]
            for series, verdicted in chain.from_iterable(self.judge.judge(queue)):
                signal = look(HEATER_EFFORT, self.watches[int(series.device)], verdicted, mode="live")
                if signal is not None:
                    found.append((nth, signal))
        return found


@pytest.fixture(scope="module")
def schooled() -> Hall:
    hall = Hall(Judge(), [Watch() for _ in range(8)], seed=5)
    assert hall.play([30.0] * 260) == []
    return hall


@pytest.fixture
def hall(schooled: Hall) -> Hall:
    """Return a hall whose filter and rule have learned from 260 values, as a restart finds it."""
    return Hall(Judge(schooled.judge.states()), copy.deepcopy(schooled.watches), seed=6)


def test_eight_machines_with_stationary_noise_raise_nothing(hall: Hall) -> None:
    assert hall.play([30.0] * 200) == []


def test_a_quarter_more_heater_effort_is_raised_within_five_values_on_every_machine(hall: Hall) -> None:
    begins = [n for n, signal in hall.play([37.5] * 6) if isinstance(signal, Begins)]
    assert len(begins) == 8
    assert max(begins) < 5


def test_a_drift_over_ten_minutes_is_raised_once(hall: Hall) -> None:
    found = hall.play([30 + 0.75 * n for n in range(10)] + [37.5] * 60)
    begins = [signal for _, signal in found if isinstance(signal, Begins)]
    assert len([signal for signal in begins if signal.how is None]) == 8
    assert {signal.how for signal in begins} <= {None, Happening.CORRECT}


def test_one_value_far_out_raises_nothing() -> None:
    assert play(learned(), [30.0, 60.0, 30.0, 30.0, 30.0, 30.0], Verdict.TRANSIENT) == []


def test_a_step_that_is_sure_but_too_small_to_matter_raises_nothing() -> None:
    assert play(learned(spread=0.01), [31.0] * 50, Verdict.STEP) == []


def test_a_large_change_is_raised_with_its_first_value_of_which_the_filter_is_sure() -> None:
    (signal,) = play(learned(), [36.0], Verdict.STEP)
    assert isinstance(signal, Begins)
    assert signal.kind == "heater_effort_step"
    assert (signal.facts["size"], signal.facts["expected"], signal.facts["size_ratio"]) == (6.0, 30.0, 0.2)
    assert (signal.facts["block_s"], signal.facts["clock_s"], signal.facts["learned"]) == (60.0, 60.0, 240)


def test_nothing_is_raised_of_which_the_filter_knows_nothing() -> None:
    assert play(learned(), [36.0] * 50, Verdict.UNSURE) == []


def test_what_the_filter_holds_for_likely_takes_a_block_of_five() -> None:
    watch, change = learned(), Change("step", 0.0, 6.0)
    doubted = [said(36.0, n, Verdict.UNSURE)._replace(p_change=0.8, change=change) for n in range(5)]
    found = [look(HEATER_EFFORT, watch, judged, mode="live") for judged in doubted]
    assert found[:2] == [None] * 2
    assert len([signal for signal in found if signal is not None]) == 1


def test_a_change_that_noise_could_be_takes_a_longer_block() -> None:
    watch = learned(spread=1.5)
    rng = random.Random(4)
    found = [look(HEATER_EFFORT, watch, said(rng.gauss(34.0, 1.5), n, Verdict.STEP), mode="live") for n in range(20)]
    (begins,) = [signal for signal in found if isinstance(signal, Begins)]
    assert begins.facts["block_s"] in {180.0, 300.0, 900.0}
    assert begins.facts["clock_s"] > 60.0


def test_louder_noise_is_raised_where_its_spread_matters() -> None:
    values = [30.0 + (5.0 if n % 2 else -5.0) for n in range(20)]
    (signal,) = play(learned(), values, Verdict.NOISE)
    assert isinstance(signal, Begins)
    assert (signal.kind, signal.facts["sign"]) == ("heater_effort_noise", "pain")
    assert signal.facts["expected"] == SPREAD
    assert 3.0 <= signal.facts["level"] <= 5.0
    assert play(learned(), [30.0 + (2.0 if n % 2 else -2.0) for n in range(20)], Verdict.NOISE) == []


def test_a_sensor_that_is_stuck_for_five_values_is_raised_and_returns_when_it_moves() -> None:
    watch = learned()
    assert play(watch, [30.0] * 4, Verdict.STUCK) == []
    assert play(watch, [30.0]) == play(watch, [30.0] * 4, Verdict.STUCK) == []
    (signal,) = play(watch, [30.0], Verdict.STUCK)
    assert isinstance(signal, Begins)
    assert signal.kind == "heater_effort_stuck"
    (signal,) = play(watch, [30.1] * 5)
    assert isinstance(signal, Ends)


def test_a_ratio_of_counts_may_repeat_and_is_not_stuck() -> None:
    watch = learned(1.0, 0.01)
    assert [look(PACE, watch, said(0.98, n, Verdict.STUCK), mode="live") for n in range(20)] == [None] * 20


def test_a_season_that_is_lost_is_told_only_where_it_takes_the_level_along() -> None:
    assert play(learned(), [30.5] * 20, Verdict.SEASON) == []
    (signal,) = play(learned(), [36.0] * 20, Verdict.SEASON)
    assert isinstance(signal, Begins)
    assert signal.kind == "heater_effort_season"


def test_nobody_is_called_about_what_is_over() -> None:
    watch = learned()
    told = [said(30.1 if n == 4 else 36.0, n, Verdict.STEP) for n in range(6)]
    for judged in told[:4]:
        watch.quiet_count = 1
        assert look(HEATER_EFFORT, watch, judged, mode="live") is None
    watch.quiet_count = 0
    assert look(HEATER_EFFORT, watch, told[4]._replace(level=36.0), mode="live") is None
    assert isinstance(look(HEATER_EFFORT, watch, told[5], mode="live"), Begins)


def test_one_episode_is_open_at_a_time() -> None:
    assert len(play(learned(), [36.0] * 100, Verdict.STEP)) == 1


def test_an_episode_that_gets_materially_worse_is_told_again_and_one_that_does_not_is_not() -> None:
    watch = learned()
    play(watch, [36.0] * 30, Verdict.STEP)
    assert play(watch, [38.0] * 30, Verdict.STEP) == []
    (signal,) = play(watch, [40.0] * 30, Verdict.STEP)
    assert isinstance(signal, Begins)
    assert (signal.how, signal.facts["level"]) == (Happening.WORSE, 40.0)


def test_a_slope_that_has_ended_is_corrected_to_a_step_once() -> None:
    watch = learned()
    slope, step = Change("slope", 0.0, 1.0), Change("step", 0.0, 6.0)
    told = [said(36.0, n, Verdict.SLOPE)._replace(change=slope) for n in range(5)]
    told += [said(36.0, n, Verdict.STEP)._replace(change=step) for n in range(5, 60)]
    found = [look(HEATER_EFFORT, watch, judged, mode="live") for judged in told]
    raised, corrected = [signal for signal in found if isinstance(signal, Begins)]
    assert (raised.kind, raised.how) == ("heater_effort_slope", None)
    assert (corrected.kind, corrected.how) == ("heater_effort_step", Happening.CORRECT)
    assert watch.held is not None


def test_a_newer_change_does_not_correct_what_the_episode_is() -> None:
    watch = learned()
    play(watch, [36.0], Verdict.STEP)
    newer = [said(36.0, n, Verdict.SLOPE)._replace(change=Change("slope", 60.0 * n, 1.0)) for n in range(5, 60)]
    assert [look(HEATER_EFFORT, watch, judged, mode="live") for judged in newer] == [None] * 55


def test_it_returns_after_five_values_well_inside_the_band_held_at_the_start() -> None:
    watch = learned()
    play(watch, [36.0] * 4, Verdict.STEP)
    assert play(watch, [30.0, 30.0, 32.9, 30.0, 30.0, 30.0, 30.0]) == []
    (signal,) = play(watch, [30.0])
    assert isinstance(signal, Ends)
    assert signal.how is Happening.RETURN


def test_after_a_return_it_stays_quiet_for_some_values() -> None:
    watch = learned()
    play(watch, [36.0] * 4, Verdict.STEP)
    play(watch, [30.0] * 5)
    assert play(watch, [36.0] * 10, Verdict.STEP) == []
    assert len(play(watch, [30.0] * QUIET_COUNT)) == 0
    assert len(play(watch, [36.0] * 4, Verdict.STEP)) == 1


def test_a_closed_episode_makes_the_new_level_the_usual_one_in_every_regime() -> None:
    watch = learned()
    watch.homes[240.0] = Home(240, 60.0, SPREAD**2)
    play(watch, [36.0] * 4, Verdict.STEP)
    assert accept(HEATER_EFFORT, watch)
    assert play(watch, [36.0] * 200, Verdict.STEP) == []
    assert watch.homes[240.0].mean == pytest.approx(72.0)


def test_another_target_has_its_own_usual_level() -> None:
    watch = learned()
    watch.homes[240.0] = Home(240, 36.0, 0.25)
    found = [look(HEATER_EFFORT, watch, said(36.0, n, regime=240.0), mode="live") for n in range(20)]
    assert found == [None] * 20


def unripe(since: float) -> list[Signal]:
    """Return what comes of a step, said to be since then (Unix s), in a regime that came at 0 s and is not known."""
    watch = learned()
    watch.whole, watch.whole_clocks = watch.homes.pop(0.0), watch.clocks
    watch.whole.visit_count = 8
    change = Change("step", since, 6.0)
    values = [30.0] * 5 + [36.0] * 5
    told = [said(v, n, Verdict.STEP if v > 30 else Verdict.STEADY, regime=7.0) for n, v in enumerate(values)]
    found = [look(HEATER_EFFORT, watch, judged._replace(change=change), mode="live") for judged in told]
    return [signal for signal in found if signal is not None]


def test_a_regime_that_is_not_known_is_held_against_all_together() -> None:
    (begins,) = unripe(since=300.0)
    assert isinstance(begins, Begins)
    assert begins.facts["expected"] == pytest.approx(30.0)


def test_the_level_that_an_unknown_regime_comes_with_is_no_change() -> None:
    assert unripe(since=0.0) == []


def test_a_step_that_was_taken_for_noise_is_not_raised_as_noise() -> None:
    assert play(learned(), [30.0] * 15 + [36.0] * 15, Verdict.NOISE) == []


def test_more_pace_and_less_energy_please_and_less_pace_hurts() -> None:
    signs = []
    for row, level in ((PACE, 1.5), (ENERGY, 0.5), (PACE, 0.5)):
        watch = learned(1.0, 0.01)
        found = [look(row, watch, said(level, n, Verdict.STEP), mode="live") for n in range(4)]
        signs += [signal.facts["sign"] for signal in found if isinstance(signal, Begins)]
    assert signs == ["pleasure", "pleasure", "pain"]


def test_nothing_is_raised_before_the_usual_level_is_known() -> None:
    assert play(Watch(), [30.0 + n % 2 for n in range(RIPE_ALONE_COUNT - 1)] + [60.0], Verdict.STEP) == []


def test_while_learning_a_new_level_is_taken_as_the_usual_one() -> None:
    watch = learned()
    found = [look(HEATER_EFFORT, watch, said(36.0, n, Verdict.STEP), mode="learning") for n in range(100)]
    assert found == [None] * 100
    assert abs(watch.homes[0.0].mean - 36.0) < 0.1


def test_what_the_filter_does_not_know_is_left_out() -> None:
    (begins,) = play(learned(), [36.0], Verdict.STEP)
    assert isinstance(begins, Begins)
    assert not {"probability", "sd", "before"} & set(begins.facts)
