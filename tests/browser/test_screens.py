# SPDX-License-Identifier: AGPL-3.0-or-later
"""The screens in a real Chromium."""

from __future__ import annotations

import re
from typing import Any

import pytest

from opsroom.screens import SCREENS
from opsroom.words import LANGUAGES, catalogue

PLACE = "/machine?place=commons/valparaiso/printing/mk4-01"
INDEX = "/index?place=commons/valparaiso/printing/mk4-01&index=heater_effort_w"
PATHS = {
    "now": "/",
    "machine": PLACE,
    "chooser": "/machine",
    "index": INDEX,
    "how": "/index",
    "production": "/production?place=commons/valparaiso",
    "alerts": "/alerts",
    "intake": "/intake",
    "phone": "/hand?place=commons/valparaiso/printing/mk4-01",
    "hands": "/hand",
}
DRAWN = {
    "now": ".tile",
    "machine": ".chart .main-svg",
    "chooser": ".chooser li",
    "index": "#believed-title",
    "how": "main a[href='/machine']",
    "production": ".bars li",
    "alerts": "li.alert h3",
    "intake": "[data-ops=intake-devices] tbody tr",
    "phone": ".phone-state .status",
    "hands": ".phone-list li",
}
PHONE = {"width": 360, "height": 780}
# What is written alike in both languages, or is no sentence.
ALIKE = {text for key, text in catalogue("en").texts.items() if text in set(catalogue("es").texts.values())}


def go(page: Any, url: str, screen: str, query: str = "") -> None:
    path = PATHS[screen]
    page.goto(url + path + (("&" if "?" in path else "?") + query if query else ""))
    page.locator(DRAWN[screen]).first.wait_for()


@pytest.mark.parametrize("screen", PATHS)
def test_a_screen_opens_without_a_word_on_the_console_and_asks_no_foreign_host(
    page: Any, still_room: Any, screen: str
) -> None:
    go(page, still_room.url, screen)
    page.locator(".clock .link", has_text=catalogue("en").say("link.live")).wait_for()
    assert page.told == []
    assert {url for url in page.asked if not url.startswith((still_room.url, "data:", "blob:"))} == set()


def test_the_policy_holds_without_being_bypassed(chromium: Any, still_room: Any) -> None:
    with chromium.new_context() as context:
        page, told = context.new_page(), []
        page.on("console", lambda message: told.append(message.text))
        go(page, still_room.url, "machine")
        assert told == []


def test_the_worst_comes_first_and_a_live_value_changes(page: Any, room: Any) -> None:
    go(page, room.url, "now")
    names = page.locator(".tile .name").all_inner_texts()
    assert names[:4] == ["MK4 04", "MK4 01", "MK4 03", "MK4 05"]
    room.plant.tell_index(0, "heater_effort_w", 23.4)
    page.locator(".tile", has_text="MK4 00").locator(".value", has_text="23.4 W").wait_for()


def newcomer() -> dict[str, Any]:
    words = {
        "id": "voron-01",
        "device": "voron-01",
        "dialect": "moonraker",
        "looks_like": "Moonraker",
        "prefix": "voron-01",
    }
    return {**words, "last_seen": "2026-11-24T10:00:00.000Z", "messages": 12, "topics": ["voron-01/klipper/status"]}


def test_a_newcomer_is_named_and_let_in_where_its_neighbours_stand(page: Any, room: Any) -> None:
    room.plant.newcomers = [newcomer()]
    go(page, room.url, "now")
    card = page.locator(".newcomer", has_text="New machine, looks like Moonraker")
    card.get_by_label("Where does it stand?").fill("commons/valparaiso/printing/voron-01")
    card.get_by_role("button", name="Name it and let it in").click()
    card.locator("a", has_text="voron-01").wait_for()
    card.get_by_role("button", name="Done").click()
    card.wait_for(state="detached")
    assert room.plant.newcomers == []


def test_a_dismissed_newcomer_can_be_had_back(page: Any, room: Any) -> None:
    room.plant.newcomers = [newcomer()]
    go(page, room.url, "now")
    card = page.locator(".newcomer")
    card.get_by_role("button", name="Not ours").click()
    card.get_by_role("button", name="Undo").click()
    card.get_by_role("button", name="Not ours").wait_for()
    assert room.plant.dismissed is None


def test_a_tile_opens_its_machine_by_key(page: Any, still_room: Any) -> None:
    go(page, still_room.url, "now")
    page.locator(".tile", has_text="MK4 01").focus()
    page.keyboard.press("Enter")
    page.locator("h1", has_text="MK4 01").wait_for()
    assert "place=commons%2Fvalparaiso%2Fprinting%2Fmk4-01" in page.url


