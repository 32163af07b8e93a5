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

from collector.contract.event import JobEnded, JobStarted, Outcome, State, StateSeen
from firmware_sim import physics
from firmware_sim.faults import CLOG_CAUSE, FaultPlan, Kind, loss_ratio
from firmware_sim.machines.build import Build, Job, draw_job, long_job
from firmware_sim.machines.people import Rhythm, clears_s, repairs_s, starts_s
from firmware_sim.physics import BED, FILAMENT_J_K_MM, HOTEND, Heater, Wander
from firmware_sim.truth import Happening

LEAD_S: Final = 12 * 60.0
"""A job that will carry a fault starts at least this long before the onset."""
COVER_S: Final = 45 * 60.0
"""…and prints at least this long after it."""
HORIZON_S: Final = 5 * 3600.0
"""An everyday job, its plate and the pause after it fit into this twice over; within it jobs wait for the fault."""
CLOSING_S: Final = 600.0
"""Heating up, and the percent by which a job may take longer, before a printer closes."""
WARM_SHARE: Final = 0.75
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
        self.hotend = Heater(HOTEND, physics.room_degc(start))
        self.bed = Heater(BED, physics.room_degc(start))
        self._rng = random.Random(f"printer/{seed}")  # noqa: S311 - a simulation
        self._flow = Wander(self._rng, sd=0.09, tau_s=90.0)
        self._draught = Wander(self._rng, sd=0.12, tau_s=60.0)
        self._axes = Wander(self._rng, sd=2.0, tau_s=60.0)
        self._haste = Wander(self._rng, sd=0.06, tau_s=120.0)
        self._tag = tag
        self._rhythm = rhythm
        self._closes_at = closes_at
        self._bookings = sorted(bookings)
        self._count = 0
        self._until = start
        self._power_w = built.standby_w
        self._weak: FaultPlan | None = None
        self._clog: FaultPlan | None = None
        self._clogged_s = 0.0

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
        for heater in (self.hotend, self.bed):
            heater.temp_degc = heater.sensed_degc = heater.target_degc
        self._settle()
        return [started, *self._enter(State.RUNNING)]

    def strike(self, plan: FaultPlan) -> None:
        """Let a fault of the machine itself begin."""
        if plan.kind == Kind.HEATER_WEAK:
            self._weak = plan
        elif plan.kind == Kind.CLOG:
            self._clog, self._clogged_s = plan, 0.0

    def ease(self, kind: str) -> None:
        """Take a fault away, as a repair does."""
        if kind == Kind.HEATER_WEAK:
            self._weak = None
        elif kind == Kind.CLOG:
            self._clog = None

    @property
    def clogged(self) -> bool:
        """Tell whether the nozzle is blocked."""
        return self._clog is not None

    def advance(self, to: float) -> list[Happening]:
        """Move on to that time and return what happened, stamped with it."""
        dt_s = to - self.now
        self.now = to
        if dt_s <= 0:
            return []
        self._heat(dt_s)
        job = self.job
        if self.state is State.RUNNING and job is not None:
            job.running_s += dt_s
            job.printed_s += dt_s * (1.0 + self._haste.advance(dt_s))
            self._clogged_s += dt_s if self._clog is not None else 0.0
        return _RULES[self.state](self)

    def sense(self, count: int = 1) -> Sensed:
        """Return the mean of `count` measurements, of which one has white noise of its own."""
        gauss, root = self._rng.gauss, math.sqrt(count)
        draught_k = self._draught.value if self.hotend.target_degc > 0 else 0.0
        heater_w = self.hotend.power_w + gauss(0.0, 0.3 / root) if self.hotend.power_w > 0 else 0.0
        return Sensed(
            round(self.hotend.sensed_degc + draught_k + gauss(0.0, 0.15 / root), 2),
            self.hotend.target_degc,
            round(max(heater_w, 0.0), 2),
            round(self.bed.sensed_degc + gauss(0.0, 0.1 / root), 2),
            self.bed.target_degc,
            round(self._power_w + gauss(0.0, 0.8 / root), 2),
            round(self.job.ratio, 4) if self.job is not None else None,
            round(self.energy_kwh, 5),
        )

    def _heat(self, dt_s: float) -> None:
        room = physics.room_degc(self.now)
        running = self.state is State.RUNNING
        # What disturbs a cold or resting machine is not measured, so it need not be drawn.
        wander = self._flow.advance(dt_s) if running else 0.0
        if self.hotend.target_degc > 0:
            self._draught.advance(dt_s)
        base_w_k = HOTEND.loss_fan_w_k if running else HOTEND.loss_w_k
        loss_w_k = base_w_k * self.built.loss_ratio
        if self._weak is not None:
            loss_w_k *= loss_ratio(self._weak, self.now)
        fed_flow_w_k = self._flow_w_k(wander)
        flow_w_k = 0.0 if self._clog is not None else fed_flow_w_k
        self.hotend.advance(dt_s, room_degc=room, loss_w_k=loss_w_k, flow_w_k=flow_w_k, fed_w_k=base_w_k + fed_flow_w_k)
        self.bed.advance(dt_s, room_degc=room, loss_w_k=BED.loss_w_k, flow_w_k=0.0, fed_w_k=BED.loss_w_k)
        axes_w = self.built.motors_w + self._axes.advance(dt_s) if running else 0.0
        self._power_w = self.built.standby_w + axes_w + self.hotend.power_w + self.bed.power_w
        self.energy_kwh += self._power_w * dt_s / 3.6e6

    def _flow_w_k(self, wander: float) -> float:
        if self.state is not State.RUNNING or self.job is None:
            return 0.0
        return FILAMENT_J_K_MM * self.built.flow_mm_s * self.job.flow_ratio * max(1.0 + wander, 0.0)

    def _settle(self) -> None:
        """Trim both controllers to the room and to the load, as if they had run for long."""
        above = (self.hotend, HOTEND.loss_fan_w_k * self.built.loss_ratio, HOTEND.loss_fan_w_k)
        for heater, true_w_k, fed_w_k in (above, (self.bed, BED.loss_w_k, BED.loss_w_k)):
            target = heater.target_degc
            heater.trim_w = true_w_k * (target - physics.room_degc(self.now)) - fed_w_k * (target - physics.ROOM_DEGC)
            heater.power_w = true_w_k * (target - physics.room_degc(self.now))

    def _next_booking(self) -> float | None:
        while self._bookings and self._bookings[0] <= self.now:
            self._bookings.pop(0)
        if self._bookings and self._bookings[0] - self.now < HORIZON_S:
            return self._bookings[0]
        return None

    def _start_job(self, now: float) -> list[Happening]:
        self._count += 1
        self.job = self._next_job(now, f"{self.built.device}-{self._tag}-{self._count}")
        self.job.started_at = now
        self.job.energy_kwh_before = self.energy_kwh
        self.hotend.target_degc = self.built.nozzle_target_degc
        self.bed.target_degc = self.built.bed_target_degc
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
        if self._clog is not None and self._clogged_s >= self._clog.lasts_s:
            ended = self._end_job(Outcome.FAILED, CLOG_CAUSE)
            self._until = self.now + repairs_s(self._rng)
            return [ended, *self._enter(State.FAULT, CLOG_CAUSE)]
        if job.ratio >= 1.0:
            ended = self._end_job(Outcome.DONE)
            self._until = self.now + clears_s(self._rng)
            return [ended, *self._enter(State.WAITING_PERSON, "plate not cleared")]
        if job.ratio >= job.cancel_at:
            ended = self._end_job(Outcome.CANCELLED, "cancelled by a person")
            return [ended, *self._rest()]
        return []

    def _when_stopped(self) -> list[Happening]:
        if self.now < self._until:
            return []
        if self.state is State.FAULT:
            self._clog = None
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
