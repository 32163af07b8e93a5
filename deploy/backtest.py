# SPDX-License-Identifier: AGPL-3.0-or-later
"""A scenario's weeks, or a data folder's past, through filter and rules at full speed, and what came of it."""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final

from collector import plant_file
from collector.contract.errors import Misconfigured
from collector.contract.event import State
from collector.contract.place import contains
from collector.contract.ports import Historian, IndexRow
from collector.contract.reading import Batch
from collector.contract.tree import Plant
from cyberfilter.backtest.faults import Due, Fault, match, size_sigma
from cyberfilter.backtest.forecasts import calibration
from cyberfilter.backtest.lookback import Dated, looking_back
from cyberfilter.backtest.report import Report
from cyberfilter.indices.catalogue import CATALOGUE
from cyberfilter.indices.fold import Value
from cyberfilter.indices.minute import REGIME_DEGC
from cyberfilter.judge import Closed, FilterName, Series
from deploy.judging import EVERYDAY, Judging, after_s, plant_of
from deploy.traces import TRACES
from firmware_sim.faults import Kind
from firmware_sim.history import generate
from firmware_sim.lived import PERIOD_S, live
from firmware_sim.scenario import Scenario, faults_of
from firmware_sim.truth import Truth, TruthEntry

WEEK_S: Final = 7 * 86_400.0
EPOCH_S: Final = 1_795_392_000.0
"""Where simulated weeks begin: Monday, 23 November 2026, 0:00 UTC. The same seed lives the same weeks for ever."""
BATCHES_AT_ONCE: Final = 400
BEFORE_COUNT: Final = 120
"""Values before a fault that tell its size."""
AFTER_SERVICE_S: Final = 7_200.0
"""A sharp tool, a clean lens: an alarm that energy changed is no false one for so long."""
WAITS: Final = frozenset({State.WAITING_PERSON, State.STARVED})
POINTS_MAX: Final = 2_000_000
ROUND_S: Final = 6 * 3_600.0

JUDGING: Final = 0.9
"""Share of the work that judging is; looking back is the rest."""

Tell = Callable[[float], None]
"""Hears how far it is, 0..1."""


def simulated(
    story: Scenario,
    *,
    seed: int,
    weeks: float,
    history_days: float,
    filter_name: FilterName,
    place: str | None,
    tell: Tell,
) -> Report:
    """Return how a scenario's weeks were judged, after a history without faults."""
    story = _within(story, place)
    judging = Judging(plant_of(story), filter_name=filter_name)
    start, end = EPOCH_S, EPOCH_S + weeks * WEEK_S
    before = start - history_days * 86_400.0
    whole_s = (end - before) / JUDGING
    for _ in judging.learn(_told(generate(story, before, start), before, whole_s, tell)):
        pass
    truth = Truth()
    plans = faults_of(story, seed, start, end)
    coming = _told(live(story, start, end, faults=plans, truth=truth), before, whole_s, tell)
    while together := list(islice(coming, BATCHES_AT_ONCE)):
        judging.hear(together)
    title = f"{story.name}, seed {seed}"
    return _report(title, filter_name, judging, start, end, faults(truth.entries, end, period_s=PERIOD_S), tell)


def replayed(
    historian: Historian, plant: Plant, *, title: str, start: float, end: float, judged_from: float,
    filter_name: FilterName, known: Sequence[TruthEntry] | None, tell: Tell,
) -> Report:  # fmt: skip
    """Return how a past is judged when its index values go through the filter again.

    Until `judged_from` (Unix s) values are learned from, and raise nothing.
    """
    judging = Judging(plant, filter_name=filter_name)
    places = {machine.device: machine.place for machine in plant.machines.values() if machine.place}
    values = _values(historian, plant, start, end)
    if not values:
        raise Misconfigured(f"{title}: the historian has no index values there; name another --from, --to or --place")
    learned = bisect_left(values, judged_from, key=lambda closed: closed.value.ts)
    judging.floor.rejudge(values[:learned], places, mode="learning")
    at = learned
    while at < len(values):
        until = bisect_left(values, values[at].value.ts + ROUND_S, key=lambda closed: closed.value.ts)
        judging.note(judging.floor.rejudge(values[at:until], places, mode="live"))
        at = until
        tell(JUDGING * at / len(values))
    true = _seen(faults([e for e in known if judged_from <= e.ts < end], end)) if known is not None else None
    return _report(title, filter_name, judging, judged_from, end, true, tell)