def test_the_filter_narrows_the_tiles_and_stays_in_the_address(page: Any, still_room: Any) -> None:
    go(page, still_room.url, "now")
    page.get_by_label("Filter by name").fill("mk4 02")
    page.locator(".tile", has_text="MK4 04").wait_for(state="hidden")
    assert page.locator(".tile:visible .name").all_inner_texts() == ["MK4 02"]
    assert page.url.endswith("?filter=mk4+02")


def test_raw_values_and_the_trend_are_live(page: Any, room: Any) -> None:
    go(page, room.url, "machine")
    room.plant.tell_facts(1, nozzle_degc=211.5)
    page.locator("tr", has_text="nozzle_degc").locator("td", has_text="212 °C").wait_for()
    room.plant.tell_index(1, "heater_effort_w", 27.9)
    trend = page.locator(".trend", has_text="Heater effort")
    trend.locator(".value", has_text="27.9 W").wait_for()
    assert trend.locator("canvas").count() == 1


def test_the_outlook_is_drawn_in_the_readers_own_zone_as_trends_are(chromium: Any, still_room: Any) -> None:
    def begins(zone: str) -> float:
        with chromium.new_context(timezone_id=zone, locale="en-GB") as context:
            page = context.new_page()
            go(page, still_room.url, "machine")
            assert re.search(r"\d{2}:\d{2}\n?\d{1,2}/\d{1,2}", page.locator(".chart .xtick").first.text_content() or "")
            return float(page.evaluate("Date.parse(document.querySelector('.chart').data[0].x[0] + 'Z')"))

    assert (begins("Asia/Kolkata") - begins("Etc/UTC")) / 1_000 == pytest.approx(5.5 * 3_600, abs=60)


def test_no_outlook_is_told_in_words(page: Any, still_room: Any) -> None:
    page.goto(f"{still_room.url}{PLACE}&index=nozzle_deviation_degc")
    page.locator("#outlook", has_text="There is no outlook for this index now").wait_for()
    assert "12 values, at least 60 are needed" in page.locator("#outlook").inner_text()


def test_an_open_page_finds_the_room_again_after_a_restart(page: Any, room: Any) -> None:
    go(page, room.url, "now")
    room.close()
    page.locator(".clock.lost", has_text=catalogue("en").say("link.lost")).wait_for()
    again = type(room)(room.plant, room.port)
    page.locator(".clock:not(.lost)", has_text="live").wait_for()
    again.plant.tell_index(0, "heater_effort_w", 24.4)
    page.locator(".tile", has_text="MK4 00").locator(".value", has_text="24.4 W").wait_for()
    again.close()


def test_acknowledge_by_mouse(page: Any, room: Any) -> None:
    go(page, room.url, "alerts")
    row = page.locator("li.alert", has_text="MK4 01")
    row.get_by_label("Note (optional)").fill("changing the sock")
    row.get_by_role("button", name="Acknowledge: MK4 01").click()
    row.get_by_text("Acknowledged; not yet over.").wait_for()
    assert room.plant.alerts["a1"]["acknowledged_note"] == "changing the sock"
    row.get_by_role("button", name="Close: MK4 01").click()
    page.locator(".past", has_text="MK4 01").wait_for()


def test_acknowledge_by_keyboard(page: Any, room: Any) -> None:
    go(page, room.url, "alerts")
    for key in ("j", "j", "k", "a"):
        page.keyboard.press(key)
    page.locator("li.alert.acknowledged", has_text="MK4 04").wait_for()
    assert page.evaluate("document.activeElement.closest('li.alert').textContent.includes('MK4 04')")
    assert [alert["state"] for alert in room.plant.alerts.values()] == ["acknowledged", "raised", "raised"]


def test_an_alert_that_cannot_be_acknowledged_says_why(page: Any, room: Any) -> None:
    room.plant.refuse_next = 1
    go(page, room.url, "alerts")
    page.get_by_role("button", name="Acknowledge: MK4 04").click()
    page.locator(".error", has_text="perhaps somebody was quicker").wait_for()
    assert [text for text in page.told if "409" not in text] == []


