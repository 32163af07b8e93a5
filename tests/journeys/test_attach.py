# SPDX-License-Identifier: AGPL-3.0-or-later
"""A machine that does not come by itself: added by command, dialled, live, checked, and taken out again."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

WAIT_S = 30.0
KEY = "Lp4-77x"


def until(true: Callable[[], object], what: str) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < deadline_s, f"not within {WAIT_S} s: {what}"
        time.sleep(0.1)


class Printer(BaseHTTPRequestHandler):
    """A PrusaLink that prints and prints."""

    def do_GET(self) -> None:
        self.send_response(200 if self.headers.get("X-Api-Key") == KEY else 401)
        body = json.dumps({"printer": {"state": "PRINTING", "temp_nozzle": 215.5}, "job": {"id": 3}}).encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def printer() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Printer)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


Cybersyn = Callable[..., str]


@pytest.fixture
def cybersyn(tmp_path: Path) -> Iterator[Cybersyn]:
    """A running collector with its embedded broker, and the command beside it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "config.toml").write_text(f"[broker]\nport = 0\n[collector]\nport = {port}\n")
    program = [sys.executable, "-P", "-m", "deploy.cli"]

    def command(*words: str, typed: str = "") -> str:
        done = subprocess.run(
            [*program, *words, "--data-dir", tmp_path], capture_output=True, text=True, input=typed, check=False
        )
        return f"{done.returncode} {done.stdout}{done.stderr}"

    with (tmp_path / "log").open("wb") as log:
        options = ["--config", tmp_path / "config.toml", "--data-dir", tmp_path]
        child = subprocess.Popen([*program, "run", "collector", *options], stdout=log, stderr=log)
        try:
            until((tmp_path / "broker.json").exists, "it runs")
            yield command
        finally:
            child.terminate()
            child.wait(timeout=20)


def test_a_printer_is_added_dialled_mended_and_taken_out(cybersyn: Cybersyn, printer: int, tmp_path: Path) -> None:
    wanted = ["machine", "add", "commons/hall/mk4", "--dialect", "prusalink", "--attach", f"127.0.0.1:{printer}"]
    assert cybersyn(*wanted, typed="\n").startswith("2 cybersyn machine: the API key has 0 characters")
    added = cybersyn(*wanted, "--poll", "1", typed=KEY + "\n")
    assert "mk4 stands at commons/hall/mk4; it is dialled from now on" in added
    assert KEY not in added + (tmp_path / "plant.toml").read_text() + (tmp_path / "log").read_text()
    assert (tmp_path / "attach.toml").stat().st_mode & 0o777 == 0o600
    until(lambda: "running" in cybersyn("machine", "list"), "it prints")
    assert f"127.0.0.1:{printer}: it answers" in cybersyn("machine", "check", "mk4")
    assert cybersyn("machine", "revoke", "mk4").startswith("0 ")
    assert KEY not in (tmp_path / "attach.toml").read_text()
