# SPDX-License-Identifier: AGPL-3.0-or-later
"""NAB: the shipped score and the prototype's recipe on the files that are there, beside the floors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import recipe
from judging import Floats
from nab import PROFILES, File, Score, fixed, tuned
from ours import hear, padded
from scipy import stats
from table import Session, number, show

SHIPPED: Final = 1.0 - 1.0 / 700.0
"""The threshold of the score that is not tuned: one row in seven hundred."""
RANDOM_SEEDS: Final = 20
EVERY: Final = 0.05
ROWS_QUICK: Final = 2600


def shipped(session: Session, files: Sequence[File]) -> tuple[str, list[Floats]]:
    """Return the default filter's score of each row, and what it is called: its surprise where it has no score yet."""
    length = max(len(file.value) for file in files)
    rows, times = padded([file.value for file in files]), np.zeros((len(files), length))
    cadence = np.array([np.median(np.diff(file.time_s)) for file in files])
    for at, file in enumerate(files):
        times[at, : len(file.time_s)] = (file.time_s - file.time_s[0]) / cadence[at]
    heard = hear(rows, "hypotheses", session.say, times=times)
    if np.isfinite(heard.score).any():
        return "hypotheses, score as shipped", _cut(np.nan_to_num(heard.score), files)
    with np.errstate(invalid="ignore", divide="ignore"):
        away = np.abs(rows - heard.forecast_mean) / heard.forecast_sd
    plain = 1.0 - 2.0 * stats.norm.sf(np.nan_to_num(away))
    return "hypotheses, plain surprise (no score yet)", [recipe.once(row) for row in _cut(plain, files)]


def _cut(rows: Floats, files: Sequence[File]) -> list[Floats]:
    return [row[: len(file.value)] for row, file in zip(rows, files, strict=True)]


def run(session: Session, files: Sequence[File]) -> None:
    """Print the three profiles of each, with the best threshold for all files and with the one as shipped."""
    if session.quick:
        files = [file for file in files if len(file.value) <= ROWS_QUICK]
    session.say(f"NAB: {len(files)} files of {sum(len(file.value) for file in files)} rows")
    name, own = shipped(session, files)
    rows = {
        "floor: null": _row(files, [np.zeros(len(file.value)) for file in files]),
        f"floor: at random, mean of {RANDOM_SEEDS}": _random(files),
        "floor: every 5 % of a file": _row(files, [_periodic(len(file.value)) for file in files]),
        "prototype's recipe": _row(files, recipe.scores(files, session.say)),
        name: _row(files, own),
    }
    show(
        f"NAB, {len(files)} files, {sum(len(file.windows) for file in files)} windows: one threshold for all files",
        ("detector", *(f"{profile}" for profile in PROFILES), "at", *(f"fixed, {profile}" for profile in PROFILES)),
        [
            (label, *(number(s.score) for s in best), f"{best[0].threshold:.6f}", *(number(s.score) for s in still))
            for label, (best, still) in rows.items()
        ],
        (
            "best threshold for each profile (at: the standard one), then a score above 1 - 1/700, untuned",
            "half-splits of the files differ by about 4 points (1 sd); published on all 58 files: random 11, HTM 70",
        ),
    )
    session.found["nab"] = {
        label: {"tuned": [list(s) for s in best], "fixed": [list(s) for s in still]}
        for label, (best, still) in rows.items()
    }
    ours, theirs = rows[name], rows["prototype's recipe"]
    session.goal(
        "4 NAB standard, tuned: not below the recipe's",
        f"{ours[0][0].score:.1f} (recipe {theirs[0][0].score:.1f})",
        ours[0][0].score >= theirs[0][0].score,
    )
    session.goal(
        "4 NAB standard, fixed threshold: not below the recipe's",
        f"{ours[1][0].score:.1f} (recipe {theirs[1][0].score:.1f})",
        ours[1][0].score >= theirs[1][0].score,
    )


def _row(files: Sequence[File], scores: Sequence[Floats]) -> tuple[list[Score], list[Score]]:
    return (
        [tuned(files, scores, profile) for profile in PROFILES],
        [fixed(files, scores, profile, SHIPPED) for profile in PROFILES],
    )


def _random(files: Sequence[File]) -> tuple[list[Score], list[Score]]:
    every = [
        _row(files, [np.random.default_rng(seed).random(len(file.value)) for file in files])
        for seed in range(RANDOM_SEEDS)
    ]
    return tuple(  # type: ignore[return-value]
        [Score(*np.mean([row[kind][at] for row in every], axis=0).tolist()) for at in range(len(PROFILES))]
        for kind in range(2)
    )


def _periodic(length: int) -> Floats:
    return np.where(np.arange(length) % max(int(EVERY * length), 1) == 0, 1.0, 0.0)
