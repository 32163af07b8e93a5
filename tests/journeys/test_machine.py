# SPDX-License-Identifier: AGPL-3.0-or-later
"""A newcomer's way: add a device by command, type the printed lines, see it live, revoke it, ask what is wrong."""

from __future__ import annotations

import json
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from firmware_sim.senders.cybersyn_sender import Sender

WAIT_S = 30.0


def until(true: Callable[[], object], what: str) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < deadline_s, f"not within {WAIT_S} s: {what}"
        time.sleep(0.05)


def hang_up(sender: Sender) -> None:
    """Close the line: a device never does, it is switched off."""
    if sender.line is not None:
        sender.line.close()


class Site:
    """A running collector with its embedded broker, and the command beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        (folder / "config.toml").write_text(f"[broker]\nport = 0\n[collector]\nport = {port}\n")
        self.log = (folder / "log").open("wb")
        options = ["--config", str(folder / "config.toml"), "--data-dir", str(folder)]
        command = [sys.executable, "-P", "-m", "deploy.cli", "run", "collector", *options]
        self.child = subprocess.Popen(command, stdout=self.log, stderr=self.log)

    def open(self) -> None:
        until((self.folder / "broker.json").exists, (self.folder / "log").read_text())

    def cybersyn(self, *words: str) -> tuple[int, str]:
        command = [sys.executable, "-P", "-m", "deploy.cli", *words, "--data-dir", str(self.folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout + done.stderr

    def told(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "broker.json").read_text())
        return found

    def points(self, place: str) -> list[list[Any]]:
        url = self.told()["api_url"] + "/api/v1/series"
        asked = {"place": place, "indicator": "nozzle_degc", "from": "2026-01-01T00:00:00Z"}
        answer = httpx.get(url, params=asked, timeout=10)
        return list(answer.json()["points"]) if answer.status_code == 200 else []

    def end(self) -> None:
        self.child.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.child.wait(timeout=20)
        self.child.kill()
        self.child.wait()
        self.log.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    try:
        made.open()
        yield made
    finally:
        made.end()


def line_of(text: str, start: str) -> str:
    return next(line.strip() for line in text.splitlines() if line.strip().startswith(start))


def test_from_the_first_command_to_the_last_reading(site: Site) -> None:
    code, text = site.cybersyn("machine", "add", "commons/hall/lathe", "--device", "lathe")
    assert code == 0, text
    password = line_of(text, "password").split()[1]
    words = shlex.split(line_of(text, "mosquitto_pub"))
    if program := shutil.which(words[0]):
        assert subprocess.run([program, *words[1:]], check=False, timeout=20).returncode == 0
    told = site.told()
    sender = Sender(told["host"], told["port"], "lathe", password)
    sender.measure(nozzle_degc=211.5)
    until(lambda: sender.work() or not sender.kept, f"the receipt: {sender.problem}")
    until(lambda: 211.5 in [value for _, value in site.points("commons/hall/lathe")], "it is in the historian")
    code, text = site.cybersyn("machine", "check", "lathe")
    assert (code, "all is well" in text) == (0, True), text

    assert site.cybersyn("machine", "revoke", "lathe")[0] == 0
    sender.measure(nozzle_degc=99.5)
    until(lambda: sender.work() or sender.problem, "the broker refuses what was revoked")
    for _ in range(20):
        sender.work()
        time.sleep(0.05)
    assert sender.kept
    hang_up(sender)
    assert 99.5 not in [value for _, value in site.points("commons/hall/lathe")]
    code, text = site.cybersyn("machine", "check", "lathe")
    assert (code, "machine add" in text) == (1, True), text


def test_a_wrong_password_is_explained(site: Site) -> None:
    assert site.cybersyn("machine", "add", "commons/hall/saw", "--device", "saw")[0] == 0
    told = site.told()
    sender = Sender(told["host"], told["port"], "saw", "guessed")
    sender.measure(nozzle_degc=1.0)
    until(lambda: sender.work() or sender.problem, "the broker refuses")
    hang_up(sender)
    until(lambda: "the broker refused its password" in site.cybersyn("machine", "check", "saw")[1], "it is explained")


def test_machine_that_nobody_registered_is_offered_named_and_live_without_a_file_edited(site: Site) -> None:
    recording = Path(__file__).parents[2] / "firmware_sim/recordings/octoprint.jsonl"
    told = site.told()
    with httpx.Client(base_url=told["api_url"] + "/api/v1", timeout=10) as api:

        def speak() -> None:
            code, said = site.cybersyn("replay", str(recording), "--speed", "100000")
            assert code == 0, said

        def newcomers() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = api.get("/newcomers").json()["items"]
            return found

        until(lambda: (speak(), len(newcomers()))[1] == 2, "both newcomers after the recording was played")
        assert {(row["looks_like"], row["prefix"]) for row in newcomers()} == {
            ("OctoPrint", "octoPrint"),
            ("OctoPrint", "fab/north/octoprint/p02"),
        }
        row = next(row for row in newcomers() if row["device"] == "p02")
        listed = api.get("/machines").json()["items"]
        assert [m["dialect"] for m in listed if m["device"] == row["id"] and m["place"] is None] == ["octoprint"]
        assert api.post(f"/newcomers/{row['id']}", json={"place": "hall//p02"}).status_code == 422
        named = api.post(f"/newcomers/{row['id']}", json={"place": "hall/p02"})
        assert (named.status_code, named.json()["device"], named.json()["prefix"]) == (201, "p02", row["prefix"])
        speak()
        until(lambda: api.get("/jobs", params={"place": "hall/p02"}).json()["items"], "the newcomer's job")
        assert [each["prefix"] for each in newcomers()] == ["octoPrint"]
        assert api.put("/newcomers/octoPrint", json={"wanted": False}).status_code == 200
        assert newcomers() == []
        assert [each["id"] for each in api.get("/newcomers", params={"dismissed": True}).json()["items"]] == [
            "octoPrint"
        ]
        assert api.post("/newcomers/nobody", json={"place": "hall/x"}).status_code == 404
