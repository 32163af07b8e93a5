# SPDX-License-Identifier: AGPL-3.0-or-later
"""The reference historian, in memory: what the others must answer. It is gone with the process."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

from collector.contract.ports import RefusedRow
from collector.historian.admission import Rows, admit, micros, micros_bound
from collector.historian.retention import FOR_EVER, Retention, oldest_us
from collector.historian.rollup import buckets, coarsest, split

_Samples = dict[tuple[int, str], float]
"""Values by time in microseconds and device; an index has no device: ''."""


class MemoryHistorian:
    """A Historian of one process.

    Where several devices at a place have the same indicator, `series` merges their points, and at an equal time
    the device whose id sorts last is shown; `rolled` counts every device's sample. Where a place has readings and
    index values of the same name within the range, the readings are returned. It rolls nothing up: samples are kept
    for `raw_days`, and then nothing is left of them.
    """

    def __init__(self, retention: Retention = FOR_EVER) -> None:
        self._readings: dict[tuple[str, str], _Samples] = {}
        self._indices: dict[tuple[str, str], _Samples] = {}
        self._lock = Lock()
        self._retention = retention

    def write(self, rows: Rows) -> Sequence[RefusedRow]:
        """Keep the rows; return those that can never be kept."""
        runs, refused = admit(rows)
        with self._lock:
            for run in runs:
                kept, device = (self._indices, "") if run.device is None else (self._readings, run.device)
                samples = kept.setdefault((run.place, run.name), {})
                samples.update({(at, device): value for at, value in zip(run.times_us, run.values, strict=True)})
        return refused

    def series(self, place: str, name: str, *, start: float, end: float, most: int) -> list[tuple[float, float]]:
        """Return at most `most` + 1 points (Unix s, value), start <= t < end, oldest first."""
        merged = {time_us: value for time_us, _, value in self._between(place, name, start=start, end=end)}
        return [(time_us / 1e6, value) for time_us, value in merged.items()][: most + 1]

    def rolled(
        self, place: str, name: str, *, start: float, end: float, step_s: float, most: int
    ) -> list[tuple[float, float, float, float]]:
        """Return at most `most` + 1 buckets (start, min, mean, max), aligned to multiples of `step_s`."""
        step_us = micros(step_s)
        columns: dict[str, tuple[list[int], list[float]]] = {}
        for time_us, device, value in self._between(place, name, start=start, end=end):
            times, values = columns.setdefault(device, ([], []))
            times.append(time_us)
            values.append(value)
        parts = [coarsest(split(*columns[device], step_us), step_us) for device in sorted(columns)]
        rows = [(at / 1e6, tally.low, tally.total / tally.samples, tally.high) for at, tally in buckets(parts, step_us)]
        return rows[: most + 1]

    def _between(self, place: str, name: str, *, start: float, end: float) -> list[tuple[int, str, float]]:
        start_us, end_us = micros_bound(start), micros_bound(end)
        with self._lock:
            for kept in (self._readings, self._indices):
                samples = kept.get((place, name), {})
                found = [(at, device, value) for (at, device), value in samples.items() if start_us <= at < end_us]
                if found:
                    return sorted(found)
        return []

    def tidy(self, now: float) -> int:
        """Forget samples older than `raw_days`; return how many."""
        oldest = oldest_us(self._retention.raw_days, micros(now))
        if oldest is None:
            return 0
        forgotten = 0
        with self._lock:
            for kept in (self._readings, self._indices):
                for key, samples in kept.items():
                    kept[key] = {at: value for at, value in samples.items() if at[0] >= oldest}
                    forgotten += len(samples) - len(kept[key])
        return forgotten

    def ready(self) -> str | None:
        """Return None: memory is always there."""
        return None

    def close(self) -> None:
        """Keep everything: a test may look at it afterwards."""
