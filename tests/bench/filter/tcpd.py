# SPDX-License-Identifier: AGPL-3.0-or-later
"""Turing Change Point Dataset: F1 and covering by the published formulas, and our filter's change points.

van den Burg & Williams (2020), An Evaluation of Change Point Detection Algorithms, arXiv:2003.06222, section 4. The
data are not ours; of its series those are taken for which the defaults of peers are published.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from judging import Floats
from ours import WORDS, Heard, hear, learn, padded
from table import Session, number, show

from cyberfilter.backtest.lookback import changes
from cyberfilter.filter import PROFILES

MARGIN: Final = 5
PEERS: Final = ("binseg", "pelt", "amoc", "bocpd")
QUALITY: Final = "quality_control"
MONTHS, YEAR = "%Y-%m", 12


class Dataset(NamedTuple):
    """One series, the change points that each annotator saw, and what is published of peers with their defaults.

    `period` is a year of a series of months, else 0.
    """

    name: str
    value: Floats
    seen: list[list[int]]
    published: dict[str, float]
    period: int


def read(folder: Path) -> list[Dataset]:
    """Return the series below `folder`/datasets for which peers' scores are published."""
    every = json.loads((folder / "annotations.json").read_text(encoding="utf-8"))
    with (folder / "published_scores_subset.csv").open(encoding="utf-8", newline="") as stream:
        published = {row.pop("series"): row for row in csv.DictReader(stream)}
    found = []
    for name, row in sorted(published.items()):
        told = json.loads((folder / "datasets" / f"{name}.json").read_text(encoding="utf-8"))
        value = np.array(told["series"][0]["raw"], dtype=np.float64)
        value /= max(float(np.nanmax(np.abs(value))), 1e-300)  # its own unit may be beyond what a bank takes
        figures = {key: float(figure) for key, figure in row.items()}
        period = YEAR if told["time"].get("format") == MONTHS else 0
        found.append(Dataset(name, value, [list(map(int, one)) for one in every[name].values()], figures, period))
    return found


def hits(truth: Collection[int], found: Collection[int], margin: int = MARGIN) -> int:
    """Return how many true points have a found one within the margin, each found one used once, the nearest first."""
    left, count = set(found), 0
    for point in sorted(truth):
        near = [(abs(point - other), other) for other in left if abs(point - other) <= margin]
        if near:
            left.remove(min(near)[1])
            count += 1
    return count


def f1(seen: Sequence[Collection[int]], found: Collection[int]) -> float:
    """Return F1: precision against all annotators' points together, recall as the mean over annotators; 0 is in all."""
    ours = {0, *found}
    truths = [{0, *points} for points in seen]
    precision = hits(set().union(*truths), ours) / len(ours)
    recall = float(np.mean([hits(truth, ours) / len(truth) for truth in truths]))
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def cover(seen: Sequence[Collection[int]], found: Collection[int], length: int) -> float:
    """Return how well the found segments cover those of each annotator: Jaccard, weighed by length, then the mean."""
    ours = _segments(found, length)
    every = []
    for points in seen:
        parts = _segments(points, length)
        every.append(sum((b - a) * max(_jaccard((a, b), other) for other in ours) for a, b in parts) / length)
    return float(np.mean(every))


def _segments(points: Collection[int], length: int) -> list[tuple[int, int]]:
    ends = sorted({0, length, *(point for point in points if 0 < point < length)})
    return list(pairwise(ends))


def _jaccard(one: tuple[int, int], other: tuple[int, int]) -> float:
    both = max(min(one[1], other[1]) - max(one[0], other[0]), 0)
    return both / (one[1] - one[0] + other[1] - other[0] - both)


