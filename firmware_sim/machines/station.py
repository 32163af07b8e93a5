# SPDX-License-Identifier: AGPL-3.0-or-later
"""What mill, laser and placer have in common: jobs of many equal parts, the people around them, and a meter.

A job is set up, makes its parts one after another, and ends with a person who takes them out. A subclass says how
long a part takes, whether it is good, what stops the machine, and what it measures.
"""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from typing import ClassVar, Final, NamedTuple

from collector.contract.event import JobEnded, JobStarted, Outcome, PartCounted, State, StateSeen
from firmware_sim.faults import CANCEL_CAUSE, POWER_CAUSE, FaultPlan, Kind, grown
from firmware_sim.machines.machine import Sense
from firmware_sim.machines.people import Rhythm, clears_s, repairs_s, starts_s
from firmware_sim.truth import Happening

CANCELLED_SHARE: Final = 0.03
CLOSING_S: Final = 900.0
"""Setting up, and what a job may take longer, before a machine closes."""
BIAS: Final = (0.9, 1.15)
"""True time of a part over its estimate, by machine (assumption)."""


class Product(NamedTuple):
    """What a station makes: `cycle_s` a part when all is well, `material_g` in it."""

    file: str
    parts: int
    cycle_s: float
    material_g: float


class Stop(NamedTuple):
    """Why a machine that works must stop; in `fault` its job has failed and somebody has to repair it."""

    state: State
    why: str


class Work:
    """One job of a station under way."""

    __slots__ = ("cancel_at", "energy_kwh_before", "good", "id", "product", "running_s", "scrap", "started_at")

    def __init__(self, job_id: str, product: Product, *, started_at: float, energy_kwh: float) -> None:
        self.id = job_id
        self.product = product
        self.started_at = started_at
        self.energy_kwh_before = energy_kwh
        self.cancel_at = product.parts
        self.good = self.scrap = 0
        self.running_s = 0.0

    @property
    def made(self) -> int:
        """Return how many parts there are, good or not."""
        return self.good + self.scrap


