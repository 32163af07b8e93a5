# SPDX-License-Identifier: AGPL-3.0-or-later
"""Answers of production: what was said later, or taken back, and how much a question may read."""

from __future__ import annotations

from typing import Any

import pytest

from collector.chronicle import MemoryChronicle
from collector.contract.errors import Refusal
from collector.contract.event import JobEnded, JobStarted, Noted, Outcome, PartCounted, State, StateSeen
from collector.contract.reading import Batch, Fact, Numbered
from collector.contract.tree import read_plant
from cyberfilter.production import answers
from cyberfilter.production.answers import Question, answer
from cyberfilter.production.book import Book
from cyberfilter.production.calendar import By

HOUR = 1_795_399_200.0
PLACE = "commons/valparaiso/printing/mk4"
PLANT = read_plant({"machines": {"mk4": {"place": PLACE}}})
WORKED = (
    StateSeen(HOUR, State.RUNNING),
    JobStarted("j", HOUR, "hook.gcode"),
    JobEnded("j", HOUR + 3600, Outcome.DONE, "hook.gcode", started_at=HOUR),
    StateSeen(HOUR + 3600, State.IDLE),
)


def ask(*facts: Fact, seconds: float) -> dict[str, Any]:
    """Return what the first `seconds` came to, as it is known three hours after their begin."""
    book = Book(chronicle := MemoryChronicle())
    book.take([Numbered(1, Batch("mk4", PLACE, "native", HOUR, (*WORKED, *facts)))])
    book.save()
    (item,) = answer(chronicle, PLANT, Question(PLACE, HOUR, HOUR + seconds, By.WHOLE), HOUR + 3 * 3600)
    return item


NOTES = (
    Noted(HOUR + 10, "material", {"change": "opened", "spool": "s1"}, "n1"),
    Noted(HOUR + 20, "maintenance", {"change": "done", "item": "nozzle"}, "n2"),
    Noted(HOUR + 30, "plate", {"change": "cleared"}, "n3"),
)


def test_what_was_noted_stands() -> None:
    item = ask(*NOTES, seconds=4000)
    assert [item["indicators"][name] for name in ("stock_spools", "stock_parts")] == [1, 1]
    assert [row["item"] for row in item["maintenance"]] == ["nozzle"]


def test_a_note_that_was_taken_back_later_never_was() -> None:
    undone = [
        Noted(HOUR + 9000, note.event, {"change": "undone", "corrects": note.id}, f"u{note.id}") for note in NOTES
    ]
    item = ask(*NOTES, *undone, seconds=4000)
    assert [item["indicators"][name] for name in ("stock_spools", "stock_parts")] == [None, None]
    assert item["maintenance"] == []


def test_a_part_of_a_later_job_takes_nothing_from_one_in_the_window() -> None:
    later = (
        JobStarted("k", HOUR + 9000, "nut.gcode"),
        JobEnded("k", HOUR + 9600, Outcome.DONE, "nut.gcode", started_at=HOUR + 9000),
        PartCounted(HOUR + 9700, good=1, id="p1"),
    )
    assert ask(*later, seconds=8000)["indicators"]["good_parts"] == 1
    assert ask(*later, seconds=10_000)["indicators"]["good_parts"] == 2


def test_a_question_reads_at_most_so_many_machine_days(monkeypatch) -> None:
    monkeypatch.setattr(answers, "MACHINE_DAYS_MAX", 1)
    assert ask(seconds=86_400)["machines"] == 1
    with pytest.raises(Refusal, match="1 machine-days"):
        ask(seconds=86_401)
