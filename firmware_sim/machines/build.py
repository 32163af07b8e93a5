# SPDX-License-Identifier: AGPL-3.0-or-later
"""What makes one printer differ from the next, and what it prints."""

from __future__ import annotations

import random
from typing import Final, NamedTuple

MATERIALS: Final = (("pla", 210.0, 60.0), ("pla", 215.0, 60.0), ("petg", 230.0, 75.0))
"""Material, nozzle and bed target in °C; a machine stays with one."""
FILES: Final = (
    ("hinge-set", 38),
    ("sensor-case", 47),
    ("pump-housing", 64),
    ("splint-left", 72),
    ("valve-body", 85),
    ("rail-clamps", 96),
    ("lamp-shade", 118),
    ("seed-drill", 131),
)
"""File and minutes that its slicer estimates."""
LONG_FILE: Final = "enclosure-lid"
BIAS: Final = (0.85, 1.25)
"""True printing time over the estimate, by machine."""
TAKES_SD: Final = 0.02
FLOW_SD: Final = 0.03
"""How jobs of one machine differ in time and in flow (share, one standard deviation)."""
CANCELLED_SHARE: Final = 0.03


class Build(NamedTuple):
    """The constants of one printer; `flow_mm_s` is filament into the nozzle while printing."""

    device: str
    material: str
    nozzle_target_degc: float
    bed_target_degc: float
    loss_ratio: float
    flow_mm_s: float
    bias: float
    standby_w: float
    motors_w: float


class Job:
    """One print: `takes_s` is its usual printing time, `printed_s` how much of that is behind it after `running_s`.

    Layers go faster or slower than usual, so the two differ by a percent or so.
    """

    __slots__ = (
        "cancel_at",
        "energy_kwh_before",
        "estimate_s",
        "file",
        "flow_ratio",
        "id",
        "printed_s",
        "running_s",
        "started_at",
        "takes_s",
    )

    def __init__(self, job_id: str, file: str, *, estimate_s: float, takes_s: float, flow_ratio: float) -> None:
        self.id = job_id
        self.file = file
        self.estimate_s = estimate_s
        self.takes_s = takes_s
        self.flow_ratio = flow_ratio
        self.cancel_at = 1.0
        self.started_at = 0.0
        self.printed_s = 0.0
        self.running_s = 0.0
        self.energy_kwh_before = 0.0

    @property
    def ratio(self) -> float:
        """Return the share that is printed, 0..1."""
        return min(self.printed_s / self.takes_s, 1.0)


def build(device: str, seed: int) -> Build:
    """Return the printer of that seed: the same in history and live."""
    rng = random.Random(f"build/{seed}")  # noqa: S311 - a simulation
    material, nozzle_degc, bed_degc = rng.choice(MATERIALS)
    return Build(
        device,
        material,
        nozzle_degc,
        bed_degc,
        loss_ratio=rng.uniform(0.96, 1.04),
        flow_mm_s=rng.uniform(5.0, 5.8),
        bias=rng.uniform(*BIAS),
        standby_w=rng.uniform(7.0, 9.0),
        motors_w=rng.uniform(20.0, 25.0),
    )


def draw_job(built: Build, job_id: str, rng: random.Random) -> Job:
    """Return an everyday job: a file of the catalogue with this machine's bias."""
    name, minutes = rng.choice(FILES)
    takes_s = 60.0 * minutes * built.bias * rng.lognormvariate(0.0, TAKES_SD)
    job = Job(
        job_id,
        f"{name}.{built.material}.gcode",
        estimate_s=60.0 * minutes,
        takes_s=takes_s,
        flow_ratio=max(rng.gauss(1.0, FLOW_SD), 0.8),
    )
    if rng.random() < CANCELLED_SHARE:
        job.cancel_at = rng.uniform(0.05, 0.9)
    return job


def long_job(built: Build, job_id: str, rng: random.Random, *, takes_s: float) -> Job:
    """Return a job that will print for `takes_s`, and that nobody cancels."""
    estimate_s = round(takes_s / (built.bias * rng.lognormvariate(0.0, TAKES_SD)))
    flow_ratio = max(rng.gauss(1.0, FLOW_SD), 0.8)
    file = f"{LONG_FILE}.{built.material}.gcode"
    return Job(job_id, file, estimate_s=estimate_s, takes_s=takes_s, flow_ratio=flow_ratio)
