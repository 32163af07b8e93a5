# SPDX-License-Identifier: AGPL-3.0-or-later
"""How a machine's time went: states, jobs, parts and meters of a window become sums that add up.

What splits at a boundary: time exactly; a job's standard time and material by its running; energy evenly between two
readings; parts not at all, they stand at a moment. So any cut of a window sums to the whole.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from collector.contract.event import Outcome, State
from cyberfilter.production.counts import Count, counts
from cyberfilter.production.facts import (
    DEVIATION,
    LINK_LOST_S,
    SILENCE_S,
    Curve,
    Facts,
    Job,
    Minute,
    curve,
    grams,
    heard,
)
from cyberfilter.production.learned import Learned, Ratio, material_of
from cyberfilter.production.spans import Span, difference, intersection, length, union, within
from cyberfilter.production.sums import Sums

LOSSES: Final = (
    State.FAULT,
    State.SETUP,
    State.HELD,
    State.WAITING_PERSON,
    State.STARVED,
    State.MAINTENANCE,
    State.IDLE,
)
"""States in which known, planned time is lost, in the order of the waterfall."""
_MOMENT_S: Final = 1e-3


class Made(NamedTuple):
    """A job with what it stands for: its own running (s), what it should take (s), its material (g), its parts."""

    job: Job
    ratio: Ratio
    running: tuple[Span, ...]
    running_s: float
    standard_s: float | None
    material_g: float | None
    good: int
    scrap: int


class Averaged(NamedTuple):
    """Samples of something that is averaged: their sum and number before each time (Unix s), and of all at the end."""

    name: str
    times: list[float]
    totals: list[float]
    numbers: list[int]


class Course(NamedTuple):
    """How one machine's time went, for any window in it: spans of what is unknown and of each state, until `now`."""

    now: float
    unknown: tuple[Span, ...]
    spans: Mapping[State, tuple[Span, ...]]
    jobs: tuple[Made, ...]
    counts: tuple[Count, ...]
    curves: tuple[Curve, ...]
    averaged: tuple[Averaged, ...]


def course(facts: Facts, *, now: float, others: Sequence[Mapping[int, Minute]] = ()) -> Course:
    """Return how the machine's time went until now (Unix s).

    `others` are the minutes of plugs and sensors at its place: their meters count where it has none of its own.
    """
    own, unknown = _states(facts, now)
    spans = {state: tuple(difference(union(rows), unknown)) for state, rows in own.items()}
    jobs = sorted(facts.jobs, key=lambda job: (job.start, job.key))
    found = counts(jobs, facts.parts)
    yields = _yields(found)
    running = spans.get(State.RUNNING, ())
    learned = Learned(jobs, facts.notes)
    own_curve = curve(facts.minutes)
    curves = [own_curve] if own_curve is not None else [curve(minutes) for minutes in others]
    return Course(
        now,
        tuple(unknown),
        spans,
        tuple(
            _made(job, facts, yields.get(job.key, (0, 0)), learned=learned, running=running, now=now) for job in jobs
        ),
        tuple(found),
        tuple(each for each in curves if each is not None),
        tuple(row for minutes in (facts.minutes, *others) for row in _averaged(minutes, running)),
    )


def account(
    course: Course, planned: Sequence[Span] | None, start: float, end: float, *, grid_g_per_kwh: float | None = None
) -> Sums:
    """Return the sums of [start, end) until `now`; `planned` is a union, None of a device that only measures."""
    end = max(min(end, course.now), start)
    due = within(planned or (), start, end)
    known = difference(due, within(course.unknown, start, end))
    running = within(course.spans.get(State.RUNNING, ()), start, end)
    energy_wh, metered_s = _energy(course, start, end)
    counted = [count for count in course.counts if start <= count.ts < end]
    first = [count for count in counted if count.first_pass]
    made = [_share(job, due, start, end) for job in course.jobs if job.job.start < end and job.job.end >= start]
    cycle_s, cycle_parts = _cycles(course, start, end)
    planned_running_s = length(intersection(known, running))
    return Sums(
        machines=int(planned is not None),
        window_s=end - start,
        planned_s=length(due),
        unknown_s=length(due) - length(known),
        lost_s={state: length(intersection(known, course.spans.get(state, ()))) for state in LOSSES},
        running_s=planned_running_s,
        unplanned_s=length(running) - planned_running_s,
        rated_s=sum(share.rated_s for share in made),
        standard_s=sum(share.standard_s for share in made),
        good=sum(count.good for count in counted),
        scrap=sum(count.scrap for count in counted),
        first_good=sum(count.good for count in first),
        first_count=sum(count.good + count.scrap for count in first),
        cycle_s=cycle_s,
        cycle_parts=cycle_parts,
        energy_wh=energy_wh,
        metered_s=metered_s,
        carbon_g=energy_wh / 1000 * (grid_g_per_kwh or 0.0),
        carbon_wh=energy_wh if grid_g_per_kwh is not None else 0.0,
        material_g=sum(share.material_g for share in made),
        weighed_jobs=sum(share.weighed for share in made),
        scrap_g=sum(share.scrap_g for share in made),
        means=_means(course, start, end),
    )


