# SPDX-License-Identifier: AGPL-3.0-or-later
"""A printer: its states, its jobs, its two heaters, its meter, and the person who clears its plate.

The same object makes history (steps of a minute) and live data (steps of a sample), so both have the same levels
and the same noise. What happened in a step comes back as a list, stamped at the step's end.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from collector.contract.event import JobEnded, JobStarted, Outcome, PartCounted, State, StateSeen
from firmware_sim.faults import CANCEL_CAUSE, CLOG_CAUSE, POWER_CAUSE, FaultPlan, Kind
from firmware_sim.machines.build import Build, Job, draw_job, long_job
from firmware_sim.machines.people import Rhythm, clears_s, repairs_s, starts_s
from firmware_sim.machines.thermals import BREAKS, Thermals
from firmware_sim.physics import FILAMENT_J_K_MM, Wander
from firmware_sim.truth import Happening

COVER_S: Final = 45 * 60.0
"""A job that will carry a fault prints at least this long after the onset."""
HORIZON_S: Final = 5 * 3600.0
"""An everyday job, its plate and the pause after it fit into this twice over; within it jobs wait for the fault."""
CLOSING_S: Final = 600.0
"""Heating up, and the percent by which a job may take longer, before a printer closes."""
WARM_SHARE: Final = 0.75
RUN_OUT_WHY: Final = "filament ran out"
REPAIRED: Final = frozenset({*BREAKS, Kind.CLOG, Kind.HEATER_WEARS})
"""What somebody puts right who repairs a printer in fault."""
_FILAMENT_G_MM: Final = 0.00298


class Sensed(NamedTuple):
    """What the printer measures at one moment; `progress_ratio` is None without a job."""

    nozzle_degc: float
    nozzle_target_degc: float
    heater_power_w: float
    bed_degc: float
    bed_target_degc: float
    power_w: float
    progress_ratio: float | None
    energy_kwh: float


class Printer:
    """One printer on the plant's time; times are Unix s.

    `bookings` are the onsets of faults that it must be printing for; by `closes_at` its last job has ended.
    """

    def __init__(
        self,
        built: Build,
        *,
        seed: int | str,
        start: float,
        tag: str,
        rhythm: Rhythm,
        bookings: Sequence[float] = (),
        energy_kwh: float = 0.0,
        closes_at: float = math.inf,
    ) -> None:
        self.built = built
        self.now = start
        self.state = State.IDLE
        self.why: str | None = None
        self.job: Job | None = None
        self.energy_kwh = energy_kwh
        self.meter_zero_kwh = 0.0
        self._rng = random.Random(f"printer/{seed}")  # noqa: S311 - a simulation
        self.thermals = Thermals(built, self._rng, start)
        self.hotend, self.bed = self.thermals.hotend, self.thermals.bed
        self._haste = Wander(self._rng, sd=0.06, tau_s=120.0)
        self._tag = tag
        self._rhythm = rhythm
        self._closes_at = closes_at
        self._bookings = sorted(bookings)
        self._count = 0
        self._until = start
        self._ills: dict[str, FaultPlan] = {}
        self._ill_s = 0.0

    @property
    def words(self) -> tuple[str, ...]:
        """Return the indicators that `sense` measures."""
        return Sensed._fields

    @property
    def power_w(self) -> float:
        """Return the electric power of the last step."""
        return self.thermals.power_w

    def begin(self, *, warm_share: float = WARM_SHARE) -> list[Happening]:
        """Put the printer into the middle of its day and return what has to be told of that.

        That share of printers, and every one that is booked, is hot from its last job and prints the next one at
        once; the others start soon. No job is older than the printer's first moment, so none overlaps a history.
        """
        onset = self._next_booking()
        if onset is None and self._rng.random() >= warm_share:
            self._until = self.now + self._rng.uniform(20.0, 240.0)
            return [StateSeen(self.now, State.IDLE)]
        started = self._start_job(self.now)[0]
        self.thermals.settle(self.now)
        return [started, *self._enter(State.RUNNING)]

    def strike(self, plan: FaultPlan) -> list[Happening]:
        """Let a fault of the machine itself begin; one that counts printing time counts from here."""
        self._ills[plan.kind] = plan
        if plan.kind in {Kind.CLOG, Kind.SPAGHETTI}:
            self._ill_s = 0.0
        if plan.kind in BREAKS:
            self.thermals.watch()
            self.hotend.broken = BREAKS[Kind(plan.kind)]
        return self._cut() if plan.kind == Kind.POWER_LOSS else []

    def ease(self, kind: str) -> list[Happening]:
        """Take a fault away, as a repair does."""
        self._ills.pop(kind, None)
        if kind in BREAKS:
            self.hotend.mend()
        if kind == Kind.POWER_LOSS and self.state is State.OFFLINE:
            return self._rest()
        return self._enter(State.RUNNING) if kind == Kind.RUN_OUT and self._waits_for_spool else []

    def suffers(self, kind: str) -> bool:
        """Tell whether that fault is there."""
        return kind in self._ills

    @property
    def clogged(self) -> bool:
        """Tell whether the nozzle is blocked."""
        return Kind.CLOG in self._ills

    @property
    def _waits_for_spool(self) -> bool:
        return self.state is State.WAITING_PERSON and self.why == RUN_OUT_WHY

    def advance(self, to: float) -> list[Happening]:
        """Move on to that time and return what happened, stamped with it."""
        dt_s = to - self.now
        self.now = to
        if dt_s <= 0 or self.state is State.OFFLINE:
            return []
        job, running = self.job, self.state is State.RUNNING
        flow_w_k = FILAMENT_J_K_MM * self.built.flow_mm_s * job.flow_ratio if running and job is not None else None
        self.thermals.advance(dt_s, to, flow_w_k=flow_w_k, ills=self._ills)
        self.energy_kwh += self.thermals.power_w * dt_s / 3.6e6
        if running and job is not None:
            job.running_s += dt_s
            job.printed_s += dt_s * (1.0 + self._haste.advance(dt_s))
        if self._ills:
            self._ill_s += dt_s if running else 0.0
            if stopped := self._stopped(dt_s):
                return stopped
        return _RULES[self.state](self)

    def sense(self, count: int = 1) -> Sensed:
        """Return the mean of `count` measurements, of which one has white noise of its own."""
        gauss, root = self._rng.gauss, math.sqrt(count)
        draught_k = self.thermals.draught.value if self.hotend.target_degc > 0 else 0.0
        heater_w = self.hotend.power_w + gauss(0.0, 0.3 / root) if self.hotend.power_w > 0 else 0.0
        return Sensed(
            round(self.hotend.sensed_degc + draught_k + gauss(0.0, 0.15 / root), 2),
            self.hotend.target_degc,
            round(max(heater_w, 0.0), 2),
            round(self.bed.sensed_degc + gauss(0.0, 0.1 / root), 2),
            self.bed.target_degc,
            round(self.thermals.power_w + gauss(0.0, 0.8 / root), 2),
            round(self.job.ratio, 4) if self.job is not None else None,
            round(self.energy_kwh - self.meter_zero_kwh, 5),
        )

    def _stopped(self, dt_s: float) -> list[Happening]:
        """Return what a fault does to a machine that heats or prints; nothing while it goes on."""
        if self.state not in {State.SETUP, State.RUNNING}:
            return []
        if self.hotend.broken is not None or Kind.HEATER_WEARS in self._ills:
            words = self.thermals.protect(dt_s, self.now)
            if words is not None:
                return self._fail(words)
        return self._spoiled() if self.state is State.RUNNING else []

    def _spoiled(self) -> list[Happening]:
        """Return what a fault of the print itself does to a job."""
        clog, spaghetti = self._ills.get(Kind.CLOG), self._ills.get(Kind.SPAGHETTI)
        if clog is not None and self._ill_s >= clog.lasts_s:
            return self._fail(CLOG_CAUSE)
        if spaghetti is not None and self._ill_s >= spaghetti.lasts_s:
            del self._ills[Kind.SPAGHETTI]
            return [self._end_job(Outcome.CANCELLED, CANCEL_CAUSE), *self._rest()]
        return self._enter(State.WAITING_PERSON, RUN_OUT_WHY) if Kind.RUN_OUT in self._ills else []

    def _fail(self, cause: str) -> list[Happening]:
        ended = self._end_job(Outcome.FAILED, cause)
        self._until = self.now + repairs_s(self._rng)
        return [ended, *self._enter(State.FAULT, cause)]

    def _cut(self) -> list[Happening]:
        """Lose the power: a job is lost, and nobody is there to say so."""
        works = self.state in {State.SETUP, State.RUNNING} or self._waits_for_spool
        ended = [self._end_job(Outcome.FAILED, POWER_CAUSE)] if works else []
        self.hotend.target_degc = self.bed.target_degc = self.thermals.power_w = 0.0
        self.job = None
        return [*ended, *self._enter(State.OFFLINE, POWER_CAUSE)]

    def _next_booking(self) -> float | None:
        while self._bookings and self._bookings[0] <= self.now:
            self._bookings.pop(0)
        soon = self._bookings and self._bookings[0] - self.now < HORIZON_S
        return self._bookings[0] if soon else None

    def _start_job(self, now: float) -> list[Happening]:
        self._count += 1
        self.job = self._next_job(now, f"{self.built.device}-{self._tag}-{self._count}")
        self.job.started_at = now
        self.job.energy_kwh_before = self.energy_kwh
        self.hotend.target_degc = self.built.nozzle_target_degc
        self.bed.target_degc = self.built.bed_target_degc
        self.thermals.watch()
        return [JobStarted(self.job.id, now, self.job.file, self.job.estimate_s), *self._enter(State.SETUP)]

    def _next_job(self, now: float, job_id: str) -> Job:
        onset = self._next_booking()
        if onset is not None:
            takes_s = onset - now + COVER_S + self._rng.uniform(0.0, 900.0)
            return long_job(self.built, job_id, self._rng, takes_s=takes_s)
        job = draw_job(self.built, job_id, self._rng)
        left_s = self._closes_at - now - CLOSING_S
        return job if job.takes_s <= left_s else long_job(self.built, job_id, self._rng, takes_s=left_s)

    def _enter(self, state: State, why: str | None = None) -> list[Happening]:
        self.state, self.why = state, why
        return [StateSeen(self.now, state, why)]

    def _end_job(self, outcome: Outcome, cause: str | None = None) -> JobEnded:
        job = self.job
        assert job is not None
        self.hotend.target_degc = self.bed.target_degc = 0.0
        return JobEnded(
            job.id,
            self.now,
            outcome,
            job.file,
            cause,
            started_at=job.started_at,
            duration_s=round(self.now - job.started_at, 3),
            print_duration_s=round(job.running_s, 3),
            estimate_s=job.estimate_s,
            material_g=round(self.built.flow_mm_s * job.flow_ratio * job.printed_s * _FILAMENT_G_MM, 1),
            energy_kwh=round(max(self.energy_kwh - job.energy_kwh_before, 0.0), 5),
        )

    def _when_idle(self) -> list[Happening]:
        closing = self.now + 2 * CLOSING_S > self._closes_at
        return self._start_job(self.now) if self.now >= self._until and not closing else []

    def _when_setup(self) -> list[Happening]:
        return self._enter(State.RUNNING) if self.hotend.reached() and self.bed.reached() else []

    def _when_running(self) -> list[Happening]:
        job = self.job
        assert job is not None
        if job.ratio >= 1.0:
            ended = self._end_job(Outcome.DONE)
            self._until = self.now + clears_s(self._rng)
            shifted = self._ills.pop(Kind.LAYER_SHIFT, None) is not None
            # Nobody on the wire can know it: a printer does not see its part.
            scrap = [PartCounted(self.now, 0, 1, "layer shift", f"{job.id}-part", job.id)] if shifted else []
            return [ended, *scrap, *self._enter(State.WAITING_PERSON, "plate not cleared")]
        if job.ratio >= job.cancel_at:
            ended = self._end_job(Outcome.CANCELLED, CANCEL_CAUSE)
            return [ended, *self._rest()]
        return []

    def _when_stopped(self) -> list[Happening]:
        if self.now < self._until or self._waits_for_spool:
            return []
        if self.state is State.FAULT:
            self._ills = {kind: plan for kind, plan in self._ills.items() if kind not in REPAIRED}
            self.hotend.mend()
        return self._rest()

    def _rest(self) -> list[Happening]:
        self.job = None
        self._until = self.now + starts_s(self.now, self._rhythm, self._rng)
        return self._enter(State.IDLE)


_RULES: Final[dict[State, Callable[[Printer], list[Happening]]]] = {
    State.IDLE: Printer._when_idle,  # noqa: SLF001 - the table belongs to the class
    State.SETUP: Printer._when_setup,  # noqa: SLF001
    State.RUNNING: Printer._when_running,  # noqa: SLF001
    State.WAITING_PERSON: Printer._when_stopped,  # noqa: SLF001
    State.FAULT: Printer._when_stopped,  # noqa: SLF001
}
