# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the Cyberfilter remembers after fact number n: enough for the same next output, as bytes."""

from __future__ import annotations

from typing import Final

import msgspec

from collector.contract.errors import Misconfigured
from collector.contract.ports import IndexRow
from cyberfilter.alerts.rules import Watch
from cyberfilter.alerts.standing import Standing
from cyberfilter.contract.index import IndexValue
from cyberfilter.families import Lessons
from cyberfilter.indices.fold import MachineFold
from cyberfilter.indices.revision import Beyond
from cyberfilter.judge import GroupState

VERSION: Final = 1


class MachineMemory(msgspec.Struct):
    """What is remembered of one device; watches by index."""

    place: str
    fold: MachineFold = msgspec.field(default_factory=MachineFold)
    standing: Standing = msgspec.field(default_factory=Standing)
    watches: dict[str, Watch] = {}
    newest: dict[str, IndexValue] = {}
    beyond: dict[str, Beyond] = {}


class Memory(msgspec.Struct):
    """Everything: machines by device, banks by group, rows that are owed, people by place, lessons."""

    version: int
    n: int
    machines: dict[str, MachineMemory]
    banks: dict[str, GroupState]
    owed: list[IndexRow]
    present: dict[str, int] = {}
    lessons: Lessons = msgspec.field(default_factory=Lessons)


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Memory)


def pack(memory: Memory) -> bytes:
    """Return the memory as bytes; `unpack` undoes it."""
    return _ENCODER.encode(memory)


def unpack(blob: bytes) -> Memory:
    """Return the memory; Misconfigured where another version wrote it."""
    try:
        memory = _DECODER.decode(blob)
    except msgspec.DecodeError as error:
        raise Misconfigured(f"checkpoint cannot be read: {error}") from None
    if memory.version != VERSION:
        raise Misconfigured(f"checkpoint has version {memory.version}, this program reads version {VERSION}")
    return memory
