# SPDX-License-Identifier: AGPL-3.0-or-later
"""N machines on one clock, their voices, their faults, and one uplink."""

from __future__ import annotations

import heapq
import queue
import random
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Literal, Self

from collector.contract.errors import Misconfigured
from collector.contract.ports import Clock
from firmware_sim.catalogue import ROWS
from firmware_sim.device import Device
from firmware_sim.faults import FaultPlan, Kind
from firmware_sim.lan.printers import LanPrinters
from firmware_sim.machines.kinds import make, make_plug
from firmware_sim.machines.machine import Machine
from firmware_sim.machines.printer import WARM_SHARE
from firmware_sim.network import Network
from firmware_sim.scenario import MachineSpec, Scenario
from firmware_sim.truth import Truth
from firmware_sim.uplink import Uplink
from firmware_sim.voices.catalogue import LAN, PLUGS, PRINTERS
from firmware_sim.voices.native import NativeVoice
from firmware_sim.voices.voice import Speech

Credentials = tuple[str, str]
TURN_S: Final = 0.05
"""Real seconds that a turn waits for the network."""
BOOKED: Final = frozenset({Kind.HEATER_WEAK, Kind.CLOG, Kind.SILENCE, Kind.SPAGHETTI, Kind.RUN_OUT})
"""Faults that a printer shall be printing for when they strike."""
TICKS_A_TURN: Final = 200
"""Between two looks at the network: brokers do not wait long for an answer."""
STEP_S_MAX: Final = 1.0
LASTS_S_MAX: Final = 31 * 86_400.0


