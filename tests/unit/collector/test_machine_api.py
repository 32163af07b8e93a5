# SPDX-License-Identifier: AGPL-3.0-or-later
"""Machines over HTTP: with the token alone, the password once, and a check that says what is wrong."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from collector import machine_api
from collector.keys import QUICK, Keys
from collector.machine_api import Desk
from collector.register import Register
from collector.violations import PASSWORD, PUBLISH, Violation
from deploy.lines import Where, to_type
from deploy.web import Service, application

TOKEN = "secret-of-this-folder"
LOGIN = {"Authorization": f"Bearer {TOKEN}"}
WHERE = Where("127.0.0.1", 1883)


class Office:
    """A collector, its register, and the routes."""

    def __init__(self, works: Any, folder: Path) -> None:
        self.works = works
        self.violations: list[Violation] = []
        register = Register(folder / "plant.toml", Keys(folder, work=QUICK), now=time.time)
        register.listen("collector", works.collector.replant)
        desk = Desk(register, TOKEN, lambda m, word: to_type(m, word, WHERE), lambda: self.violations)
        service = Service("t", [machine_api.routes(works.collector, desk)], lambda: None, list)
        self.http = TestClient(application(service, version="1"))

    def add(self, place: str, **more: Any) -> Any:
        return self.http.post("/api/v1/machines", json={"place": place, **more}, headers=LOGIN)

    def check(self, device: str) -> tuple[bool, dict[str, str]]:
        found = self.http.get(f"/api/v1/machines/{device}/check").json()
        return found["fine"], {line["about"]: line["text"] for line in found["lines"] if not line["fine"]}


@pytest.fixture
def office(works: Any, tmp_path: Path) -> Office:
    return Office(works, tmp_path)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}])
def test_nobody_changes_the_register_without_the_token(office: Office, headers: dict[str, str]) -> None:
    asked = [
        office.http.post("/api/v1/machines", json={"place": "a/b"}, headers=headers),
        office.http.post("/api/v1/machines/b/move", json={"place": "a/c"}, headers=headers),
        office.http.post("/api/v1/machines/b/credentials", headers=headers),
        office.http.delete("/api/v1/machines/b", headers=headers),
    ]
    assert [answer.status_code for answer in asked] == [401] * 4


def test_a_new_machine_gets_its_password_and_the_lines_to_type(office: Office) -> None:
    told = office.add("commons/hall/lathe").json()
    assert (told["device"], told["user"]) == ("lathe", "lathe")
    text = "\n".join(told["lines"])
    assert f"-u lathe -P {told['password']}" in text
    assert "cybersyn/v1/reading/@lathe" in text
    listed = office.http.get("/api/v1/machines/lathe/check").text
    assert told["password"] not in listed


def test_errors_name_the_thing(office: Office) -> None:
    office.add("commons/hall/lathe")
    assert office.add("commons/hall/lathe").status_code == 409
    assert office.add("commons//x").status_code == 422
    gone = office.http.delete("/api/v1/machines/nobody", headers=LOGIN)
    assert (gone.status_code, "nobody" in gone.json()["detail"]) == (404, True)


def test_check_says_what_is_missing_step_by_step(office: Office) -> None:
    assert office.check("lathe") == (False, {"place": "not registered", "heard": "never heard"})
    office.add("commons/hall/lathe")
    assert office.check("lathe") == (False, {"heard": "never heard"})
    office.violations += [Violation(PASSWORD, "lathe", "authentication error")]
    assert office.check("lathe")[1]["login"] == "the broker refused its password"
    office.violations[:] = [Violation(PUBLISH, "lathe", 'Publish Violation - Subject "x"')]
    assert "Publish Violation" in office.check("lathe")[1]["topic"]
    office.violations.clear()
    office.works.say("reading/@lathe", {"v": 1, "m": {"power_w": 1}})
    assert office.check("lathe") == (True, {})
    office.works.say("reading/@lathe", {"v": 1, "m": {"power_w": "hot"}})
    assert "wrong_shape" in office.check("lathe")[1]["refused"]


def test_revoked_is_a_newcomer_if_it_still_speaks(office: Office) -> None:
    office.add("commons/hall/lathe")
    office.works.say("reading/@lathe", {"v": 1, "m": {"power_w": 1}})
    office.http.delete("/api/v1/machines/lathe", headers=LOGIN)
    assert office.check("lathe")[1]["place"] == "heard, but it has no place yet"
