# SPDX-License-Identifier: AGPL-3.0-or-later
"""Messages fold into the current state, whatever comes twice, late or broken."""

from __future__ import annotations

from typing import Any

import pytest

from collector.contract.codec import encode, encode_batch, format_time
from collector.contract.errors import Refusal
from collector.contract.event import JobEnded, JobStarted, Outcome, State, StateSeen
from collector.contract.reading import Batch, Samples
from collector.contract.topics import Kind, Topic
from opsroom.picture import CLOSED_MAX, MACHINES_MAX, TRAIL_POINTS_MAX, Picture

PLACE = "commons/cell/mk4"


def batch(*facts: Any, at: float = 100.0, place: str | None = PLACE, device: str = "mk4") -> bytes:
    return encode_batch(Batch(device, place, "native", at, facts))


def index(at: float, value: float = 1.0, place: str = PLACE) -> bytes:
    band = {"at": format_time(at), "mean": 1.0, "lo95": 0.5, "hi95": 1.5}
    return encode(
        {
            "place": place,
            "index": "pace_ratio",
            "unit": "1",
            "at": format_time(at),
            "actuality": value,
            "expected": band,
        }
    )


def alert(state: str = "raised", alert_id: str = "a1", place: str = PLACE, **more: Any) -> dict[str, Any]:
    known = {"id": alert_id, "class": "hazard", "kind": "fault", "place": place, "state": state}
    return {**known, "raised_at": format_time(50.0), "raised_to": place, **more}


def fact(picture: Picture, payload: bytes) -> set[str]:
    return picture.fold(Topic(Kind.FACT, place=PLACE), payload)


def tell(picture: Picture, row: dict[str, Any] | None, place: str = PLACE, alert_id: str = "a1") -> set[str]:
    return picture.fold(Topic(Kind.ALERT, place=place, id=alert_id), encode(row) if row else b"")


def test_the_newest_sample_of_each_indicator_is_held() -> None:
    picture = Picture()
    fact(picture, batch(Samples((1.0, 2.0), {"nozzle_degc": (200.0, 210.0), "bed_degc": (60.0, None)})))
    fact(picture, batch(Samples((1.5,), {"nozzle_degc": (205.0,)})))
    assert picture.machines["mk4"].values == {"nozzle_degc": (2.0, 210.0), "bed_degc": (1.0, 60.0)}


def test_a_message_tells_which_address_it_touched() -> None:
    picture = Picture()
    assert fact(picture, batch(Samples((1.0,), {"nozzle_degc": (200.0,)}))) == {PLACE}
    assert fact(picture, batch(at=1.0, place=None, device="new")) == {"@new"}


def test_a_late_state_does_not_replace_a_newer_one() -> None:
    picture = Picture()
    fact(picture, batch(StateSeen(20.0, State.RUNNING)))
    fact(picture, batch(StateSeen(10.0, State.FAULT)))
    assert (picture.machines["mk4"].state, picture.machines["mk4"].state_since) == (State.RUNNING, 20.0)


def test_a_confirmed_state_keeps_its_beginning() -> None:
    picture = Picture()
    fact(picture, batch(StateSeen(20.0, State.RUNNING), StateSeen(30.0, State.RUNNING)))
    assert picture.machines["mk4"].state_since == 20.0


def test_a_job_is_held_until_its_own_end() -> None:
    picture = Picture()
    fact(picture, batch(JobStarted("j2", 1.0, "a.gcode")))
    fact(picture, batch(JobEnded("j1", 2.0, Outcome.DONE)))
    assert picture.machines["mk4"].job is not None
    fact(picture, batch(JobEnded("j2", 3.0, Outcome.DONE)))
    assert picture.machines["mk4"].job is None


def test_an_older_index_value_is_passed_over() -> None:
    picture = Picture()
    for at, value in ((20.0, 2.0), (10.0, 1.0)):
        picture.fold(Topic(Kind.INDEX, place=PLACE, id="pace_ratio"), index(at, value))
    assert picture.indices[PLACE]["pace_ratio"].actuality == 2.0


