# SPDX-License-Identifier: AGPL-3.0-or-later
"""A person's own events are theirs: nobody else sees them by any door, and they can be taken out and erased."""

from __future__ import annotations

import json
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from collector import me_api, mine
from collector.api import routes
from collector.contract.errors import Misconfigured, Refusal
from collector.contract.limits import PERSON_CHARS_MAX, PERSON_CHARS_MIN
from collector.mine import Mine, Own, person
from deploy.web import Service, application

ANA, LUZ = "ana's own secret words", "luz's own secret words"
TAP = {"v": 1, "id": "t1", "event": "part", "good": 1, "about": "mk4"}


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Mine]:
    made = Mine(tmp_path / "people.db")
    yield made
    made.close()


@pytest.fixture
def http(works: Any, kept: Mine) -> Iterator[TestClient]:
    """The collector's port, and its loop in a thread, for a tap waits until it is on disk."""
    service = Service(
        "t", [routes(works.collector, works.historian, None, kept), me_api.routes(kept)], lambda: None, list
    )
    stop = threading.Event()

    def loop() -> None:
        while not stop.is_set():
            works.collector.turn(wait_s=0.005)

    thread = threading.Thread(target=loop)
    thread.start()
    yield TestClient(application(service, version="1"))
    stop.set()
    thread.join()


def mine_of(http: TestClient, secret: str) -> list[str]:
    return [item["id"] for item in http.get("/api/v1/me", headers={"X-Person": secret}).json()["items"]]


def test_the_file_is_for_its_owner_alone(kept: Mine, tmp_path: Path) -> None:
    kept.add(person(ANA), Own("t1", 1.0, "mk4", "part"))
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("people.db*")}
    assert modes == {0o600}


def test_a_folder_that_is_not_there_is_misconfigured(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="nowhere"):
        Mine(tmp_path / "nowhere" / "people.db")


@pytest.mark.parametrize("length", [PERSON_CHARS_MIN - 1, PERSON_CHARS_MAX + 1])
def test_a_secret_has_its_bounds(length: int) -> None:
    assert person("x" * PERSON_CHARS_MIN) != person("x" * PERSON_CHARS_MAX)
    with pytest.raises(Refusal, match=f"{length} characters"):
        person("x" * length)


def test_beyond_its_bound_a_persons_oldest_events_go(kept: Mine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mine, "EVENTS_PER_PERSON_MAX", 2)
    for name in ("a", "b", "c"):
        kept.add(person(ANA), Own(name, 1.0, "mk4", "part"))
    kept.add(person(LUZ), Own("l", 1.0, "mk4", "part"))
    assert [item["id"] for item in kept.page(person(ANA), limit=10, cursor=None)["items"]] == ["c", "b"]
    assert kept.page(person(LUZ), limit=10, cursor=None)["total"] == 1


def test_a_tap_is_remembered_once_for_its_person_alone(http: TestClient) -> None:
    for _ in range(2):
        assert http.post("/api/v1/events", json=TAP, headers={"X-Person": ANA}).status_code == 200
    assert (mine_of(http, ANA), mine_of(http, LUZ)) == (["t1"], [])


def test_a_tap_without_a_secret_is_remembered_for_nobody(http: TestClient, kept: Mine) -> None:
    assert http.post("/api/v1/events", json=TAP).status_code == 200
    assert kept._db.execute("SELECT count(*) FROM mine").fetchone() == (0,)


def test_a_refused_tap_is_nobodys(http: TestClient) -> None:
    assert http.post("/api/v1/events", json={**TAP, "good": -1}, headers={"X-Person": ANA}).status_code == 422
    assert mine_of(http, ANA) == []


def test_erasing_leaves_the_count_and_nothing_of_the_person_in_the_file(
    http: TestClient, works: Any, tmp_path: Path
) -> None:
    http.post("/api/v1/events", json=TAP, headers={"X-Person": ANA})
    http.post("/api/v1/events", json={**TAP, "id": "t2"}, headers={"X-Person": LUZ})
    assert http.delete("/api/v1/me", headers={"X-Person": ANA}).json() == {"erased": 1}
    assert (mine_of(http, ANA), mine_of(http, LUZ)) == ([], ["t2"])
    assert [fact.good for fact in works.facts()] == [1, 1]
    left = b"".join(path.read_bytes() for path in tmp_path.glob("people.db*"))
    assert person(ANA).digest not in left
    assert person(LUZ).digest in left


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_nothing_is_told_without_a_secret_or_with_one_too_short(http: TestClient, method: str) -> None:
    assert "X-Person" in http.request(method, "/api/v1/me").json()["detail"]
    short = http.request(method, "/api/v1/me", headers={"X-Person": "short"})
    assert (short.status_code, short.json()["reason"]) == (422, "bad_person")


def test_no_door_shows_who_tapped(http: TestClient, works: Any, tmp_path: Path, capfd: Any) -> None:
    ears = works.bus("ears")
    ears.subscribe(["#"])
    body = {**TAP, "operator": "Ana Rojas", "person": {"name": "Ana Rojas"}}
    material = {**body, "id": "t2", "event": "material", "change": "opened", "name": "Ana Rojas"}
    for each in (body, material):
        assert http.post("/api/v1/events", json=each, headers={"X-Person": ANA}).status_code == 200
    shown = [http.get(f"/api/v1/{path}").text for path in ("facts", "machines", "jobs", "quarantine", "tree")]
    said = [delivery.payload.decode() for delivery in ears.take(most=100, wait_s=0.2)]
    told = capfd.readouterr()
    log = b"".join(path.read_bytes() for path in tmp_path.glob("facts.db*")).decode("latin-1")
    everything = "\n".join([*shown, *said, told.out, told.err, log])
    assert '"t1"' in everything
    assert len(said) >= 2
    for secret in ("Ana Rojas", ANA, person(ANA).digest.hex(), person(ANA).digest.decode("latin-1")):
        assert secret not in everything
    assert json.loads(shown[0])["items"][0]["facts"][0]["good"] == 1
