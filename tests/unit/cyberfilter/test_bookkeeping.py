# SPDX-License-Identifier: AGPL-3.0-or-later
# tidy: the loop and its routes are tried on one small site
"""The loop and the routes of production: killed, away, asked, and let go."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from collector.chronicle import MemoryChronicle
from collector.contract.codec import format_time
from collector.contract.errors import Unavailable
from collector.contract.event import JobEnded, JobStarted, Noted, Outcome, PartCounted, State, StateSeen
from collector.contract.ports import Record
from collector.contract.reading import Batch, Fact, Numbered, Samples
from collector.contract.tree import read_plant
from cyberfilter import bookkeeping
from cyberfilter.bookkeeping import READER, Bookkeeping
from cyberfilter.production.ratios import indicators
from cyberfilter.production.sums import NOTHING
from cyberfilter.production_api import routes

HOUR = 1_795_399_200.0
CELL = "commons/valparaiso/printing"
PLANT = read_plant(
    {
        "units": {CELL: {"grid_g_per_kwh": 100.0}},
        "machines": {
            "mk4": {"place": f"{CELL}/mk4"},
            "core": {"place": f"{CELL}/core"},
            "plug": {"place": f"{CELL}/core", "dialect": "tasmota", "prefix": "tele/plug"},
        },
    }
)


class SetClock:
    at = HOUR

    def now(self) -> float:
        return self.at

    def real_s(self, plant_s: float) -> float:
        return plant_s


class Log:
    """A fact log in memory that notes who has passed what."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.passed_until: dict[str, int] = {}

    def read_from(self, n: int, *, most: int, wait_s: float = 0.0) -> list[Numbered]:
        return [Numbered(k, self.batches[k - 1]) for k in range(n, len(self.batches) + 1)][:most]

    def last(self) -> int:
        return len(self.batches)

    def passed(self, reader: str, n: int) -> None:
        self.passed_until[reader] = n


class ShyChronicle(MemoryChronicle):
    """A chronicle that can be away."""

    away = False

    def keep(self, records: list[Record], *, n: int | None = None) -> None:
        self._check()
        super().keep(records, n=n)

    def get(self, kind: str, device: str, key: str) -> Record | None:
        self._check()
        return super().get(kind, device, key)

    def _check(self) -> None:
        if self.away:
            raise Unavailable("chronicle is away")


class Site:
    def __init__(self, kept_days: int = 0) -> None:
        self.log, self.chronicle, self.clock = Log(), ShyChronicle(), SetClock()
        self.kept_days = kept_days
        self.restart()

    def restart(self) -> None:
        self.books = Bookkeeping(
            facts=self.log, chronicle=self.chronicle, clock=self.clock, plant=PLANT, kept_days=self.kept_days
        )

    def say(self, *facts: Fact, device: str = "mk4") -> None:
        self.log.batches.append(Batch(device, f"{CELL}/{device}", "native", self.clock.at, facts))

    def written(self) -> None:
        self.books.turn(0.0)
        self.books.close()

    def get(self, path: str, **asked: Any) -> httpx.Response:
        app = FastAPI()
        app.include_router(routes(self.books))

        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://room") as client:
                return await client.get(path, params=asked)

        return asyncio.run(ask())

    def whole(self, **asked: Any) -> list[dict[str, Any]]:
        return self.get("/api/v1/production", by="whole", **asked).json()["items"]


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def worked(site: Site) -> Site:
    """A day in which mk4 ran an hour and made a part; core is metered by its plug."""
    site.say(
        StateSeen(HOUR, State.IDLE),
        StateSeen(HOUR + 3600, State.RUNNING),
        JobStarted("j", HOUR + 3600, "hook.gcode", 3600.0),
        JobEnded("j", HOUR + 7200, Outcome.DONE, "hook.gcode", started_at=HOUR + 3600, duration_s=3600.0),
        StateSeen(HOUR + 7200, State.IDLE),
    )
    site.say(StateSeen(HOUR, State.IDLE), device="core")
    site.say(Samples((HOUR, HOUR + 7200), {"energy_kwh": (4.0, 6.0)}), device="plug")
    site.written()
    site.clock.at = HOUR + 4 * 3600
    return site


def test_nothing_is_passed_before_it_is_written(site: Site, monkeypatch) -> None:
    monkeypatch.setattr(bookkeeping, "SAVE_EVERY_S", 1e9)
    site.say(StateSeen(HOUR, State.IDLE))
    site.books.turn(0.0)
    assert (site.log.passed_until[READER], site.chronicle.n()) == (0, 0)
    site.books.close()
    assert (site.log.passed_until[READER], site.chronicle.n()) == (1, 1)


