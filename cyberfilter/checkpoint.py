# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the Cyberfilter remembers after fact number n: enough for the same next output, as bytes."""

from __future__ import annotations

from typing import Final

import msgspec

from collector.contract.errors import Misconfigured
from collector.contract.ports import IndexRow
from cyberfilter.alerts.common import Commons
from cyberfilter.alerts.standing import Standing
from cyberfilter.alerts.watched import Watch
from cyberfilter.contract.index import IndexValue
from cyberfilter.contract.intervention import Intervention
from cyberfilter.families import Lessons
from cyberfilter.indices.fold import MachineFold
from cyberfilter.indices.revision import Beyond
from cyberfilter.judge import GroupState
from cyberfilter.record import Record

VERSION: Final = 3
"""Goes up where watches or banks get another form."""


class MachineMemory(msgspec.Struct):
    """What is remembered of one device; watches, and what people foretold of the next values, by index."""

    place: str
    fold: MachineFold = msgspec.field(default_factory=MachineFold)
    standing: Standing = msgspec.field(default_factory=Standing)
    watches: dict[str, Watch] = {}
    newest: dict[str, IndexValue] = {}
    beyond: dict[str, Beyond] = {}
    records: dict[str, Record] = {}
    foretold: dict[str, list[Intervention]] = {}


class Memory(msgspec.Struct):
    """Everything: machines by device, banks by group, rows that the historian has not taken, people by place.

    `lessons` are what like machines have learned, `commons` changes that they share.
    """

    version: int
    n: int
    machines: dict[str, MachineMemory]
    banks: dict[str, GroupState]
    owed: list[IndexRow]
    present: dict[str, int] = {}
    lessons: Lessons = msgspec.field(default_factory=Lessons)
    commons: Commons = {}


class _Kept(msgspec.Struct):
    """What every version has of a device: all but what its rule and its filter have learned."""

    place: str
    fold: MachineFold = msgspec.field(default_factory=MachineFold)
    standing: Standing = msgspec.field(default_factory=Standing)
    newest: dict[str, IndexValue] = {}


class _Version(msgspec.Struct):
    version: int


class _Older(msgspec.Struct):
    """What every version has."""

    version: int
    n: int
    machines: dict[str, _Kept]
    owed: list[IndexRow]
    present: dict[str, int] = {}


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Memory)


def pack(memory: Memory) -> bytes:
    """Return the memory as bytes; `unpack` undoes it."""
    return _ENCODER.encode(memory)


def unpack(blob: bytes) -> Memory:
    """Return the memory; one of another version without what was learned: its `version` tells.

    Raises Misconfigured where the bytes are no checkpoint.
    """
    try:
        version = msgspec.msgpack.decode(blob, type=_Version).version
        if version == VERSION:
            return _DECODER.decode(blob)
        older = msgspec.msgpack.decode(blob, type=_Older)
    except msgspec.DecodeError as error:
        raise Misconfigured(f"checkpoint cannot be read: {error}") from None
    machines = {
        device: MachineMemory(kept.place, kept.fold, kept.standing, newest=kept.newest)
        for device, kept in older.machines.items()
    }
    return Memory(version, older.n, machines, {}, older.owed, older.present)
