# SPDX-License-Identifier: AGPL-3.0-or-later
"""Programs that benchmarks start and end."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx

INFLUX = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
query-log-enabled = false
max-series-per-database = 0
[http]
bind-address = "127.0.0.1:{port}"
auth-enabled = true
log-enabled = false
max-row-limit = 0
[monitor]
store-enabled = false
[logging]
level = "error"
"""


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@contextmanager
def program(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program, and end it."""
    with log.open("ab") as out, subprocess.Popen(command, stdout=out, stderr=out) as child:
        try:
            yield child
        finally:
            child.terminate()
            with suppress(subprocess.TimeoutExpired):
                child.wait(timeout=30)
            child.kill()


def wait_for(url: str, child: subprocess.Popen[bytes], log: Path) -> None:
    end_s = time.monotonic() + 60
    while time.monotonic() < end_s and child.poll() is None:
        with suppress(httpx.HTTPError):
            if httpx.get(url, timeout=2).status_code < 300:
                return
        time.sleep(0.1)
    raise SystemExit(f"{url} did not answer: {log.read_text()[-2000:]}")


def influx(stack: ExitStack, folder: Path) -> tuple[str, int]:
    """Start a real InfluxDB 1.8 with a user; return its address and process."""
    found = shutil.which("influxd")
    assert found is not None
    port, rpc = free_ports(2)
    (folder / "influx.conf").write_text(INFLUX.format(folder=folder / "influx", port=port, rpc=rpc))
    log = folder / "influx.log"
    child = stack.enter_context(program([found, "run", "-config", str(folder / "influx.conf")], log))
    url = f"http://127.0.0.1:{port}"
    wait_for(f"{url}/ping", child, log)
    httpx.post(f"{url}/query", data={"q": "CREATE USER bench WITH PASSWORD 'bench' WITH ALL PRIVILEGES"})
    return url, child.pid