def _seen(true: Sequence[Fault]) -> list[Fault]:
    """Return the faults; those that no index value shows (a lost line, a stop) may be found, and are not missed."""
    return [
        replace(fault, due="may") if fault.index not in CATALOGUE and fault.due == "must" else fault for fault in true
    ]


def _values(historian: Historian, plant: Plant, start: float, end: float) -> list[Closed]:
    """Return the index values of all machines by time; a heater's usual level goes by its nozzle's target."""
    found: list[Closed] = []
    for machine in plant.machines.values():
        if not machine.place:
            continue
        target = historian.series(machine.place, "nozzle_target_degc", start=start, end=end, most=POINTS_MAX)
        times = [ts for ts, _ in target]
        for row in CATALOGUE.values():
            for ts, value in historian.series(machine.place, row.name, start=start, end=end, most=POINTS_MAX):
                at = bisect_right(times, ts) - 1
                warm = row.name == "heater_effort_w" and at >= 0
                regime = round(target[at][1] / REGIME_DEGC) * REGIME_DEGC if warm else 0.0
                found.append(Closed(Series(machine.device, row.name), Value(row.name, ts, value, regime)))
    return sorted(found, key=lambda closed: closed.value.ts)


def history(
    folder: Path, historian: Historian, *, place: str | None, start: float | None, end: float, filter_name: FilterName,
    days: float, truth: Path | None, tell: Tell,
) -> Report:  # fmt: skip
    """Return how the past of a data folder is judged: the last `days` before `end`, or from `start` on.

    What is older, up to 30 days, is learned from. `truth.jsonl` of the folder is the truth where it is there.
    """
    plant = plant_file.load(folder / "plant.toml")
    machines = {m.device: m for m in plant.machines.values() if place is None or (m.place and contains(place, m.place))}
    if not machines:
        raise Misconfigured(f"{folder}: no machine stands at {place or 'any place'}")
    judged_from = start if start is not None else end - days * 86_400.0
    path = truth or folder / "truth.jsonl"
    known = read_truth(path) if path.exists() or truth is not None else None
    whose = {machine.place for machine in machines.values()}
    return replayed(
        historian,
        Plant(plant.units, machines),
        title=place or folder.name,
        start=judged_from - 30 * 86_400.0,
        end=end,
        judged_from=judged_from,
        filter_name=filter_name,
        known=None if known is None else [entry for entry in known if entry.place in whose],
        tell=tell,
    )


