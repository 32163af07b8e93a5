# SPDX-License-Identifier: AGPL-3.0-or-later
"""Sixteen histories into four: what two steps have been becomes one distribution for each state of the last.

Sums are those of `over`. `sum(axis)` changes its order where the other axes have the length one and so gives one series
other bits than a batch.
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


def over(x: Floats, axis: int = 0) -> Floats:
    """Return the sum over an axis before the last (which is the series), term after term in their order.

    NumPy adds row after row as long as a row has two numbers or more; the axis of a lone series it would add in pairs.
    """
    if x.shape[-1] == 1:
        if axis == x.ndim - 2:
            return np.add.accumulate(x[..., 0], axis=-1)[..., -1:]
        return np.asarray(np.add.accumulate(x, axis=axis).take(-1, axis=axis))
    return np.asarray(np.add.reduce(x, axis=axis))


def collapse(histories: Moments, weight: Floats, *, noise_known: bool) -> Moments:
    """Return the moments of each last state (4, k), from (4, 4, k) with the state before first.

    `weight` (4, 4, k) adds up to 1 over the first axis. Mean and covariance are matched; where the noise is learned
    the match is the Normal-Gamma nearest in Kullback-Leibler's sense (Harrison & Stevens 1976, JRSS-B 38, 205-247).
    """
    if noise_known:
        share, s = weight, histories.s[0]
    else:
        share = weight / histories.s
        s = 1.0 / over(share)
        share *= s
    m0, m1 = over(share * histories.m0), over(share * histories.m1)
    d0, d1 = histories.m0 - m0, histories.m1 - m1
    w0, w1 = share * d0, share * d1
    return Moments(
        m0,
        m1,
        c00=_spread(share, histories.c00, w0, d0),
        c01=_spread(share, histories.c01, w0, d1),
        c11=_spread(share, histories.c11, w1, d1),
        s=s,
    )


def _spread(share: Floats, within: Floats, weighted: Floats, off: Floats) -> Floats:
    """Return the covariance within the histories and among them."""
    found = share * within
    found += weighted * off
    return over(found)
