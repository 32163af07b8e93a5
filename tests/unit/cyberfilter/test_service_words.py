# SPDX-License-Identifier: AGPL-3.0-or-later
"""What people tell the running filter beforehand, and what like machines share, through the whole service."""

import copy

import msgspec
import numpy as np
import pytest

from collector.contract.errors import Refusal, Unavailable
from collector.contract.event import State
from collector.contract.ports import Checkpoint, Entry
from cyberfilter.checkpoint import pack, unpack
from cyberfilter.contract.alert import Action, Alert
from cyberfilter.contract.intervention import Intervention
from cyberfilter.filter import Bank
from cyberfilter.judge import GroupState
from tests.unit.cyberfilter.conftest import CELL, HOUR, Workshop, minutes

PLACE = f"{CELL}/mk4-01"


def intervention(**fields: object) -> Intervention:
    return msgspec.convert({"id": "w1", "place": PLACE, "index": "heater_effort_w", **fields}, Intervention)


def test_a_rise_that_was_foretold_raises_nothing(trained) -> None:
    trained.service.intervene(intervention(ts=trained.clock.at, action="level", mean=37.5, sd=0.5))
    trained.run(30, effort_w=37.5)
    assert trained.service.alerts() == []


def test_values_that_are_to_be_ignored_raise_nothing_until_their_time_is_over(trained) -> None:
    until = trained.clock.at + 900
    trained.service.intervene(intervention(ts=trained.clock.at, action="ignore", until=until))
    trained.run(30, effort_w=37.5)
    (alert,) = trained.service.alerts()
    assert alert.raised_at > until


def test_an_intervention_that_is_repeated_counts_once_and_outlives_a_kill(trained) -> None:
    first = trained.service.intervene(intervention(ts=trained.clock.at + 600, action="shift", mean=7.5))
    trained.restart()
    assert trained.service.intervene(intervention(ts=0.0, action="shift", mean=99.0)) == first
    trained.run(10)
    trained.run(20, effort_w=37.5)
    assert trained.service.alerts() == []


def test_a_level_that_the_index_cannot_have_is_refused_and_not_kept(trained) -> None:
    wrong = intervention(ts=trained.clock.at, index="availability_ratio", action="level", mean=7.0)
    with pytest.raises(Refusal, match=r"mean = 7 is not within 0\.\.1"):
        trained.service.intervene(wrong)
    assert list(trained.journal.entries()) == []


def test_interventions_come_over_mqtt_and_wrong_ones_are_counted(trained) -> None:
    topic = f"cybersyn/v1/intervention/{PLACE}"
    body = b'{"v":1,"id":"w1","ts":"2026-11-23T10:00:00Z","index":"heater_effort_w","action":"uncertain"}'
    for payload in (body.replace(b"heater_effort_w", b"pressure"), body.replace(b"uncertain", b"hush"), body, body):
        trained.ears.publish(topic, payload)
    trained.service.turn(0.0)
    assert next(f.value for f in trained.service.figures() if f.name == "cyberfilter_actions_refused_total") == 2
    assert [known.id for known in trained.journal.entries()] == ["intervention:w1"]


def test_an_intervention_that_cannot_be_kept_is_not_heeded(trained, monkeypatch) -> None:
    def away(*_: object, **__: object) -> None:
        raise Unavailable("disk is full")

    monkeypatch.setattr(trained.journal, "append", away)
    with pytest.raises(Unavailable):
        trained.service.intervene(intervention(ts=trained.clock.at, action="level", mean=37.5))
    monkeypatch.undo()
    trained.run(12, effort_w=37.5)
    assert len(trained.service.alerts()) == 1


@pytest.fixture
def hall(schooling) -> Workshop:
    """Three printers that have each run steadily for ten hours."""
    checkpoint, _ = schooling
    memory = unpack(checkpoint.state)
    names = ["mk4-01", "mk4-02", "mk4-03"]
    (one,) = memory.machines.values()
    for name in names:
        memory.machines[name] = msgspec.structs.replace(copy.deepcopy(one), place=f"{CELL}/{name}")
    for group in memory.banks.values():
        _copies(group, names)
    found = Workshop(machines=3)
    found.journal.append([], checkpoint=Checkpoint(0, pack(memory)))
    found.clock.at = HOUR + 36_000
    found.restart()
    return found


def _copies(group: GroupState, names: list[str]) -> None:
    """Give every machine a column of its own that is the one of the first."""
    bank, own = Bank.load(group.bank), list(group.series)
    bank.join((len(names) - 1) * len(own))
    first = bank._columns.take(np.arange(len(own)))
    bank._columns.put(np.arange(len(names) * len(own)), np.tile(first, len(names)))
    group.series = [series._replace(device=name) for name in names for series in own]
    group.counts, group.ends, group.bank = group.counts * len(names), group.ends * len(names), bank.save()


