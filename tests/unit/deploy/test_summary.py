# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a demo found: faults that struck against alerts that were raised."""

from cyberfilter.contract.alert import Alert, AlertClass, AlertState
from deploy.summary import in_words, summary
from firmware_sim.faults import FaultPlan

FAULT = FaultPlan("heater-weak", "mk4", "commons/mk4", 1_000.0, 600.0)


def alert(raised_at: float, *, place: str = "commons/mk4", alert_class: AlertClass = AlertClass.ALGEDONIC) -> Alert:
    return Alert(
        id=f"a{raised_at:g}",
        alert_class=alert_class,
        kind="heater_effort_step",
        place=place,
        device="mk4",
        index="heater_effort_w",
        state=AlertState.RAISED,
        raised_at=raised_at,
        raised_to=place,
        why="Heater effort rose by 5 W.",
        facts={},
    )


def test_first_alert_at_the_place_after_the_onset_found_the_fault() -> None:
    told = summary([FAULT], [alert(1_500.0), alert(1_200.0)])
    assert told["faults"][0]["alert"] == "a1200"
    assert told["faults"][0]["found_at"] == "1970-01-01T00:20:00.000Z"
    assert told["alerts_without_fault"] == 0


def test_alert_before_the_onset_or_elsewhere_is_without_a_fault() -> None:
    told = summary([FAULT], [alert(900.0), alert(1_200.0, place="commons/mk5"), alert(9_000.0)])
    assert (told["faults"][0]["alert"], told["alerts_without_fault"]) == (None, 3)
    assert "missed" in in_words(told, [FAULT], [])


def test_everyday_calls_are_neither_found_faults_nor_false_alarms() -> None:
    told = summary([FAULT], [alert(1_100.0, alert_class=AlertClass.CALL)])
    assert (told["faults"][0]["alert"], told["alerts_without_fault"]) == (None, 0)