class Station(ABC):
    """A machine that makes parts in jobs, on the plant's time; times are Unix s."""

    products: ClassVar[tuple[Product, ...]]
    repaired: ClassVar[frozenset[str]]
    words: tuple[str, ...] = ()
    setup_s: ClassVar[tuple[float, float]] = (120.0, 360.0)

    def __init__(
        self, device: str, *, seed: int | str, start: float, tag: str, rhythm: Rhythm, energy_kwh: float = 0.0,
        closes_at: float = math.inf,
    ) -> None:  # fmt: skip
        self.now = start
        self.state = State.IDLE
        self.why: str | None = None
        self.energy_kwh = energy_kwh
        self.meter_zero_kwh = 0.0
        self.power_w = 0.0
        self.work: Work | None = None
        self._rng = random.Random(f"{type(self).__name__}/{seed}")  # noqa: S311 - a simulation
        self._device, self._tag, self._rhythm, self._closes_at = device, tag, rhythm, closes_at
        self._bias = self._rng.uniform(*BIAS)
        self._count = 0
        self._until = start
        self._part_s = 0.0
        self.ills: dict[str, FaultPlan] = {}

    @abstractmethod
    def cycle_ratio(self) -> float:
        """Return how much longer than usual a part takes now."""

    @abstractmethod
    def live(self, dt_s: float) -> float:
        """Move the physics on and return the machine's electric power in W."""

    @abstractmethod
    def part(self) -> str | None:
        """Return why the part that is now finished is scrap, None: it is good."""

    @abstractmethod
    def stop(self) -> Stop | None:
        """Return what keeps the machine from working now."""

    @abstractmethod
    def sense(self, count: int = 1) -> Sense:
        """Return the mean of `count` measurements, one for each of `words`."""

    @abstractmethod
    def repair(self) -> None:
        """Put right what wears, with the rest."""

    def begin(self, *, warm_share: float) -> list[Happening]:
        """Put the machine into the middle of its day; that share works at once, the others start soon."""
        if self._rng.random() >= warm_share:
            self._until = self.now + self._rng.uniform(20.0, 240.0)
            return [StateSeen(self.now, State.IDLE)]
        return [self._start(), *self._enter(State.RUNNING)]

    def advance(self, to: float) -> list[Happening]:
        """Move on to that time and return what happened, stamped with it."""
        dt_s = to - self.now
        self.now = to
        if dt_s <= 0 or self.state is State.OFFLINE:
            return []
        self.power_w = self.live(dt_s)
        self.energy_kwh += self.power_w * dt_s / 3.6e6
        told: list[Happening] = getattr(self, _RULES[self.state])(dt_s)
        return told

    def strike(self, plan: FaultPlan) -> list[Happening]:
        """Let a fault of the machine itself begin."""
        self.ills[plan.kind] = plan
        if plan.kind != Kind.POWER_LOSS:
            return []
        ended = [self._end(Outcome.FAILED, POWER_CAUSE)] if self.work is not None else []
        self.power_w = 0.0
        return [*ended, *self._enter(State.OFFLINE, POWER_CAUSE)]

    def ease(self, kind: str) -> list[Happening]:
        """Take a fault away, as a repair does."""
        self.ills.pop(kind, None)
        return self._rest() if kind == Kind.POWER_LOSS and self.state is State.OFFLINE else []

    def fall_ill(self, kind: str) -> None:
        """Let a fault come by itself, as wear makes it."""
        self.ills.setdefault(kind, FaultPlan(kind, self._device, "", self.now, 1.0))

    def suffers(self, kind: str) -> bool:
        """Tell whether that fault is there."""
        return kind in self.ills

    def grown(self, kind: str) -> float:
        """Return how far a fault has come, 0..1."""
        return grown(self.ills.get(kind), self.now)

    @property
    def works(self) -> bool:
        """Tell whether a part is being made."""
        return self.state is State.RUNNING

    @property
    def ratio(self) -> float | None:
        """Return the share of the job that is done, None without a job."""
        return round(self.work.made / self.work.product.parts, 4) if self.work is not None else None

    @property
    def told_kwh(self) -> float:
        """Return what the machine's counter shows."""
        return round(self.energy_kwh - self.meter_zero_kwh, 5)

    def _start(self) -> Happening:
        product = self._rng.choice(self.products)
        left_s = self._closes_at - self.now - CLOSING_S
        if product.parts * product.cycle_s * self._bias > left_s:
            product = product._replace(parts=max(int(left_s / product.cycle_s / self._bias / 1.2), 1))
        self._count += 1
        job = f"{self._device}-{self._tag}-{self._count}"
        self.work = Work(job, product, started_at=self.now, energy_kwh=self.energy_kwh)
        if self._rng.random() < CANCELLED_SHARE:
            self.work.cancel_at = self._rng.randrange(product.parts)
        self._part_s = 0.0
        return JobStarted(job, self.now, product.file, product.parts * product.cycle_s)

    def _enter(self, state: State, why: str | None = None) -> list[Happening]:
        self.state, self.why = state, why
        return [StateSeen(self.now, state, why)]

    def _end(self, outcome: Outcome, cause: str | None = None) -> Happening:
        work = self.work
        assert work is not None
        self.work = None
        return JobEnded(
            work.id,
            self.now,
            outcome,
            work.product.file,
            cause,
            started_at=work.started_at,
            duration_s=round(self.now - work.started_at, 3),
            print_duration_s=round(work.running_s, 3),
            estimate_s=work.product.parts * work.product.cycle_s,
            material_g=round(work.made * work.product.material_g, 1),
            energy_kwh=round(self.energy_kwh - work.energy_kwh_before, 5),
        )

    def _rest(self) -> list[Happening]:
        self._until = self.now + starts_s(self.now, self._rhythm, self._rng)
        return self._enter(State.IDLE)

    def _when_idle(self, dt_s: float) -> list[Happening]:
        del dt_s
        if self.now < self._until or self.now + 2 * CLOSING_S > self._closes_at:
            return []
        self._until = self.now + self._rng.uniform(*self.setup_s)
        return [self._start(), *self._enter(State.SETUP)]

    def _when_setup(self, dt_s: float) -> list[Happening]:
        del dt_s
        return self._enter(State.RUNNING) if self.now >= self._until else []

    def _when_running(self, dt_s: float) -> list[Happening]:
        work = self.work
        assert work is not None
        if (stop := self.stop()) is not None:
            return self._halt(stop)
        work.running_s += dt_s
        self._part_s += dt_s
        told: list[Happening] = []
        while self._part_s >= (takes_s := work.product.cycle_s * self._bias * self.cycle_ratio()):
            self._part_s -= takes_s
            told.append(self._counted(work, self.part()))
            if work.made >= work.product.parts:
                self._until = self.now + clears_s(self._rng)
                return [*told, self._end(Outcome.DONE), *self._enter(State.WAITING_PERSON, "parts not taken out")]
            if work.made > work.cancel_at:
                return [*told, self._end(Outcome.CANCELLED, CANCEL_CAUSE), *self._rest()]
        return told

    def _halt(self, stop: Stop) -> list[Happening]:
        if stop.state is not State.FAULT:
            return self._enter(*stop)
        assert self.work is not None
        broken = self._counted(self.work, stop.why)
        self._until = self.now + repairs_s(self._rng)
        return [broken, self._end(Outcome.FAILED, stop.why), *self._enter(*stop)]

    def _counted(self, work: Work, cause: str | None) -> PartCounted:
        scrap = int(cause is not None)
        work.good += 1 - scrap
        work.scrap += scrap
        return PartCounted(self.now, 1 - scrap, scrap, cause, f"{work.id}-part-{work.made}", work.id)

    def _when_stopped(self, dt_s: float) -> list[Happening]:
        del dt_s
        stop = self.stop()
        if stop is None:
            return self._enter(State.RUNNING)
        return self._halt(stop) if stop.state is not self.state else []

    def _when_waiting(self, dt_s: float) -> list[Happening]:
        del dt_s
        if self.now < self._until:
            return []
        if self.state is State.FAULT:
            self.ills = {kind: plan for kind, plan in self.ills.items() if kind not in self.repaired}
            self.repair()
        return self._rest()


_RULES: Final = {
    State.IDLE: "_when_idle",
    State.SETUP: "_when_setup",
    State.RUNNING: "_when_running",
    State.HELD: "_when_stopped",
    State.STARVED: "_when_stopped",
    State.MAINTENANCE: "_when_waiting",
    State.WAITING_PERSON: "_when_waiting",
    State.FAULT: "_when_waiting",
}
"""What a state does, by the method's name: a machine may have its own way of it."""
