# SPDX-License-Identifier: AGPL-3.0-or-later
"""How far estimates are off: what a job takes over what was estimated, learned per machine and material."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from statistics import median
from typing import Final, NamedTuple

from collector.contract.event import Noted, Outcome
from cyberfilter.production.facts import Job

JOBS_MAX: Final = 20
"""Newest done jobs whose median counts."""
JOBS_MIN: Final = 3
"""Before so many the estimate counts as it is."""


class Ratio(NamedTuple):
    """What jobs took over what was estimated, and from how many jobs that is known."""

    value: float
    jobs: int


def material_of(notes: Sequence[Noted], ts: float) -> str:
    """Return the material that was opened last before a moment (Unix s), in lower case; empty: nobody said."""
    opened = [note for note in notes if note.event == "material" and note.body.get("change") == "opened"]
    names = [str(note.body.get("material") or "") for note in opened if note.ts <= ts]
    return names[-1].lower() if names else ""


class Learned:
    """The ratios of one machine: done jobs by material, in order of their ends."""

    def __init__(self, jobs: Sequence[Job], notes: Sequence[Noted]) -> None:
        self._shares: dict[str, list[tuple[float, float]]] = {}
        for job in sorted(jobs, key=lambda job: job.end):
            estimate_s, total_s = job.estimate_s, job.total_s
            if job.outcome is Outcome.DONE and estimate_s and total_s:
                row = self._shares.setdefault(material_of(notes, job.start), [])
                row.append((job.end, total_s / estimate_s))

    def ratio(self, material: str, before: float) -> Ratio:
        """Return the median of total duration over estimate of the newest done jobs that ended before a moment.

        A median, since a job that was forgotten overnight says nothing.
        """
        shares = self._shares.get(material, [])
        until = bisect_right(shares, before, key=lambda row: row[0])
        newest = [share for _, share in shares[max(until - JOBS_MAX, 0) : until]]
        return Ratio(median(newest), len(newest)) if len(newest) >= JOBS_MIN else Ratio(1.0, len(newest))
