# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the outputs remember after fact number n, in a file of their own: a restart says the same again."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from collector.contract.errors import Misconfigured
from cyberfilter.outputs.machine import Machine


class Memory(msgspec.Struct):
    """Machines by device, the retained topics by owner (a device, or `/` and a unit's place), the next bdSeq."""

    n: int = 0
    machines: dict[str, Machine] = {}
    topics: dict[str, list[str]] = {}
    bd_seq: int = 0


def load(path: Path) -> Memory:
    """Return what the file holds, an empty memory where there is none; raises Misconfigured where it is broken."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Memory)
    except FileNotFoundError:
        return Memory()
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path} cannot be read: {error}; without the file the outputs begin anew") from None


def save(path: Path, memory: Memory) -> None:
    """Replace the file, whole or not at all."""
    fresh = path.with_name(path.name + ".new")
    with fresh.open("wb") as file:
        file.write(msgspec.json.encode(memory))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
