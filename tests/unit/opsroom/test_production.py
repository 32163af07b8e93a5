# SPDX-License-Identifier: AGPL-3.0-or-later
"""The Production screen: rows, bars and jobs as data, and the page that is made of the API's answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fastapi import FastAPI, HTTPException

from opsroom.app import _production
from opsroom.notice import About
from opsroom.screens.frame import View, framed
from opsroom.screens.production import SCREEN
from opsroom.views.production import JOBS_MAX, PERIODS, Item, newest, period, unknown_share, waterfall
from opsroom.words import LANGUAGES, catalogue

LOSSES = {
    "planned_s": 36_000.0,
    "unknown_s": 9_000.0,
    "fault_s": 0.0,
    "idle_s": 9_000.0,
    "running_s": 18_000.0,
    "speed_s": -1_800.0,
    "scrap_s": 9_900.0,
    "effective_s": 9_900.0,
}
ROW = {
    "place": "commons/mk4",
    "from": "2026-11-23T10:00:00.000Z",
    "to": "2026-11-23T20:00:00.000Z",
    "name": None,
    "machines": 1,
    "indicators": {"oee_ratio": 0.366, "performance_ratio": 1.1, "energy_per_part_wh": 812.5, "quality_ratio": None},
    "coverage": {"state_ratio": 0.75},
    "losses": LOSSES,
}
JOB = {**ROW, "name": "hook.gcode", "job": "j", "outcome": "done"}


def item(place: str = "commons/mk4", **more: Any) -> Item:
    return Item(place, "2026-11-23T10:00:00.000Z", **more)


def page(rows: list[dict[str, Any]] | int, language: str = "en", **query: str) -> str:
    """Return the page as text; the API in it gives these rows, or this status."""
    api = FastAPI()

    @api.get("/api/v1/production")
    def production(by: str, last_s: int, place: str = "", depth: int = 0, limit: int = 100) -> dict[str, Any]:
        if isinstance(rows, int):
            raise HTTPException(rows, detail="commons has no shifts in the plant file")
        return {"items": [JOB] * len(rows) if by == "job" else rows, "total": len(rows), "next": None}

    ask = {"place": query.get("place", ""), "period": query.get("period", "today")}
    drawn = str(asyncio.run(_production(api, ask, View(catalogue(language), "grey", query))))
    return drawn.replace("\\xa0", " ")


def test_the_bars_lead_from_planned_to_effective_time() -> None:
    found = [(bar.name, round(bar.offset, 3), round(bar.share, 3)) for bar in waterfall(item(losses=LOSSES))]
    assert found == [
        ("planned", 0.0, 1.0),
        ("unknown", 0.75, 0.25),
        ("idle", 0.5, 0.25),
        ("running", 0.0, 0.5),
        ("speed", 0.5, 0.05),
        ("scrap", 0.275, 0.275),
        ("effective", 0.0, 0.275),
    ]


def test_without_planned_time_there_are_no_bars() -> None:
    assert waterfall(item(losses={"planned_s": 0.0})) == []


def test_the_newest_item_of_a_place_counts_and_the_asked_place_is_first() -> None:
    items = [item("b", to="2"), item("a/x"), item("b", to="1"), item("a")]
    assert [(row.place, row.to) for row in newest(items, "b")] == [("b", "2"), ("a", None), ("a/x", None)]


def test_an_unknown_period_is_the_first() -> None:
    assert [period(wish) for wish in (None, "year", "week")] == [PERIODS[0], PERIODS[0], PERIODS[2]]


def test_what_is_unknown_is_none_where_nothing_was_planned() -> None:
    assert [unknown_share(item(coverage={"state_ratio": ratio})) for ratio in (0.75, None)] == [0.25, None]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_tells_ratios_energy_and_what_is_unknown(language: str) -> None:
    words, told = catalogue(language), page([ROW], language)
    for ratio in ("37 %", "110 %", "25 %"):
        assert ratio in told
    assert words.say("production.told", unknown="25 %") in told
    assert words.say("production.loss.idle") in told
    assert "hook.gcode" in told


def test_the_page_takes_a_thousand_places_and_says_that_there_are_more() -> None:
    told = page([{**ROW, "place": f"commons/m{n:04}"} for n in range(1_000)])
    assert catalogue("en").say("production.more", number=988) in told
    assert told.count("hook.gcode") == JOBS_MAX


def test_of_no_machine_nothing_is_known() -> None:
    assert catalogue("en").say("production.none") in page([])


@pytest.mark.parametrize("status", [404, 422, 503])
def test_no_answer_is_said_in_words(status: int) -> None:
    assert catalogue("en").say("production.none") in page(status)
    assert "no shifts" in page(status)
    assert "no shifts" not in page(status, "es")


@pytest.mark.parametrize("language", LANGUAGES)
def test_without_shifts_the_page_says_what_works(language: str) -> None:
    assert catalogue(language).say("production.no_shifts") in page(422, language, period="shift")


def test_another_language_keeps_place_and_period() -> None:
    view = View(catalogue("en"), "grey", {"place": "commons/mk4", "period": "week"})
    assert "?place=commons%2Fmk4&period=week&lang=es" in str(framed(SCREEN, [SCREEN], view, About("1")))
