# SPDX-License-Identifier: AGPL-3.0-or-later
"""The log of what really happened, beside the wire: faults, states, jobs, parts, and each machine's account."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from collector.contract.event import JobEnded, JobStarted, PartCounted, State, StateSeen
from firmware_sim.faults import FaultPlan

Happening = StateSeen | JobStarted | JobEnded | PartCounted
_WHAT: Final = {StateSeen: "state", JobStarted: "job_started", JobEnded: "job_ended", PartCounted: "part"}
DOWN: Final = frozenset({State.FAULT, State.OFFLINE})
"""The states of downtime: what is broken or without power cannot work."""


class TruthEntry(NamedTuple):
    """One true thing; `what` is fault, fault_ended, state, job_started, job_ended, part or account, `ts` in Unix s."""

    ts: float
    what: str
    device: str
    place: str
    body: dict[str, Any]


class Account:
    """What one machine has done since it began: seconds by state, parts, material, jobs, and what was lost."""

    __slots__ = ("good", "jobs", "lost", "material_g", "scrap", "since", "state", "states_s")

    def __init__(self) -> None:
        self.states_s: defaultdict[str, float] = defaultdict(float)
        self.jobs: Counter[str] = Counter()
        self.good = self.scrap = 0
        self.material_g = 0.0
        self.lost: Counter[str] = Counter()
        self.state: State | None = None
        self.since = 0.0

    def add(self, happening: Happening) -> None:
        """Count what happened."""
        if isinstance(happening, StateSeen):
            if self.state is not None:
                self.states_s[str(self.state)] += happening.ts - self.since
            self.state, self.since = happening.state, happening.ts
        elif isinstance(happening, JobEnded):
            self.jobs[str(happening.outcome)] += 1
            self.material_g += happening.material_g or 0.0
        elif isinstance(happening, PartCounted):
            self.good += happening.good
            self.scrap += happening.scrap

    def told(self, now: float, *, energy_kwh: float) -> dict[str, Any]:
        """Return the account at `now`; `downtime_s` is the time in fault or without power."""
        states_s = dict(self.states_s)
        if self.state is not None:
            states_s[str(self.state)] = states_s.get(str(self.state), 0.0) + now - self.since
        return {
            "energy_kwh": round(energy_kwh, 6),
            "material_g": round(self.material_g, 1),
            "good": self.good,
            "scrap": self.scrap,
            "jobs": dict(self.jobs),
            "downtime_s": round(sum(states_s.get(state, 0.0) for state in DOWN), 3),
            "states_s": {state: round(lasted, 3) for state, lasted in states_s.items()},
            "lost": dict(self.lost),
        }


class Truth:
    """An append-only record, in memory and, given a path, as JSON lines too."""

    def __init__(self, path: Path | None = None) -> None:
        self._file = path.open("a", encoding="utf-8") if path is not None else None
        self._entries: list[TruthEntry] = []
        self._struck: list[FaultPlan] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def entries(self) -> tuple[TruthEntry, ...]:
        """Return everything so far, in the order in which it was told."""
        return tuple(self._entries)

    @property
    def faults(self) -> tuple[FaultPlan, ...]:
        """Return the faults that have really struck; `onset` is when they did."""
        return tuple(self._struck)

    def struck(self, plan: FaultPlan) -> None:
        """Note that the fault has struck at its onset."""
        self._struck.append(plan)
        body = {"kind": str(plan.kind), "lasts_s": plan.lasts_s}
        self._note(TruthEntry(plan.onset, "fault", plan.device, plan.place, body))

    def eased(self, plan: FaultPlan, ts: float) -> None:
        """Note that the fault is gone."""
        self._note(TruthEntry(ts, "fault_ended", plan.device, plan.place, {"kind": str(plan.kind)}))

    def happened(self, device: str, place: str, ts: float, happening: Happening) -> None:
        """Note a state, a part, or a job's start or end."""
        names = happening.__struct_fields__
        body = {name: getattr(happening, name) for name in names if getattr(happening, name) is not None}
        self._note(TruthEntry(ts, _WHAT[type(happening)], device, place, body))

    def account(self, device: str, place: str, ts: float, body: dict[str, Any]) -> None:
        """Note what a machine has done until `ts`."""
        self._note(TruthEntry(ts, "account", device, place, body))

    def _note(self, entry: TruthEntry) -> None:
        self._entries.append(entry)
        if self._file is not None:
            self._file.write(json.dumps(entry._asdict(), separators=(",", ":")) + "\n")
            self._file.flush()

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
