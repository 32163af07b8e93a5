# SPDX-License-Identifier: AGPL-3.0-or-later
"""What is remembered of a Sparkplug edge node and the devices behind it, and how its words are put in order.

Order is the node's seq; its clock tells words that are told again. A birth that was heard before is an echo, and so
is all that follows it and is not newer than what is known. Words that come late, behind a gap, measure still, but
say nothing of states.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import msgspec
from msgspec.structs import replace

from collector.dialects.sparkplug_payload import Payload
from collector.dialects.work import Work

SEQS: Final = 256
STATE_BYTES_MAX: Final = 15 * 1024
"""A node's memory as JSON; beyond, the device that was silent for longest is forgotten."""
MEANINGS_BYTES_MAX: Final = 3 * 1024
"""What is kept of a device's aliases and units."""
BIRTHS_MAX: Final = 16
WILL_S: Final = 90.0
"""Within one and a half keep-alives (60 s) of a birth, the will of the connection before may still come."""
ASK_EVERY_S: Final = 60.0
ASKS_MAX: Final = 3


class Device(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is remembered of a device, or of the node itself.

    `newest_ms` is its newest stamp, `seq` that message's number, `heard_at` its arrival. `born` says that a birth told
    what there is; `means` holds, by alias or name, what a name alone would not say: `role factor`.
    """

    work: Work = Work()
    newest_ms: int | None = None
    seq: int | None = None
    heard_at: float = 0.0
    born: bool = False
    means: dict[str, str] = {}


class Node(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is remembered of an edge node; `devices` by name, the node itself is "".

    `births` are stamp and bdSeq of births heard, `bd` the bdSeq of the newest, `session_ms` the stamp of the last birth
    with another bdSeq. `echo`: what comes now was told before. `asked` counts the questions without an answer.
    """

    seq: int | None = None
    births: tuple[tuple[int, int], ...] = ()
    born_at: float | None = None
    bd: int | None = None
    session_ms: int | None = None
    echo: bool = False
    asked: int = 0
    asked_at: float | None = None
    devices: dict[str, Device] = {}


class Turn(Enum):
    """When a message comes: in its turn, behind others that are missing, after newer ones, or a second time."""

    NEXT = "next"
    GAP = "gap"
    LATE = "late"
    AGAIN = "again"


def turn(was: Node, part: str, told: Payload) -> Turn:
    """Return when the message comes, by the node's seq and the device's clock."""
    device = was.devices.get(part, Device())
    stamp, newest = told.stamp_ms, device.newest_ms
    if stamp is not None and newest is not None:
        if stamp <= newest and (was.echo or (told.seq is not None and told.seq == device.seq)):
            return Turn.AGAIN
    elif told.seq is not None and told.seq == was.seq == device.seq:
        return Turn.AGAIN
    if told.seq is None or was.seq is None or told.seq == (was.seq + 1) % SEQS:
        return Turn.NEXT
    behind = (was.seq - told.seq) % SEQS < SEQS // 2  # else its clock was set back
    return Turn.LATE if behind and stamp is not None and newest is not None and stamp < newest else Turn.GAP


def born(was: Node, told: Payload, at: float, bd: int | None) -> Node:
    """Return the memory after a birth of the node; one that was heard before begins an echo."""
    mine = () if told.stamp_ms is None else ((told.stamp_ms, -1 if bd is None else bd),)
    if mine and mine[0] in was.births:
        return replace(was, echo=True)
    newest = was.births[-1][0] if was.births else None
    return replace(
        was,
        seq=told.seq,
        births=(*was.births, *mine)[-BIRTHS_MAX:],
        born_at=at,
        bd=bd,
        session_ms=newest if bd != was.bd else was.session_ms,
        echo=False,
        devices={name: _in_session(device, told.stamp_ms) for name, device in was.devices.items()},
    )


def _in_session(device: Device, since_ms: int | None) -> Device:
    """Return the device as a new session of its node finds it: its aliases are void, its clock may be set back."""
    newest, means = device.newest_ms, {key: role for key, role in device.means.items() if not key.isdecimal()}
    still = newest if newest is not None and since_ms is not None and newest <= since_ms else None
    return replace(device, newest_ms=still, seq=None, born=False, means=means)


def is_old_will(was: Node, at: float, bd: int | None, stamp_ms: int | None) -> bool:
    """Tell whether a death is of a connection before the present one (dialects.md 1.6).

    Its bdSeq alone does not tell: libraries number a node's deaths and births apart.
    """
    if was.echo:
        return True
    if was.born_at is None or at - was.born_at > WILL_S or bd is None or bd == was.bd or was.session_ms is None:
        return False
    return stamp_ms is None or stamp_ms <= was.session_ms


def with_device(was: Node, part: str, device: Device) -> Node:
    """Return the memory with the device as it is now, the one heard last at the end; bounded."""
    others = {name: row for name, row in was.devices.items() if name != part}
    now = replace(was, devices={**others, part: device})
    while len(msgspec.json.encode(now)) > STATE_BYTES_MAX and len(now.devices) > 1:
        oldest = next(iter(now.devices))
        now = replace(now, devices={name: row for name, row in now.devices.items() if name != oldest})
    return now
