# SPDX-License-Identifier: AGPL-3.0-or-later
"""The loop: from facts to indices and alerts, kept before it is said, the same after a kill."""

import msgspec
import pytest

from collector.contract.errors import Refusal, Unavailable
from collector.contract.event import JobEnded, Outcome, State, StateSeen, Trouble
from collector.contract.ports import Checkpoint, Delivery
from collector.contract.reading import Batch, Samples
from cyberfilter.contract.alert import Action, AlertClass, AlertState
from cyberfilter.contract.alert import shown as shown_alert
from cyberfilter.contract.index import shown as shown_index
from cyberfilter.indices.fold import believed

CELL = "commons/valparaiso/printing"
PLACE = f"{CELL}/mk4-01"


def test_rehearsal_gives_indices_with_triples_and_bands_and_raises_nothing(trained) -> None:
    found = {value.index: value for value in trained.service.indices()}
    expected = ["availability_ratio", "energy_w", "heater_effort_w", "nozzle_deviation_degc", "pace_ratio"]
    assert list(found) == expected
    assert found["pace_ratio"].triple.productivity == pytest.approx(1.0, abs=0.01)
    assert found["heater_effort_w"].triple is None
    assert found["heater_effort_w"].forecast.lo95 < 30 < found["heater_effort_w"].forecast.hi95
    assert trained.service.alerts() == []


def test_every_index_value_is_in_the_historian(trained) -> None:
    points = trained.historian.series(PLACE, "heater_effort_w", start=0, end=2e9, most=10_000)
    assert len(points) == 595
    assert {ts % 60 for ts, _ in points} == {0.0}


def test_a_rise_of_heater_effort_becomes_one_alert_of_its_owner(trained) -> None:
    trained.run(12, effort_w=37.5)
    (alert,) = trained.service.alerts()
    assert (alert.alert_class, alert.place, alert.raised_to) == (AlertClass.ALGEDONIC, PLACE, PLACE)
    assert alert.kind in {"heater_effort_step", "heater_effort_slope"}
    assert alert.deadline_at == alert.raised_at + 3600
    assert alert.raised_at <= trained.clock.at - 240


def test_steady_running_raises_nothing_for_three_hours(trained) -> None:
    trained.run(180)
    assert trained.service.alerts() == []


def test_indices_and_alerts_are_published_as_the_api_shows_them(trained) -> None:
    trained.run(12, effort_w=37.5)
    trained.service.close()
    heard = trained.heard()
    (alert,) = trained.service.alerts()
    assert msgspec.json.decode(heard[f"cybersyn/v1/alert/{PLACE}/_{alert.id}"]) == shown_alert(alert)
    value = next(v for v in trained.service.indices() if v.index == "heater_effort_w")
    assert msgspec.json.decode(heard[f"cybersyn/v1/index/{PLACE}/_heater_effort_w"]) == shown_index(value)


def test_an_overdue_alert_is_heard_one_level_up_once_without_raw_values(trained) -> None:
    trained.run(12, effort_w=37.5)
    trained.clock.at += 3600
    trained.service.turn(0.0)
    trained.restart().turn(0.0)
    (alert,) = trained.service.alerts()
    said = msgspec.json.decode(trained.heard()[f"cybersyn/v1/alert/{CELL}/_{alert.id}"])
    assert alert.raised_to == said["raised_to"] == CELL
    assert "facts" not in said
    assert "37" not in said["why"]


def test_a_closed_alert_leaves_no_retained_message_at_any_level(trained) -> None:
    trained.run(12, effort_w=37.5)
    trained.clock.at += 3600
    trained.service.turn(0.0)
    (alert,) = trained.service.alerts()
    trained.heard()
    trained.service.act(alert.id, Action.CLOSE, "heater changed")
    heard = trained.heard()
    assert heard == {f"cybersyn/v1/alert/{p}/_{alert.id}": b"" for p in (PLACE, CELL)}
    trained.run(60, effort_w=37.5)
    assert len(trained.service.alerts()) == 1


