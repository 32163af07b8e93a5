# SPDX-License-Identifier: AGPL-3.0-or-later
"""How an alert lives and ends: the table, and the alert as the fold of its entries."""

from pathlib import Path

import pytest

import cyberfilter
from collector.contract.ports import Entry
from cyberfilter.alerts.lifecycle import (
    TRANSITIONS,
    Happening,
    alert_id,
    decide,
    diagram,
    entry,
    fold,
    raise_entry,
    step,
)
from cyberfilter.contract.alert import Action, Alert, AlertClass, AlertState

RAISED, ACKNOWLEDGED, RETURNED, CLOSED = AlertState


def fresh(alert_class: AlertClass = AlertClass.ALGEDONIC, deadline_at: float | None = 3700.0) -> Alert:
    return Alert(
        id=alert_id("a/b", "pace_ratio", 100.0),
        alert_class=alert_class,
        kind="pace_step",
        place="a/b",
        device="b",
        index="pace_ratio",
        state=RAISED,
        raised_at=100.0,
        raised_to="a/b",
        why="it fell by 1",
        facts={"size": -1.0},
        deadline_at=deadline_at,
    )


def after(alert: Alert, *whats: Action | Happening) -> Alert:
    for n, what in enumerate(whats):
        body = {"note": "seen", "raised_to": "a", "deadline_at": 9000.0}
        changed = fold(alert, entry(alert, what, ts=200.0 + n, key=str(n), body=body))
        assert changed is not None
        alert = changed
    return alert


def test_alert_that_recovers_unseen_waits_for_a_person() -> None:
    assert after(fresh(), Happening.RETURN).state is RETURNED
    assert after(fresh(), Happening.RETURN, Action.ACKNOWLEDGE).closed_at == 201.0


def test_alert_that_recovers_after_somebody_saw_it_is_closed() -> None:
    closed = after(fresh(), Action.ACKNOWLEDGE, Happening.RETURN)
    assert (closed.state, closed.acknowledged_at, closed.returned_at, closed.closed_at) == (CLOSED, 200.0, 201.0, 201.0)
    assert closed.acknowledged_note == "seen"


def test_a_person_may_close_an_alert_that_nobody_acknowledged() -> None:
    assert after(fresh(), Action.CLOSE).state is CLOSED


def test_what_is_not_in_the_table_does_nothing() -> None:
    closed = after(fresh(), Action.CLOSE)
    for what in (*Action, *Happening):
        assert after(closed, what) == closed


def test_an_alert_is_extended_once() -> None:
    alert = after(fresh(), Action.EXTEND)
    assert (alert.state, alert.deadline_at) == (RAISED, 9000.0)
    assert decide(alert, Action.EXTEND) == "repeated"


def test_an_alert_without_a_clock_cannot_be_extended() -> None:
    assert decide(fresh(AlertClass.HAZARD, None), Action.EXTEND) == "impossible"


def test_acknowledging_does_not_stop_the_clock() -> None:
    alert = after(fresh(), Action.ACKNOWLEDGE)
    assert alert.deadline_at == 3700.0
    assert step(alert.state, Happening.ESCALATE) is ACKNOWLEDGED


def test_what_comes_again_while_unseen_is_the_same_alert_and_is_raised() -> None:
    alert = after(fresh(), Happening.RETURN, Happening.AGAIN)
    assert (alert.state, alert.returned_at) == (RAISED, None)


def test_closing_twice_is_a_repetition_and_acknowledging_the_closed_is_impossible() -> None:
    closed = after(fresh(), Action.CLOSE)
    assert decide(closed, Action.CLOSE) == "repeated"
    assert decide(closed, Action.ACKNOWLEDGE) == "impossible"


def test_the_same_fact_gives_the_same_ids_whenever_it_is_judged() -> None:
    first, second = raise_entry(fresh()), raise_entry(fresh())
    assert first.id == second.id
    assert alert_id("a/b", "pace_ratio", 100.0) != alert_id("a/b", "pace_ratio", 160.0)


def test_an_alert_is_the_fold_of_its_entries() -> None:
    begun = raise_entry(fresh())
    assert fold(None, begun) == fresh()
    assert fold(fold(None, begun), begun) == fresh()
    assert fold(None, Entry("x", 1.0, "plan_changed", "x", {})) is None


@pytest.mark.parametrize("state", AlertState)
def test_a_state_has_one_way_on_for_each_happening(state: AlertState) -> None:
    whats = [row.what for row in TRANSITIONS if row.before is state]
    assert len(whats) == len(set(whats))


def test_the_readme_draws_the_table() -> None:
    assert diagram() in (Path(cyberfilter.__file__).parent / "README.md").read_text(encoding="utf-8")
