# SPDX-License-Identifier: AGPL-3.0-or-later
"""The prototype's recipe for one file: several clocks of the classic filter, tails by peaks over threshold, episodes.

A short reference to measure the shipped score against. At each clock (means of 1, 3, 6, 12, 24, 48 rows) the classic
filter's steady forecast makes a z; the raw value itself is watched for extremes, high and low. Each of these streams
learns its own tail (Siffer et al. 2017: generalised Pareto over the 95 % quantile; Hosking & Wallis 1987: weighted
moments), and the smallest tail probability of a row speaks. A row that is not the most alarming of its last 100 says
nothing: an episode is told once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from judging import Floats
from nab import File
from numpy.lib.stride_tricks import sliding_window_view
from ours import Said, hear, padded

from cyberfilter.filter import PROFILES

CLOCKS: Final = (1, 3, 6, 12, 24, 48)
KEPT: Final = 0.995
"""Share of the noise variance's degrees of freedom that is kept from value to value."""
OVER: Final = 0.95
SHAPES: Final = (-0.2, 0.5)
REFIT: Final = 10
"""A tail is learned anew after so many values, or a fiftieth of those known."""
LEARN: Final = 50
"""Values of a stream before its tail says anything."""
EPISODE: Final = 100


def tail(stream: Floats) -> Floats:
    """Return each value's tail probability under the tail of those before it; 1 where nothing is known, NaN is none."""
    told = np.ones(len(stream))
    there = np.flatnonzero(np.isfinite(stream))
    known = stream[there]
    at = LEARN
    while at < len(known):
        until = at + max(REFIT, at // 50)
        past = np.sort(known[:at])
        cut = past[int(OVER * at)]
        excess = past[past > cut] - cut
        told[there[at:until]] = _survival(known[at:until] - cut, excess, len(excess) / at)
        at = until
    return told


def _survival(over: Floats, excess: Floats, share: float) -> Floats:
    """Return the probability of so much over the cut, by the Pareto whose weighted moments are the excesses'."""
    if len(excess) < 2 or excess[-1] <= 0:
        return np.where(over > 0, max(share, 1e-3) / 2, 1.0)
    count = len(excess)
    first = float(excess.mean())
    second = float((excess * (count - 1 - np.arange(count))).mean()) / (count - 1)
    shape = 2.0 - first / (first - 2.0 * second) if first > 2.0 * second else SHAPES[0]
    shape = min(max(shape, SHAPES[0]), SHAPES[1])
    scale = max(first * (1.0 - shape), 1e-300)
    z = np.maximum(over, 0.0) / scale
    survived = np.exp(-z) if abs(shape) < 1e-9 else np.maximum(1.0 + shape * z, 0.0) ** (-1.0 / shape)
    return np.where(over > 0, share * survived, 1.0)


def blocks(value: Floats, count: int) -> Floats:
    """Return the means of whole blocks of so many values."""
    whole = len(value) // count
    return np.asarray(value[: whole * count].reshape(whole, count).mean(axis=1))


def deviations(rows: Sequence[Floats], said: Said) -> list[Floats]:
    """Return |z| of each value under the classic filter's steady forecast (Wallace's equivalent of Student's t)."""
    whole = padded(rows)
    heard = hear(whole, "classic", said, profile=PROFILES["hs1971"], commission=0, variance_discount=KEPT)
    with np.errstate(invalid="ignore", divide="ignore"):
        t = (whole - heard.forecast_mean) / heard.forecast_sd
    nu = 1.0 / (1.0 - KEPT)
    z = np.sqrt(nu * np.log1p(t * t / nu)) * (8 * nu + 1) / (8 * nu + 3)
    return [z[at, : len(row)] for at, row in enumerate(rows)]


def once(score: Floats) -> Floats:
    """Return the score where it is above all of the EPISODE rows before it, else 0."""
    padded = np.concatenate((np.full(EPISODE, -math.inf), score[:-1]))
    most = sliding_window_view(padded, EPISODE).max(axis=1)
    return np.where(score > most, score, 0.0)


def scores(files: Sequence[File], said: Said) -> list[Floats]:
    """Return each row's score, 1 less the smallest tail probability of its streams, of each file."""
    least = [np.minimum(tail(file.value), tail(-file.value)) for file in files]
    for clock in CLOCKS:
        said(f"recipe: clock x{clock}")
        streams = deviations([blocks(file.value, clock) for file in files], lambda _: None)
        for own, stream in zip(least, streams, strict=True):
            ends = clock * (np.arange(len(stream)) + 1) - 1
            own[ends] = np.minimum(own[ends], tail(stream))
    return [once(1.0 - own) for own in least]
