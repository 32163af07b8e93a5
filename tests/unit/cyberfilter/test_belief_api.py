# SPDX-License-Identifier: AGPL-3.0-or-later
"""GET /api/v1/belief: one index, what is believed of it, why, and how the filter did on it."""

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from collector.contract.event import JobStarted
from cyberfilter.belief_api import routes

PLACE = "commons/valparaiso/printing/mk4-01"


def ask(workshop, index: str = "heater_effort_w", place: str = PLACE) -> httpx.Response:
    app = FastAPI()
    app.include_router(routes(workshop.service))

    async def get() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://room") as asking:
            return await asking.get("/api/v1/belief", params={"place": place, "index": index})

    return asyncio.run(get())


def told(workshop, index: str = "heater_effort_w") -> dict[str, Any]:
    answer = ask(workshop, index)
    assert answer.status_code == 200
    return answer.json()


def test_an_index_says_its_value_band_and_usual_level(trained) -> None:
    said = told(trained)
    assert (said["place"], said["index"], said["unit"]) == (PLACE, "heater_effort_w", "W")
    assert said["expected"]["lo95"] < 30.0 < said["expected"]["hi95"]
    assert said["value"] == said["actuality"] == pytest.approx(30.0, abs=3.0)
    assert said["usual"][0]["mean"] == pytest.approx(30.0, abs=0.2)
    assert said["usual"][0]["count"] > 60


def test_usual_levels_are_told_by_the_target_or_by_the_name_of_the_jobs_file(trained) -> None:
    told_of = {index: told(trained, index)["usual"][0] for index in ("heater_effort_w", "energy_w", "pace_ratio")}
    assert {index: (one["by"], one["file"]) for index, one in told_of.items()} == {
        "heater_effort_w": ("target", None),
        "energy_w": ("file", "long.gcode"),
        "pace_ratio": ("file", "long.gcode"),
    }
    assert (told_of["heater_effort_w"]["regime"], told_of["energy_w"]["ripe"]) == (215.0, True)


def test_the_present_regime_comes_first_however_little_is_known_of_it(trained) -> None:
    trained.say(JobStarted("j1", trained.clock.at, "short.gcode", 36_000.0))
    trained.run(20)
    here, other, *_ = told(trained, "energy_w")["usual"]
    assert (here["file"], here["now"], here["ripe"]) == ("short.gcode", True, False)
    assert (other["file"], other["now"], other["ripe"]) == ("long.gcode", False, True)


def test_a_file_whose_name_was_not_kept_has_none(trained) -> None:
    trained.service.between(lambda floor: floor.machines["mk4-01"].fold.files.clear(), changes=False)
    assert told(trained, "energy_w")["usual"][0]["file"] is None


def test_the_record_counts_every_judged_value(trained) -> None:
    before = told(trained)["record"]
    trained.run(5)
    after = told(trained)["record"]
    assert after["count"] - before["count"] == sum(after["words"].values()) - sum(before["words"].values()) > 0
    assert 0.85 < after["coverage"] <= 1.0
    assert after["error_ratio"] < 1.0


def test_what_is_believed_adds_up_to_one_or_is_nothing(trained) -> None:
    believed = told(trained)["believed"]
    assert sum(one["probability"] for one in believed) == pytest.approx(1.0 if believed else 0.0)


def test_alerts_of_the_index_are_counted_by_how_they_ended(trained) -> None:
    trained.run(60, effort_w=42.0)
    said = told(trained)["alerts"]
    assert (said["raised"], said["returned"], said["closed"]) == (1, 0, 0)
    (alert,) = said["newest"]
    assert alert["kind"].startswith("heater_effort")
    assert (alert["class"], alert["facts"]["unit"], alert["index"]) == ("algedonic", "W", "heater_effort_w")
    assert told(trained, "energy_w")["alerts"]["newest"] != said["newest"]


@pytest.mark.parametrize(("index", "place"), [("x_w", PLACE), ("heater_effort_w", "commons/elsewhere")])
def test_an_index_that_is_not_there_is_404(trained, index: str, place: str) -> None:
    answer = ask(trained, index, place)
    assert (answer.status_code, "there is no index" in answer.json()["detail"]) == (404, True)


def test_asking_changes_nothing_that_is_kept(trained) -> None:
    trained.service.close()
    before = trained.journal.checkpoint()
    told(trained)
    trained.service.close()
    assert trained.journal.checkpoint() == before
