# SPDX-License-Identifier: AGPL-3.0-or-later
"""What Tasmota and Shelly have in common: a plug is there or not, meters, and may cry smoke."""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec
from msgspec.structs import replace

from collector.contract.event import State, StateSeen, Trouble
from collector.dialects.dialect import Said

METERS_ONLY: Final = "meters only"


class Plug(msgspec.Struct, frozen=True):
    """What is remembered of one: its state, and whether it has cried smoke."""

    state: State | None = None
    smoke: bool = False


P = TypeVar("P", bound=Plug)


def present(was: P, at: float) -> tuple[P, Said]:
    """Return the memory of a plug that was heard: it is there, and says nothing of its machine's state."""
    return _to(was, StateSeen(at, State.UNKNOWN, METERS_ONLY))


def absent(was: P, at: float) -> tuple[P, Said]:
    """Return the memory of a plug whose last will was heard."""
    return _to(was, StateSeen(at, State.OFFLINE, "its last will"))


def _to(was: P, seen: StateSeen) -> tuple[P, Said]:
    return (was, ()) if was.state is seen.state else (replace(was, state=seen.state), (seen,))


def smoke(was: P, at: float, *, cries: bool) -> tuple[P, Said]:
    """Return the memory and the trouble that a smoke sensor states: once until it has said that it is over."""
    if cries is was.smoke:
        return was, ()
    return replace(was, smoke=cries), ((Trouble(at, "smoke", "the smoke sensor cries"),) if cries else ())
