# SPDX-License-Identifier: AGPL-3.0-or-later
"""Hazards, calls and silence are made of facts at once, and repetitions make nothing."""

import pytest

from collector.contract.event import JobEnded, JobStarted, Noted, Outcome, State, StateSeen, Trouble
from collector.contract.reading import Fact, Samples
from cyberfilter.alerts import own_words
from cyberfilter.alerts.lifecycle import Happening
from cyberfilter.alerts.signal import Begins, Ends
from cyberfilter.alerts.standing import Standing, watch
from cyberfilter.contract.alert import AlertClass

DONE = JobEnded("j1", 50.0, Outcome.DONE, file="tower.gcode")
FAILED = JobEnded("j1", 50.0, Outcome.FAILED, file="tower.gcode", cause="Thermal Runaway", duration_s=40.0)
WAITING = StateSeen(51.0, State.WAITING_PERSON)
OFFLINE = StateSeen(60.0, State.OFFLINE, "last will")
SAMPLE = Samples((40.0,), {"nozzle_degc": (20.0,)})
LATER = Samples((70.0,), {"nozzle_degc": (20.0,)})


def running() -> Standing:
    return Standing(state=State.RUNNING)


def words(*facts: Fact, standing: Standing | None = None, cadence_s: float = 5.0) -> list[str]:
    """Return what one batch a fact begins, by kind, and what it ends, by `-` and kind, of those that had begun."""
    found: list[str] = []
    standing = standing or running()
    for fact in facts:
        for signal in watch(standing, (fact,), cadence_s=cadence_s):
            if isinstance(signal, Begins):
                found.append(signal.kind)
            elif signal.what in found:
                found.append(f"-{signal.what}")
    return found


def test_a_fault_is_a_hazard_with_the_machines_own_words() -> None:
    (begins,) = watch(running(), (StateSeen(10.0, State.FAULT, "MINTEMP"),), cadence_s=5.0)
    assert isinstance(begins, Begins)
    assert (begins.alert_class, begins.facts["cause"]) == (AlertClass.HAZARD, "MINTEMP")


def test_losing_the_link_does_not_end_a_fault() -> None:
    assert words(StateSeen(10.0, State.FAULT), OFFLINE) == ["fault", "silence"]


def test_leaving_the_fault_ends_it() -> None:
    assert words(StateSeen(10.0, State.FAULT), StateSeen(20.0, State.IDLE)) == ["fault", "-fault"]


def test_the_same_message_twice_makes_nothing() -> None:
    fault = StateSeen(10.0, State.FAULT)
    assert words(fault, fault, StateSeen(20.0, State.IDLE), fault) == ["fault", "-fault"]


def test_trouble_is_a_hazard_of_its_kind() -> None:
    assert words(Trouble(10.0, "smoke", "input 3 is on")) == ["smoke"]


@pytest.mark.parametrize("facts", [(DONE, WAITING), (WAITING, DONE)])
def test_a_done_job_and_a_waiting_machine_call_once_in_either_order(facts: tuple[Fact, ...]) -> None:
    assert words(*facts, *facts) == ["finished"]


def test_clearing_the_plate_answers_the_call() -> None:
    standing = running()
    watch(standing, (DONE, WAITING), cadence_s=5.0)
    found = watch(standing, (StateSeen(90.0, State.IDLE),), cadence_s=5.0)
    assert Ends("finished", 90.0, Happening.ANSWER) in found


def test_a_done_job_of_a_machine_that_does_not_wait_calls_nobody() -> None:
    assert words(DONE, StateSeen(51.0, State.IDLE)) == []


def test_a_failed_job_calls_with_its_cause_until_the_next_one_begins() -> None:
    assert words(FAILED, FAILED, JobStarted("j2", 99.0)) == ["failed", "-failed"]
    *_, begins = watch(running(), (FAILED,), cadence_s=5.0)
    assert isinstance(begins, Begins)
    assert begins.facts["cause"] == "Thermal Runaway"


def test_a_cancelled_job_calls_nobody() -> None:
    assert words(JobEnded("j1", 50.0, Outcome.CANCELLED), WAITING) == []


def test_waiting_in_the_middle_of_a_job_calls_with_the_machines_words() -> None:
    waits = StateSeen(50.0, State.WAITING_PERSON, "change the colour")
    assert words(JobStarted("j1", 10.0), waits, StateSeen(60.0, State.RUNNING)) == ["waiting", "-waiting"]