def test_a_fault_is_a_hazard_at_once_and_returns_when_the_machine_leaves_it(workshop) -> None:
    workshop.state(State.RUNNING, 1000.0)
    workshop.state(State.FAULT, 1060.0, "Probing failed")
    (alert,) = workshop.service.alerts(is_open=True)
    assert (alert.alert_class, alert.kind, alert.raised_at, alert.deadline_at) == ("hazard", "fault", 1060.0, None)
    workshop.state(State.IDLE, 1120.0)
    assert workshop.kinds() == [("fault", "returned")]


def test_a_fault_that_comes_again_before_anyone_looked_is_the_same_alert(workshop) -> None:
    for n, state in enumerate((State.FAULT, State.IDLE, State.FAULT)):
        workshop.state(state, 1000.0 + n)
    assert workshop.kinds() == [("fault", "raised")]


def test_a_fault_of_another_cause_or_a_minute_later_is_an_alert_of_its_own(workshop) -> None:
    said = ((State.FAULT, "runaway"), (State.IDLE, None), (State.FAULT, "serial lost"), (State.IDLE, None))
    for n, (state, why) in enumerate((*said, (State.IDLE, None), (State.FAULT, "serial lost"))):
        workshop.state(state, 1000.0 + 20 * n, why)
    assert sorted(workshop.kinds()) == [("fault", "raised"), ("fault", "returned"), ("fault", "returned")]


def test_a_finished_job_calls_and_clearing_the_plate_answers(workshop) -> None:
    workshop.state(State.RUNNING, 1000.0)
    workshop.say(JobEnded("j1", 1100.0, Outcome.DONE, file="tower.gcode"), at=1100.0)
    workshop.state(State.WAITING_PERSON, 1100.5)
    assert workshop.kinds() == [("finished", "raised")]
    workshop.state(State.IDLE, 1500.0)
    assert workshop.kinds() == [("finished", "closed")]


def test_actions_come_over_mqtt_and_wrong_ones_are_counted(workshop) -> None:
    workshop.state(State.FAULT, 1000.0)
    (alert,) = workshop.service.alerts()
    topic = f"cybersyn/v1/action/{PLACE}/_{alert.id}"
    for payload in (b'{"action":"explode"}', b"{", b'{"action":"acknowledge","note":"coming","by":"ana"}'):
        workshop.ears.publish(topic, payload)
    workshop.service.turn(0.0)
    (alert,) = workshop.service.alerts()
    assert (alert.state, alert.acknowledged_note) == (AlertState.ACKNOWLEDGED, "coming")
    assert next(f.value for f in workshop.service.figures() if f.name == "cyberfilter_actions_refused_total") == 2


def test_an_action_at_another_unit_is_refused(workshop) -> None:
    workshop.state(State.FAULT, 1000.0)
    (alert,) = workshop.service.alerts()
    workshop.ears.publish(f"cybersyn/v1/action/{CELL}/_{alert.id}", b'{"action":"close"}')
    workshop.service.turn(0.0)
    assert workshop.kinds() == [("fault", "raised")]


def test_a_repeated_action_changes_nothing_and_a_wrong_one_is_refused(workshop) -> None:
    workshop.state(State.FAULT, 1000.0)
    (alert,) = workshop.service.alerts()
    first = workshop.service.act(alert.id, Action.ACKNOWLEDGE)
    workshop.clock.at += 60
    assert workshop.service.act(alert.id, Action.ACKNOWLEDGE) == first
    with pytest.raises(Refusal, match="not_possible"):
        workshop.service.act(alert.id, Action.EXTEND)
    with pytest.raises(Refusal, match="unknown_alert"):
        workshop.service.act("nonesuch", Action.CLOSE)


def test_while_the_historian_is_away_judging_goes_on_and_nothing_is_lost(trained) -> None:
    trained.historian.away = True
    trained.run(10)
    assert "historian" in trained.service.ready()
    trained.restart().turn(0.0)
    trained.historian.away = False
    trained.run(2)
    points = trained.historian.series(PLACE, "heater_effort_w", start=0, end=2e9, most=10_000)
    assert len(points) == 595 + 12
    assert trained.service.ready() is None