class Fleet:
    """The machines of a scenario against one broker.

    `credentials` is one pair for all or a pair by device; `address` says whether native voices publish under
    `@device` or under their place; `boots` gives every start of a native sender a boot that never was before;
    `meters_kwh` lets energy meters go on from where a history left them; printers that are brokers themselves listen
    in `lan`.
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
        lan: LanPrinters | None = None,
    ) -> None:
        self._clock = clock
        self.truth = truth if truth is not None else Truth()
        self.uplink = Uplink(host, port, seed=scenario.seed)
        self._scenario, self._credentials, self._boots = scenario, credentials, boots
        self._asked: queue.SimpleQueue[FaultPlan] = queue.SimpleQueue()
        self._devices: dict[str, Device[Any]] = {}
        self._meters_kwh = meters_kwh or {}
        self._closed, self._lan = False, lan
        start, real_s = clock.now(), time.monotonic()
        # A plug needs the machine that it meters.
        for spec in sorted(scenario.machines, key=lambda spec: spec.meters is not None):
            boot = boots()
            voice = _voice(spec, boot=boot, root=root, address=address)
            mine = [plan for plan in faults if plan.device == spec.device]
            self._add(spec, self._machine(spec, mine, start=start, tag=boot[:8]), voice, mine, real_s=real_s)
        self._ticks = [(device.next_at, number) for number, device in enumerate(self._devices.values())]
        heapq.heapify(self._ticks)
        self._by_number = list(self._devices.values())

    def _machine(self, spec: MachineSpec, faults: Sequence[FaultPlan], *, start: float, tag: str) -> Machine:
        energy_kwh = self._meters_kwh.get(spec.device, spec.seed % 40_000 / 100)
        if spec.meters is not None:
            load = self._devices[spec.meters]
            return make_plug(load.machine, load.spec.kind, spec.seed, start=start, energy_kwh=energy_kwh)
        bookings = [plan.onset for plan in faults if plan.kind in BOOKED]
        return make(
            spec.kind, spec.device, spec.seed, start=start, tag=tag, rests=self._scenario.rests, bookings=bookings,
            energy_kwh=energy_kwh,
        )  # fmt: skip

    def _add(
        self, spec: MachineSpec, machine: Machine, voice: Speech[Any], faults: Sequence[FaultPlan], *, real_s: float
    ) -> None:
        rng = random.Random(f"network/{spec.seed}")  # noqa: S311 - a simulation
        weather = self._scenario.weather
        if weather.skew_s > 0 and isinstance(voice, NativeVoice):
            voice.clock_off_s = rng.gauss(0.0, weather.skew_s)
        network = Network(weather, rng, start=machine.now)
        device = Device(spec, machine, voice, self.truth, faults=faults, network=network, boots=self._boots)
        self._devices[spec.device] = device
        # A machine that cannot tell of a job afterwards begins at rest.
        device.begin(WARM_SHARE if spec.voice == "native" else 0.0, real_s)
        if spec.voice not in LAN:
            self.uplink.add(device, client_id=spec.device, credentials=_pair(self._credentials, spec.device))
        elif self._lan is not None and spec.prefix is not None:
            self._lan.add(device, serial=spec.prefix, access_code=f"{spec.seed % 10**8:08d}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def devices(self) -> Mapping[str, Device[Any]]:
        """Return the machines by their id."""
        return self._devices

    def inject(self, kind: str, device: str, *, lasts_s: float | None = None) -> FaultPlan:
        """Let a fault strike now; may be called from any thread. Raises Misconfigured where it cannot be."""
        if device not in self._devices:
            raise Misconfigured(f"device = {device!r} is none of {', '.join(self._devices)}")
        if kind not in ROWS:
            raise Misconfigured(f"fault = {kind!r} is none of {', '.join(ROWS)}")
        row, spec = ROWS[Kind(kind)], self._devices[device].spec
        if spec.kind not in row.strikes:
            raise Misconfigured(f"fault = {kind!r} does not strike a {spec.kind} ({device})")
        chosen_s = lasts_s if lasts_s is not None else sum(row.lasts_s) / 2
        if not 1.0 <= chosen_s <= LASTS_S_MAX:
            raise Misconfigured(f"lasts_s = {chosen_s:g} is not within 1..{LASTS_S_MAX:g}")
        plan = FaultPlan(kind, device, spec.place, round(self._clock.now(), 3), chosen_s)
        self._asked.put(plan)
        return plan

    def accounts(self) -> dict[str, dict[str, Any]]:
        """Return what each machine has done up to now, by device."""
        return {name: {"place": device.spec.place, **device.told()} for name, device in self._devices.items()}

    def step(self, wait_s: float = 0.0) -> None:
        """Bring every machine up to the clock's time, and do what the network has to do.

        Who has too little of a processor for that returns after a second, and goes on with the next step.
        """
        end_s = time.monotonic() + STEP_S_MAX
        while not self.live(now_s := time.monotonic(), most=TICKS_A_TURN) and now_s < end_s:
            self.uplink.turn(0.0)
        if self._lan is not None:
            self._lan.turn(time.monotonic())
        self.uplink.turn(wait_s)

    def live(self, real_s: float, *, most: int | None = None) -> bool:
        """Bring every machine up to the clock's time, in the order of their ticks; after `most` ticks return False."""
        while not self._asked.empty():
            plan = self._asked.get()
            self._devices[plan.device].book(plan)
        now, ticks, left = self._clock.now(), self._ticks, most
        while ticks[0][0] <= now:
            if left == 0:
                return False
            left = left - 1 if left is not None else None
            number = ticks[0][1]
            device = self._by_number[number]
            heapq.heapreplace(ticks, (device.tick(real_s), number))
            if device.spec.voice not in LAN:
                self.uplink.wake(device)
        return True

    def run(self, stop: threading.Event) -> None:
        """Step until told to stop, then close."""
        try:
            while not stop.is_set():
                self.step(TURN_S)
        finally:
            self.close()

    def close(self) -> None:
        """Let every machine say goodbye, let go of the connections, and note every account."""
        self.uplink.close()
        for name, device in self._devices.items():
            if not self._closed:
                self.truth.account(name, device.spec.place, device.machine.now, device.told())
        self._closed = True


def _voice(spec: MachineSpec, *, boot: str, root: str, address: Literal["device", "place"]) -> Speech[Any]:
    if spec.voice == "native":
        return NativeVoice(spec.place if address == "place" else f"@{spec.device}", boot=boot, root=root)
    made = PLUGS.get(spec.voice) or PRINTERS.get(spec.voice)
    if made is None or spec.prefix is None:
        known = ", ".join((*PRINTERS, *PLUGS))
        raise Misconfigured(f"voice = {spec.voice!r} of {spec.device} is none of native, {known} (with a prefix)")
    if spec.voice in PRINTERS and spec.kind != "printer":
        raise Misconfigured(f"voice = {spec.voice!r} of {spec.device}: a {spec.kind} doesn't speak it")
    return made(spec.prefix)


def _pair(credentials: Mapping[str, Credentials] | Credentials | None, device: str) -> Credentials | None:
    if credentials is None or isinstance(credentials, tuple):
        return credentials
    if device not in credentials:
        raise Misconfigured(f"credentials: none for {device}")
    return credentials[device]