@pytest.mark.parametrize(
    ("words_", "kind"),
    [
        ("Thermal Runaway, system stopped! Heater_ID: 0", "thermal"),
        ("MAXTEMP triggered", "thermal"),
        ("Heater extruder not heating at expected rate", "thermal"),
        ("Heating failed, system stopped!", "thermal"),
        ("smoke detected in the enclosure", "smoke"),
        ("Probing failed", "fault"),
        ("max_temperature was changed", "fault"),
    ],
)
def test_a_fault_is_the_hazard_that_its_words_tell(words_: str, kind: str) -> None:
    assert words(StateSeen(10.0, State.FAULT, words_), StateSeen(20.0, State.IDLE)) == [kind, f"-{kind}"]


@pytest.mark.parametrize(
    ("words_", "need"),
    [
        ("filament_runout", "run_out"),
        ("Spool 2 empty", "run_out"),
        ("tray is full", "plate_full"),
        ("filament change recommended", None),
        ("bed fully heated", None),
        ("combined job, carry on?", None),
    ],
)
def test_a_part_of_another_word_tells_no_need(words_: str, need: str | None) -> None:
    assert own_words.wait(words_) == need


def test_words_that_come_after_the_fault_take_its_place() -> None:
    late = StateSeen(10.0, State.FAULT, "Thermal Runaway")
    assert words(StateSeen(9.0, State.FAULT), late, late) == ["fault", "-fault", "thermal"]


def test_each_indicator_beyond_its_limit_is_a_hazard_of_its_own() -> None:
    nozzle = Trouble(1.0, "limit", "", "nozzle_degc", 271.0, 260.0)
    bed = Trouble(1.0, "limit", "", "bed_degc", 130.0, 120.0)
    found = watch(running(), (nozzle, bed), cadence_s=5.0)
    assert [(begins.what, begins.ts) for begins in found] == [("limit/nozzle_degc", 1.0), ("limit/bed_degc", 1.0)]


def test_a_machine_that_ran_out_in_the_middle_of_a_job_calls_for_material() -> None:
    waits = StateSeen(50.0, State.WAITING_PERSON, "Filament runout detected")
    assert words(JobStarted("j1", 10.0), waits, StateSeen(60.0, State.RUNNING)) == ["run_out", "-run_out"]
    assert words(JobStarted("j1", 10.0), StateSeen(50.0, State.STARVED)) == ["run_out"]
    assert words(StateSeen(50.0, State.STARVED)) == []


def test_an_emptied_spool_calls_while_a_job_runs_until_another_is_opened() -> None:
    emptied = Noted(20.0, "material", {"change": "emptied"})
    assert words(emptied) == []
    opened = Noted(30.0, "material", {"change": "opened"})
    assert words(JobStarted("j1", 10.0), emptied, opened) == ["run_out", "-run_out"]


def test_a_job_refused_for_a_full_plate_calls_for_that() -> None:
    refused = JobEnded("j2", 60.0, Outcome.FAILED, cause="plate not cleared")
    assert words(DONE, WAITING, JobStarted("j2", 55.0), refused) == ["finished", "-finished", "plate_full"]
    full = StateSeen(70.0, State.WAITING_PERSON, "plate not cleared")
    assert words(DONE, WAITING, full) == ["finished", "plate_full"]


def test_clearing_the_plate_by_hand_answers_at_once() -> None:
    cleared = Noted(90.0, "plate", {"change": "cleared"})
    assert words(DONE, WAITING, cleared) == ["finished", "-finished"]


def test_silence_says_for_how_long_nothing_was_measured() -> None:
    standing = running()
    (begins,) = watch(standing, (SAMPLE, OFFLINE), cadence_s=5.0)
    assert isinstance(begins, Begins)
    assert (begins.alert_class, begins.facts["seconds"], begins.facts["cause"]) == ("algedonic", 20.0, "last will")


def test_silence_ends_when_something_newer_was_measured_or_said() -> None:
    assert words(OFFLINE, SAMPLE) == ["silence"]
    assert words(OFFLINE, SAMPLE, LATER) == ["silence", "-silence"]
    assert words(OFFLINE, StateSeen(5.0, State.RUNNING)) == ["silence", "-silence"]


def test_an_idle_machine_without_a_cadence_may_be_switched_off() -> None:
    assert words(OFFLINE, standing=Standing(state=State.IDLE), cadence_s=0.0) == []
    assert words(OFFLINE, standing=running(), cadence_s=0.0) == ["silence"]


def test_a_machine_that_was_missed_is_silent_whatever_its_cadence_and_state() -> None:
    missed = StateSeen(60.0, State.OFFLINE, "nothing heard for 300 s", missed=True)
    assert words(missed, missed, OFFLINE, LATER, standing=Standing(), cadence_s=0.0) == ["silence", "-silence"]
