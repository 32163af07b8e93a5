# SPDX-License-Identifier: AGPL-3.0-or-later
"""The Phone in a real Chromium, on a real collector: a tap is counted once, taken back, and waits while we are away."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collector import listing, me_api
from collector.api import routes
from collector.bus.local import LocalBroker, LocalBus
from collector.contract.event import Noted, PartCounted, StateSeen
from collector.contract.tree import read_plant
from collector.historian.memory import MemoryHistorian
from collector.mine import Mine
from collector.registry import Registry
from collector.service import Collector
from collector.spool import Spool
from deploy.clock import SystemClock
from deploy.web import Port, Service, application
from opsroom.app import mount

CELL = "commons/printing"
PLANT = read_plant({"machines": {name: {"place": f"{CELL}/{name}"} for name in ("mk4-06", "mk4-07")}})
HAND = f"/hand?place={CELL}/mk4-07"
PHONE = {"width": 360, "height": 740}
THUMB_PX = 48
BOUNCE_MS = 400


class Hall:
    """A collector with its room on one port; what was counted is in `facts`."""

    def __init__(self, folder: Path) -> None:
        clock, broker = SystemClock(), LocalBroker()
        self.spool, self.mine = Spool(folder / "facts.db"), Mine(folder / "people.db")
        self.mouth = LocalBus(broker, "mouth", clock, persistent=True)
        bus = LocalBus(broker, "collector", clock, persistent=True)
        self.collector = Collector(spool=self.spool, bus=bus, clock=clock, registry=Registry(PLANT))
        part = self.collector

        def seed() -> dict[str, Any]:
            return {
                "machines": listing.machines(part.memory, part.registry, self.spool),
                "units": listing.units(part.memory, part.registry),
            }

        service = Service(
            "t",
            [routes(part, MemoryHistorian(), None, self.mine), me_api.routes(self.mine)],
            lambda: None,
            list,
            lambda server: mount(
                server, bus=LocalBus(broker, "room", clock, persistent=False), clock=clock, seed=seed, version="0"
            ),
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop)
        self._thread.start()
        self._port = Port(application(service, version="0"), host="127.0.0.1", port=0)
        self._port.start()
        self.url = f"http://127.0.0.1:{self._port._socket.getsockname()[1]}"

    def _loop(self) -> None:
        while not self._stop.is_set():
            self.collector.turn(wait_s=0.01)

    def say(self, topic: str, body: dict[str, Any]) -> None:
        self.mouth.publish(f"cybersyn/v1/{topic}", json.dumps(body).encode())

    def facts(self, kind: type, count: int) -> list[Any]:
        """Return the facts of a kind once there are so many."""
        deadline_s = time.monotonic() + 20.0
        while True:
            batches = [batch for _, batch in self.spool.read_from(1, most=1_000)]
            found = [fact for batch in batches for fact in batch.facts if isinstance(fact, kind)]
            if len(found) >= count or time.monotonic() > deadline_s:
                assert len(found) == count
                return found
            time.sleep(0.02)

    def close(self) -> None:
        self._port.stop()
        self._stop.set()
        self._thread.join()
        self.spool.close()
        self.mine.close()


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    made = Hall(tmp_path)
    made.say("state/@mk4-06", {"v": 1, "state": "running"})
    made.say("state/@mk4-07", {"v": 1, "state": "waiting_person", "why": "plate not cleared"})
    made.facts(StateSeen, 2)
    yield made
    made.close()


@pytest.fixture
def hand(page: Any, hall: Hall) -> Any:
    """The page of one machine on a small phone."""
    page.set_viewport_size(PHONE)
    page.goto(hall.url + HAND)
    page.locator(".phone-state .status", has_text="Waits for a person").wait_for()
    return page


def press(page: Any, name: str) -> None:
    """Press a button; two presses in a third of a second would be one."""
    page.get_by_role("button", name=name, exact=True).click()


def answered(page: Any, text: str) -> None:
    page.locator(".answer", has_text=text).wait_for()


def test_a_good_part_is_counted_once_and_taken_back(hand: Any, hall: Hall) -> None:
    press(hand, "Good +1")
    answered(hand, "counted: 1 good at mk4-07, ")
    hand.locator(".answer .undo").click()
    answered(hand, "taken back: 1 good at mk4-07")
    first, second = hall.facts(PartCounted, 2)
    assert (first.good, second.good, second.corrects) == (1, 0, first.id)
    assert hand.told == []


def test_an_opened_spool_is_taken_back_in_the_words_of_its_tap(hand: Any) -> None:
    hand.get_by_label("Which (optional)").fill("PLA")
    press(hand, "Opened")
    answered(hand, "material PLA opened at mk4-07")
    hand.locator(".answer .undo").click()
    answered(hand, "taken back: material PLA opened at mk4-07")


def test_scrap_has_a_cause_and_a_new_cause_joins_the_list(hand: Any, hall: Hall) -> None:
    press(hand, "Scrap…")
    hand.get_by_label("Another cause").fill("wet filament")
    press(hand, "Count 1 scrap")
    answered(hand, "1 scrap at mk4-07 (wet filament)")
    hand.wait_for_timeout(BOUNCE_MS)
    press(hand, "Scrap…")
    hand.locator(".causes button", has_text="wet filament").click()
    assert [(fact.scrap, fact.cause) for fact in hall.facts(PartCounted, 2)] == [(1, "wet filament")] * 2


def test_a_bouncing_finger_is_one_press(hand: Any, hall: Hall) -> None:
    hand.get_by_role("button", name="Good +1").dblclick()
    answered(hand, "counted: 1 good")
    assert len(hall.facts(PartCounted, 1)) == 1


def test_what_is_tapped_without_a_network_is_counted_when_it_is_back(hand: Any, hall: Hall) -> None:
    hand.context.set_offline(True)
    press(hand, "Good +1")
    answered(hand, "waits to be sent: 1 good at mk4-07")
    hand.context.set_offline(False)
    answered(hand, "counted: 1 good at mk4-07")
    assert len(hall.facts(PartCounted, 1)) == 1


def test_an_answer_that_was_lost_does_not_count_twice(hand: Any, hall: Hall) -> None:
    lost: list[int] = []

    def lose(route: Any) -> None:
        answer = route.fetch()
        lost.append(answer.status)
        if len(lost) == 1:
            route.abort()
        else:
            route.fulfill(response=answer)

    hand.route("**/api/v1/events", lose)
    press(hand, "Good +1")
    answered(hand, "counted: 1 good at mk4-07")
    assert lost == [200, 200]
    assert len(hall.facts(PartCounted, 1)) == 1


def test_clearing_the_plate_makes_the_machine_idle(hand: Any) -> None:
    press(hand, "Plate cleared")
    hand.locator(".phone-state .status", has_text="Idle").wait_for()


def test_people_are_counted_at_the_machines_unit(hand: Any, hall: Hall) -> None:
    press(hand, "+")
    hand.wait_for_timeout(BOUNCE_MS)
    press(hand, "+")
    answered(hand, f"2 present at {CELL}")
    assert [fact.body["count"] for fact in hall.facts(Noted, 2)] == [1, 2]


def test_my_taps_are_remembered_only_once_i_say_so_and_can_be_erased(hand: Any, hall: Hall) -> None:
    press(hand, "Good +1")
    answered(hand, "counted")
    hand.get_by_label("Remember my taps on this phone").check()
    press(hand, "Plate cleared")
    answered(hand, "counted: plate cleared")
    with hand.expect_download() as download:
        press(hand, "Save mine")
    found = json.loads(Path(download.value.path()).read_text())
    assert [item["event"] for item in found["items"]] == ["plate"]
    press(hand, "Erase mine")
    hand.get_by_text("1 tap was erased").wait_for()
    assert len(hall.facts(PartCounted, 1)) == 1


def test_machines_that_wait_come_first_and_one_opens(page: Any, hall: Hall) -> None:
    page.set_viewport_size(PHONE)
    page.goto(f"{hall.url}/hand")
    names = page.locator(".phone-list .name")
    names.nth(1).wait_for()
    assert names.all_inner_texts() == ["mk4-07", "mk4-06"]
    names.first.click()
    page.locator("h1", has_text="mk4-07").wait_for()


@pytest.mark.parametrize("query", ["", f"?place={CELL}/mk4-07"])
def test_every_target_fits_a_thumb_and_nothing_runs_out_of_a_small_screen(page: Any, hall: Hall, query: str) -> None:
    page.set_viewport_size(PHONE)
    page.goto(f"{hall.url}/hand{query}")
    page.locator("main button, main .phone-list a").first.wait_for()
    if query:
        press(page, "Scrap…")
        press(page, "Good +1")
        answered(page, "counted")
    boxes = page.locator("main button:visible, main input[type=text]:visible, main .phone-list a, main label.choice")
    small = [box for each in boxes.all() if (box := each.bounding_box()) and box["height"] < THUMB_PX]
    assert small == []
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
