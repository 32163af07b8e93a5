# SPDX-License-Identifier: AGPL-3.0-or-later
"""The Index screen in a real Chromium, the ways to it, and what other screens show of capabilities."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

PLACE = "place=commons/valparaiso/printing/mk4-01"
INDEX = f"/index?{PLACE}&index=heater_effort_w"


def go(page: Any, url: str) -> None:
    page.goto(url + INDEX)
    page.locator("#believed-title").wait_for()


def test_an_index_says_what_is_believed_why_and_how_the_filter_did(page: Any, still_room: Any) -> None:
    go(page, still_room.url)
    why = page.locator(".why")
    page.locator(".why", has_text=re.compile(r"since \d")).wait_for()
    assert re.fullmatch(r"A step of \+6\.10 ± 0\.30 W since \d\d:\d\d, 96 %, against 22 W before\.", why.inner_text())
    believed = page.locator("section", has=page.locator("#believed-title"))
    assert believed.locator(".bars .much").all_inner_texts() == ["96 %", "3 %", "1 %"]
    did = page.locator("section", has=page.locator("#did-title")).inner_text()
    assert "95 % of its values were inside the band of 95 %. That is as it should be." in did
    assert "29 % less than “as last time”" in did
    assert page.locator(".trend canvas").count() == 1


@pytest.mark.parametrize(("language", "said"), [("en", "has jumped to 28.1 W"), ("es", "ha saltado a 28,1 W")])
def test_why_an_alert_was_raised_is_said_in_the_readers_language(
    page: Any, still_room: Any, language: str, said: str
) -> None:
    page.goto(f"{still_room.url}{INDEX}&lang={language}")
    told = page.locator(".raised", has_text=said)
    told.wait_for()
    assert "MK4 01" in told.inner_text()
    assert "Heater effort rose" not in page.locator("main").inner_text()


def test_a_machines_trend_and_an_alert_lead_to_the_index(page: Any, still_room: Any) -> None:
    page.goto(f"{still_room.url}/machine?{PLACE}")
    page.locator(".trend").get_by_role("link", name="Heater effort").click()
    page.locator("#believed-title").wait_for()
    page.goto(f"{still_room.url}/alerts")
    page.get_by_role("link", name="What the filter believes").click()
    page.locator("#believed-title").wait_for()


def test_an_index_that_nobody_knows_is_said_in_words(page: Any, still_room: Any) -> None:
    page.goto(f"{still_room.url}{INDEX}x")
    page.locator("#index-now", has_text="The filter knows no such index at this place.").wait_for()


def test_the_filter_is_told_by_keyboard_what_comes(page: Any, room: Any) -> None:
    go(page, room.url)
    page.get_by_label("What do you know?").select_option("shift")
    page.get_by_label("By how much will it move? (W)").fill("2,5")
    page.get_by_label("Give or take").fill("0.5")
    page.get_by_label("Note (optional)").fill("new sock")
    page.keyboard.press("Enter")
    page.get_by_text("Told: It will move by so much.").wait_for()
    (told,) = room.plant.interventions
    assert {name: told[name] for name in ("v", "place", "index", "action", "mean", "sd", "note")} == {
        "v": 1,
        "place": "commons/valparaiso/printing/mk4-01",
        "index": "heater_effort_w",
        "action": "shift",
        "mean": 2.5,
        "sd": 0.5,
        "note": "new sock",
    }
    assert abs(told["ts"] / 1_000 - time.time()) < 60


@pytest.mark.parametrize(("typed", "said"), [("", "a number is needed"), ("warm", "this is not a number")])
def test_what_is_no_number_is_not_told(page: Any, room: Any, typed: str, said: str) -> None:
    go(page, room.url)
    page.get_by_label("What do you know?").select_option("level")
    field = page.get_by_label("What is the new level? (W)")
    field.fill(typed)
    page.get_by_role("button", name="Tell it").click()
    page.locator(".error", has_text=said).wait_for()
    assert field.evaluate("node => node === document.activeElement")
    assert room.plant.interventions == []


def test_what_the_filter_refuses_is_said_and_sent_again_under_the_same_id(page: Any, room: Any) -> None:
    room.plant.refuse_next, posted = 1, []
    page.on("request", lambda request: posted.append(request) if request.method == "POST" else None)
    go(page, room.url)
    page.get_by_role("button", name="Tell it").click()
    page.locator(".error", has_text="32 interventions are still to come").wait_for()
    page.get_by_role("button", name="Tell it").click()
    page.get_by_text("Told: The next value means nothing.").wait_for()
    ids = [request.post_data_json["id"] for request in posted if request.url.endswith("/interventions")]
    assert ids == [room.plant.interventions[0]["id"]] * 2


def test_a_capability_that_was_outgrown_is_said_on_the_tile(page: Any, room: Any) -> None:
    page.goto(room.url)
    page.locator(".tile").first.wait_for()
    room.plant.tell_index(2, "pace_ratio", 1.12, capability=1.0, revision={"capability": 1.12, "count": 3})
    said = page.locator(".tile", has_text="MK4 02").locator(".revised")
    said.get_by_text(
        "Pace: 3 values in a row were better than the capability of 1: 1.12 on average. Agree on another?"
    ).wait_for()


def test_production_tells_the_units_triples(page: Any, still_room: Any) -> None:
    page.goto(f"{still_room.url}/production?place=commons/valparaiso")
    row = page.locator("#triples tbody tr").first
    row.wait_for()
    told = row.inner_text().replace("\xa0", " ").split("\t")
    assert told[1:7] == ["Pace", "80 %", "80 %", "64 %", "3 of 4", "printing/mk4-02"]
    assert told[7] == "potentiality assumed 125 %"


def test_a_new_value_makes_the_page_ask_again(page: Any, room: Any) -> None:
    go(page, room.url)
    page.locator(".trend canvas").wait_for()
    row = next(row for row in room.plant.indices if row["index"] == "heater_effort_w" and "mk4-01" in row["place"])
    row |= {"actuality": 27.7}
    room.plant.tell_index(1, "heater_effort_w", 27.7)
    page.locator("#index-now", has_text="27.7 W; expected from").wait_for(timeout=20_000)


def test_an_alert_of_several_machines_names_them(page: Any, room: Any) -> None:
    alert = room.plant.alerts["a1"]
    alert["facts"] = {**alert["facts"], "members": "mk4-01, mk4-02", "count": 2.0, "like": 3.0}
    room.plant.act("a1", "acknowledge", None)
    page.goto(f"{room.url}/alerts")
    page.get_by_text("2 of 3 machines together: mk4-01, mk4-02.").first.wait_for()
