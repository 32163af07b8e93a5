# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a decoder sees of a job: signs, of which `collector.jobs` makes facts.

`ts` is the arrival (Unix s; of a native event its own time), `stamp` the machine's own clock in seconds, however
coarse: it tells old words from new ones, and never becomes a time in a fact.
"""

from __future__ import annotations

import msgspec

from collector.contract.event import Outcome


class Began(msgspec.Struct, frozen=True):
    """The machine says that a job begins. `stamp` is its own clock (s), `job` the sender's id where it gives one."""

    ts: float
    file: str | None = None
    stamp: float | None = None
    estimate_s: float | None = None
    job: str | None = None


class Running(msgspec.Struct, frozen=True):
    """Evidence that a job runs now; without `file` it is the one that we know of. Opens a job whose start we missed.

    `opens`: it does so without a file too, and at once: the decoder knows that it is no echo of a job that ended.
    """

    ts: float
    file: str | None = None
    stamp: float | None = None
    print_time_s: float | None = None
    estimate_s: float | None = None
    opens: bool = False


class Held(msgspec.Struct, frozen=True):
    """The machine says "paused"."""

    ts: float
    stamp: float | None = None


class Resumed(msgspec.Struct, frozen=True):
    """The machine says "resumed"."""

    ts: float
    stamp: float | None = None


class Ended(msgspec.Struct, frozen=True):
    """The machine says how the job ended. With the sender's id in `job` the report is whole, and taken at once.

    `started_at` and `ended_at` (Unix s) are by a clock that can be trusted; the arrival stands in for the end. For
    `record_due_s` the machine's own record of the job may follow, as another Ended: it knows better.
    """

    ts: float
    outcome: Outcome
    file: str | None = None
    stamp: float | None = None
    cause: str | None = None
    duration_s: float | None = None
    print_duration_s: float | None = None
    total_duration_s: float | None = None
    held_s: float | None = None
    estimate_s: float | None = None
    material_g: float | None = None
    material_mm: float | None = None
    energy_kwh: float | None = None
    job: str | None = None
    started_at: float | None = None
    ended_at: float | None = None
    record_due_s: float = 0.0


class Broke(msgspec.Struct, frozen=True):
    """The machine stopped in the middle; `words` are its own, `phrase` ours where it gives none."""

    ts: float
    phrase: str
    words: str | None = None
    stamp: float | None = None


class Stopped(msgspec.Struct, frozen=True):
    """Evidence that no job runs now: if one is open and its end does not follow, we missed it."""

    ts: float
    stamp: float | None = None


class Lost(msgspec.Struct, frozen=True):
    """Who told us of the machine is gone: how the job went on nobody knows."""

    ts: float
    cause: str


Sign = Began | Running | Held | Resumed | Ended | Broke | Stopped | Lost