CONFIRM: Final = 8
"""As many rows as a birth of a level is protected for: one that is still the likeliest then has stood on its own."""
KINDS: Final = ("step", "slope")
"""What the annotators were asked for: changes of level and trend, not of noise."""
LIMIT: Final = 0.5
NOTES: Final = (
    "published ones and looking back (which `cybersyn backtest` has too) see a series at once",
    "classic goes through it once, row by row",
    "hypotheses goes through it twice: its first 250 rows teach noise and adaptivity, then all are judged row by row",
)
OURS: Final = "hypotheses, learned before"
BACK: Final = "looking back"


def points(heard: Heard, run: int, length: int) -> list[int]:
    """Return the change points of one run: births whose change is believed in for CONFIRM rows on end.

    While the likeliest birth moves by no more than two rows it is the same; of births within MARGIN the first stays.
    """
    found: list[int] = []
    held, count = -1.0, 0
    for at in range(length):
        told = heard.p_change[run, at] > LIMIT and WORDS[heard.kind[run, at]] in KINDS
        since = heard.change_since[run, at] if told else np.nan
        if np.isnan(since):
            held, count = -1.0, 0
            continue
        if held < 0 or abs(since - held) > 2:
            held, count = since, 0
        count += 1
        if count == CONFIRM and (not found or held - found[-1] > MARGIN):
            found.append(int(held))
    return found


def classic_points(heard: Heard, run: int, length: int) -> list[int]:
    """Return the rows of which classic said two rows later that level or slope changed; of neighbours the first."""
    found: list[int] = []
    for at in np.flatnonzero(heard.p_change[run, :length] > LIMIT) - 2:
        if not found or at - found[-1] > MARGIN:
            found.append(int(at))
    return found


def run(session: Session, folder: Path) -> None:
    """Print F1 and cover of ours beside what is published, on all series and without those of quality control."""
    sets = read(folder)
    session.say(f"TCPD: {len(sets)} series")
    rows = padded([one.value for one in sets])
    own = hear(rows, "hypotheses", session.say, given=learn(rows))
    classic = hear(rows, "classic", session.say, profile=PROFILES["hs1971"], commission=0)
    lengths = [len(one.value) for one in sets]
    told = {
        "floor: zero": [[] for _ in sets],
        "floor: at random, 1 in 100": [
            np.flatnonzero(np.random.default_rng(at).random(length) < 0.01).tolist()
            for at, length in enumerate(lengths)
        ],
        "floor: every 100": [list(range(100, length, 100)) for length in lengths],
        "classic, hs1971": [classic_points(classic, at, length) for at, length in enumerate(lengths)],
        OURS: [points(own, at, length) for at, length in enumerate(lengths)],
        BACK: [[change.at for change in changes(one.value, one.period)] for one in sets],
    }
    real = np.array([not one.name.startswith(QUALITY) for one in sets])
    table = {f"published, defaults: {peer}": _published(sets, peer) for peer in PEERS}
    table |= {
        name: np.array([(f1(s.seen, p), cover(s.seen, p, len(s.value))) for s, p in zip(sets, every, strict=True)])
        for name, every in told.items()
    }
    show(
        f"TCPD, {len(sets)} series, margin {MARGIN}; and the {int(real.sum())} without {QUALITY}",
        ("detector", "F1", "cover", f"F1 ({int(real.sum())})", f"cover ({int(real.sum())})"),
        [
            (name, *(number(part, 3) for part in (*each.mean(axis=0), *each[real].mean(axis=0))))
            for name, each in table.items()
        ],
        NOTES,
    )
    session.found["tcpd"] = {
        name: {one.name: pair.tolist() for one, pair in zip(sets, each, strict=True)} for name, each in table.items()
    }
    reached = table[BACK].mean(axis=0)
    for name, figure, least in zip(("F1", "cover"), reached.tolist(), (0.74, 0.68), strict=True):
        session.goal(f"4 TCPD-30 {name} ≥ {least}", number(figure, 3), figure >= least)


def _published(sets: Sequence[Dataset], peer: str) -> Floats:
    return np.array([(one.published[f"f1_{peer}"], one.published[f"cover_{peer}"]) for one in sets])
