# SPDX-License-Identifier: AGPL-3.0-or-later
"""The tiles of Now, worst first: one per address, with what is most telling about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

import msgspec

from collector.contract.event import State
from cyberfilter.contract.alert import AlertClass
from cyberfilter.contract.index import Verdict
from opsroom.picture import MachineNow, Picture
from opsroom.seen import AlertSeen, Band, IndexSeen, LearningSeen
from opsroom.views.alerts import PRIORITY, heard, row

TELLING: Final = ("heater_effort_w", "nozzle_deviation_degc", "pace_ratio", "energy_w", "availability_ratio")
"""Which index a quiet tile shows, first found first."""
TELLING_SIGMAS: Final = 3.0
"""An index this far outside its forecast is more telling than those."""
SIGMAS_PER_STEP: Final = 2.0
"""Tiles change places by whole steps of deviation, so that noise does not make them dance."""
STEPS_MAX: Final = 5
SILENT_CADENCES: Final = 3.0
SILENT_S_MIN: Final = 30.0
_Z95: Final = 1.959964
"""Half a 95 % band in standard deviations of a normal distribution."""
_DOWN: Final = {State.FAULT: 0, State.OFFLINE: 1}
_WAITING: Final = {State.HELD: 3, State.WAITING_PERSON: 3, State.STARVED: 3}


class Square(msgspec.Struct, frozen=True, array_like=True):
    """Beer's index square: the whole is potentiality, `latency` capability's share of it, `performance` actuality's."""

    index: str
    productivity: float
    latency: float
    performance: float
    assumed: bool


class Telling(msgspec.Struct, frozen=True, array_like=True):
    """The index that a tile shows; `sigmas` is how far the value lies from what was expected; `at` RFC 3339."""

    index: str
    unit: str
    at: str
    value: float | None
    band: Band | None
    sigmas: float | None
    verdict: Verdict
    learning: LearningSeen | None = None


class Revised(msgspec.Struct, frozen=True, array_like=True):
    """A capability that the machine has outgrown, and what its last `count` values say it is."""

    index: str
    unit: str
    capability: float
    proposed: float
    count: int


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """The most pressing open alert of a tile, and how many there are."""

    alert_id: str
    alert_class: AlertClass
    priority: int
    heard: bool
    urgency: float
    count: int
    pleases: bool


class Tile(msgspec.Struct, frozen=True):
    """One tile; `key` is the address, times in Unix s, `seen` is when anything last arrived."""

    key: str
    name: str
    place: str | None
    devices: tuple[str, ...]
    state: State
    why: str | None
    since: float | None
    seen: float | None
    silent: bool
    silent_after_s: float | None
    square: Square | None
    telling: Telling | None
    mark: Mark | None
    progress: float | None
    step: int
    revised: Revised | None = None


def board(picture: Picture, now: float) -> list[Tile]:
    """Return every tile, worst first."""
    return sorted(drawn(picture, picture.addresses(), now).values(), key=badness)


def drawn(picture: Picture, keys: Iterable[str], now: float) -> dict[str, Tile]:
    """Return the tiles of these addresses, without those where no device stands."""
    alerts: dict[str, list[AlertSeen]] = {}
    for alert in picture.alerts.values():
        alerts.setdefault(alert.place, []).append(alert)
    standing = ((key, picture.at(key)) for key in keys)
    return {key: tile(picture, key, devices, alerts.get(key, []), now) for key, devices in standing if devices}


def badness(found: Tile) -> tuple[int, bool, int, int, str]:
    """Return the order of tiles: open alerts by class, unheard first; then state, deviation and place."""
    mark = found.mark
    state = _DOWN.get(found.state, 2 if found.silent else _WAITING.get(found.state, 4))
    return (mark.priority if mark else 9, bool(mark and mark.heard), state, -found.step, found.key)


