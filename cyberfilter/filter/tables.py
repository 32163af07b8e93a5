# SPDX-License-Identifier: AGPL-3.0-or-later
"""Three functions that NumPy lacks, element by element and the same in any batch: Φ, Student's quantile, its constant.

Each is interpolated in a table or summed in a fixed order, so a value does not depend on its neighbours.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Final

import numpy as np

from cyberfilter.filter.model import ONE, ZERO, Floats, fixed

_PER_SIGMA: Final = 128
_SIGMA_MAX: Final = 8.5
_NODES_PER_SIGMA, _MIDDLE = fixed(_PER_SIGMA), fixed(_SIGMA_MAX * _PER_SIGMA)
_END: Final = fixed(2 * _SIGMA_MAX * _PER_SIGMA)
_COARSE: Final = 256
_FINE: Final = 8192
_LEAST: Final = fixed(_FINE)
_BAND: Final = 0.95


def _normal_table() -> Floats:
    """Return a cubic (4 coefficients, constant first) between every two nodes, from Φ and its slope there (Hermite)."""
    last = int(_SIGMA_MAX * _PER_SIGMA)
    at = [k / _PER_SIGMA for k in range(-last, last + 2)]
    value = np.array([0.5 * math.erfc(-x / math.sqrt(2)) for x in at])
    rise = np.array([math.exp(-x * x / 2) / math.sqrt(2 * math.pi) / _PER_SIGMA for x in at])
    gap = value[1:] - value[:-1]
    square = 3 * gap - 2 * rise[:-1] - rise[1:]
    return np.stack([value[:-1], rise[:-1], square, rise[:-1] + rise[1:] - 2 * gap])


def _quantile_table() -> Floats:
    """Return Student's quantile of the two-sided band at 1/ν = 0 … 1, by Newton's method and cubics between.

    With t = √ν·tan θ the mass between 0 and t is c·√ν·∫cos^(ν-1), which a few Gauss-Legendre nodes give exactly.
    """
    nodes, weights = np.polynomial.legendre.leggauss(40)
    table = [NormalDist().inv_cdf((1 + _BAND) / 2)]
    for step in range(1, _COARSE + 2):
        nu, t = _COARSE / step, table[-1]
        constant = math.exp(math.lgamma((nu + 1) / 2) - math.lgamma(nu / 2)) / math.sqrt(nu * math.pi)
        for _ in range(4):
            angle = math.atan(t / math.sqrt(nu))
            cosines = np.cos(angle * (nodes + 1) / 2)
            mass = constant * math.sqrt(nu) * angle / 2 * math.fsum(weights * cosines ** (nu - 1))
            t -= (mass - _BAND / 2) / (constant * (1 + t * t / nu) ** (-(nu + 1) / 2))
        table.append(t)
    coarse = np.array(table)
    x = np.arange(_FINE + 2) * (_COARSE / _FINE)
    k = np.clip(x.astype(np.int64) - 1, 0, _COARSE - 2)
    w = x - k
    a, b, c = w - 1.0, w - 2.0, w - 3.0  # a cubic through four nodes at w = 0, 1, 2, 3 (Lagrange)
    ends = w * a * b * coarse[k + 3] / 6.0 - a * b * c * coarse[k] / 6.0
    return np.asarray(ends + w * b * c * coarse[k + 1] / 2.0 - w * a * c * coarse[k + 2] / 2.0)


_NORMAL: Final = _normal_table()
_QUANTILE: Final = _quantile_table()
_RISE: Final = _QUANTILE[1:] - _QUANTILE[:-1]
# ln Γ(z+½) - ln Γ(z) - ½ ln z, asymptotically: the coefficients of z^-1, z^-3, z^-5, z^-7 (Stirling's series).
_STIRLING: Final = (-1 / 8, 1 / 192, -1 / 640, 17 / 14336)
_SHIFT: Final = 12


def normal_cdf(x: Floats) -> Floats:
    """Return Φ(x) within 1e-10."""
    scaled = x * _NODES_PER_SIGMA
    scaled += _MIDDLE
    np.minimum(np.maximum(scaled, ZERO, out=scaled), _END, out=scaled)
    k = scaled.astype(np.int64)
    scaled -= k
    cubic = _NORMAL.take(k, axis=1)
    value: Floats = cubic[3]
    for coefficient in (cubic[2], cubic[1], cubic[0]):
        value *= scaled
        value += coefficient
    return value


def t_quantile(nu: Floats) -> Floats:
    """Return the .975 quantile of Student's t within 1e-6; below one degree of freedom that of one; ν may be inf."""
    x = _LEAST / np.maximum(nu, ONE)
    k = x.astype(np.int64)
    return np.asarray(_QUANTILE.take(k) + (x - k) * _RISE.take(k))


def log_t_constant(nu: Floats) -> Floats:
    """Return ln Γ((ν+1)/2) - ln Γ(ν/2) - ½ ln(νπ) within 1e-12, for finite ν."""
    z = nu / 2.0
    few = z < _SHIFT
    far, lifted = z, np.zeros_like(z)
    if few.any():
        ratio = np.ones_like(z)
        for k in range(_SHIFT):
            ratio = ratio * ((z + k) / (z + k + 0.5))
        far = np.where(few, z + _SHIFT, z)
        lifted = np.where(few, np.log(ratio), 0.0)
    inverse = 1.0 / far
    square = inverse * inverse
    series = np.zeros_like(z)
    for coefficient in reversed(_STIRLING):
        series = series * square + coefficient
    return np.asarray(lifted + 0.5 * np.log(far / (nu * np.pi)) + series * inverse)
