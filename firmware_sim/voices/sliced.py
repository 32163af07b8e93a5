# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a slicer and a firmware tell of a job beside its name: layers, millimetres, bytes, seconds."""

from __future__ import annotations

from typing import Final, NamedTuple

from firmware_sim.machines.printer import Printer

LAYER_S: Final = 40.0
"""Seconds that the slicer plans for a layer (assumption)."""
LAYER_MM: Final = 0.2
BYTES_PER_S: Final = 290
"""Bytes of G-code for a second of printing (assumption)."""


class Sliced(NamedTuple):
    """One job at one moment; lengths in mm, durations in seconds of the plant's time."""

    file: str
    ratio: float
    layer: int
    layers: int
    size_bytes: int
    filament_mm: float
    running_s: float
    total_s: float
    estimate_s: float

    @property
    def left_s(self) -> float:
        """Return what the slicer's estimate leaves."""
        return self.estimate_s * (1.0 - self.ratio)


def sliced(printer: Printer) -> Sliced | None:
    """Return what there is to tell of the printer's job, None where it has none."""
    job = printer.job
    if job is None:
        return None
    layers = max(round(job.estimate_s / LAYER_S), 1)
    return Sliced(
        job.file,
        job.ratio,
        min(int(job.ratio * layers) + 1, layers) if job.running_s > 0 else 0,
        layers,
        int(job.estimate_s * BYTES_PER_S),
        printer.built.flow_mm_s * job.flow_ratio * job.printed_s,
        job.running_s,
        max(printer.now - job.started_at, 0.0),
        job.estimate_s,
    )
