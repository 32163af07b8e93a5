# SPDX-License-Identifier: AGPL-3.0-or-later
"""Sixteen histories into four: what two steps have been becomes one distribution for each state of the last.

Sums over an axis of four are written as pairs. `sum(axis)` changes its order with the length of the other axes and so
gives one series other bits than a batch.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cyberfilter.filter.model import Floats


class Moments(NamedTuple):
    """Level and slope (m0, m1), their covariance (c00, c01, c11) and the noise variance s; one shape for all."""

    m0: Floats
    m1: Floats
    c00: Floats
    c01: Floats
    c11: Floats
    s: Floats


def over_first(x: Floats) -> Floats:
    """Return the sum over a first axis of four."""
    return np.asarray((x[0] + x[1]) + (x[2] + x[3]))


def over_second(x: Floats) -> Floats:
    """Return the sum over a second axis of four."""
    return np.asarray((x[:, 0] + x[:, 1]) + (x[:, 2] + x[:, 3]))


def collapse(histories: Moments, weight: Floats, *, noise_known: bool) -> Moments:
    """Return the moments of each last state (4, k), from (4, 4, k) with the state before first.

    `weight` (4, 4, k) adds up to 1 over the first axis. Mean and covariance are matched; where the noise is learned
    the match is the Normal-Gamma nearest in Kullback-Leibler's sense (Harrison & Stevens 1976, JRSS-B 38, 205-247).
    """
    if noise_known:
        share, s = weight, histories.s[0]
    else:
        share = weight / histories.s
        s = 1.0 / over_first(share)
        share = share * s
    m0 = over_first(share * histories.m0)
    m1 = over_first(share * histories.m1)
    d0, d1 = histories.m0 - m0, histories.m1 - m1
    return Moments(
        m0,
        m1,
        c00=over_first(share * (histories.c00 + d0 * d0)),
        c01=over_first(share * (histories.c01 + d0 * d1)),
        c11=over_first(share * (histories.c11 + d1 * d1)),
        s=s,
    )
