# SPDX-License-Identifier: AGPL-3.0-or-later
"""The routes: contract fields, filters, pages, and the right status for what cannot be done."""

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from collector.contract.event import State
from cyberfilter.api import routes

PLACE = "commons/valparaiso/printing/mk4-01"
INDEX = ("place", "index", "actuality", "capability", "potentiality", "productivity", "latency", "performance")
ALERT = ("id", "class", "kind", "place", "index", "state", "raised_at", "acknowledged_at", "returned_at", "closed_at")


class Client:
    """Asks the routes in process."""

    def __init__(self, workshop) -> None:
        app = FastAPI()
        app.include_router(routes(workshop.service))
        self._transport = httpx.ASGITransport(app)

    def get(self, path: str, **asked: Any) -> httpx.Response:
        return asyncio.run(self._ask("GET", path, **asked))

    def post(self, path: str, **asked: Any) -> httpx.Response:
        return asyncio.run(self._ask("POST", path, **asked))

    async def _ask(self, method: str, path: str, **asked: Any) -> httpx.Response:
        async with httpx.AsyncClient(transport=self._transport, base_url="http://room") as asking:
            return await asking.request(method, path, **asked)


def client(workshop) -> Client:
    return Client(workshop)


@pytest.fixture
def faulty(workshop):
    workshop.state(State.FAULT, 1000.0)
    return workshop


def test_indices_have_the_contracts_fields_by_place(trained) -> None:
    said = client(trained).get("/api/v1/indices", params={"place": "commons"}).json()
    assert (said["total"], said["next"]) == (5, None)
    assert {*INDEX, "forecast", "verdict"} <= set(said["items"][0])
    assert set(said["items"][0]["forecast"]) == {"at", "mean", "lo95", "hi95"}


def test_an_index_that_still_learns_says_how_far_it_is(trained) -> None:
    said = client(trained).get("/api/v1/indices").json()["items"]
    learning = {item["index"]: item["learning"] for item in said}
    assert learning["availability_ratio"] == {"have": 9, "need": 250, "from": "own", "like": 0}
    assert learning["heater_effort_w"] is None


def test_a_place_is_the_unit_and_all_below_it(trained) -> None:
    asked = client(trained)
    assert asked.get("/api/v1/indices", params={"place": PLACE}).json()["total"] == 5
    assert asked.get("/api/v1/indices", params={"place": "commons/val"}).json()["total"] == 0


def test_lists_are_paged(trained) -> None:
    asked = client(trained)
    first = asked.get("/api/v1/indices?limit=3").json()
    rest = asked.get("/api/v1/indices", params={"limit": 3, "cursor": first["next"]}).json()
    assert (len(first["items"]), len(rest["items"]), rest["next"]) == (3, 2, None)


@pytest.mark.parametrize("query", ["limit=501", "limit=0", "cursor=x", "place=a//b", "open=maybe", "class=worry"])
def test_a_wrong_question_is_422(faulty, query: str) -> None:
    assert client(faulty).get(f"/api/v1/alerts?{query}").status_code == 422


def test_alerts_have_the_contracts_fields(faulty) -> None:
    (item,) = client(faulty).get("/api/v1/alerts?open=true&class=hazard").json()["items"]
    assert {*ALERT, "raised_to", "why"} <= set(item)
    assert item["raised_at"] == "1970-01-01T00:16:40.000Z"


@pytest.mark.parametrize("query", ["open=false", "class=call", "place=commons/elsewhere"])
def test_alerts_are_filtered(faulty, query: str) -> None:
    assert client(faulty).get(f"/api/v1/alerts?{query}").json()["total"] == 0


def test_an_action_answers_with_the_alert_and_so_does_its_repetition(faulty) -> None:
    path = f"/api/v1/alerts/{faulty.service.alerts()[0].id}/actions"
    body = {"action": "acknowledge", "note": "coming"}
    first, second = (client(faulty).post(path, json=body) for _ in range(2))
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json()
    assert first.json()["state"] == "acknowledged"


@pytest.mark.parametrize(("action", "status"), [("explode", 422), ("extend", 409), (None, 422)])
def test_what_cannot_be_done_says_so(faulty, action: str | None, status: int) -> None:
    path = f"/api/v1/alerts/{faulty.service.alerts()[0].id}/actions"
    answer = client(faulty).post(path, json={"action": action})
    assert answer.status_code == status
    assert answer.json()["detail"]


def test_an_alert_that_is_not_there_is_404(faulty) -> None:
    assert client(faulty).post("/api/v1/alerts/nonesuch/actions", json={"action": "close"}).status_code == 404


def test_an_outlook_has_as_many_times_as_means(trained) -> None:
    said = client(trained).get("/api/v1/outlook", params={"place": PLACE, "index": "heater_effort_w"}).json()
    assert len(said["at"]) == len(said["mean"]) == len(said["lo"]) == len(said["hi"]) > 0
    assert (said["unit"], said["level"]) == ("W", 0.8)


def test_an_outlook_of_too_few_values_is_409_and_of_no_index_404(trained) -> None:
    asked = client(trained)
    few = asked.get("/api/v1/outlook", params={"place": PLACE, "index": "availability_ratio"})
    assert (few.status_code, "fewer than" in few.json()["detail"]) == (409, True)
    assert asked.get("/api/v1/outlook", params={"place": PLACE, "index": "x_w"}).status_code == 404


WORD = {"v": 1, "id": "w1", "ts": 1_795_435_200_000, "place": PLACE, "index": "energy_w", "action": "shift", "mean": 5}


def test_an_intervention_is_answered_with_what_was_said_first(trained) -> None:
    asked = client(trained)
    first = asked.post("/api/v1/interventions", json=WORD)
    assert (first.status_code, first.json()["ts"], first.json()["action"]) == (200, "2026-11-23T12:00:00.000Z", "shift")
    assert asked.post("/api/v1/interventions", json={**WORD, "mean": 9.0}).json() == first.json()


@pytest.mark.parametrize(
    ("field", "value", "status"),
    [("index", "pressure_bar", 404), ("place", "commons/elsewhere", 404), ("action", "hush", 422), ("mean", None, 422)],
)
def test_an_intervention_that_cannot_be_is_refused_by_name(trained, field: str, value: object, status: int) -> None:
    answer = client(trained).post("/api/v1/interventions", json={**WORD, field: value})
    assert answer.status_code == status
    assert str(value or "mean") in answer.json()["detail"]


def test_an_index_tells_its_change_and_its_public_clock(trained) -> None:
    trained.run(12, effort_w=37.5)
    (item,) = [i for i in client(trained).get("/api/v1/indices").json()["items"] if i["index"] == "heater_effort_w"]
    assert item["clock_s"] in {60.0, 180.0, 300.0}
    assert {"kind", "since", "size", "sd", "probability", "before"} == set(item["change"])
    assert item["change"]["size"] > 3.0
