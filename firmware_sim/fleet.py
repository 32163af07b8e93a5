# SPDX-License-Identifier: AGPL-3.0-or-later
"""N machines on one clock: printers, their voices, their faults, and one uplink."""

from __future__ import annotations

import math
import queue
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Final, Literal, Self

from collector.contract.errors import Misconfigured
from collector.contract.ports import Clock
from firmware_sim.faults import ROWS, FaultPlan, Kind
from firmware_sim.machines.build import build
from firmware_sim.machines.people import Rhythm
from firmware_sim.machines.printer import WARM_SHARE, Printer
from firmware_sim.physics import SAMPLE_S
from firmware_sim.scenario import MachineSpec, Scenario
from firmware_sim.truth import Happening, Truth
from firmware_sim.uplink import Uplink
from firmware_sim.voices.native import NativeVoice
from firmware_sim.voices.octoprint import OctoprintVoice
from firmware_sim.voices.voice import Publication, Voice

Credentials = tuple[str, str]
TURN_S: Final = 0.05
"""Real seconds that a turn waits for the network."""


class Device:
    """One printer with its voice; ticks every 5 s of the plant's time, each device at a phase of its own."""

    def __init__(
        self, spec: MachineSpec, printer: Printer, voice: Voice, truth: Truth, *, faults: Sequence[FaultPlan]
    ) -> None:
        self.spec = spec
        self.printer = printer
        self.voice = voice
        self._truth = truth
        self._pending = sorted(faults, key=lambda plan: plan.onset)
        self._active: list[FaultPlan] = []
        self.muted = False
        phase_s = spec.seed % 1000 / 1000 * SAMPLE_S
        self._next_at = math.ceil(printer.now / SAMPLE_S) * SAMPLE_S + phase_s

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
        self.voice.connected(self.printer, real_s)

    def received(self, topic: str, payload: bytes, real_s: float) -> None:
        """Let the voice hear a message."""
        self.voice.received(topic, payload, real_s)

    def take(self, room: int, real_s: float) -> list[Publication]:
        """Return what the voice has to say; nothing while the uplink hangs."""
        return [] if self.muted else self.voice.take(room, real_s)

    def begin(self, real_s: float) -> None:
        """Put the machine into the middle of its day; one that cannot tell of a job afterwards begins at rest."""
        warm_share = WARM_SHARE if self.spec.voice == "native" else 0.0
        self._tell(self.printer.begin(warm_share=warm_share), real_s)

    def book(self, plan: FaultPlan) -> None:
        """Let a fault strike at its onset."""
        self._pending = sorted([*self._pending, plan], key=lambda each: each.onset)

    def advance(self, now: float, real_s: float) -> None:
        """Live through every tick up to now."""
        while self._next_at <= now:
            at = round(self._next_at, 3)
            self._tell(self.printer.advance(at), real_s)
            self._faults(at)
            self.voice.sampled(self.printer, real_s)
            self._next_at += SAMPLE_S

    def _tell(self, happenings: Sequence[Happening], real_s: float) -> None:
        for happening in happenings:
            self.voice.happened(happening, self.printer, real_s)
            ts = happening.ts if happening.ts is not None else self.printer.now
            self._truth.happened(self.spec.device, self.spec.place, ts, happening)

    def _faults(self, at: float) -> None:
        while self._pending and self._pending[0].onset <= at:
            plan = self._pending.pop(0)
            self._active.append(plan)
            self.printer.strike(plan)
            self._truth.struck(plan)
        for plan in [plan for plan in self._active if self._over(plan, at)]:
            self._active.remove(plan)
            self.printer.ease(plan.kind)
            self._truth.eased(plan, at)
        self.muted = any(plan.kind == Kind.SILENCE for plan in self._active)

    def _over(self, plan: FaultPlan, at: float) -> bool:
        if plan.kind == Kind.CLOG:
            return not self.printer.clogged
        return at >= plan.onset + plan.lasts_s


