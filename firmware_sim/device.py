# SPDX-License-Identifier: AGPL-3.0-or-later
"""One machine with its voice: it lives tick by tick, faults strike it, and the truth hears all of it."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, TypeVar

from collector.contract.event import PartCounted, State, StateSeen
from firmware_sim.catalogue import ROWS
from firmware_sim.faults import FaultPlan, Kind
from firmware_sim.machines.machine import Machine
from firmware_sim.network import Network
from firmware_sim.scenario import MachineSpec
from firmware_sim.truth import Account, Happening, Truth
from firmware_sim.voices.native import NativeVoice
from firmware_sim.voices.voice import Publication, Speech

M = TypeVar("M", bound=Machine)
CUT_OFF: Final = frozenset({Kind.POWER_LOSS, Kind.WIFI_DROP, Kind.AGENT_CRASH})
"""While one of these lasts the broker does not hear the device, and has published its will."""
DEAD: Final = frozenset({Kind.POWER_LOSS, Kind.AGENT_CRASH})
"""While one of these lasts nobody measures; afterwards the voice starts anew."""
WIRE: Final = frozenset(
    {
        Kind.SILENCE, Kind.WIFI_DROP, Kind.AGENT_CRASH, Kind.CLOCK_SKEW, Kind.DUPLICATES, Kind.REORDERING,
        Kind.COUNTER_RESET, Kind.UNKNOWN_WORD,
    }
)  # fmt: skip
"""Faults of what speaks for the machine, not of the machine."""
DUPLICATE_RATIO: Final = 0.2
REORDER_RATIO: Final = 0.2
_EPOCH_SHARE: Final = 0.3
"""Of clocks that are wrong, those that stand at 1970; the others are some hours off (assumption)."""


class Device(Generic[M]):
    """One machine with its voice; ticks every `sample_s` of the plant's time, each device at a phase of its own."""

    def __init__(
        self, spec: MachineSpec, machine: M, voice: Speech[M], truth: Truth, *, faults: Sequence[FaultPlan],
        network: Network, boots: Callable[[], str],
    ) -> None:  # fmt: skip
        self.spec = spec
        self.machine = machine
        self.voice = voice
        self.account = Account()
        self.network = network
        self.muted = False
        self.reachable = True
        self._truth = truth
        self._boots = boots
        self._pending = sorted(faults, key=lambda plan: plan.onset)
        self._active: list[FaultPlan] = []
        self._missed: list[Happening] = []
        self._clear = network.weather
        self._began_kwh = machine.energy_kwh
        phase_s = spec.seed % 1000 / 1000 * spec.sample_s
        self.next_at = math.ceil(machine.now / spec.sample_s) * spec.sample_s + phase_s

    @property
    def will(self) -> Publication:
        """Return the voice's last will."""
        return self.voice.will

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """Return what the voice listens to."""
        return self.voice.subscriptions

    def connected(self, real_s: float) -> None:
        """Let the voice say what it says after a connect."""
        self.voice.connected(self.machine, real_s)

    def received(self, topic: str, payload: bytes, real_s: float) -> None:
        """Let the voice hear a message."""
        self.voice.received(topic, payload, real_s)

    def take(self, room: int, real_s: float) -> list[Publication]:
        """Return what the voice has to say and the network lets pass; nothing while the uplink hangs."""
        if self.muted or not self.reachable:
            return []
        if self.network.idle:
            return self.voice.take(room, real_s)
        self.network.put(self.voice.take(room, real_s), self.machine.now)
        return self.network.due(room, self.machine.now)

    def begin(self, warm_share: float, real_s: float) -> None:
        """Put the machine into the middle of its day."""
        self._tell(self.machine.begin(warm_share=warm_share), real_s)

    def book(self, plan: FaultPlan) -> None:
        """Let a fault strike at its onset."""
        self._pending = sorted([*self._pending, plan], key=lambda each: each.onset)

    def tick(self, real_s: float) -> float:
        """Live to the next tick, measure, and return when the one after it is due."""
        at = round(self.next_at, 3)
        self._tell(self.machine.advance(at), real_s)
        if self._pending or self._active:
            self._faults(at, real_s)
        if not (self._active and self._dead):
            self.voice.sampled(self.machine, real_s)
        self.next_at += self.spec.sample_s
        return self.next_at

    def told(self) -> dict[str, Any]:
        """Return the machine's account up to now, with what the network has done to its words."""
        body = self.account.told(self.machine.now, energy_kwh=self.machine.energy_kwh - self._began_kwh)
        network = self.network
        return body | {
            "kind": self.spec.kind,
            "state": str(self.machine.state),
            "faults": [str(plan.kind) for plan in self._active],
            "dropped": dict(network.dropped),
            "duplicated": network.duplicated_count,
            "reordered": network.reordered_count,
        }

    @property
    def _dead(self) -> bool:
        return any(plan.kind in DEAD for plan in self._active)

    def _tell(self, happenings: Sequence[Happening], real_s: float) -> None:
        for happening in happenings:
            if isinstance(happening, StateSeen) and happening.state is State.FAULT:
                self._admit(happening.ts)
            self._say(happening, real_s)
            ts = happening.ts if happening.ts is not None else self.machine.now
            self.account.add(happening)
            self._truth.happened(self.spec.device, self.spec.place, ts, happening)

    def _admit(self, ts: float) -> None:
        """Note a fault that came by itself, by wear."""
        known = {plan.kind for plan in self._active}
        for row in ROWS.values():
            if row.ends == "repair" and row.kind not in known and self.machine.suffers(row.kind):
                plan = FaultPlan(row.kind, self.spec.device, self.spec.place, ts, row.lasts_s[0])
                self._active.append(plan)
                self._truth.struck(plan)

    def _say(self, happening: Happening, real_s: float) -> None:
        unseen = isinstance(happening, PartCounted) and (self.spec.kind == "printer" or self.spec.voice != "native")
        offline = isinstance(happening, StateSeen) and happening.state is State.OFFLINE
        if unseen or offline:
            return  # a printer does not see its part; who has no power says nothing: the will does
        if self._dead:
            self._missed.append(happening)
        else:
            self.voice.happened(happening, self.machine, real_s)

    def _faults(self, at: float, real_s: float) -> None:
        while self._pending and self._pending[0].onset <= at:
            plan = self._pending.pop(0)
            if any(active.kind == plan.kind for active in self._active):
                continue  # it is there already
            self._active.append(plan)
            self._truth.struck(plan)
            if plan.kind in WIRE:
                self._disturb(plan, at)
            else:
                self._tell(self.machine.strike(plan), real_s)
        for plan in [plan for plan in self._active if self._over(plan, at)]:
            self._active.remove(plan)
            if plan.kind in DEAD and not self._dead:
                self._restart(real_s)
            if plan.kind in WIRE:
                self._calm(plan)
            else:
                self._tell(self.machine.ease(plan.kind), real_s)
            self._truth.eased(plan, at)
        self.muted = any(plan.kind == Kind.SILENCE for plan in self._active)
        self.reachable = not any(plan.kind in CUT_OFF for plan in self._active)

    def _restart(self, real_s: float) -> None:
        """Let the voice start again; the machine remembers what happened meanwhile, nobody what was measured."""
        if isinstance(self.voice, NativeVoice):
            lost_count = self.voice.reboot(self._boots())
            self.account.lost["readings"] += lost_count
        missed, self._missed = self._missed, []
        for happening in missed:
            self.voice.happened(happening, self.machine, real_s)

    def _disturb(self, plan: FaultPlan, at: float) -> None:
        """Let a fault of what speaks for the machine begin."""
        kind, weather = plan.kind, self.network.weather
        if kind == Kind.COUNTER_RESET:
            self.machine.meter_zero_kwh = self.machine.energy_kwh
        elif kind == Kind.DUPLICATES:
            self.network.weather = weather._replace(duplicate_ratio=DUPLICATE_RATIO)
        elif kind == Kind.REORDERING:
            self.network.weather = weather._replace(reorder_ratio=REORDER_RATIO)
        elif isinstance(self.voice, NativeVoice) and kind == Kind.CLOCK_SKEW:
            rng = random.Random(f"skew/{plan.device}/{plan.onset:.3f}")  # noqa: S311 - a simulation
            hours_s = rng.choice((-1, 1)) * rng.uniform(1.0, 6.0) * 3600
            self.voice.clock_off_s = -at if rng.random() < _EPOCH_SHARE else hours_s
        elif isinstance(self.voice, NativeVoice) and kind == Kind.UNKNOWN_WORD:
            first = self.machine.words[0]
            self.voice.renames = {first: f"measured_{first}"}

    def _calm(self, plan: FaultPlan) -> None:
        kind, weather = plan.kind, self.network.weather
        if kind == Kind.DUPLICATES:
            self.network.weather = weather._replace(duplicate_ratio=self._clear.duplicate_ratio)
        elif kind == Kind.REORDERING:
            self.network.weather = weather._replace(reorder_ratio=self._clear.reorder_ratio)
        elif isinstance(self.voice, NativeVoice) and kind == Kind.CLOCK_SKEW:
            self.voice.clock_off_s = 0.0
        elif isinstance(self.voice, NativeVoice) and kind == Kind.UNKNOWN_WORD:
            self.voice.renames = {}

    def _over(self, plan: FaultPlan, at: float) -> bool:
        if ROWS[Kind(plan.kind)].ends == "repair":
            return not self.machine.suffers(plan.kind)
        return at >= plan.onset + plan.lasts_s
