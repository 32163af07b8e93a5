# SPDX-License-Identifier: AGPL-3.0-or-later
"""Neighbours that whole folders of tests share: a real InfluxDB, a real Chromium."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import urllib3
from playwright.sync_api import sync_playwright

GET_INFLUXD = (
    "influxd is not on PATH; with Go: "
    "CGO_ENABLED=0 GOBIN=$HOME/.local/bin go install github.com/influxdata/influxdb/cmd/influxd@v1.8.10"
)
GET_CHROMIUM = "chromium is not on PATH; on Debian: apt-get install chromium"
CHROMIUM_ARGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
CHROMIUM_ARGS += ["--disable-component-update", "--disable-sync"]
CONFIG = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc_port}"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
wal-fsync-delay = "0s"
query-log-enabled = false
[http]
bind-address = "127.0.0.1:{port}"
auth-enabled = true
flux-enabled = true
log-enabled = false
[monitor]
store-enabled = false
[logging]
level = "error"
"""


class Influxd(NamedTuple):
    """A running InfluxDB 1.8: `token` may do everything; `database` is there and empty."""

    url: str
    token: str
    database: str


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Start a headless Chromium for a module; only one at a time can be driven, and none beside asyncio.run."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip(GET_CHROMIUM)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    """Start a real influxd on free ports of 127.0.0.1, with users; it ends with the session."""
    program = shutil.which("influxd")
    if program is None:
        pytest.skip(GET_INFLUXD)
    folder = tmp_path_factory.mktemp("influxd")
    port, rpc_port = _free_ports(2)
    config = folder / "influxdb.conf"
    config.write_text(CONFIG.format(folder=folder, port=port, rpc_port=rpc_port))
    with (folder / "log").open("wb") as log:
        child = subprocess.Popen([program, "run", "-config", str(config)], stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(url, child, folder / "log")
        _ask(url, "CREATE USER tester WITH PASSWORD 'secret' WITH ALL PRIVILEGES")
        _ask(url, 'CREATE DATABASE "cybersyn"', token="tester:secret")
        yield Influxd(url, "tester:secret", "cybersyn")
    finally:
        child.terminate()
        try:
            child.wait(timeout=10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _wait_for(url: str, child: subprocess.Popen[bytes], log: Path) -> None:
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s and child.poll() is None:
        try:
            urllib3.request("GET", f"{url}/ping", timeout=1, retries=False)
        except urllib3.exceptions.HTTPError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"influxd did not answer within 60 s: {log.read_text()[-500:]}")


def _ask(url: str, query: str, *, token: str = "") -> None:
    headers = {"Authorization": f"Token {token}"} if token else {}
    with urllib3.PoolManager(headers=headers) as pool:
        answer = pool.request("POST", f"{url}/query", fields={"q": query}, encode_multipart=False, timeout=30)
    assert answer.status == 200, answer.data