def tile(picture: Picture, key: str, devices: list[MachineNow], alerts: list[AlertSeen], now: float) -> Tile:
    """Return the tile of an address, where these devices (at least one) stand and these alerts are open."""
    worst = min(devices, key=lambda machine: _DOWN.get(machine.state, _WAITING.get(machine.state, 4)))
    speaking = max(devices, key=lambda machine: machine.last_seen or 0.0)
    silent_after_s = max(SILENT_CADENCES * speaking.cadence_s, SILENT_S_MIN) if speaking.cadence_s else None
    indices = list(picture.indices.get(key, {}).values())
    found = telling(indices, alerts)
    age_s = now - speaking.last_seen if speaking.last_seen is not None else 0.0
    progress = next((d.values["progress_ratio"][1] for d in devices if d.job and "progress_ratio" in d.values), None)
    return Tile(
        key=key,
        name=next((machine.name for machine in devices if machine.name), key.rpartition("/")[2]),
        place=devices[0].place,
        devices=tuple(machine.device for machine in devices),
        state=worst.state,
        why=worst.state_why,
        since=worst.state_since,
        seen=speaking.last_seen,
        silent=silent_after_s is not None and age_s > silent_after_s,
        silent_after_s=silent_after_s,
        square=square(indices),
        telling=found,
        mark=_mark(picture, alerts, now),
        progress=progress,
        revised=revised(indices),
        step=min(STEPS_MAX, int(max((abs(sigmas(i) or 0.0) for i in indices), default=0.0) / SIGMAS_PER_STEP)),
    )


def sigmas(index: IndexSeen) -> float | None:
    """Return how many standard deviations the value lies from what was expected; None where nothing was."""
    band = index.expected
    if index.actuality is None or band is None or band.hi95 <= band.lo95:
        return None
    return (index.actuality - band.mean) / ((band.hi95 - band.lo95) / 2 / _Z95)


def telling(indices: list[IndexSeen], alerts: list[AlertSeen]) -> Telling | None:
    """Return the index to show: that of the first open alert, one far from its forecast, or the usual one."""
    if not indices:
        return None
    by_name = {index.index: index for index in indices}
    alerted = [by_name[alert.index] for alert in sorted(alerts, key=_pressing) if alert.index in by_name]
    far = [index for index in indices if abs(sigmas(index) or 0.0) >= TELLING_SIGMAS]
    far.sort(key=lambda index: -abs(sigmas(index) or 0.0))
    usual = [by_name[name] for name in TELLING if name in by_name] or sorted(indices, key=lambda index: index.index)
    chosen = (alerted or far or usual)[0]
    band = chosen.expected or chosen.forecast
    return Telling(
        chosen.index,
        chosen.unit,
        chosen.at,
        chosen.actuality,
        band,
        sigmas(chosen),
        chosen.verdict,
        chosen.learning,
    )


def revised(indices: list[IndexSeen]) -> Revised | None:
    """Return the first capability for which another is proposed, by name; not where an index stands at its ceiling."""
    found = [
        Revised(each.index, each.unit, each.capability, each.revision.capability, each.revision.count)
        for each in sorted(indices, key=lambda index: index.index)
        if each.capability is not None and each.revision is not None and each.revision.capability != each.potentiality
    ]
    return found[0] if found else None


def square(indices: list[IndexSeen]) -> Square | None:
    """Return the square of the index that performs worst, among those with a triple."""
    squares = [
        Square(i.index, i.productivity, i.latency, i.performance, i.potentiality_assumed)
        for i in indices
        if i.productivity is not None and i.latency is not None and i.performance is not None
    ]
    return min(squares, key=lambda found: (found.performance, found.index), default=None)


def counts(tiles: list[Tile], picture: Picture) -> dict[str, int]:
    """Return the header's counts: machines, those running, waiting and down; open alerts by class, and unheard."""
    found = Counter[str]()
    for each in tiles:
        found["machines"] += 1
        found["running"] += each.state is State.RUNNING
        found["waiting"] += each.state in _WAITING
        found["down"] += each.state in _DOWN or each.silent
    for alert in picture.alerts.values():
        found[alert.alert_class.value] += 1
        found["unheard"] += not heard(alert.state)
    names = ("machines", "running", "waiting", "down", *(each.value for each in AlertClass), "unheard")
    return {name: found[name] for name in names}


def _pressing(alert: AlertSeen) -> tuple[int, bool, str]:
    return (PRIORITY[alert.alert_class], heard(alert.state), alert.raised_at)


def _mark(picture: Picture, alerts: list[AlertSeen], now: float) -> Mark | None:
    if not alerts:
        return None
    first = row(picture, min(alerts, key=_pressing), now)
    return Mark(
        first.id, first.alert_class, first.priority, heard(first.state), first.urgency, len(alerts), first.pleases
    )