def test_a_trail_is_bounded_and_a_repeated_value_stands_once() -> None:
    picture = Picture()
    for at in [*range(TRAIL_POINTS_MAX + 5), TRAIL_POINTS_MAX + 4]:
        picture.fold(Topic(Kind.INDEX, place=PLACE, id="pace_ratio"), index(float(at)))
    trail = picture.trails[PLACE, "pace_ratio"]
    assert (len(trail), trail[-1].at, trail[-2].at) == (
        TRAIL_POINTS_MAX,
        TRAIL_POINTS_MAX + 4.0,
        TRAIL_POINTS_MAX + 3.0,
    )


def test_a_closed_alert_leaves_the_open_ones() -> None:
    picture = Picture()
    tell(picture, alert())
    assert list(picture.alerts) == ["a1"]
    tell(picture, alert("closed", closed_at=format_time(60.0)))
    tell(picture, None)
    assert (list(picture.alerts), [row.id for row in picture.closed]) == ([], ["a1"])


def test_the_reduced_copy_never_replaces_the_owners_own() -> None:
    picture = Picture()
    tell(picture, alert(why="whole"))
    tell(picture, alert(why="reduced"), place="commons")
    tell(picture, None, place="commons")
    assert picture.alerts["a1"].why == "whole"


def test_a_reduced_copy_does_not_reopen_what_is_closed() -> None:
    picture = Picture()
    tell(picture, alert("closed"))
    tell(picture, alert("raised"), place="commons")
    assert picture.alerts == {}


def test_only_the_last_closed_alerts_are_held() -> None:
    picture = Picture()
    for n in range(CLOSED_MAX + 1):
        tell(picture, alert("closed", f"a{n}"), alert_id=f"a{n}")
    assert (len(picture.closed), picture.closed[0].id) == (CLOSED_MAX, f"a{CLOSED_MAX}")


def test_what_the_seed_does_not_hold_is_over() -> None:
    picture = Picture()
    tell(picture, alert())
    touched = picture.seed(
        {"machines": [{"device": "mk4", "place": PLACE, "dialect": None}], "indices": [], "alerts": []}
    )
    assert (picture.alerts, touched) == ({}, {PLACE})


def test_a_seed_does_not_undo_what_the_bus_has_told_since() -> None:
    picture = Picture()
    fact(picture, batch(StateSeen(99.0, State.RUNNING), at=100.0))
    row = {"device": "mk4", "place": PLACE, "state": "idle", "last_seen": format_time(50.0), "name": "MK4"}
    picture.seed({"machines": [row]})
    assert (picture.machines["mk4"].state, picture.machines["mk4"].name) == (State.RUNNING, "MK4")


def test_a_job_that_runs_already_is_known_from_the_seed() -> None:
    picture = Picture()
    job = {"job": "j1", "file": "hook.gcode", "started_at": format_time(50.0), "estimate_s": 600.0}
    row = {"device": "mk4", "place": PLACE, "state": "running", "last_seen": format_time(60.0), "job": job}
    picture.seed({"machines": [row]})
    assert picture.machines["mk4"].job == JobStarted("j1", 50.0, "hook.gcode", 600.0)
    picture.seed({"machines": [{**row, "job": None}]})
    assert picture.machines["mk4"].job is None


def test_a_seed_of_another_shape_is_refused() -> None:
    with pytest.raises(Refusal, match="seed: "):
        Picture().seed({"machines": [{"place": 1}]})


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b'{"device":1}', b"\xff"])
def test_what_cannot_be_read_is_counted_and_changes_nothing(payload: bytes) -> None:
    picture = Picture()
    assert (fact(picture, payload), picture.refused, picture.machines) == (set(), 1, {})


def test_one_machine_more_than_the_bound_is_not_held() -> None:
    picture = Picture()
    for n in range(MACHINES_MAX + 1):
        fact(picture, batch(device=f"d{n}", place=None))
    assert len(picture.machines) == MACHINES_MAX
