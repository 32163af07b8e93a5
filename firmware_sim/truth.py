# SPDX-License-Identifier: AGPL-3.0-or-later
"""The log of what really happened: faults, states and jobs, beside the wire."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from collector.contract.event import JobEnded, JobStarted, StateSeen
from firmware_sim.faults import FaultPlan

Happening = StateSeen | JobStarted | JobEnded
_WHAT: Final = {StateSeen: "state", JobStarted: "job_started", JobEnded: "job_ended"}


class TruthEntry(NamedTuple):
    """One true thing; `what` is fault, fault_ended, state, job_started or job_ended, `ts` in Unix s."""

    ts: float
    what: str
    device: str
    place: str
    body: dict[str, Any]


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
        """Note a state or a job's start or end."""
        names = happening.__struct_fields__
        body = {name: getattr(happening, name) for name in names if getattr(happening, name) is not None}
        self._note(TruthEntry(ts, _WHAT[type(happening)], device, place, body))

    def _note(self, entry: TruthEntry) -> None:
        self._entries.append(entry)
        if self._file is not None:
            self._file.write(json.dumps(entry._asdict(), separators=(",", ":")) + "\n")
            self._file.flush()

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
