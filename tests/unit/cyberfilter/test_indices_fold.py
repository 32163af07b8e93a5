# SPDX-License-Identifier: AGPL-3.0-or-later
"""Facts into index values: gates, formulas, and the machine's own clock."""

import pytest

from collector.contract.event import JobEnded, JobStarted, Outcome, State, StateSeen
from collector.contract.reading import Fact, Samples
from cyberfilter.indices.fold import GAP_MINUTES_MAX, PENDING_FACTS_MAX, MachineFold, Value, close, take
from cyberfilter.indices.regimes import UNNAMED_JOB

T0 = 1_795_399_200.0 - 1_795_399_200.0 % 3600
RUNNING = StateSeen(T0, State.RUNNING)


def samples(start: float, count: int, step_s: float = 20.0, **columns: float) -> Samples:
    """Return samples of constant indicators; a printer at its target unless told otherwise."""
    values = {"nozzle_target_degc": 215.0, "nozzle_degc": 215.5, "heater_power_w": 30.0, "power_w": 110.0, **columns}
    times = tuple(start + step_s * k for k in range(count))
    return Samples(times, {name: (value,) * count for name, value in values.items()})


def values(*facts: Fact, fold: MachineFold | None = None) -> dict[str, list[Value]]:
    fold = fold or MachineFold()
    found: dict[str, list[Value]] = {}
    for fact in facts:
        take(fold, (fact,))
        for value in close(fold):
            found.setdefault(value.name, []).append(value)
    return found


def test_a_minute_closes_when_the_machines_own_samples_are_two_minutes_past_it() -> None:
    fold = MachineFold()
    assert values(RUNNING, samples(T0, 9), fold=fold) == {}
    assert len(values(samples(T0 + 180, 1), fold=fold)["energy_w"]) == 1


def test_means_are_stamped_with_the_end_of_their_minute() -> None:
    found = values(RUNNING, samples(T0, 20))
    assert found["energy_w"][0] == Value("energy_w", T0 + 60, 110.0)
    assert found["nozzle_deviation_degc"][0] == Value("nozzle_deviation_degc", T0 + 180, 0.5)
    assert found["heater_effort_w"][0] == Value("heater_effort_w", T0 + 180, 30.0, 215.0)


def test_a_new_target_closes_the_gate_for_two_minutes() -> None:
    later = samples(T0 + 600, 30, nozzle_target_degc=230.0, nozzle_degc=230.0)
    ends = [value.ts - T0 for value in values(RUNNING, samples(T0, 30), later)["heater_effort_w"]]
    assert ends == [180, 240, 300, 360, 420, 480, 540, 600, 780, 840, 900, 960, 1020]


@pytest.mark.parametrize("column", [{"nozzle_degc": 190.0}, {"nozzle_target_degc": 0.0, "nozzle_degc": 0.5}])
def test_a_nozzle_away_from_its_target_or_switched_off_has_no_deviation(column: dict[str, float]) -> None:
    found = values(RUNNING, samples(T0, 30, **column))
    assert "nozzle_deviation_degc" not in found
    assert "heater_effort_w" not in found
    assert "energy_w" in found


@pytest.mark.parametrize("state", [State.SETUP, State.HELD, State.IDLE, State.WAITING_PERSON, State.FAULT])
def test_a_machine_that_does_not_run_has_no_effort_and_no_energy(state: State) -> None:
    assert values(StateSeen(T0, state), samples(T0, 30)) == {}


def test_a_minute_in_which_it_stopped_has_no_value() -> None:
    held = (StateSeen(T0 + 290, State.HELD), StateSeen(T0 + 310, State.RUNNING))
    ends = [value.ts - T0 for value in values(RUNNING, *held, samples(T0, 30))["energy_w"]]
    assert ends == [60, 120, 180, 240, 420]


def test_pace_is_progress_against_the_estimate() -> None:
    start, end = samples(T0, 16, progress_ratio=0.1), samples(T0 + 320, 20, progress_ratio=0.2)
    job = JobStarted("j1", T0 - 5, estimate_s=2_500.0)
    slow = Samples(start.times, {"progress_ratio": tuple(0.1 + 0.0004 * k * 20 for k in range(16))})
    (found,) = values(RUNNING, job, slow, end)["pace_ratio"]
    assert found == Value("pace_ratio", T0 + 300, pytest.approx(0.0004 * 2_500.0), UNNAMED_JOB)


