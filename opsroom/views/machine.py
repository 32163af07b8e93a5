# SPDX-License-Identifier: AGPL-3.0-or-later
"""One machine: what it is doing, its indices with their bands, its newest raw values."""

from __future__ import annotations

import msgspec

from collector.contract.codec import parse_time
from collector.contract.event import State
from collector.contract.indicator import unit_of
from cyberfilter.contract.index import Verdict
from opsroom.picture import MachineNow, Picture
from opsroom.seen import Band, IndexSeen, LearningSeen, RevisionSeen
from opsroom.views.phone import Desk, desk
from opsroom.views.tiles import TELLING, sigmas


class JobNow(msgspec.Struct, frozen=True):
    """The job that runs; times in Unix s, `progress` 0..1."""

    job: str
    file: str | None
    started_at: float | None
    estimate_s: float | None
    progress: float | None


class DeviceNow(msgspec.Struct, frozen=True):
    """One device at the address; times in Unix s. `values` holds (indicator, unit, time, value)."""

    device: str
    dialect: str
    state: State
    why: str | None
    since: float | None
    seen: float | None
    lag_s: float | None
    account: dict[str, int]
    job: JobNow | None
    values: tuple[tuple[str, str, float, float], ...]


class IndexNow(msgspec.Struct, frozen=True):
    """One index; `at` in Unix s, `expected` was the band for this value, `forecast` is for the next one."""

    index: str
    unit: str
    at: float | None
    value: float | None
    expected: Band | None
    forecast: Band | None
    sigmas: float | None
    verdict: Verdict
    productivity: float | None
    latency: float | None
    performance: float | None
    assumed: bool
    learning: LearningSeen | None
    capability: float | None
    revision: RevisionSeen | None


class Detail(msgspec.Struct, frozen=True):
    """All that the Machine screen shows live of one address; `known` is false where no device stands."""

    key: str
    known: bool
    name: str
    devices: tuple[DeviceNow, ...]
    indices: tuple[IndexNow, ...]
    desk: Desk


def detail(picture: Picture, key: str) -> Detail:
    """Return what is known of an address now."""
    devices = picture.at(key)
    return Detail(
        key=key,
        known=bool(devices),
        name=next((machine.name for machine in devices if machine.name), key.rpartition("/")[2]),
        devices=tuple(_device(machine) for machine in devices),
        indices=tuple(_index(index) for index in in_order(list(picture.indices.get(key, {}).values()))),
        desk=desk(picture, key),
    )


def in_order(indices: list[IndexSeen]) -> list[IndexSeen]:
    """Return the indices in the order in which they are shown: the usual ones first, then by name."""
    return sorted(indices, key=lambda index: usual_rank(index.index))


def usual_rank(name: str) -> tuple[int, str]:
    """Return where an index stands among the others on a page."""
    return (TELLING.index(name) if name in TELLING else len(TELLING), name)


def trail(picture: Picture, key: str) -> dict[str, list[tuple[float, float | None, float | None, float | None, str]]]:
    """Return by index the newest (Unix s, value, lo95, hi95, verdict) that the room has heard, oldest first."""
    return {
        index: [(p.at, p.value, p.lo, p.hi, p.verdict.value) for p in points]
        for (place, index), points in picture.trails.items()
        if place == key
    }


def _device(machine: MachineNow) -> DeviceNow:
    values = tuple((name, unit_of(name), ts, value) for name, (ts, value) in sorted(machine.values.items()))
    lag_s = None if machine.lag_s is None else round(machine.lag_s, 1)
    return DeviceNow(
        machine.device,
        machine.dialect,
        machine.state,
        machine.state_why,
        machine.state_since,
        machine.last_seen,
        lag_s,
        machine.account,
        _job(machine),
        values,
    )


def _job(machine: MachineNow) -> JobNow | None:
    job = machine.job
    if job is None:
        return None
    progress = machine.values.get("progress_ratio")
    return JobNow(job.job, job.file, job.ts, job.estimate_s, progress[1] if progress else None)


def _index(index: IndexSeen) -> IndexNow:
    return IndexNow(
        index.index,
        index.unit,
        parse_time(index.at),
        index.actuality,
        index.expected,
        index.forecast,
        sigmas(index),
        index.verdict,
        index.productivity,
        index.latency,
        index.performance,
        index.potentiality_assumed,
        index.learning,
        index.capability,
        index.revision,
    )
