# SPDX-License-Identifier: AGPL-3.0-or-later
"""The table of kinds of machines: a new one is a module and a line here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from firmware_sim.machines.build import build
from firmware_sim.machines.laser import Laser
from firmware_sim.machines.machine import Machine
from firmware_sim.machines.mill import Mill
from firmware_sim.machines.people import Rhythm
from firmware_sim.machines.placer import Placer
from firmware_sim.machines.plug import Plug
from firmware_sim.machines.printer import Printer
from firmware_sim.machines.station import Station

STATIONS: Final[dict[str, type[Station]]] = {"mill": Mill, "laser": Laser, "placer": Placer}
KINDS: Final = ("printer", *STATIONS, "plug")
RUNS_W: Final = {"printer": 30.0, "mill": 400.0, "laser": 460.0, "placer": 200.0, "plug": 30.0}
"""Above it a plug calls what is behind it running: what people set in their plugs (assumption)."""


def make(
    kind: str, device: str, seed: int, *, start: float, tag: str, rests: bool, bookings: Sequence[float] = (),
    energy_kwh: float = 0.0, closes_at: float = math.inf, life: str = "live",
) -> Machine:  # fmt: skip
    """Return a machine of that kind; `life` keeps what happens live apart from a history of the same machine."""
    rhythm = Rhythm(rests=rests)
    if kind == "printer":
        return Printer(
            build(device, seed), seed=f"{seed}/{life}", start=start, tag=tag, rhythm=rhythm, bookings=bookings,
            energy_kwh=energy_kwh, closes_at=closes_at,
        )  # fmt: skip
    return STATIONS[kind](
        device, seed=f"{seed}/{life}", start=start, tag=tag, rhythm=rhythm, energy_kwh=energy_kwh, closes_at=closes_at
    )


def make_plug(
    load: Machine, load_kind: str, seed: int, *, start: float, energy_kwh: float = 0.0, life: str = "live"
) -> Plug:
    """Return a plug that meters `load`, a machine of `load_kind`."""
    return Plug(load, runs_w=RUNS_W[load_kind], seed=f"{seed}/{life}", start=start, energy_kwh=energy_kwh)