def test_three_printers_whose_energy_rises_with_the_mains_are_one_alert_at_their_cell(hall) -> None:
    for minute in range(12):
        for number in (1, 2, 3):
            hall.log.batches += minutes(
                hall.clock.at + 60 * minute, 1, power_w=150.0, seed=number, device=f"mk4-0{number}"
            )
    hall.clock.at += 720
    hall.service.turn(0.0)
    (alert,) = hall.service.alerts(is_open=True)
    assert (alert.place, alert.device, alert.kind) == (CELL, None, "energy_step")
    assert alert.facts["members"] == "mk4-01, mk4-02, mk4-03"
    assert alert.why.startswith("Energy of 3 of 3 machines at ")
    hall.restart()
    hall.service.act(alert.id, Action.CLOSE)
    for minute in range(30):
        for number in (1, 2, 3):
            hall.log.batches += minutes(
                hall.clock.at + 60 * minute, 1, power_w=150.0, seed=number, device=f"mk4-0{number}"
            )
    hall.service.turn(0.0)
    assert hall.service.alerts(is_open=True) == []


def remembered(workshop: Workshop) -> bytes:
    return pack(workshop.service._floor.memory(0, []))


def lived(checkpoint: Checkpoint, how: str) -> tuple[bytes, list[Entry], list[Alert]]:
    """Return memory, entries and alerts of a printer with a fault that comes and goes, and a level that is accepted."""
    workshop = Workshop()
    workshop.journal.append([], checkpoint=checkpoint)
    workshop.clock.at = HOUR + 36_000
    workshop.restart()
    for part, effort_w in enumerate((30.0, 37.5, 37.5, 37.5, 37.5, 30.0)):
        state = State.FAULT if part == 1 else State.RUNNING
        workshop.state(state, workshop.clock.at)
        workshop.state(State.RUNNING, workshop.clock.at + 10)
        if part == 1:
            workshop.state(State.FAULT, workshop.clock.at + 10)
        workshop.state(State.RUNNING, workshop.clock.at + 40)
        workshop.run(3, effort_w=effort_w)
        if part == 4:
            for alert in workshop.service.alerts(is_open=True):
                workshop.service.act(alert.id, Action.CLOSE)
        if how == "stopped":
            workshop.service.close()
        if how != "undisturbed":
            workshop.restart().turn(0.0)
    return remembered(workshop), workshop.journal.entries(), workshop.service.alerts()


def test_stops_and_kills_change_nothing_of_what_is_remembered_and_said(schooling) -> None:
    checkpoint, _ = schooling
    undisturbed = lived(checkpoint, "undisturbed")
    assert {entry.kind for entry in undisturbed[1]} >= {"alert_raise", "alert_return", "alert_again", "alert_close"}
    assert lived(checkpoint, "stopped") == undisturbed
    assert lived(checkpoint, "killed") == undisturbed


def test_a_kill_right_after_a_person_closed_an_alert_accepts_its_level_at_the_same_fact(trained, monkeypatch) -> None:
    trained.run(12, effort_w=37.5)
    (alert,) = trained.service.alerts(is_open=True)
    monkeypatch.setattr(trained.service, "_commit", lambda **_: None)
    trained.service.act(alert.id, Action.CLOSE)
    accepted = remembered(trained)
    trained.restart().turn(0.0)
    assert remembered(trained) == accepted


@pytest.fixture
def steady(trained) -> Workshop:
    """One whose next checkpoint is a minute off, so that a kill leaves facts between it and what was said."""
    trained.run(1)
    return trained


def test_a_kill_after_a_seen_alert_returned_does_not_take_the_fault_as_usual(steady) -> None:
    steady.run(12, effort_w=37.5)
    (alert,) = steady.service.alerts(is_open=True)
    steady.service.act(alert.id, Action.ACKNOWLEDGE)
    steady.run(12)
    assert [known.state for known in steady.service.alerts()] == ["closed"]
    undisturbed = remembered(steady)
    steady.restart().turn(0.0)
    assert remembered(steady) == undisturbed


def test_a_kill_does_not_accept_a_level_for_an_alert_that_was_closed_before_it_was_reached(steady) -> None:
    steady.run(12, effort_w=37.5)
    (first,) = steady.service.alerts(is_open=True)
    steady.service.act(first.id, Action.CLOSE)
    steady.run(40, effort_w=37.5)
    steady.run(10, effort_w=47.5)
    (second,) = steady.service.alerts(is_open=True)
    steady.service.act(second.id, Action.ACKNOWLEDGE)
    steady.run(12, effort_w=37.5)
    assert steady.service.alerts(is_open=True) == []
    undisturbed = remembered(steady)
    steady.restart().turn(0.0)
    assert remembered(steady) == undisturbed


def test_an_alert_that_is_closed_right_after_a_kill_has_its_level_accepted(steady) -> None:
    steady.run(12, effort_w=37.5)
    (alert,) = steady.service.alerts(is_open=True)
    steady.restart()
    steady.service.act(alert.id, Action.CLOSE)
    steady.run(40, effort_w=37.5)
    assert steady.service._floor.machines["mk4-01"].watches["heater_effort_w"].whole.mean == pytest.approx(37.5, abs=1)


def test_facts_of_a_log_that_ends_before_what_was_said_are_not_passed_over_in_silence(steady) -> None:
    kept = len(steady.log.batches)
    steady.state(State.FAULT, steady.clock.at + 1)
    steady.state(State.RUNNING, steady.clock.at + 60)
    (alert,) = steady.service.alerts()
    del steady.log.batches[kept:]
    steady.restart()
    steady.state(State.FAULT, steady.clock.at + 7_200)
    assert [known.id for known in steady.service.alerts(is_open=True)] != [alert.id]
