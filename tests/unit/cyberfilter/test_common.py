# SPDX-License-Identifier: AGPL-3.0-or-later
"""Like machines that change together are one alert at their common place, with its members."""

from cyberfilter.alerts.common import WINDOW_S, Commons, gather, leave, members
from cyberfilter.alerts.lifecycle import Happening
from cyberfilter.alerts.signal import Begins, Ends, Signal, Whose
from cyberfilter.contract.alert import AlertClass

CELL = "commons/printing"
INDEX = "energy_w"


def begins(ts: float, size: float = 20.0) -> Begins:
    facts = {"change": "step", "unit": "W", "size": size, "level": 100 + size, "sigma": 9.0, "since": f"{ts:08.0f}"}
    return Begins(AlertClass.ALGEDONIC, "energy_step", INDEX, ts, facts, INDEX)


def said(commons: Commons, number: int, signal: Signal, like: int = 3) -> list[tuple[Whose, Signal]]:
    return gather(commons, Whose(f"mk4-{number}", f"{CELL}/mk4-{number}"), signal, like)


def test_of_three_printers_the_second_makes_one_alert_of_all_at_their_common_place() -> None:
    commons: Commons = {}
    ((whose, _),) = said(commons, 1, begins(0.0))
    assert whose.device == "mk4-1"
    (answered, common) = said(commons, 2, begins(60.0, 30.0))
    assert (answered[0].device, answered[1].how) == ("mk4-1", Happening.ANSWER)
    assert common[0] == Whose(CELL, CELL)
    assert isinstance(common[1], Begins)
    facts = common[1].facts
    assert (facts["members"], facts["count"], facts["like"], facts["size"]) == ("mk4-1, mk4-2", 2, 3, 25.0)
    assert (facts["z"], facts["since"], common[1].ts) == (12.7, "00000000", 60.0)


def test_who_joins_later_is_added_to_it() -> None:
    commons: Commons = {}
    for number in (1, 2):
        said(commons, number, begins(0.0))
    ((whose, joined),) = said(commons, 3, begins(120.0))
    assert isinstance(joined, Begins)
    assert (whose.place, joined.how, joined.facts["count"]) == (CELL, Happening.JOIN, 3)


def test_it_returns_when_the_last_member_has() -> None:
    commons: Commons = {}
    for number in (1, 2):
        said(commons, number, begins(0.0))
    back = Ends(INDEX, 900.0, Happening.RETURN)
    assert said(commons, 1, back) == []
    assert said(commons, 2, back) == [(Whose(CELL, CELL), back)]
    assert commons == {}


def test_the_other_side_another_time_or_too_few_of_many_stay_alerts_of_their_own() -> None:
    for later in (begins(0.0, -20.0), begins(WINDOW_S + 1)):
        commons: Commons = {}
        said(commons, 1, begins(0.0))
        ((whose, _),) = said(commons, 2, later)
        assert whose.device == "mk4-2"
    crowd: Commons = {}
    assert [len(said(crowd, number, begins(0.0), like=8)) for number in range(1, 5)] == [1, 1, 1, 4]


def test_silence_and_a_machine_without_its_like_are_told_as_they_are() -> None:
    commons: Commons = {}
    silence = Begins(AlertClass.ALGEDONIC, "silence", "silence", 0.0, {})
    assert said(commons, 1, silence)[0][1] == silence
    assert said(commons, 2, begins(0.0), like=1)[0][1] == begins(0.0)
    assert commons == {}


def test_members_are_known_by_place_and_by_device_and_leave_when_they_are_accepted() -> None:
    commons: Commons = {}
    for number in (1, 2):
        said(commons, number, begins(0.0))
    assert members(commons, INDEX, place=CELL) == members(commons, INDEX, device="mk4-1") == {"mk4-1", "mk4-2"}
    assert members(commons, INDEX, device="mk4-3") == set()
    leave(commons, INDEX, {"mk4-1", "mk4-2"})
    assert commons == {}
