# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a hand at a machine needs: of which device it speaks, which causes to choose from, who is counted there."""

from __future__ import annotations

import msgspec

from collector.contract.event import State
from collector.contract.place import parent
from opsroom.picture import MachineNow, Picture


class Desk(msgspec.Struct, frozen=True):
    """What the Phone screen shows beside the machine: `unit` is where people are counted, `present` None: nobody did.

    `device` is None where none stands; `causes` are those of scrap, newest first.
    """

    device: str | None
    unit: str | None
    present: int | None
    causes: tuple[str, ...]


def desk(picture: Picture, key: str) -> Desk:
    """Return it for an address; of several devices the one that works, else one that tells its state, speaks."""
    devices = picture.at(key)
    unit = None if key.startswith("@") else parent(key) or key
    return Desk(
        device=min(devices, key=_rank).device if devices else None,
        unit=unit,
        present=picture.present.get(unit) if unit is not None else None,
        causes=tuple(picture.causes),
    )


def _rank(machine: MachineNow) -> tuple[bool, bool, str]:
    return machine.job is None, machine.state is State.UNKNOWN, machine.device
