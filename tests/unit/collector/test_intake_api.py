# SPDX-License-Identifier: AGPL-3.0-or-later
"""Intake over HTTP: whose credentials, for whose words."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from collector import intake_api
from collector.contract.limits import PAYLOAD_BYTES_MAX
from collector.contract.topics import Kind
from collector.contract.tree import Machine, Plant
from collector.keys import QUICK, Keys
from collector.login import Login
from collector.violations import Violation

PLANT = Plant({}, {name: Machine(name, f"commons/{name}") for name in ("mk4", "saw")})
READING = {"device": "mk4", "m": {"power_w": 1}}


class Taker:
    """Stands for the collector: it keeps what it is given."""

    def __init__(self) -> None:
        self.registry = SimpleNamespace(plant=PLANT)
        self.taken: list[tuple[Kind, bytes]] = []

    def post(self, kind: Kind, body: bytes) -> bytes:
        self.taken.append((kind, body))
        return b'{"events":[]}'


class Site:
    """The routes behind a login whose clock stands still until it is set."""

    def __init__(self, *, required: bool) -> None:
        self.now_s = 0.0
        self.taker = Taker()
        self.violations: list[Violation] = []
        self.keys = Keys(None, work=QUICK)
        self.word = self.keys.issue("mk4")
        login = Login(self.keys, required=required, on_violation=self.violations.append, clock_s=lambda: self.now_s)
        self.app = FastAPI()
        self.app.include_router(intake_api.routes(self.taker, login))

    def post(self, body=READING, *, auth=None, path="/readings", address="10.0.0.7", **more):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return TestClient(self.app, client=(address, 5)).post(path, content=data, auth=auth, **more)

    def guess(self, count: int) -> list[int]:
        return [self.post(auth=("mk4", f"guess {number}")).status_code for number in range(count)]


@pytest.fixture
def closed() -> Site:
    return Site(required=True)


@pytest.fixture
def open_() -> Site:
    return Site(required=False)


@pytest.mark.parametrize(("path", "kind"), [("/readings", Kind.READING), ("/events", Kind.EVENT)])
def test_a_device_with_its_password_gets_the_receipt(closed, path, kind):
    answer = closed.post(auth=("mk4", closed.word), path=path)
    assert (answer.status_code, answer.json()) == (200, {"events": []})
    assert closed.taker.taken == [(kind, json.dumps(READING).encode())]


def test_without_credentials_the_door_is_closed_where_they_are_required(closed):
    answer = closed.post()
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith('Basic realm="cybersyn"')
    assert closed.taker.taken == []


def test_without_credentials_the_door_is_open_where_they_are_not_required(open_):
    assert open_.post().status_code == 200


@pytest.mark.parametrize("required", [True, False])
def test_wrong_credentials_are_refused_whether_required_or_not(required):
    site = Site(required=required)
    answer = site.post(auth=("mk4", "wrong"))
    assert (answer.status_code, site.taker.taken) == (401, [])
    assert [(one.kind, one.who, one.address) for one in site.violations] == [
        ("authentication_error", "mk4", "10.0.0.7")
    ]
    assert "wrong" not in site.violations[0].line.replace("wrong password", "")


@pytest.mark.parametrize("header", ["", "Basic", "Basic !!!", "Basic bWs0", "Bearer x", "Basic /////w=="])
def test_headers_that_are_no_credentials_are_refused(open_, header):
    assert open_.post(headers={"Authorization": header}).status_code == 401


def test_a_revoked_device_is_refused(closed):
    closed.keys.revoke("mk4")
    assert closed.post(auth=("mk4", closed.word)).status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        {**READING, "device": "saw"},
        {**READING, "place": "commons/saw"},
        {"place": "commons/saw", "m": {"power_w": 1}},
        {**READING, "device": 7},
    ],
)
def test_row_20_credentials_do_not_speak_for_another_device_or_place(open_, body):
    answer = open_.post(body, auth=("mk4", open_.word))
    assert answer.status_code == 403
    assert answer.json()["detail"].startswith("mis_addressed: ")
    assert open_.taker.taken == []


def test_a_device_may_name_its_place_instead_of_itself(closed):
    assert closed.post({"place": "commons/mk4"}, auth=("mk4", closed.word)).status_code == 200


def test_what_cannot_be_read_is_left_to_the_collector_to_refuse(closed):
    for body in (b"{", b"[" * 100_000, b"\xff"):
        assert closed.post(body, auth=("mk4", closed.word)).status_code == 200
    assert len(closed.taker.taken) == 3


def test_of_a_body_that_does_not_end_no_more_is_read_than_shows_that_it_is_too_large():
    class Endless:
        async def stream(self):
            while True:
                yield b"x" * 65_536

    assert len(asyncio.run(intake_api._body(Endless()))) == PAYLOAD_BYTES_MAX + 65_536


def test_row_24_after_ten_failures_an_address_waits_and_is_told_how_long(closed):
    assert closed.guess(11) == [401] * 10 + [429]
    answer = closed.post(auth=("mk4", closed.word))
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    closed.now_s = 1.1
    assert closed.post(auth=("mk4", closed.word)).status_code == 200


def test_row_24_a_further_failure_doubles_the_wait(closed):
    closed.guess(10)
    closed.now_s = 1.1
    assert closed.guess(1) == [401]
    assert closed.post(auth=("mk4", closed.word)).headers["Retry-After"] == "2"


def test_row_24_guessing_delays_nobody_at_another_address(closed):
    closed.guess(12)
    assert closed.post(auth=("mk4", closed.word), address="10.0.0.8").status_code == 200


def test_row_24_attempts_that_have_to_wait_are_not_looked_at(closed):
    closed.guess(30)
    assert len(closed.violations) == 10