@pytest.mark.parametrize("screen", PATHS)
def test_spanish_shows_no_english_sentence(page: Any, still_room: Any, screen: str) -> None:
    go(page, still_room.url, screen, "lang=es")
    page.wait_for_timeout(300)
    shown = page.evaluate("document.body.innerText") + "".join(
        page.locator("[aria-label], [placeholder]").evaluate_all(
            "all => all.map(node => `${node.ariaLabel ?? ''}\\n${node.placeholder ?? ''}\\n`)"
        )
    )
    english = [
        re.split(r"\{\w+\}", text)
        for key, text in catalogue("en").texts.items()
        if text not in ALIKE and key != "language.en"
    ]
    parts = {part.strip() for text in english for part in text if len(part.strip()) > 8}
    assert [part for part in parts if part in shown] == []
    assert page.evaluate("document.documentElement.lang") == "es"


def test_the_language_is_kept_from_page_to_page(page: Any, still_room: Any) -> None:
    go(page, still_room.url, "now", "lang=es")
    page.get_by_role("link", name=re.compile("Avisos")).click()
    page.locator("h1", has_text="Avisos").wait_for()


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_unknown_page_is_a_404(page: Any, still_room: Any, language: str) -> None:
    answer = page.goto(f"{still_room.url}/nope?lang={language}")
    assert answer.status == 404
    assert page.locator("h1").inner_text() == catalogue(language).say("lost.title")


def test_an_empty_room_says_what_to_do(page: Any, empty_room: Any) -> None:
    page.goto(empty_room.url)
    page.locator(".empty", has_text="cybersyn machine add PLACE").wait_for()
    page.goto(f"{empty_room.url}/alerts")
    page.locator(".empty", has_text="No alert is open.").wait_for()


@pytest.mark.parametrize("screen", PATHS)
@pytest.mark.parametrize("look", ["grey", "cybersyn", "phone"])
def test_axe_finds_nothing_and_nothing_overflows(page: Any, still_room: Any, screen: str, look: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python")
    if look == "phone":
        page.set_viewport_size(PHONE)
    go(page, still_room.url, screen, f"theme={look}")
    found = axe.Axe().run(page).response["violations"]
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


@pytest.mark.parametrize("screen", PATHS)
def test_targets_on_a_phone_are_large_enough(page: Any, still_room: Any, screen: str) -> None:
    page.set_viewport_size(PHONE)
    go(page, still_room.url, screen)
    sizes = page.locator(
        "button:visible, nav a:visible, .tile:visible, input:visible, select:visible, .choices a:visible"
    ).evaluate_all("all => all.map(node => [node.textContent, node.getBoundingClientRect().height])")
    assert [size for size in sizes if size[1] < 44] == []


def test_marks_blink_slowly_and_not_at_all_where_motion_is_unwanted(page: Any, still_room: Any) -> None:
    go(page, still_room.url, "now")
    blink = "getComputedStyle(document.querySelector('.mark.unheard path')).animationDuration"
    assert float(page.evaluate(blink).removesuffix("s")) >= 0.5
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate("getComputedStyle(document.querySelector('.mark.unheard path')).animationName") == "none"


@pytest.mark.parametrize("look", ["desktop", "phone"])
def test_intake_accounts_for_every_message(page: Any, still_room: Any, look: str) -> None:
    if look == "phone":
        page.set_viewport_size(PHONE)
    go(page, still_room.url, "intake")
    said = "6,015 received = 5,940 stored + 18 duplicate + 0 rejected + 15 quarantined + 42 pending"
    assert said in page.locator(".standing").inner_text()
    first = page.locator("[data-ops=intake-devices] tbody tr").first
    assert first.inner_text().split("\t")[:3] == ["MK4 02", "3", "1,002"]
    assert "cybersyn quarantine replay 9" in page.locator("[data-ops=intake-refused]").inner_text()
    first.get_by_role("link", name="MK4 02").press("Enter")
    page.locator("h1", has_text="MK4 02").wait_for()
    assert page.told == []


def test_every_screen_shows_that_something_is_wrong_with_the_intake(page: Any, room: Any) -> None:
    room.plant.trouble = "the historian: it is away"
    go(page, room.url, "now")
    page.get_by_role("link", name="Intake something is wrong").click()
    page.locator(".standing.odd", has_text="Batches that wait on disk: 1,234, the oldest for 12 min").wait_for()


def test_a_collector_that_is_away_is_told_and_what_it_said_before_is_dimmed(page: Any, room: Any) -> None:
    go(page, room.url, "intake")
    room.plant.away = True
    page.locator(".standing.odd", has_text="The collector does not answer").wait_for()
    page.locator("[data-ops=intake-devices].old tr", has_text="MK4 02").wait_for()
    room.plant.away = False
    page.locator("[data-ops=intake-devices]:not(.old)").wait_for()


def test_every_screen_is_in_this_list() -> None:
    assert {screen.path for screen in SCREENS} == {path.partition("?")[0] for path in PATHS.values()}