def test_what_nobody_asks_for_waits_longer(site: Site, monkeypatch) -> None:
    monkeypatch.setattr(bookkeeping, "ASKED_EVERY_S", 0.0)
    site.say(StateSeen(HOUR, State.RUNNING))
    site.books.turn(0.0)
    assert site.log.passed_until[READER] == 0
    site.whole(place=CELL, to=format_time(HOUR + 60), **{"from": format_time(HOUR)})
    site.books.turn(0.0)
    assert site.log.passed_until[READER] == 1


def test_a_restart_takes_again_what_was_not_written(site: Site, monkeypatch) -> None:
    monkeypatch.setattr(bookkeeping, "SAVE_EVERY_S", 1e9)
    site.say(Samples((HOUR,), {"voc_ppb": (100.0,)}))
    site.books.turn(0.0)
    site.restart()
    site.written()
    site.clock.at = HOUR + 60
    (item,) = site.whole(place=f"{CELL}/mk4")
    assert item["indicators"]["voc_ppb"] == 100.0


def test_a_chronicle_that_was_away_gets_every_fact_once(site: Site, monkeypatch) -> None:
    monkeypatch.setattr(bookkeeping, "SAVE_EVERY_S", 0.0)
    for n in range(3):
        site.say(Samples((HOUR + n,), {"voc_ppb": (float(n),)}))
        site.say(Samples((HOUR + 7200 + n,), {"voc_ppb": (9.0,)}))
        site.chronicle.away = n == 1
        site.books.turn(0.0)
        assert (site.books.ready() is not None) is (n == 1)
    site.clock.at = HOUR + 60
    (item,) = site.whole(place=f"{CELL}/mk4")
    assert item["indicators"]["voc_ppb"] == 1.0


def test_what_is_older_than_it_is_kept_goes(monkeypatch) -> None:
    monkeypatch.setattr(bookkeeping, "SAVE_EVERY_S", 0.0)
    site = Site(kept_days=1)
    site.say(StateSeen(HOUR - 90_000, State.RUNNING), StateSeen(HOUR - 80_000, State.IDLE))
    site.books.turn(0.0)
    found = site.chronicle.find("state", "mk4", start=0.0, end=HOUR)
    assert [row.start for row in found] == [HOUR - 80_000]


def test_a_unit_is_the_sum_of_its_machines(worked: Site) -> None:
    (item,) = worked.whole(place=CELL, to=format_time(HOUR + 14_400), **{"from": format_time(HOUR)})
    assert (item["machines"], item["losses"]["planned_s"], item["losses"]["running_s"]) == (2, 28_800.0, 3_600.0)
    assert item["indicators"]["oee_ratio"] == pytest.approx(3_600 / 28_800)


def test_a_plug_counts_for_the_machine_at_its_place(worked: Site) -> None:
    (item,) = worked.whole(place=f"{CELL}/core", to=format_time(HOUR + 7200), **{"from": format_time(HOUR)})
    assert item["indicators"]["energy_kwh"] == pytest.approx(2.0)
    assert item["indicators"]["carbon_g"] == pytest.approx(200.0)


def test_a_device_without_states_is_no_machine_where_another_stands(worked: Site) -> None:
    worked.say(Samples((HOUR + 60,), {"voc_ppb": (120.0,)}), device="air")
    worked.written()
    worked.books.replant(read_plant({"machines": {name: {"place": f"{CELL}/mk4"} for name in ("air", "mk4")}}))
    (item,) = worked.whole(place=f"{CELL}/mk4")
    assert (item["machines"], item["losses"]["running_s"]) == (1, 3_600.0)
    assert item["indicators"]["voc_ppb"] == 120.0


def test_a_device_that_only_measures_adds_no_planned_time(worked: Site) -> None:
    worked.say(Samples((HOUR + 60, HOUR + 7200), {"energy_kwh": (1.0, 3.0)}), device="meter")
    worked.written()
    worked.books.replant(read_plant({"machines": {name: {"place": f"{CELL}/{name}"} for name in ("meter", "mk4")}}))
    (item,) = worked.whole(place=CELL, to=format_time(HOUR + 14_400), **{"from": format_time(HOUR)})
    assert (item["machines"], item["losses"]["planned_s"]) == (1, 14_400.0)
    assert item["indicators"]["energy_kwh"] == pytest.approx(2.0)


