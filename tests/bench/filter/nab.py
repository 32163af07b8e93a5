# SPDX-License-Identifier: AGPL-3.0-or-later
"""Numenta's benchmark (NAB 1.1): files and windows from a folder, and its score by the published formulas.

Lavin & Ahmad (2015), Evaluating Real-time Anomaly Detection Algorithms, arXiv:1510.03336. The data are not ours.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from judging import Floats

PROFILES: Final = {"standard": (0.11, 1.0), "low FP": (0.22, 1.0), "low FN": (0.11, 2.0)}
"""Weights of a false positive and of a missed window."""
PROBATION: Final = 0.15
PROBATION_MAX: Final = 750


class File(NamedTuple):
    """One series: its name, times (s), values, and the first and last row of each labelled window."""

    name: str
    time_s: Floats
    value: Floats
    windows: list[tuple[int, int]]

    @property
    def probation(self) -> int:
        """The rows at the start that do not count."""
        return min(int(PROBATION * len(self.value)), PROBATION_MAX)


class Score(NamedTuple):
    """The score (null 0, perfect 100) and the threshold at which it is reached."""

    score: float
    threshold: float


def read(folder: Path) -> list[File]:
    """Return the files below `folder`/data, times made to rise where a clock went back."""
    labels = json.loads((folder / "combined_windows.json").read_text(encoding="utf-8"))
    return [
        _file(folder / "data" / name, name, windows)
        for name, windows in sorted(labels.items())
        if (folder / "data" / name).exists()
    ]


def _file(path: Path, name: str, windows: Sequence[tuple[str, str]]) -> File:
    with path.open(encoding="utf-8", newline="") as stream:
        rows = [(_seconds(row["timestamp"]), float(row["value"])) for row in csv.DictReader(stream)]
    stamps = np.array([stamp for stamp, _ in rows])
    time_s = np.maximum.accumulate(stamps - np.arange(len(stamps))) + np.arange(len(stamps))
    ends = [(_seconds(left), _seconds(right)) for left, right in windows]
    places = [
        (int(np.searchsorted(stamps, left)), int(np.searchsorted(stamps, right, side="right")) - 1)
        for left, right in ends
    ]
    return File(name, time_s, np.array([value for _, value in rows]), places)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def sigmoid(x: Floats) -> Floats:
    """Return what a detection is worth at that place: 1 far before the end of a window, 0 at it, -1 far behind."""
    return np.where(x > 3.0, -1.0, 2.0 / (1.0 + np.exp(np.minimum(5.0 * x, 500.0))) - 1.0)


def worth(file: File, false_weight: float) -> tuple[Floats, Floats]:
    """Return for each row its worth within a window (0 outside), and outside (0 within)."""
    rows = np.arange(len(file.value))
    inside, outside = np.zeros(len(rows)), np.full(len(rows), -false_weight)
    for at, (left, right) in enumerate(file.windows):
        width = right - left + 1
        end = file.windows[at + 1][0] if at + 1 < len(file.windows) else len(rows)
        window, later = rows[left : right + 1], rows[right + 1 : end]
        inside[window] = sigmoid(-(right - window + 1) / width) / sigmoid(np.array(-1.0))
        outside[window] = 0.0
        outside[later] = false_weight * sigmoid((later - right) / max(width - 1, 1))
    return inside, outside


def curve(files: Sequence[File], scores: Sequence[Floats], profile: str) -> tuple[Floats, Floats]:
    """Return every threshold from the highest, and the score there; a row is a detection from its threshold on."""
    false_weight, missed_weight = PROFILES[profile]
    levels, gains, windows = [np.array([np.inf])], [np.array([0.0])], 0
    for file, score in zip(files, scores, strict=True):
        inside, outside = worth(file, false_weight)
        rows = np.arange(file.probation, len(score))
        free = rows[outside[rows] != 0]
        levels.append(score[free])
        gains.append(outside[free])
        for left, right in file.windows:
            window = np.arange(max(left, file.probation), right + 1)
            order = window[np.argsort(-score[window], kind="stable")]
            best = np.maximum.accumulate(inside[order])
            gain = np.diff(best, prepend=0.0)
            gain[:1] += missed_weight
            levels.append(score[order])
            gains.append(gain)
            windows += 1
    level, gain = np.concatenate(levels), np.concatenate(gains)
    order = np.argsort(-level, kind="stable")
    level, total = level[order], np.cumsum(gain[order])
    last = np.append(level[1:] < level[:-1], True)
    null = -windows * missed_weight
    return level[last], 100.0 * total[last] / (windows - null)


def tuned(files: Sequence[File], scores: Sequence[Floats], profile: str) -> Score:
    """Return the score at the one threshold for all files that makes it largest."""
    levels, totals = curve(files, scores, profile)
    best = int(totals.argmax())
    return Score(float(totals[best]), float(levels[best]))


def fixed(files: Sequence[File], scores: Sequence[Floats], profile: str, threshold: float) -> Score:
    """Return the score at that threshold."""
    levels, totals = curve(files, scores, profile)
    return Score(float(totals[np.flatnonzero(levels >= threshold)[-1]]), threshold)
