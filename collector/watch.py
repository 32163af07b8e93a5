# SPDX-License-Identifier: AGPL-3.0-or-later
"""What time alone tells: ends that have waited long enough, silence, and our own trouble."""

from __future__ import annotations

import time
from typing import Final

from msgspec.structs import replace

from collector import jobs
from collector.census import silent
from collector.contract.codec import format_time
from collector.contract.event import Noted, Trouble
from collector.contract.ports import Bus, Clock
from collector.contract.reading import Batch, Fact
from collector.decision import Device
from collector.memory import Memory
from collector.registry import NATIVE
from collector.turn import Turn

DEAF_S: Final = 1.0
"""A look that comes later than this (real s) after the one before was deaf meanwhile: silence then is ours."""
STEP_S: Final = 1.0
"""A clock that went further from the monotonic one (real s) was set: silence by it means nothing."""
AWAY_S: Final = 30.0
"""After how long without the broker (real s) that is trouble."""


class Watch:
    """Looks at the time and at the bus once a turn, and puts what it finds into the turn."""

    def __init__(self, memory: Memory, bus: Bus, clock: Clock, *, name: str) -> None:
        self._memory, self._bus, self._clock, self._name = memory, bus, clock, name
        self._memory.listening_since = self._looked_at = clock.now()
        self._looked_s = self._connected_s = time.monotonic()
        self._away_told = False

    def look(self, turn: Turn, *, is_behind: bool) -> None:
        """Add what is due; while messages still wait (`is_behind`) nobody is silent."""
        now, real_s = self._clock.now(), time.monotonic()
        self._listen(now, real_s)
        self.settle(turn, now=now)
        if not is_behind:
            self._hush(turn, now)

    def settle(self, turn: Turn, *, now: float) -> None:
        """Add the ends of jobs that have waited long enough at `now` (Unix s)."""
        for record in self._memory.newest():
            if record.track.open is None:
                continue
            track, facts = jobs.settle(record.track, now)
            if facts:
                self._learn(replace(record, track=track), turn, facts)

    def noticed(self) -> list[Batch]:
        """Return, each once, what happened to our way to the broker: it was away long, or it forgot our session."""
        now, real_s = self._clock.now(), time.monotonic()
        self._listen(now, real_s)  # before what has come is decided: a gap of ours is no gap of a machine's
        found: list[Fact] = [
            Noted(now, "possible_gap", {"since": format_time(since), "until": format_time(until)})
            for since, until in self._bus.take_lost_spans()
        ]
        if self._bus.connected:
            self._connected_s, self._away_told = real_s, False
        elif not self._away_told and real_s - self._connected_s > AWAY_S:
            self._away_told = True
            found.append(Trouble(now, "broker", f"the broker has not answered for {AWAY_S:.0f} s"))
        return [Batch(self._name, None, NATIVE, now, (fact,)) for fact in found]

    def _listen(self, now: float, real_s: float) -> None:
        """Note since when we hear: not while the broker is away or we sleep, nor across a step of the clock."""
        passed_s = real_s - self._looked_s
        stepped = abs(self._clock.real_s(now - self._looked_at) - passed_s) > STEP_S
        if not self._bus.connected or passed_s > DEAF_S or stepped:
            self._memory.listening_since = now
        self._looked_at, self._looked_s = now, real_s

    def _hush(self, turn: Turn, now: float) -> None:
        """Say who fell silent; while we did not listen ourselves, nobody did."""
        census = {record.device: record.presence for record in self._memory.newest() if record.presence.cadence_s != 0}
        for device, presence, fact in silent(census, now, listening_since=self._memory.listening_since):
            record = self._memory.device(device)
            assert record is not None
            if record.hand.maintenance is not None:  # it may be switched off for that
                self._memory.learn(replace(record, presence=presence))
                continue
            self._learn(replace(record, presence=presence, state=fact), turn, (fact,))

    def _learn(self, record: Device, turn: Turn, facts: tuple[Fact, ...]) -> None:
        """Put facts into the log that no message brought."""
        self._memory.learn(record)
        turn.made.append(Batch(record.device, record.place, record.dialect, self._clock.now(), facts))