def test_nothing_was_planned_before_a_machine_was_heard_first(worked: Site) -> None:
    asked = {"from": format_time(HOUR - 36_000), "to": format_time(HOUR + 14_400)}
    (item,) = worked.whole(place=f"{CELL}/mk4", **asked)
    assert (item["losses"]["planned_s"], item["losses"]["unknown_s"]) == (14_400.0, 0.0)


def test_a_plug_that_stands_alone_is_no_machine_though_it_tells_a_state(site: Site) -> None:
    site.say(StateSeen(HOUR, State.UNKNOWN, "meters only"), device="plug")
    site.written()
    site.clock.at = HOUR + 3600
    site.books.replant(
        read_plant({"machines": {"plug": {"place": f"{CELL}/plug", "dialect": "tasmota", "prefix": "tele/plug"}}})
    )
    (item,) = site.whole(place=f"{CELL}/plug", to=format_time(HOUR + 3600), **{"from": format_time(HOUR)})
    assert (item["machines"], item["losses"].get("planned_s", 0.0)) == (0, 0.0)


def test_items_of_the_levels_below_come_when_asked(worked: Site) -> None:
    assert {item["place"] for item in worked.whole(place=CELL, depth=1)} == {CELL, f"{CELL}/core", f"{CELL}/mk4"}
    assert {item["place"] for item in worked.whole()} == {"commons"}


def test_jobs_have_their_own_items(worked: Site) -> None:
    found = worked.get("/api/v1/production", place=CELL, by="job").json()["items"]
    assert [(row["job"], row["outcome"], row["name"]) for row in found] == [("j", "done", "hook.gcode")]
    assert found[0]["indicators"]["cycle_time_s"] == 3600.0


def test_a_correction_changes_what_was_said_of_the_past(worked: Site) -> None:
    worked.say(PartCounted(HOUR + 9000, scrap=1, id="p1", job="j"))
    worked.written()
    assert worked.whole(place=CELL)[0]["indicators"]["quality_ratio"] == 0.0
    worked.say(PartCounted(HOUR + 9100, good=1, id="p2", corrects="p1"))
    worked.written()
    assert worked.whole(place=CELL)[0]["indicators"]["quality_ratio"] == 1.0


def test_stock_and_maintenance_stand_in_the_newest_period(worked: Site) -> None:
    worked.say(
        Noted(HOUR - 50, "material", {"change": "opened", "spool": "s1", "material": "pla"}, "n1"),
        Noted(HOUR - 40, "maintenance", {"change": "done", "item": "nozzle"}, "n2"),
        Noted(HOUR - 30, "plate", {"change": "cleared"}, "n3"),
    )
    worked.written()
    found = worked.get("/api/v1/production", place=f"{CELL}/mk4", by="hour").json()["items"]
    newest, before = found[0], found[1]
    assert (newest["indicators"]["stock_spools"], newest["indicators"]["stock_parts"]) == (1, 1)
    (counter,) = newest["maintenance"]
    assert (counter["item"], counter["maintenance_running_h"], counter["maintenance_jobs"]) == ("nozzle", 1.0, 1)
    assert (before["indicators"]["stock_spools"], before["maintenance"]) == (None, [])


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"place": "commons//x"}, 422),
        ({"place": "commons/nowhere"}, 404),
        ({"from": "yesterday"}, 422),
        ({"from": "2026-12-01T00:00:00Z", "to": "2026-11-01T00:00:00Z"}, 422),
        ({"by": "week"}, 422),
        ({"by": "shift"}, 422),
        ({"by": "hour", "from": "2000-01-01T00:00:00Z"}, 422),
        ({"cursor": "x"}, 422),
    ],
)
def test_a_wrong_question_is_refused(worked: Site, asked: dict[str, str], status: int) -> None:
    assert worked.get("/api/v1/production", **asked).status_code == status


def test_periods_are_paged_newest_first(worked: Site) -> None:
    first = worked.get("/api/v1/production", place=CELL, by="hour", limit=2).json()
    rest = worked.get("/api/v1/production", place=CELL, by="hour", limit=2, cursor=first["next"]).json()
    times = [item["from"] for item in first["items"] + rest["items"]]
    assert times == sorted(times, reverse=True)
    assert len(set(times)) == 4


def test_the_catalogue_tells_every_figure(site: Site) -> None:
    names = {row["name"] for row in site.get("/api/v1/indicators", limit=500).json()["items"]}
    assert names >= indicators(NOTHING).keys() | {"nozzle_degc"}


def test_a_log_that_began_anew_is_trouble_and_not_silence(site: Site) -> None:
    site.say(StateSeen(HOUR, State.IDLE))
    site.written()
    site.log.batches.clear()
    site.books.turn(0.0)
    assert "fact log" in (site.books.ready() or "")