@pytest.mark.parametrize(("part_s", "known"), [(20.0, True), (29.0, True), (42.0, False), (160.0, False)])
def test_who_counts_parts_that_take_more_than_half_a_minute_has_no_pace(part_s: float, *, known: bool) -> None:
    start, end = samples(T0, 16, progress_ratio=0.1), samples(T0 + 320, 20, progress_ratio=0.2)
    job = JobStarted("j1", T0 - 5, estimate_s=100 * part_s)
    stairs = Samples(start.times, {"progress_ratio": tuple((k * 20 // part_s) / 100 for k in range(16))})
    assert ("pace_ratio" in values(RUNNING, job, stairs, end)) is known


def test_five_minutes_in_which_a_job_ended_have_no_pace() -> None:
    ended = JobEnded("j1", T0 + 100, Outcome.DONE)
    assert "pace_ratio" not in values(RUNNING, ended, samples(T0, 30, progress_ratio=0.5, estimate_s=100.0))
    assert "pace_ratio" in values(RUNNING, samples(T0, 30, progress_ratio=0.5, estimate_s=100.0))


def test_availability_is_the_share_of_the_hour_not_lost() -> None:
    lost = (StateSeen(T0 + 600, State.FAULT), StateSeen(T0 + 1500, State.RUNNING))
    (found,) = values(RUNNING, *lost, samples(T0, 200))["availability_ratio"]
    assert found == Value("availability_ratio", T0 + 3600, pytest.approx(0.75))


def test_offline_time_is_lost_unless_the_samples_come_after_all() -> None:
    gone = StateSeen(T0 + 600, State.OFFLINE)
    early, late = samples(T0, 30), samples(T0 + 3600, 20)
    (lost,) = values(RUNNING, early, gone, late)["availability_ratio"]
    (kept,) = values(RUNNING, early, gone, samples(T0 + 600, 150), late)["availability_ratio"]
    assert (lost.value, kept.value) == (pytest.approx(1 / 6, abs=0.01), 1.0)


def test_a_late_resend_gives_the_values_of_an_undisturbed_run() -> None:
    parts = [samples(T0 + 300 * k, 15, heater_power_w=30.0 + k) for k in range(12)]
    gone = (StateSeen(T0 + 900, State.OFFLINE), StateSeen(T0, State.RUNNING))
    assert values(RUNNING, *parts[:3], *gone, *parts[3:]) == values(RUNNING, *parts)


def test_what_is_older_than_a_closed_minute_is_counted_and_not_judged() -> None:
    fold = MachineFold()
    first = values(RUNNING, samples(T0, 30), fold=fold)
    assert values(samples(T0, 6, power_w=999.0), fold=fold) == {}
    assert len(first["energy_w"]) == 7
    assert fold.late_count == 6


def test_an_hourly_batch_gives_what_its_minutes_give() -> None:
    whole = values(RUNNING, samples(T0, 60, step_s=60.0), samples(T0 + 3600, 3, step_s=60.0))
    pieces = values(RUNNING, *(samples(T0 + 60 * k, 1) for k in range(63)))
    assert whole == pieces


def test_a_stamp_from_1970_does_not_walk_through_the_years() -> None:
    fold = MachineFold()
    found = values(RUNNING, samples(5.0, 1), samples(T0, 30), fold=fold)
    assert len(found["energy_w"]) == 7
    assert fold.next_minute is not None
    assert fold.next_minute > T0 > GAP_MINUTES_MAX


def test_facts_that_wait_are_bounded() -> None:
    fold = MachineFold()
    for n in range(PENDING_FACTS_MAX + 10):
        take(fold, (StateSeen(T0 + n, State.IDLE),))
    assert len(fold.states) == PENDING_FACTS_MAX
    assert fold.states[-1][0] == T0 + PENDING_FACTS_MAX + 9