class Fleet:
    """The machines of a scenario against one broker.

    `credentials` is one pair for all or a pair by device; `address` says whether native voices publish under
    `@device` or under their place; `boots` gives every start of a native sender a boot that never was before;
    `meters_kwh` lets energy meters go on from where a history left them.
    """

    def __init__(
        self,
        scenario: Scenario,
        clock: Clock,
        *,
        host: str,
        port: int,
        credentials: Mapping[str, Credentials] | Credentials | None = None,
        faults: Sequence[FaultPlan] = (),
        truth: Truth | None = None,
        root: str = "cybersyn",
        address: Literal["device", "place"] = "device",
        boots: Callable[[], str] = lambda: secrets.token_hex(8),
        meters_kwh: Mapping[str, float] | None = None,
    ) -> None:
        self._clock = clock
        self.truth = truth if truth is not None else Truth()
        self.uplink = Uplink(host, port, seed=scenario.seed)
        self._asked: queue.SimpleQueue[FaultPlan] = queue.SimpleQueue()
        self._devices: dict[str, Device] = {}
        start, real_s = clock.now(), time.monotonic()
        for spec in scenario.machines:
            mine = [plan for plan in faults if plan.device == spec.device]
            boot = boots()
            voice = _voice(spec, boot=boot, root=root, address=address)
            printer = Printer(
                build(spec.device, spec.seed),
                seed=f"{spec.seed}/live",
                start=start,
                tag=boot[:8],
                rhythm=Rhythm(rests=False),
                bookings=[plan.onset for plan in mine],
                energy_kwh=(meters_kwh or {}).get(spec.device, spec.seed % 40_000 / 100),
            )
            device = Device(spec, printer, voice, self.truth, faults=mine)
            self._devices[spec.device] = device
            device.begin(real_s)
            self.uplink.add(device, client_id=spec.device, credentials=_pair(credentials, spec.device))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def devices(self) -> Mapping[str, Device]:
        """Return the machines by their id."""
        return self._devices

    def inject(self, kind: str, device: str, *, lasts_s: float | None = None) -> FaultPlan:
        """Let a fault strike now; may be called from any thread. Raises Misconfigured where it cannot be."""
        if device not in self._devices:
            raise Misconfigured(f"device = {device!r} is none of {', '.join(self._devices)}")
        if kind not in ROWS:
            raise Misconfigured(f"fault = {kind!r} is none of {', '.join(ROWS)}")
        shortest_s, longest_s = ROWS[Kind(kind)].lasts_s
        chosen_s = lasts_s if lasts_s is not None else (shortest_s + longest_s) / 2
        plan = FaultPlan(kind, device, self._devices[device].spec.place, round(self._clock.now(), 3), chosen_s)
        self._asked.put(plan)
        return plan

    def step(self, wait_s: float = 0.0) -> None:
        """Bring every machine up to the clock's time, and do what the network has to do."""
        while not self._asked.empty():
            plan = self._asked.get()
            self._devices[plan.device].book(plan)
        now, real_s = self._clock.now(), time.monotonic()
        for device in self._devices.values():
            device.advance(now, real_s)
        self.uplink.turn(wait_s)

    def run(self, stop: threading.Event) -> None:
        """Step until told to stop, then close."""
        try:
            while not stop.is_set():
                self.step(TURN_S)
        finally:
            self.close()

    def close(self) -> None:
        """Let every machine say goodbye and let go of the connections."""
        self.uplink.close()


def _voice(spec: MachineSpec, *, boot: str, root: str, address: Literal["device", "place"]) -> Voice:
    if spec.voice == "octoprint" and spec.prefix is not None:
        return OctoprintVoice(spec.prefix)
    if spec.voice == "native":
        return NativeVoice(spec.place if address == "place" else f"@{spec.device}", boot=boot, root=root)
    raise Misconfigured(f"voice = {spec.voice!r} of {spec.device} is none of native, octoprint (with a prefix)")


def _pair(credentials: Mapping[str, Credentials] | Credentials | None, device: str) -> Credentials | None:
    if credentials is None or isinstance(credentials, tuple):
        return credentials
    if device not in credentials:
        raise Misconfigured(f"credentials: none for {device}")
    return credentials[device]
