# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the chronicle knows of a machine around a window: its facts, its course, its stock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from collector.contract.event import Noted, PartCounted, State
from collector.contract.place import contains
from collector.contract.ports import Chronicle
from collector.contract.tree import Machine, Plant
from cyberfilter.production.account import Course, course
from cyberfilter.production.book import HOUR, JOB, NOTE, PART, STATE, read_hour, read_job
from cyberfilter.production.facts import Facts, Minute
from cyberfilter.production.stock import Stock, begins, stock

DAY_S: Final = 86_400.0
LEARNED_S: Final = 90 * DAY_S
"""Jobs so far back teach how far estimates are off."""
STEPS_BACK_MAX: Final = 8
"""States that are read before a window: a lost link hides the machine's own word."""
CORRECTABLE_S: Final = 31 * DAY_S
"""A count may be corrected for so long."""
MARGIN_S: Final = 3_600.0
"""Minutes beyond the window that are read, so that its first and last reading have neighbours."""
PLUGS: Final = ("tasmota", "shelly")
"""Dialects that only measure: such a device is no machine where another stands at its place."""


class Station(NamedTuple):
    """A place of a machine, with the devices that measure for it.

    `since` is when it first told a state (Unix s): nothing was planned for it before. None: it only measures.
    """

    machine: Machine
    others: tuple[Machine, ...]
    since: float | None


def stations(chronicle: Chronicle, plant: Plant, units: Sequence[str]) -> dict[str, Station]:
    """Return the stations of these units by place: of several devices the first that told a state, plugs last."""
    standing: dict[str, list[Machine]] = {}
    for _, machine in sorted(plant.machines.items()):
        if any(contains(unit, machine.place) for unit in units):
            standing.setdefault(machine.place, []).append(machine)
    found = {}
    for place, devices in standing.items():
        told = {each.device: chronicle.oldest(STATE, each.device) for each in devices}
        ranked = sorted(devices, key=lambda each: (each.dialect in PLUGS, told[each.device] is None))
        first = told[ranked[0].device]
        since = None if first is None or ranked[0].dialect in PLUGS else first.start
        found[place] = Station(ranked[0], tuple(ranked[1:]), since)
    return found


def course_of(chronicle: Chronicle, station: Station, start: float, end: float, now: float) -> Course:
    """Return how a machine's time went around [start, end); the others' minutes count where it has no meter."""
    others = [_minutes(chronicle, other.device, start - MARGIN_S, end + MARGIN_S) for other in station.others]
    return course(facts_of(chronicle, station.machine, start, end), now=now, others=others)


def facts_of(chronicle: Chronicle, machine: Machine, start: float, end: float) -> Facts:
    """Return what is known of a machine around [start, end): of jobs that reach into it, all of their time."""
    device = machine.device
    # Later jobs too: a part that was counted after the window may be theirs.
    jobs = [read_job(row) for row in chronicle.find(JOB, device, start=start - LEARNED_S, end=end + CORRECTABLE_S)]
    inside = [job for job in jobs if job.start < end and job.end >= start]
    since = min([start, *(job.start for job in inside)])
    until = max([end, *(job.end for job in inside if job.ended is not None)])
    cadence_s = machine.cadence_s or 0.0
    margin_s = max(MARGIN_S, 4 * cadence_s)
    minutes = _minutes(chronicle, device, since - margin_s, until + margin_s)
    return Facts(
        device,
        machine.place,
        cadence_s,
        _states(chronicle, device, since, until),
        minutes,
        jobs,
        _parts(chronicle, device, start, end),
        _notes(chronicle, device, end),
    )


def stock_of(chronicle: Chronicle, machine: Machine, at: float) -> Stock:
    """Return what stands at a machine at a moment (Unix s); its silences don't count, since nobody looks that close."""
    device = machine.device
    notes = _notes(chronicle, device, at)
    since = begins(notes)
    facts = Facts(device, machine.place, 0.0, (), {}, (), (), ())
    if since is not None:
        facts = facts._replace(
            states=_states(chronicle, device, since, at),
            jobs=[read_job(row) for row in chronicle.find(JOB, device, start=since, end=at)],
            parts=_parts(chronicle, device, since, at),
            notes=notes,
        )
    return stock(machine.place, course(facts, now=at), notes, at)


def _states(chronicle: Chronicle, device: str, start: float, end: float) -> list[tuple[float, State]]:
    """Return what was said within [start, end), and before it back to the machine's own word."""
    found = [(row.start, State(row.body.decode())) for row in chronicle.find(STATE, device, start=start, end=end)]
    since = start
    for _ in range(STEPS_BACK_MAX):
        row = chronicle.newest(STATE, device, before=since)
        if row is None:
            break
        since = row.start
        found.insert(0, (since, State(row.body.decode())))
        if found[0][1] is not State.OFFLINE:
            break
    return found


def _parts(chronicle: Chronicle, device: str, start: float, end: float) -> list[PartCounted]:
    found = chronicle.find(PART, device, start=start - CORRECTABLE_S, end=end + CORRECTABLE_S)
    return [msgspec.msgpack.decode(row.body, type=PartCounted) for row in found]


def _notes(chronicle: Chronicle, device: str, end: float) -> list[Noted]:
    """Return what was noted before `end`, without what was replaced or taken back, then or later."""
    rows = chronicle.find(NOTE, device, start=0.0, end=end + CORRECTABLE_S)
    found = [msgspec.msgpack.decode(row.body, type=Noted) for row in rows]
    replaced = {note.body.get("corrects") for note in found} - {None}
    return [note for note in found if note.ts < end and note.id not in replaced and note.body.get("change") != "undone"]


def _minutes(chronicle: Chronicle, device: str, start: float, end: float) -> Mapping[int, Minute]:
    found: dict[int, Minute] = {}
    for row in chronicle.find(HOUR, device, start=start, end=end):
        found.update(read_hour(row))
    return found
