# SPDX-License-Identifier: AGPL-3.0-or-later
"""Who hears an alert next: one level at a time, once, when the agreed time has run out."""

import pytest

from collector.contract.ports import Entry
from collector.contract.tree import Plant, read_plant
from cyberfilter.alerts.book import Book, Whose
from cyberfilter.alerts.escalation import due, extended_deadline
from cyberfilter.alerts.lifecycle import Happening, entry
from cyberfilter.alerts.signal import Begins, Ends
from cyberfilter.contract.alert import Action, AlertClass

PLACE = "commons/cell/mk4"
PLANT: Plant = read_plant({"machines": {"mk4": {"place": PLACE}}, "units": {PLACE: {"name": "Mk4", "reaction_s": 600}}})
WHOSE = Whose("mk4", PLACE)


def book(alert_class: AlertClass = AlertClass.ALGEDONIC) -> Book:
    begins = Begins(alert_class, "silence", "silence", 90.0, {"since": "1970-01-01T00:01:30.000Z", "seconds": 40.0})
    return Book(Book().entries(WHOSE, begins, now=100.0, plant=PLANT))


def pass_time(known: Book, now: float) -> list[Entry]:
    entries = due(known.open(), now, PLANT)
    for one in entries:
        known.add(one)
    return entries


def test_the_machines_own_place_hears_it_first_and_alone() -> None:
    (alert,) = book().open()
    assert (alert.raised_to, alert.deadline_at) == (PLACE, 700.0)


def test_it_goes_one_level_up_when_the_agreed_time_has_run_out_and_not_before() -> None:
    known = book()
    assert pass_time(known, 699.9) == []
    pass_time(known, 700.0)
    (alert,) = known.open()
    assert (alert.raised_to, alert.deadline_at) == ("commons/cell", 700.0 + 3600.0)


def test_a_long_sleep_raises_it_by_one_level_only() -> None:
    known = book()
    pass_time(known, 1e6)
    assert [alert.raised_to for alert in known.open()] == ["commons/cell"]
    assert pass_time(known, 1e6) == []


def test_above_the_root_nobody_hears_it() -> None:
    known = book()
    for day in range(1, 10):
        pass_time(known, 1e6 * day)
    (alert,) = known.open()
    assert (alert.raised_to, alert.deadline_at) == ("commons", None)


def test_the_same_deadline_makes_the_same_entry() -> None:
    assert due(book().open(), 700.0, PLANT)[0].id == due(book().open(), 900.0, PLANT)[0].id


def test_acknowledging_does_not_stop_it_and_recovering_does() -> None:
    known = book()
    (alert,) = known.open()
    known.add(entry(alert, Action.ACKNOWLEDGE, ts=110.0, body={}))
    assert len(due(known.open(), 700.0, PLANT)) == 1
    for one in known.entries(WHOSE, Ends("silence", 120.0, Happening.RETURN), now=120.0, plant=PLANT):
        known.add(one)
    assert due(known.open(), 700.0, PLANT) == []


def test_an_extension_adds_one_reaction_time() -> None:
    (alert,) = book().open()
    assert extended_deadline(alert, PLANT) == 1300.0


@pytest.mark.parametrize("alert_class", [AlertClass.HAZARD, AlertClass.CALL])
def test_hazards_and_calls_have_no_clock(alert_class: AlertClass) -> None:
    assert [alert.deadline_at for alert in book(alert_class).open()] == [None]


def test_returned_alerts_do_not_escalate() -> None:
    known = book()
    for one in known.entries(WHOSE, Ends("silence", 120.0, Happening.RETURN), now=120.0, plant=PLANT):
        known.add(one)
    assert pass_time(known, 1e6) == []


def test_a_correction_is_no_less_sure_than_the_alert_was() -> None:
    step = {"change": "step", "level": 37.5, "expected": 30.0, "lo": 27.0, "hi": 33.0, "size": 7.5}

    def begins(probability: float, how: Happening | None) -> Begins:
        facts = {**step, "probability": probability, "since": "1970-01-01T00:01:30.000Z"}
        return Begins(AlertClass.ALGEDONIC, "energy_step", "energy_w", 90.0, facts, "energy_w", how)

    known = Book(Book().entries(WHOSE, begins(0.98, None), now=100.0, plant=PLANT))
    for one in known.entries(WHOSE, begins(0.16, Happening.CORRECT), now=1_000.0, plant=PLANT):
        known.add(one)
    (alert,) = known.open()
    assert (alert.facts["probability"], "98% sure" in alert.why) == (0.98, True)
