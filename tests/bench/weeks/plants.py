# SPDX-License-Identifier: CC0-1.0
"""The benchmark's plants: machines for weeks, the catalogue's faults at its rates, and what they truly did.

The machines are the simulator's and live their own days; what stops them or cuts their line strikes them as there.
Faults that show in an index are laid over what the machines measure, in the catalogue's direction and shape, in a
size from 1 to 10 sigma of that index, drawn evenly in its logarithm. So the truth knows every size exactly.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent))
from effects import EFFECTS, FIELDS, SENSOR_LASTS_S, SENSORS, SIZE, Effect, Overlay

from collector.contract.event import State
from collector.contract.ports import IndexRow
from collector.contract.reading import Batch
from cyberfilter.backtest.faults import Due, Fault
from cyberfilter.indices.catalogue import CATALOGUE
from deploy.backtest import AFTER_SERVICE_S, EPOCH_S, WEEK_S, faults
from deploy.traces import TRACES
from firmware_sim.catalogue import ROWS
from firmware_sim.faults import FaultPlan, Kind
from firmware_sim.history import generate
from firmware_sim.lived import PERIOD_S, live
from firmware_sim.machines.laser import Laser
from firmware_sim.machines.machine import Machine, Sense
from firmware_sim.machines.mill import Mill
from firmware_sim.scenario import MachineSpec, Scenario, rates
from firmware_sim.stories import read
from firmware_sim.truth import Truth

MIX = (("printer", 0.60), ("mill", 0.10), ("laser", 0.15), ("placer", 0.15))
SETTLED_S = 300.0
"""A fault that shows in an index begins when its machine has been running for so long."""
APART_S = 3_600.0
"""Running time between two of them on one machine."""
PACE_LOST_MAX = 0.9
LEVELS = ("step", "slope")
"""Shapes that move the level, so that they can be worth an alert by their size."""
WEARS = (Mill, Laser)
"""Machines whose energy changes by usual wear."""
WORN_PARTS = 20
"""A tool that has cut so many parts takes a tenth more load: an alarm about that is no false one."""


@dataclass
class Machinery:
    """What the benchmark remembers of one machine: what waits, what is under way, what has been."""

    waiting: list[Overlay]
    now: Overlay | None = None
    done: list[Overlay] = field(default_factory=list)
    running_s: float = 0.0
    free_s: float = APART_S
    progress: float = 0.0
    lost: float = 0.0
    worn_since: float | None = None
    ran: bool = False
    changed_at: float = EPOCH_S
    usual: list[tuple[float, float]] = field(default_factory=list)


class Plant:
    """The machines of one seed: a history, then weeks."""

    def __init__(self, seed: int, machines: int) -> None:
        self.seed = seed
        self.story = _story(seed, machines)
        self.scales: dict[tuple[str, str], tuple[float, float]] = {}
        self.truth = Truth()
        self._machinery: dict[str, Machinery] = {}

    def history(self, days: float) -> Iterator[Batch]:
        """Yield what lies before the weeks, sampled as in the weeks where it matters.

        Who counts whole parts has another pace when it is looked at half as often: only printers' past is by the
        minute.
        """
        start = EPOCH_S - days * 86_400.0
        printers = tuple(spec for spec in self.story.machines if spec.kind == "printer")
        others = tuple(spec for spec in self.story.machines if spec.kind != "printer")
        yield from generate(self.story._replace(machines=printers), start, EPOCH_S)
        yield from live(self.story._replace(machines=others), start, EPOCH_S)

    def measure(self, rows: Iterable[IndexRow]) -> None:
        """Learn every index's usual level and its sigma."""
        found: dict[tuple[str, str], list[float]] = {}
        for row in rows:
            found.setdefault((row.place, row.name), []).append(row.value)
        for key, values in found.items():
            self.scales[key] = scale(values)

    def live(self, weeks: float) -> Iterator[Batch]:
        """Yield the weeks; `faults` then knows what they were."""
        start, end = EPOCH_S, EPOCH_S + weeks * WEEK_S
        plans = rates(self.story, self.seed, start, end)
        struck = [plan for plan in plans if plan.kind not in EFFECTS]
        for spec in self.story.machines:
            mine = [plan for plan in plans if plan.device == spec.device and plan.kind in EFFECTS]
            overlays = [*self._effects(spec, mine), *self._sensors(spec, start, end)]
            self._machinery[spec.device] = Machinery(sorted(overlays, key=lambda overlay: overlay.at))
        yield from live(self.story, start, end, faults=struck, truth=self.truth, tint=self._tint, booked=False)
        for machinery in self._machinery.values():
            if machinery.now is not None:
                machinery.done.append(machinery.now)
            if machinery.worn_since is not None:
                machinery.usual.append((machinery.worn_since, end))

    def faults(self, end: float) -> list[Fault]:
        """Return everything that truly happened until `end` (Unix s), by onset."""
        found = [_stopped(fault) for fault in faults(self.truth.entries, end, period_s=PERIOD_S)]
        for spec in self.story.machines:
            machinery = self._machinery[spec.device]
            found += [self._truly(one, spec.place) for one in machinery.done]
            for since, until in machinery.usual:
                found.append(Fault("usual-wear", spec.place, "energy_w", since, until, "usual", due="may"))
        return sorted(found, key=lambda fault: (fault.onset, fault.place))

    def _truly(self, one: Overlay, place: str) -> Fault:
        """Return a fault as the truth tells it."""
        index, shape = one.effect.index, one.effect.shape
        size = math.nan if shape == "stuck" else one.size_sigma * (one.share() if shape == "slope" else 1.0)
        level, sigma = self.scales[place, index]
        large = shape in LEVELS and size * sigma >= CATALOGUE[index].materiality.of(level)
        due: Due = "never" if shape == "transient" else "must"
        return Fault(one.kind, place, index, one.onset, one.end, shape, size, one.touches, due, large)

    def _effects(self, spec: MachineSpec, plans: Iterable[FaultPlan]) -> Iterator[Overlay]:
        for plan in plans:
            effect = EFFECTS[Kind(plan.kind)]
            rng = random.Random(f"weeks/{self.seed}/{plan.device}/{plan.kind}/{plan.onset:.3f}")
            touches = tuple(name for name in TRACES[Kind(plan.kind)].touches if name in FIELDS)
            made = self._overlay(spec, str(plan.kind), effect, plan.onset, lasts_s=plan.lasts_s, rng=rng)
            if made is not None:
                made.touches = touches if effect.index != "pace_ratio" else ()
                yield made

    def _sensors(self, spec: MachineSpec, start: float, end: float) -> Iterator[Overlay]:
        for kind, shape, mean_h in SENSORS:
            rng = random.Random(f"weeks/{self.seed}/{spec.device}/{kind}")
            at = start + rng.expovariate(1 / (3_600 * mean_h))
            while at < end:
                names = ("nozzle_deviation_degc", "heater_effort_w") if spec.kind == "printer" else ("energy_w",)
                lasts_s = 60.0 if shape == "transient" else rng.uniform(*SENSOR_LASTS_S)
                made = self._overlay(spec, kind, Effect(rng.choice(names), shape, 0), at, lasts_s=lasts_s, rng=rng)
                if made is not None:
                    yield made
                at += lasts_s + rng.expovariate(1 / (3_600 * mean_h))

    def _overlay(
        self, spec: MachineSpec, kind: str, effect: Effect, at: float, *, lasts_s: float, rng: random.Random
    ) -> Overlay | None:
        size = math.exp(rng.uniform(math.log(SIZE[0]), math.log(SIZE[1])))
        level, sigma = self.scales.get((spec.place, effect.index), (0.0, 0.0))
        if sigma <= 0:
            return None
        if effect.index == "pace_ratio":
            size = min(size, PACE_LOST_MAX * level / sigma)
        if effect.sign == 0:
            effect = effect._replace(sign=rng.choice((-1, 1)))
        return Overlay(kind, effect, at, lasts_s, size, rng.uniform(*effect.ramp_s), rng)

    def _tint(self, spec: MachineSpec, now: float, machine: Machine, sense: Sense) -> Sense:
        """Return what the sensors show."""
        mine = self._machinery[spec.device]
        if isinstance(machine, WEARS):
            _wear(mine, machine, now)
        if machine.state is not State.RUNNING:
            mine.running_s = 0.0
            return sense
        mine.running_s += PERIOD_S
        mine.free_s += PERIOD_S
        ready = mine.now is None and mine.running_s >= SETTLED_S and mine.free_s >= APART_S
        if ready and mine.waiting and mine.waiting[0].at <= now:
            mine.now = mine.waiting.pop(0)
            mine.now.onset = now
        values = list(sense)
        if mine.now is not None:
            mine.now.ran_s += PERIOD_S
            mine.now.end = now
            self._lay(mine, mine.now, spec, machine.words, values)
            if mine.now.ran_s >= mine.now.lasts_s:
                self._over(mine, spec, machine, now)
        elif mine.lost and "progress_ratio" in machine.words:
            self._slower(mine, 0.0, machine.words.index("progress_ratio"), values)
        return tuple(values)

    def _lay(
        self, mine: Machinery, one: Overlay, spec: MachineSpec, words: tuple[str, ...], values: list[float | None]
    ) -> None:
        level, sigma = self.scales[spec.place, one.effect.index]
        at = words.index(FIELDS[one.effect.index])
        before = values[at]
        if before is None:
            return
        size = one.effect.sign * one.size_sigma * sigma
        if one.effect.index == "pace_ratio":
            self._slower(mine, -size * one.share() / level, at, values)
        elif one.effect.shape == "stuck":
            one.held = before if one.held is None else one.held
            values[at] = one.held
        else:
            # Two samples make a minute's mean, so each takes more noise than the mean shall have.
            noisy = one.effect.shape == "noise"
            added = size * one.rng.gauss(0.0, math.sqrt(60 / PERIOD_S)) if noisy else size * one.share()
            values[at] = round(max(before + added, 0.0), 2)
            metered = values[words.index("power_w")]
            if "energy_w" in one.touches and at != words.index("power_w") and metered is not None:
                values[words.index("power_w")] = round(max(metered + added, 0.0), 2)

    def _slower(self, mine: Machinery, share: float, at: int, values: list[float | None]) -> None:
        """Let the progress fall behind by a share of every rise, for the rest of the job."""
        progress = values[at]
        if progress is None:
            return
        if progress < mine.progress:
            mine.lost = 0.0
        else:
            mine.lost += share * (progress - mine.progress)
        mine.progress = progress
        values[at] = round(max(progress - mine.lost, 0.0), 4)

    def _over(self, mine: Machinery, spec: MachineSpec, machine: Machine, now: float) -> None:
        assert mine.now is not None
        if mine.now.kind == Kind.CLOG:
            machine.strike(FaultPlan(Kind.CLOG, spec.device, spec.place, now, 0.0))  # the job fails of it, as there
        mine.done.append(mine.now)
        mine.now, mine.free_s = None, 0.0


