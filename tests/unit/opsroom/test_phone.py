# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a hand at a machine is shown: the device that it speaks of, causes in use, people who are counted."""

from __future__ import annotations

from typing import Any

from collector.contract.codec import encode
from collector.contract.event import JobStarted, Noted, PartCounted, State, StateSeen
from collector.contract.reading import PEOPLE, Batch, Fact
from collector.contract.topics import Kind, Topic
from opsroom.picture import CAUSES_MAX, Picture
from opsroom.views.phone import Desk, desk

CELL = "commons/printing"
MK4 = f"{CELL}/mk4"


def tell(picture: Picture, device: str, place: str, *facts: Fact, dialect: str = "native") -> set[str]:
    """Let the picture hear a batch; return what it touched."""
    return picture.fold(Topic(Kind.FACT, place=place), encode(Batch(device, place, dialect, 5.0, facts)))


def scrap(cause: str) -> PartCounted:
    return PartCounted(1.0, scrap=1, cause=cause)


def test_nobody_stands_there_yet() -> None:
    assert desk(Picture(), MK4) == Desk(None, CELL, None, ())
    assert desk(Picture(), "@mk4").unit is None


def test_a_machine_at_the_root_counts_people_at_itself() -> None:
    assert desk(Picture(), "mk4").unit == "mk4"


def test_of_a_printer_and_its_plug_the_one_that_works_speaks() -> None:
    picture = Picture()
    tell(picture, "a-plug", MK4)
    tell(picture, "b-printer", MK4, StateSeen(1.0, State.IDLE))
    assert desk(picture, MK4).device == "b-printer"
    tell(picture, "c-mill", MK4, JobStarted("j", 1.0))
    assert desk(picture, MK4).device == "c-mill"


def test_people_of_a_unit_are_seen_at_its_machines_and_make_no_tile() -> None:
    picture = Picture()
    tell(picture, "mk4", MK4)
    counted = Noted(2.0, "presence", {"count": 3})
    assert tell(picture, "commons.printing", CELL, counted, dialect=PEOPLE) == {MK4}
    assert (desk(picture, MK4).present, picture.addresses()) == (3, [MK4])


def test_people_who_were_counted_before_the_room_opened_are_known() -> None:
    picture, units = Picture(), [{"place": CELL, "present": 2}, {"place": "commons"}]
    lists: dict[str, Any] = {"units": units}
    picture.seed(lists)
    assert picture.present == {CELL: 2}


def test_causes_of_scrap_are_the_newest_and_each_once() -> None:
    picture = Picture()
    tell(picture, "mk4", MK4, PartCounted(1.0, good=1, cause="none"), scrap("clog"), scrap("warped"), scrap("clog"))
    assert desk(picture, MK4).causes == ("clog", "warped")
    tell(picture, "mk4", MK4, *(scrap(f"cause {n}") for n in range(CAUSES_MAX + 1)))
    assert len(desk(picture, MK4).causes) == CAUSES_MAX
