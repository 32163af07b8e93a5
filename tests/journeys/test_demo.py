# SPDX-License-Identifier: AGPL-3.0-or-later
"""The demo as a newcomer starts it: machines live, a fault that strikes, an alert at its place, a summary."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from typing import Any, NamedTuple

import httpx
import pytest

LASTS_S, SPEED = 32, 120
pytestmark = pytest.mark.timeout(240)


class Seen(NamedTuple):
    """What the API said while the demo ran, and what it said at its end."""

    code: int
    words: str
    summary: dict[str, Any]
    machines: list[dict[str, Any]]
    indices: list[dict[str, Any]]
    alerts: dict[str, dict[str, Any]]
    folder_mode: int


def _items(url: str) -> list[dict[str, Any]]:
    try:
        answer = httpx.get(url, params={"limit": 500}, timeout=5.0)
    except httpx.HTTPError:
        return []
    found: list[dict[str, Any]] = answer.json()["items"] if answer.status_code == 200 else []
    return found


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    folder = tmp_path_factory.mktemp("demo")
    with socket.create_server(("127.0.0.1", 0)) as trial:
        port = trial.getsockname()[1]
    options = ["--seed", "7", "--speed", str(SPEED), "--for", str(LASTS_S), "--port", str(port)]
    files = ["--data-dir", str(folder / "data"), "--summary", str(folder / "summary.json")]
    command = [sys.executable, "-P", "-m", "deploy.cli", "demo", *options, *files]
    api = f"http://127.0.0.1:{port}/api/v1"
    machines: list[dict[str, Any]] = []
    indices: list[dict[str, Any]] = []
    alerts: dict[str, dict[str, Any]] = {}
    with (folder / "log").open("wb") as log:
        child = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        while child.poll() is None:
            machines, indices = _items(f"{api}/machines") or machines, _items(f"{api}/indices") or indices
            alerts |= {alert["id"]: alert for alert in _items(f"{api}/alerts")}
            time.sleep(0.5)
    finally:
        child.kill()
        child.wait()
    words = (folder / "log").read_text()
    assert child.returncode == 0, words
    told = json.loads((folder / "summary.json").read_text())
    mode = (folder / "data" / "broker.json").stat().st_mode
    return Seen(child.returncode, words, told, machines, indices, alerts, mode)


def test_eight_machines_are_live_and_the_recorded_ones_beside_them(seen: Seen) -> None:
    native = [m for m in seen.machines if m["dialect"] == "native"]
    assert (len(seen.machines), len(native)) == (11, 6)
    assert all(m["account"]["stored"] > 0 and m["place"] for m in native)
    parts = ("stored", "duplicate", "rejected", "quarantined", "pending")
    assert all(m["account"]["received"] == sum(m["account"][part] for part in parts) for m in seen.machines)


def test_indices_have_forecast_bands_and_beers_triple(seen: Seen) -> None:
    bands = [i["forecast"] for i in seen.indices if i["forecast"]]
    assert len(bands) >= 8
    assert all(band["lo95"] <= band["mean"] <= band["hi95"] for band in bands)
    triples = [i for i in seen.indices if i["productivity"] is not None]
    assert all(abs(i["performance"] - i["productivity"] * i["latency"]) <= 0.02 for i in triples)


def test_fault_that_struck_is_an_alert_at_its_place_within_half_an_hour(seen: Seen) -> None:
    (fault, *_) = seen.summary["faults"]
    alert = seen.alerts[fault["alert"]]
    assert alert["place"] == fault["place"]
    assert fault["onset"] <= fault["found_at"]
    assert "faults struck" in seen.words


def test_files_with_passwords_are_readable_by_their_owner_alone(seen: Seen) -> None:
    assert seen.folder_mode & 0o077 == 0