def read_truth(path: Path) -> list[TruthEntry]:
    """Return the entries of a truth file; raises Misconfigured where it is none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [TruthEntry(**json.loads(line)) for line in lines]
    except (OSError, ValueError, TypeError) as error:
        raise Misconfigured(f"--truth {path} is not JSON lines of ts, what, device, place, body: {error}") from None


def faults(entries: Sequence[TruthEntry], end: float, *, period_s: float = 0.0) -> list[Fault]:
    """Return the truth's faults with the traces that they leave; one that goes on ends with the run.

    A line that was cut for less than a period, and a spool that ran out while nothing was made, left none: they may
    be alarmed about. So may a service.
    """
    ends: dict[tuple[str, str], list[float]] = {}
    waits: dict[str, list[float]] = {}
    for entry in entries:
        if entry.what == "fault_ended":
            ends.setdefault((entry.device, entry.body["kind"]), []).append(entry.ts)
        elif entry.what == "state" and entry.body["state"] in WAITS:
            waits.setdefault(entry.device, []).append(entry.ts)
    found = []
    for entry in entries:
        if entry.what == "fault" and entry.body["kind"] in TRACES:
            trace = TRACES[Kind(entry.body["kind"])]
            later = [ts for ts in ends.get((entry.device, entry.body["kind"]), ()) if ts >= entry.ts]
            until = min(later, default=end)
            brief = trace.shape == "link" and until - entry.ts < period_s
            unfelt = trace.shape == "wait" and not any(entry.ts <= ts <= until for ts in waits.get(entry.device, ()))
            due: Due = "may" if brief or unfelt else trace.due
            kind = str(entry.body["kind"])
            found.append(
                Fault(kind, entry.place, trace.index, entry.ts, until, trace.shape, touches=trace.touches, due=due)
            )
        elif entry.what == "state" and entry.body["state"] == State.MAINTENANCE:
            until = entry.ts + AFTER_SERVICE_S
            found.append(Fault("maintenance", entry.place, "energy_w", entry.ts, until, "usual", due="may"))
    return found


def _report(  # noqa: PLR0917 - both ways end here
    title: str, filter_name: FilterName, judging: Judging, start: float, end: float, true: Sequence[Fault] | None,
    tell: Tell,
) -> Report:  # fmt: skip
    rows = [row for row in judging.rows if start <= row.ts <= end]
    alarms = [alarm for alarm in judging.alarms if start <= alarm.ts <= end]
    series = _series(rows)
    seen, unseen_count = _sized(true or (), series)
    matched = match(seen, alarms, after_s=after_s)
    alone = tuple(alarm for alarm in matched.false if alarm.index not in EVERYDAY)
    changed: list[Dated] = []
    for nth, ((place, index), (times, values)) in enumerate(series.items()):
        tell(JUDGING + (1.0 - JUDGING) * nth / len(series))
        changed += looking_back(place, CATALOGUE[index], times, values)
    changed.sort(key=lambda change: (change.ts, change.place, change.index))
    return Report(
        title, filter_name, len(judging.plant.machines), start, end,
        tuple(matched.found) if true is not None else None, alone, tuple(calibration(rows)), unseen_count, len(rows),
        tuple(changed),
    )  # fmt: skip


def _series(rows: Sequence[IndexRow]) -> dict[tuple[str, str], tuple[list[float], list[float]]]:
    """Return times and values by place and index."""
    series: dict[tuple[str, str], tuple[list[float], list[float]]] = {}
    for row in sorted(rows, key=lambda row: row.ts):
        times, values = series.setdefault((row.place, row.name), ([], []))
        times.append(row.ts)
        values.append(row.value)
    return series


def _sized(
    true: Sequence[Fault], series: dict[tuple[str, str], tuple[list[float], list[float]]]
) -> tuple[list[Fault], int]:
    """Return the faults with their sizes as the index shows them, and how many came while it had no value."""
    seen: list[Fault] = []
    unseen_count = 0
    for fault in true:
        if fault.index not in CATALOGUE:
            seen.append(fault)
            continue
        times, values = series.get((fault.place, fault.index), ([], []))
        first, last = bisect_right(times, fault.onset), bisect_right(times, fault.end)
        size = size_sigma(values[max(first - BEFORE_COUNT, 0) : first], values[first:last])
        if last > first:
            seen.append(replace(fault, size_sigma=size))
        else:
            unseen_count += fault.due == "must"
            # Later an alarm may still be its doing, but nothing had to be found.
            seen.append(replace(fault, due="may" if fault.due == "must" else fault.due))
    return seen, unseen_count


def _within(story: Scenario, place: str | None) -> Scenario:
    machines = tuple(spec for spec in story.machines if place is None or contains(place, spec.place))
    if not machines:
        raise Misconfigured(f"--place = {place!r}: none of the machines of {story.name} stands there")
    known = {spec.device for spec in machines}
    return story._replace(machines=tuple(spec for spec in machines if spec.meters is None or spec.meters in known))


def _told(batches: Iterator[Batch], start: float, whole_s: float, tell: Tell) -> Iterator[Batch]:
    for batch in batches:
        tell(min((batch.at - start) / whole_s, 1.0))
        yield batch
