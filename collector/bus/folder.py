# SPDX-License-Identifier: AGPL-3.0-or-later
"""The embedded broker's folder: who holds it, its passwords, its port. What it keeps is the same at every start."""

from __future__ import annotations

import fcntl
import secrets
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from collector.contract.errors import Misconfigured
from collector.private import write_private

PORT_S: Final = 2.0
"""How long a kept port may stay taken before another one is chosen."""


def hold(folder: Path) -> IO[str]:
    """Make the folder and return the open lock that holds it; raises Misconfigured where another process does."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = (folder / "lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise Misconfigured(f"broker folder {folder} is in use by another running process") from None
    return lock


def own_passwords(folder: Path) -> tuple[str, str]:
    """Return the passwords of our own two users, made at the first start."""
    kept = folder / "passwords"
    if not kept.exists():
        write_private(kept, f"{secrets.token_urlsafe(24)}\n{secrets.token_urlsafe(24)}\n")
    services, keeper = kept.read_text().split()
    return services, keeper


def choose_port(folder: Path, host: str, wanted: int | None) -> int:
    """Return the MQTT port: the wanted one, else the last start's, else a free one; raises Misconfigured if in use."""
    kept = folder / "port"
    port = wanted
    if port is None:
        with suppress(OSError, ValueError):
            port = int(kept.read_text())
        if port is None or not _gets_free(host, port):
            port = free_port()
    elif not _gets_free(host, port):
        raise Misconfigured(f"MQTT port {port} on {host} is in use; another one, or none, would work")
    kept.write_text(str(port))
    return port


def free_port() -> int:
    """Return a port on which nobody listens on 127.0.0.1 just now."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def _gets_free(host: str, port: int) -> bool:
    """Wait a little for the port: a server that was killed may hold it some milliseconds longer than its name."""
    end_s = time.monotonic() + PORT_S
    while not _is_free(host, port):
        if time.monotonic() > end_s:
            return False
        time.sleep(0.02)
    return True


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError:
            return False
        return True
