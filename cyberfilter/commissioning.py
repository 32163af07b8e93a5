# SPDX-License-Identifier: AGPL-3.0-or-later
"""The nightly loop: once a day of the plant each index's clean history is fitted anew, beside the fast loop.

One series a turn, so that nothing else waits for long; what was found is taken over at once, when all are done. A kill
in between costs the night's work, which then begins again.
"""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from typing import Final, NamedTuple

import numpy as np

from collector.contract.ports import Clock, Historian
from cyberfilter.families import Commissioned, Night
from cyberfilter.filter import TRANSFORMS
from cyberfilter.floor import Floor
from cyberfilter.indices.catalogue import CATALOGUE
from cyberfilter.outlook.calibrate import VALUES_MAX, Fit, commission
from cyberfilter.service import Cyberfilter

PAST_S: Final = 30 * 86_400.0
"""How far back (s of the plant) values are looked for."""
BEFORE_ALERT_COUNT: Final = 10
"""Cadences before an open alert from which on values are not clean: its change began earlier than it was raised."""
TOLD_EVERY_S: Final = 60.0
"""Real seconds between two lines of progress in the log."""
_PAGES: Final = 4
_LOG: Final = logging.getLogger("cybersyn.commissioning")


class _Job(NamedTuple):
    device: str
    place: str
    name: str
    until: float


class Commissioning:
    """One thread turns."""

    def __init__(self, *, cyberfilter: Cyberfilter, historian: Historian, clock: Clock) -> None:
        self._cyberfilter, self._historian, self._clock = cyberfilter, historian, clock
        self._jobs: list[_Job] = []
        self._nights: list[Night] = []
        self._begun_s = self._told_s = 0.0

    def turn(self, wait_s: float) -> int:
        """Fit one series; return how many are still to be done. Waits so many real seconds where none is.

        Raises Unavailable where the historian is away: the series is tried again in the next turn.
        """
        if not self._jobs and not self._begin():
            time.sleep(wait_s)
            return 0
        job = self._jobs[-1]
        self._nights.append(Night(job.device, job.place, job.name, self._found(job)))
        self._jobs.pop()
        if not self._jobs:
            self._end()
        elif time.monotonic() - self._told_s > TOLD_EVERY_S:
            self._told_s = time.monotonic()
            _LOG.info("commissioning: %d series done, %d to do", len(self._nights), len(self._jobs))
        return len(self._jobs)

    def _begin(self) -> bool:
        """Refresh the families, and where the day's work is due, note it; return whether there is some."""
        now = self._clock.now()
        if self._cyberfilter.between(lambda floor: floor.families.stale(now), changes=False):
            self._cyberfilter.between(lambda floor: floor.families.refresh(floor.judge, now), changes=True)
        if not self._cyberfilter.between(lambda floor: floor.families.due(now), changes=False):
            return False
        opened = {(alert.device, alert.index): alert.raised_at for alert in self._cyberfilter.alerts(is_open=True)}

        def jobs(floor: Floor) -> list[_Job]:
            return [
                _Job(device, value.place, name, _until(value.at, name, opened.get((device, name))))
                for device, machine in sorted(floor.machines.items())
                for name, value in sorted(machine.newest.items())
            ]

        self._jobs, self._nights = self._cyberfilter.between(jobs, changes=False), []
        self._begun_s = self._told_s = time.monotonic()
        return bool(self._jobs)

    def _found(self, job: _Job) -> Commissioned:
        row = CATALOGUE[job.name]
        values = TRANSFORMS[row.transform].forward(np.array(self._past(job, row.cadence_s), dtype=np.float64))
        return shown(commission(values), at=self._clock.now())

    def _past(self, job: _Job, cadence_s: float) -> list[float]:
        """Return the newest values before a change, VALUES_MAX at most; gates may have been closed for long."""
        span_s, found = 2 * VALUES_MAX * cadence_s, list[float]()
        for _ in range(_PAGES):
            start = max(job.until - span_s, job.until - PAST_S)
            points = self._historian.series(
                job.place, job.name, start=start, end=job.until, most=math.ceil(span_s / cadence_s)
            )
            found = [value for _, value in points][-VALUES_MAX:]
            if len(found) == VALUES_MAX or span_s >= PAST_S:
                break
            span_s *= 3
        return found

    def _end(self) -> None:
        now = self._clock.now()
        opened = frozenset((a.device or "", a.index or "") for a in self._cyberfilter.alerts(is_open=True))
        nights, self._nights = self._nights, []
        self._cyberfilter.between(
            lambda floor: floor.families.take(floor.judge, nights, now, opened=opened), changes=True
        )
        told = Counter(night.found.outcome for night in nights)
        took_s = time.monotonic() - self._begun_s
        _LOG.info(
            "commissioning: %d series in %.1f s: %s",
            len(nights),
            took_s,
            ", ".join(f"{count} {word}" for word, count in sorted(told.items())),
        )


def _until(newest_at: float, index: str, raised_at: float | None) -> float:
    if raised_at is None:
        return newest_at + 1e-3
    return min(newest_at, raised_at - BEFORE_ALERT_COUNT * CATALOGUE[index].cadence_s)


def shown(fit: Fit, *, at: float) -> Commissioned:
    """Return the fit as it is kept."""
    if not fit.converged:
        return Commissioned(at, fit.outcome, fit.clean, fit.masked)
    return Commissioned(
        at,
        fit.outcome,
        fit.clean,
        fit.masked,
        fit.noise,
        fit.level,
        fit.adaptivity,
        fit.autocorrelation,
        fit.log_likelihood,
    )
