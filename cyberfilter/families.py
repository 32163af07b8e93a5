# SPDX-License-Identifier: AGPL-3.0-or-later
"""What like machines teach each other, and what the nights found: remembered with the filter, no I/O.

Like are machines of one plant that speak the same dialect; a family is one index of theirs. Whoever joins begins with
what those have learned that have learned all they need; its own values take over.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

import msgspec
import numpy as np

from collector.contract.tree import Plant
from cyberfilter.contract.index import Learning
from cyberfilter.filter import Learned, pool
from cyberfilter.indices.catalogue import CATALOGUE
from cyberfilter.judge import Judge, Series

REFRESH_S: Final = 3_600.0
"""How often (s of the plant) families are made anew."""
NIGHT_S: Final = 3 * 3_600.0
"""When (s after midnight UTC) a day's commissioning begins."""
_DAY_S: Final = 86_400.0
_NO_DOUBT: Final = 0.01
"""Deviation of an adaptivity that was fitted: it replaces the learned one, nothing is weighed against it."""
_BARELY: Final = 1e-6
"""Degrees of a noise that is not to count: while a change is open, the filter knows better."""


class Family(msgspec.Struct, frozen=True):
    """What `like` series have learned together (filter.learned)."""

    noise: float
    degrees: float
    adaptivity: float
    adaptivity_sd: float
    like: float
    outliers: float
    tail: list[float]
    season: list[float]

    def learned(self) -> Learned:
        """Return it as the filter adopts it."""
        return Learned(*(np.array([part], dtype=np.float64) for part in msgspec.structs.astuple(self)))


class Commissioned(msgspec.Struct, frozen=True):
    """What a night found of a series: `outcome` fitted, too_few or not_converged; then what was known before stays.

    `at` in Unix s; `clean` values were there, `masked` were outliers; noise and level are variances, transformed.
    """

    at: float
    outcome: str
    clean: int
    masked: int
    noise: float | None = None
    level: float | None = None
    adaptivity: float | None = None
    autocorrelation: float | None = None
    log_likelihood: float | None = None


class Night(msgspec.Struct, frozen=True):
    """One series' newest commissioning."""

    device: str
    place: str
    index: str
    found: Commissioned


class Lessons(msgspec.Struct):
    """What is kept: families by index and kind, whose lessons a series began with, the nights' findings by device."""

    refreshed_at: float = -math.inf
    day: int = -1
    families: dict[str, Family] = {}
    adopted: dict[str, dict[str, int]] = {}
    nights: dict[str, dict[str, Commissioned]] = {}


class Families:
    """All families of a plant."""

    def __init__(self, plant: Plant, kept: Lessons | None = None) -> None:
        self._plant = plant
        self.kept = kept if kept is not None else Lessons()

    def replant(self, plant: Plant) -> None:
        """Go by this plant from now on; what machines that are gone have learned is forgotten."""
        self._plant = plant
        for known in (self.kept.adopted, self.kept.nights):
            for device in [device for device in known if device not in plant.machines]:
                del known[device]

    def lesson(self, series: Series) -> Learned | None:
        """Return what a series that joins begins with; None where no like one has learned."""
        family = self.kept.families.get(self._key(series))
        if family is None:
            return None
        self.kept.adopted.setdefault(series.device, {})[series.name] = int(family.like)
        return family.learned()

    def learning(self, series: Series, have: int, need: int) -> Learning | None:
        """Return how far a series is, of which so many of the needed values came; None once it has learned."""
        if have >= need:
            return None
        like = self.kept.adopted.get(series.device, {}).get(series.name, 0)
        return Learning(have, need, "like machines" if like else "own", like)

    def stale(self, now: float) -> bool:
        """Tell whether the families are an hour old."""
        return not 0.0 <= now - self.kept.refreshed_at < REFRESH_S

    def refresh(self, judge: Judge, now: float) -> None:
        """Make the families anew; who still learns alone joins one."""
        self.kept.refreshed_at, self.kept.families = now, {}
        for name in CATALOGUE:
            self._refresh(judge, name)

    def due(self, now: float) -> bool:
        """Tell whether the day's commissioning is still to be done."""
        return _day(now) != self.kept.day

    def take(self, judge: Judge, nights: Iterable[Night], now: float, *, opened: frozenset[tuple[str, str]]) -> None:
        """Let series that have learned go by what the night found; of those with an open change, but for the noise."""
        self.kept.day = _day(now)
        lessons: dict[str, list[tuple[Series, Learned]]] = {}
        for night in nights:
            if night.device not in self._plant.machines:
                continue
            self.kept.nights.setdefault(night.device, {})[night.index] = night.found
            series, found = Series(night.device, night.index), night.found
            if found.noise is None or found.adaptivity is None or not _has_learned(judge, series):
                continue
            degrees = _BARELY if (night.device, night.index) in opened else float(found.clean)
            lesson = Learned(*(np.array([part]) for part in (found.noise, degrees, found.adaptivity, _NO_DOUBT, 0.0)))
            lessons.setdefault(night.index, []).append((series, lesson))
        for given in lessons.values():
            together = Learned(*(np.concatenate(parts) for parts in zip(*(one for _, one in given), strict=True)))
            judge.adopt([series for series, _ in given], together)

    def nights(self) -> list[Night]:
        """Return the newest findings, by place and index."""
        found = [
            Night(device, self._plant.machines[device].place, index, one)
            for device, by_index in self.kept.nights.items()
            if device in self._plant.machines
            for index, one in by_index.items()
        ]
        return sorted(found, key=lambda night: (night.place, night.index, night.device))

    def _refresh(self, judge: Judge, name: str) -> None:
        everybody = [series for series in judge.series(name) if series.device in self._plant.machines]
        by_key: dict[str, list[Series]] = {}
        for series in everybody:
            by_key.setdefault(self._key(series), []).append(series)
        for key, together in by_key.items():
            done = [series for series in together if _has_learned(judge, series)]
            known = judge.learned(done)
            if known is None:
                continue
            one = pool(known)
            self.kept.families[key] = Family(*(part[0].tolist() for part in one))
            alone = [s for s in together if s not in done and s.name not in self.kept.adopted.get(s.device, {})]
            for series in alone:
                self.kept.adopted.setdefault(series.device, {})[name] = len(done)
            judge.adopt(alone, one)

    def _key(self, series: Series) -> str:
        machine = self._plant.machines.get(series.device)
        return f"{series.name}|{machine.dialect if machine else ''}"


def _has_learned(judge: Judge, series: Series) -> bool:
    have, need = judge.learning(series)
    return have >= need


def _day(now: float) -> int:
    return math.floor((now - NIGHT_S) / _DAY_S)