def scale(values: list[float]) -> tuple[float, float]:
    """Return the median, and sigma: the median deviation's or half of the middle 68 %, the larger of the two.

    The second knows that a pace which counts whole parts jumps between two or three values.
    """
    level, ordered = median(values), sorted(values)
    middle = (ordered[int(0.84 * len(ordered))] - ordered[int(0.16 * len(ordered))]) / 2
    return level, max(1.4826 * median(abs(value - level) for value in ordered), middle)


def _wear(mine: Machinery, machine: Mill | Laser, now: float) -> None:
    """Note the times in which energy changes as it usually does: worn tools, and what people do about it."""
    mine.ran = mine.ran or machine.state is State.RUNNING
    if machine.state is State.MAINTENANCE or not mine.ran:  # the weeks begin with other tools than the history ended
        mine.changed_at = now
    worn = (isinstance(machine, Mill) and machine.cut_parts >= WORN_PARTS) or now - mine.changed_at < AFTER_SERVICE_S
    if worn and mine.worn_since is None:
        mine.worn_since = now
    elif not worn and mine.worn_since is not None:
        mine.usual.append((mine.worn_since, now + AFTER_SERVICE_S))
        mine.worn_since = None


def _stopped(fault: Fault) -> Fault:
    """Return the stop of a machine as that: what led to it has an entry of its own."""
    if fault.kind not in EFFECTS:
        return fault
    return replace(fault, kind=f"{fault.kind}-stop", shape="stop", index="state", touches=TRACES[Kind.ALARM].touches)


def _story(seed: int, machines: int) -> Scenario:
    counts = {kind: max(round(share * machines), 1) for kind, share in MIX}
    counts["printer"] += machines - sum(counts.values())
    rows = [
        {"name": kind, "kind": kind, "place": f"weeks/{kind}s", "count": count, "circuit": f"{kind}s"}
        for kind, count in counts.items()
    ]
    assert set(ROWS) >= set(EFFECTS)
    return read("weeks", {"machines": rows, "people": {"rests": True}, "units": {"weeks": "Weeks"}}, seed=seed)
