# SPDX-License-Identifier: AGPL-3.0-or-later
"""How many parts were good: counts with their corrections, and jobs that nobody counted.

A done job that nobody counted is one good part, a failed one is one part of scrap; a cancelled one is no part.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from collector.contract.event import Outcome, PartCounted
from cyberfilter.production.facts import Job


class Count(NamedTuple):
    """Parts at a moment (Unix s); `job` is the one that they came from, None where nobody can tell.

    `first_pass`: no attempt at the same file failed just before.
    """

    ts: float
    good: int
    scrap: int
    job: str | None
    first_pass: bool = True


def standing(parts: Iterable[PartCounted]) -> list[PartCounted]:
    """Return the counts as corrected last, each at the time of the first; one that was taken back is left out.

    Their order and repetitions are irrelevant. A correction of a count that is not among them counts nothing.
    """
    known = {part.id: part for part in parts if part.id is not None}
    found = [part for part in dict.fromkeys(parts) if part.id is None and part.corrects is None]
    newest: dict[str, PartCounted] = {}
    for part in known.values():
        first = _root(part, known)
        if first is not None and first.id is not None:
            newest[first.id] = max(newest.get(first.id, first), part, key=_rank)
    for name, part in newest.items():
        first = known[name]
        if part.good or part.scrap:
            found.append(PartCounted(first.ts, part.good, part.scrap, part.cause, name, part.job or first.job))
    return sorted(found, key=lambda part: (part.ts, part.id or ""))


def counts(jobs: Sequence[Job], parts: Iterable[PartCounted]) -> list[Count]:
    """Return all parts by time: what was counted, and what ended jobs yield that nobody counted.

    `jobs` must be in order of their start. A count belongs to its job, else to the one begun last before it; one of
    an ended job stands at its end.
    """
    by_key = {job.key: job for job in jobs}
    starts = [job.start for job in jobs]
    first = _first_attempts(jobs)
    found, counted = [], set()
    for part in standing(parts):
        position = bisect_right(starts, part.ts) - 1
        job = by_key.get(part.job) if part.job is not None else jobs[position] if position >= 0 else None
        if job is None:
            found.append(Count(part.ts, part.good, part.scrap, part.job))
            continue
        counted.add(job.key)
        ts = job.end if job.ended is not None and part.job is not None else part.ts
        found.append(Count(ts, part.good, part.scrap, job.key, job.key in first))
    for job in jobs:
        if job.key not in counted and job.outcome in {Outcome.DONE, Outcome.FAILED}:
            good = int(job.outcome is Outcome.DONE)
            found.append(Count(job.end, good, 1 - good, job.key, job.key in first))
    return sorted(found)


def _first_attempts(jobs: Sequence[Job]) -> frozenset[str]:
    """Return the jobs before which no attempt at the same file had failed."""
    failed: set[str | None] = set()
    found = set()
    for job in jobs:
        if job.file is None or job.file not in failed:
            found.add(job.key)
        if job.outcome is Outcome.FAILED:
            failed.add(job.file)
        elif job.outcome is Outcome.DONE:
            failed.discard(job.file)
    return frozenset(found)


def _root(part: PartCounted, known: Mapping[str, PartCounted]) -> PartCounted | None:
    """Return the count that a correction is about in the end; None where it is not known."""
    seen = set()
    while part.corrects is not None:
        if part.corrects in seen or part.corrects not in known:
            return None
        seen.add(part.corrects)
        part = known[part.corrects]
    return part


def _rank(part: PartCounted) -> tuple[bool, float, str]:
    return part.corrects is not None, part.ts, part.id or ""
