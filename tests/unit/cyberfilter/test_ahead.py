# SPDX-License-Identifier: AGPL-3.0-or-later
"""Parts by Friday: whole days of the place's own clock, today apart, the coming Friday unless told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from collector.contract.codec import parse_time
from collector.contract.errors import Refusal
from collector.contract.tree import read_plant
from cyberfilter.ahead import PAST_DAYS, Wish, ahead
from cyberfilter.production.answers import Question
from cyberfilter.production.calendar import By

PLACE = "commons/valparaiso"
PLANT = read_plant({"units": {PLACE: {"timezone": "America/Santiago"}}})
WEDNESDAY = parse_time("2026-11-25T20:00:00Z")
BUSY = np.random.default_rng(2).normal(0, 1.2, PAST_DAYS).tolist()
WEEK = (10.0, 12.0, 11.0, 10.0, 13.0, 1.0, 0.0)


def asked(until: str | None = None, *, indicator: str = "good_parts", unknown: int = 0) -> tuple[Any, Question]:
    questions: list[Question] = []

    def ask(question: Question) -> list[dict[str, Any]]:
        questions.append(question)
        # oldest first it would be 8 weeks that begin on a Wednesday, then today's three
        counts: list[float | None] = [WEEK[(2 + n) % 7] + BUSY[n] for n in range(PAST_DAYS)]
        counts[:unknown] = [None] * unknown
        return [{"indicators": {indicator: count}} for count in [3.0, *reversed(counts)]]

    return ahead(PLANT, Wish(PLACE, indicator, until), WEDNESDAY, ask), questions[0]


def test_until_friday_unless_told() -> None:
    told, question = asked()
    assert (told["until"], told["end"], told["so_far_today"]) == ("2026-11-27", "2026-11-28T03:00:00.000Z", 3.0)
    assert told["lo"] < 11 + 10 + 13 - 3 < told["hi"]
    assert (question.by, question.end) == (By.DAY, WEDNESDAY)
    assert question.start == parse_time("2026-09-30T03:00:00Z")  # midnight there


def test_days_before_the_first_record_are_not_nought() -> None:
    told, _ = asked(unknown=14)
    assert told["days"] == PAST_DAYS - 14


@pytest.mark.parametrize("until", ["2026-11-24", "Friday"])
def test_a_day_that_is_none_or_gone_is_refused(until: str) -> None:
    with pytest.raises(Refusal, match="bad_day"):
        asked(until)


def test_what_cannot_be_added_up_is_refused() -> None:
    with pytest.raises(Refusal, match="oee_ratio"):
        asked(indicator="oee_ratio")