def test_while_the_journal_is_away_nothing_is_said_and_then_it_is(workshop, monkeypatch) -> None:
    kept = workshop.journal.append

    def away(*_: object, **__: object) -> None:
        raise Unavailable("disk is full")

    monkeypatch.setattr(workshop.journal, "append", away)
    workshop.state(State.FAULT, 1000.0)
    assert workshop.heard() == {}
    assert workshop.service.ready() == "journal: disk is full"
    monkeypatch.setattr(workshop.journal, "append", kept)
    workshop.service.turn(0.0)
    assert len(workshop.heard()) == 1


def test_after_a_kill_open_alerts_are_open_and_said_again(workshop) -> None:
    workshop.state(State.FAULT, 1000.0)
    workshop.heard()
    before = workshop.service.alerts()
    assert workshop.restart().alerts() == before
    assert list(workshop.heard()) == [f"cybersyn/v1/alert/{PLACE}/_{before[0].id}"]


def test_facts_are_let_go_only_when_a_checkpoint_covers_them(trained) -> None:
    trained.run(1)
    passed, taken = trained.log.passed_until, trained.log.last()
    assert passed <= taken
    trained.service.close()
    assert trained.log.passed_until == trained.journal.checkpoint().n == taken


def test_an_outlook_has_its_interval_and_an_unknown_index_is_refused(trained) -> None:
    found = trained.service.outlook(PLACE, "heater_effort_w")
    assert all(lo <= mean <= hi for lo, mean, hi in zip(found.lo, found.mean, found.hi, strict=True))
    with pytest.raises(Refusal, match="unknown_index"):
        trained.service.outlook(PLACE, "pressure_bar")


def test_a_message_on_an_action_topic_needs_an_alert(workshop) -> None:
    delivery = Delivery("cybersyn/v1/action/commons", b"{}", retained=False, at=0.0)
    workshop.ears.publish(delivery.topic, delivery.payload)
    workshop.service.turn(0.0)
    assert next(f.value for f in workshop.service.figures() if f.name == "cyberfilter_actions_refused_total") == 1


def test_the_collectors_own_trouble_is_a_hazard_of_the_whole_plant(workshop) -> None:
    trouble = (Trouble(1000.0, "disk", "12 MiB are left"),)
    workshop.log.batches.append(Batch("collector", None, "native", 1000.0, trouble))
    workshop.service.turn(0.0)
    (alert,) = workshop.service.alerts()
    assert (alert.alert_class, alert.kind, alert.place) == (AlertClass.HAZARD, "disk", "commons")


def test_a_device_without_a_place_is_observed_by_nobody_here(workshop) -> None:
    workshop.log.batches.append(Batch("stranger", None, "native", 1000.0, (StateSeen(1000.0, State.FAULT),)))
    workshop.service.turn(0.0)
    assert workshop.service.alerts() == []


def test_sample_dated_ahead_of_its_arrival_does_not_end_the_judging(workshop) -> None:
    workshop.state(State.RUNNING, 1_000.0)
    ahead = Samples((9_000_000.0, 1_010.0), {"power_w": (1.0, 2.0)})
    assert believed(Batch("m", "a/m", "native", 1_010.0, (ahead,))) == (Samples((1_010.0,), {"power_w": (2.0,)}),)


def test_after_a_breakdown_in_the_middle_of_a_fact_nothing_is_kept(workshop, monkeypatch) -> None:
    workshop.state(State.RUNNING, 1_000.0)
    before = workshop.journal.checkpoint()

    def breaks(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(workshop.service._floor, "take", breaks)
    with pytest.raises(ZeroDivisionError):
        workshop.state(State.FAULT, 1_060.0)
    workshop.service.close()
    assert workshop.journal.checkpoint() == before


def test_a_checkpoint_of_an_older_version_starts_anew_and_says_so(trained, caplog) -> None:
    checkpoint = trained.journal.checkpoint()
    older = msgspec.msgpack.decode(checkpoint.state) | {"version": 1, "banks": {"none|60": {"series": []}}}
    trained.journal.append([], checkpoint=Checkpoint(checkpoint.n, msgspec.msgpack.encode(older)))
    service = trained.restart()
    assert "learned again" in caplog.text
    assert "availability_ratio" in {value.index for value in service.indices()}
    trained.run(12, effort_w=37.5)
    assert service.alerts() == []
