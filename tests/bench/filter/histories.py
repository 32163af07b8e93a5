# SPDX-License-Identifier: AGPL-3.0-or-later
"""Whole histories of 50 to 700 rows with up to four changes: how well they are found row by row, and looking back.

An open set beside TCPD, whose annotators disagree: sixteen sorts of histories with a truth, regenerated from seeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from judging import Floats
from ours import hear, learn, padded
from table import Session, number, show
from tcpd import YEAR, cover, f1, points

from cyberfilter.backtest.lookback import changes

RUNS: Final = 10
"""Seeds of each sort."""
SHORT, LONG, CHANGES_MAX = 50, 700, 4
Draw = np.random.Generator
Shape = Callable[[Draw, list[int], int], Floats]


class Sort(NamedTuple):
    """How a sort of history is made: where its level goes, how much of its noise stays; `period` where one is known."""

    shape: Shape
    kept: float = 0.0
    changes: bool = True
    outliers: float = 0.0
    period: int = 0


def _steps(low: float, high: float) -> Shape:
    def shape(rng: Draw, cuts: list[int], count: int) -> Floats:
        size = np.zeros(count)
        size[cuts] = rng.choice([-1.0, 1.0], len(cuts)) * rng.uniform(low, high, len(cuts))
        return np.cumsum(size)

    return shape


def _bends(rng: Draw, cuts: list[int], count: int) -> Floats:
    slope, rise = rng.normal() * 12 / count, np.zeros(count)
    for a, b in pairwise((0, *cuts, count)):
        rise[a:b] = slope
        slope += rng.choice([-1.0, 1.0]) * rng.uniform(6, 18) / max(min(b - a, count - b), 10)
    return np.cumsum(rise)


def _trend(rng: Draw, _: list[int], count: int) -> Floats:
    return np.asarray(rng.normal() * 15 / count * np.arange(count))


def _season(rng: Draw, _: list[int], count: int) -> Floats:
    wave = rng.normal(size=YEAR) * 3.0
    return np.asarray((wave - wave.mean())[np.arange(count) % YEAR])


def _growth(rng: Draw, _: list[int], count: int) -> Floats:
    t = np.linspace(0, 1, count)
    return np.asarray(rng.uniform(10, 40) / (1 + np.exp(-rng.uniform(2, 8) * (t - rng.uniform(0.2, 0.8)))))


def _walk(speed: float) -> Shape:
    return lambda rng, _, count: np.asarray(np.cumsum(rng.normal(size=count)) * speed)


def _smooth(rng: Draw, _: list[int], count: int) -> Floats:
    return np.asarray(3.0 * np.cumsum(_noise(rng, count, 0.98)))


def _both(one: Shape, other: Shape) -> Shape:
    return lambda rng, cuts, count: one(rng, cuts, count) + other(rng, cuts, count)


SORTS: Final = {
    "steps": Sort(_steps(3, 6)),
    "steps, AR .3": Sort(_steps(3, 6), kept=0.3),
    "steps, AR .6": Sort(_steps(4, 8), kept=0.6),
    "steps, outliers": Sort(_steps(3, 6), outliers=0.02),
    "steps on a trend": Sort(_both(_trend, _steps(3, 7))),
    "steps, season": Sort(_both(_season, _steps(5, 9)), period=YEAR),
    "steps on a walk": Sort(_both(_walk(0.7), _steps(8, 16))),
    "steps on a growth": Sort(_both(_growth, _steps(5, 9)), kept=0.7),
    "steps on a smooth curve": Sort(_both(_smooth, _steps(24, 48))),
    "bends": Sort(_bends),
    "bends, season": Sort(_both(_season, _bends), period=YEAR),
    "nothing": Sort(_steps(0, 0), changes=False),
    "nothing, AR .5": Sort(_steps(0, 0), kept=0.5, changes=False),
    "nothing on a trend": Sort(_trend, changes=False),
    "nothing on a walk": Sort(_walk(1.0), changes=False),
    "nothing on a growth": Sort(_growth, kept=0.7, changes=False),
}


def history(name: str, seed: int) -> tuple[Floats, list[int]]:
    """Return a history of that sort, in deviations of its noise, and the rows from which on something is new."""
    rng, sort = np.random.default_rng([list(SORTS).index(name), seed]), SORTS[name]
    count = int(math.exp(rng.uniform(math.log(SHORT), math.log(LONG))))
    cuts = _cuts(rng, count) if sort.changes else []
    value = sort.shape(rng, cuts, count) + _noise(rng, count, sort.kept)
    far = rng.choice([-1.0, 1.0], count) * rng.uniform(5, 12, count)
    return np.where(rng.random(count) < sort.outliers, value + far, value), cuts


def _cuts(rng: Draw, count: int) -> list[int]:
    wanted, found = rng.integers(0, min(CHANGES_MAX, count // 25) + 1), list[int]()
    while len(found) < wanted:
        at = int(rng.integers(10, count - 10))
        if all(abs(at - other) >= max(10, count // 20) for other in found):
            found.append(at)
    return sorted(found)


def _noise(rng: Draw, count: int, kept: float) -> Floats:
    found = rng.normal(size=count)
    for at in range(1, count):
        found[at] = kept * found[at - 1] + math.sqrt(1 - kept * kept) * found[at]
    return found


def run(session: Session) -> None:
    """Print F1 and cover of each sort and of all, row by row and looking back, and by how many too many were told."""
    rows, every = [], []
    for name, sort in SORTS.items():
        made = [history(name, seed) for seed in session.runs(RUNS)]
        whole = padded([value for value, _ in made])
        heard = hear(whole, "hypotheses", given=learn(whole))
        told = (
            [points(heard, at, len(value)) for at, (value, _) in enumerate(made)],
            [[change.at for change in changes(value, sort.period)] for value, _ in made],
        )
        figures = [
            np.mean([(f1([true], p), cover([true], p, len(value)), len(p) - len(true))
                     for (value, true), p in zip(made, each, strict=True)], axis=0)
            for each in told
        ]  # fmt: skip
        every.append(np.concatenate(figures))
        rows.append((name, *map(number, every[-1].tolist())))
        session.say(f"histories: {name}")
    head = ("history", "row by row F1", "cover", "too many", "looking back F1", "cover", "too many")
    rows.append(("all", *map(number, np.mean(every, axis=0).tolist())))
    show(f"whole histories, {len(session.runs(RUNS))} of each sort", head, rows)
    session.found["histories"] = {row[0]: each.tolist() for row, each in zip(rows[:-1], every, strict=True)}