def _states(facts: Facts, now: float) -> tuple[dict[State, list[Span]], list[Span]]:
    """Return the spans of each state by the machine's own word, and those of which nobody knows anything.

    `offline` says that the link was lost, not what the machine did: where it was heard of later, its own word holds.
    """
    own: dict[State, list[Span]] = {}
    off: list[Span] = []
    states = sorted(facts.states, key=lambda row: row[0])
    state, since, lost_at = State.UNKNOWN, float("-inf"), None
    for ts, following in [*(row for row in states if row[0] < now), (now, None)]:
        if lost_at is not None:
            off.append((lost_at, ts))
            lost_at = None
        if following is State.OFFLINE:
            lost_at = ts
            continue
        own.setdefault(state, []).append((since, ts))
        state, since = following or state, ts
    minutes, cadences_s = facts.minutes.values(), 3.0 * facts.cadence_s
    lost = difference(union(off), heard(minutes, max(cadences_s, LINK_LOST_S), now)) if off else []
    silent: list[Span] = []
    if facts.cadence_s > 0.0:
        silent = difference([(float("-inf"), now)], heard(minutes, max(cadences_s, SILENCE_S), now))
    return own, union([*own.get(State.UNKNOWN, []), *lost, *silent])


def _yields(found: Sequence[Count]) -> dict[str | None, tuple[int, int]]:
    """Return good parts and scrap by job."""
    yields: dict[str | None, tuple[int, int]] = {}
    for count in found:
        good, scrap = yields.get(count.job, (0, 0))
        yields[count.job] = good + count.good, scrap + count.scrap
    return yields


def _made(
    job: Job, facts: Facts, parts: tuple[int, int], *, learned: Learned, running: Sequence[Span], now: float
) -> Made:
    material = material_of(facts.notes, job.start)
    known = learned.ratio(material, job.start)
    own = tuple(within(running, job.start, min(job.end, now)))
    ended, estimate_s = job.ended, job.estimate_s
    weight = ended.material_g if ended else None
    if ended and weight is None and ended.material_mm is not None:
        weight = grams(ended.material_mm, material)
    return Made(
        job,
        known,
        own,
        length(own),
        estimate_s * known.value if estimate_s and job.outcome is Outcome.DONE else None,
        weight,
        *parts,
    )


class _Share(NamedTuple):
    """What falls to a window of a job's standard time, its running, and its material."""

    standard_s: float = 0.0
    rated_s: float = 0.0
    material_g: float = 0.0
    scrap_g: float = 0.0
    weighed: int = 0


def _share(made: Made, due: Sequence[Span], start: float, end: float) -> _Share:
    """Return a window's share of a job: by its running; by its time, where it never ran."""
    ran = within(made.running, start, end)
    if made.running_s > 0:
        part, rated_s = length(ran) / made.running_s, length(intersection(ran, due))
    else:
        lasted = made.job.end - made.job.start
        inside_s = min(end, made.job.end) - max(start, made.job.start)
        part = inside_s / lasted if lasted else float(start <= made.job.end < end)
        rated_s = 0.0
    weight = (made.material_g or 0.0) * part
    parts = made.good + made.scrap
    wasted = float(made.job.outcome is not Outcome.DONE) if not parts else made.scrap / parts
    standard_s = (made.standard_s or 0.0) * rated_s / made.running_s if made.running_s else 0.0
    return _Share(
        standard_s,
        rated_s if made.standard_s is not None else 0.0,
        weight,
        weight * wasted,
        int(made.material_g is not None),
    )


def _cycles(course: Course, start: float, end: float) -> tuple[float, int]:
    """Return the duration of done jobs that ended here and yielded something (s), and what they yielded."""
    done = [made for made in course.jobs if start <= made.job.end < end and made.job.outcome is Outcome.DONE]
    found = [(made.job.total_s, made.good + made.scrap) for made in done]
    kept = [(total_s, parts) for total_s, parts in found if total_s and parts]
    return sum(total_s for total_s, _ in kept), sum(parts for _, parts in kept)


def _energy(course: Course, start: float, end: float) -> tuple[float, float]:
    """Return Wh and the seconds between readings; without a meter what jobs said of themselves, and their running."""
    if course.curves:
        used_kwh = sum(each.used_kwh(start, end) for each in course.curves)
        return 1000 * used_kwh, max(each.read_s(start, end) for each in course.curves)
    wh = metered_s = 0.0
    for made in course.jobs:
        kwh = made.job.ended.energy_kwh if made.job.ended else None
        if kwh is not None and made.running_s > 0:
            ran_s = length(within(made.running, start, end))
            wh += 1000 * kwh * ran_s / made.running_s
            metered_s += ran_s
    return wh, metered_s


def _averaged(minutes: Mapping[int, Minute], running: Sequence[Span]) -> list[Averaged]:
    """Return what is averaged: a deviation counts only where the machine ran all the while."""
    found: dict[str, Averaged] = {}
    n = 0
    for _, minute in sorted(minutes.items()):
        until = max(minute.last_at, minute.first_at + _MOMENT_S)
        while n < len(running) and running[n][1] < until:
            n += 1
        ran = n < len(running) and running[n][0] <= minute.first_at
        for name, (value, count) in minute.means.items():
            if ran or name != DEVIATION:
                _, times, totals, numbers = found.setdefault(name, Averaged(name, [], [0.0], [0]))
                times.append(minute.first_at)
                totals.append(totals[-1] + value)
                numbers.append(numbers[-1] + count)
    return list(found.values())


def _means(course: Course, start: float, end: float) -> dict[str, tuple[float, int]]:
    """Return sum and count by name of what is averaged."""
    found: dict[str, tuple[float, int]] = {}
    for row in course.averaged:
        first, last = bisect_left(row.times, start), bisect_left(row.times, end)
        if first < last:
            value, count = found.get(row.name, (0.0, 0))
            found[row.name] = (
                value + row.totals[last] - row.totals[first],
                count + row.numbers[last] - row.numbers[first],
            )
    return found
