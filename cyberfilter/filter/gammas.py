# SPDX-License-Identifier: AGPL-3.0-or-later
"""Functions of the gamma family that NumPy lacks, element by element and the same in any batch, and their inverses.

An argument is carried eight up by recurrence; from there on the asymptotic series are exact to the last digits
(Abramowitz & Stegun 1964, 6.1.40, 6.3.18, 6.4.12). Arguments are above 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from cyberfilter.filter.model import Floats

_SHIFT: Final = 8
# the coefficients, of z^-2, z^-4, … of ψ(z) - ln z + 1/2z; z^-3, z^-5, … of ψ'(z); z^-4, z^-6, … of ψ''(z);
# z^-1, z^-3, … of the error of Stirling's formula
_PSI: Final = (-1 / 12, 1 / 120, -1 / 252, 1 / 240, -1 / 132, 691 / 32760, -1 / 12)
_PSI_1: Final = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6)
_PSI_2: Final = (-1 / 2, 1 / 6, -1 / 6, 3 / 10, -5 / 6, 691 / 210, -35 / 2)
_STIRLING: Final = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)
_NEWTON_COUNT: Final = 2
_NEAR: Final = (1.59465513, 2.20093687, 3.66656757, 2.20450975)
"""Fitted to z from .01 to 10,000, and right at both ends."""
_NEWTON_PAIR_COUNT: Final = 4
_LOW: Final = -2.22
_EULER: Final = 0.5772156649
_LOG_STEP_MAX: Final = 1.5


def _series(coefficients: Sequence[float], square: Floats) -> Floats:
    total = coefficients[-1] * square
    for coefficient in coefficients[-2:0:-1]:
        total += coefficient
        total *= square
    total += coefficients[0]
    return np.asarray(total)


def digamma(z: Floats) -> Floats:
    """Return ψ(z), the derivative of ln Γ, within 1e-12 of its size or of 1."""
    below = 1.0 / z
    for k in range(1, _SHIFT):
        below += 1.0 / (z + k)
    far = z + _SHIFT
    inverse = 1.0 / far
    square = inverse * inverse
    return np.asarray(np.log(far) - 0.5 * inverse + square * _series(_PSI, square) - below)


def trigamma(z: Floats) -> Floats:
    """Return ψ'(z) within 1e-12 of its size."""
    return _polygamma(z)[0]


def _polygamma(z: Floats) -> tuple[Floats, Floats]:
    """Return ψ'(z) and ψ''(z)."""
    first, second = np.zeros_like(z), np.zeros_like(z)
    for k in range(_SHIFT):
        inverse = 1.0 / (z + k)
        square = inverse * inverse
        first += square
        inverse *= square
        second += inverse
    inverse = 1.0 / (z + _SHIFT)
    square = inverse * inverse
    first += inverse + square * (0.5 + inverse * _series(_PSI_1, square))
    second *= -2.0
    second += square * (square * _series(_PSI_2, square) - 1.0 - inverse)
    return first, second


def stirling_error(z: Floats) -> Floats:
    """Return ln Γ(z) - ((z - ½)·ln z - z + ½ ln 2π) within 1e-12."""
    few = z < _SHIFT
    far = np.where(few, z + _SHIFT, z)
    inverse = 1.0 / far
    error = inverse * _series(_STIRLING, inverse * inverse)
    if few.any():
        near = np.where(few, z, 1.0)
        product = near.copy()
        for k in range(1, _SHIFT):
            product *= near + k
        lifted = near + _SHIFT
        fall = (lifted - 0.5) * np.log(lifted) - (near - 0.5) * np.log(near) - np.log(product)
        error += np.where(few, fall - _SHIFT, 0.0)
    return np.asarray(error)


def inverse_trigamma(q: Floats) -> Floats:
    """Return the z with ψ'(z) = q within 1e-12 of its size: Newton's method on 1/ψ', which is nearly a line."""
    z = _near(q)
    for _ in range(_NEWTON_COUNT):
        first, second = _polygamma(z)
        z += first * (1.0 - first / q) / second
    return np.asarray(z)


def _near(q: Floats) -> Floats:
    """Return the z with ψ'(z) = q within 6 of 10,000: ψ' is 1/z + a/z², with a = ½ for large z and 1 for small."""
    root = np.sqrt(q)
    above = 1.0 + _NEAR[0] * root + _NEAR[1] * q
    a = above / (2.0 + _NEAR[2] * root + _NEAR[3] * q)
    return np.asarray(2.0 * a / (np.sqrt(1.0 + 4.0 * a * q) - 1.0))


def inverse_beta(f: Floats, q: Floats) -> tuple[Floats, Floats]:
    """Return r and s with ψ(r) - ψ(s) = f and ψ'(r) + ψ'(s) = q, within 1e-10 where |f| is at most 12 and q 30.

    Newton's method in ln r and ln s, from nearly right numbers: the smaller has most of q, and ψ of the larger, which
    is inverted by Minka's (2000) formula, is |f| more.
    """
    away = np.abs(f)
    few = _near(q / (1.0 + np.exp(-away)))
    psi = digamma(few) + away
    many = np.where(psi < _LOW, -1.0 / np.minimum(psi + _EULER, _LOW + _EULER), np.exp(psi) + 0.5)
    for _ in range(_NEWTON_PAIR_COUNT):
        (few_1, few_2), (many_1, many_2) = _polygamma(few), _polygamma(many)
        total = few_1 + many_1
        off, over = digamma(few) - digamma(many) + away, total * (total / q - 1.0)
        a, b, c, d = few_1 * few, many_1 * many, few_2 * few, many_2 * many
        both = a * d + b * c
        few *= np.exp(np.clip(-(d * off + b * over) / both, -_LOG_STEP_MAX, _LOG_STEP_MAX))
        many *= np.exp(np.clip((c * off - a * over) / both, -_LOG_STEP_MAX, _LOG_STEP_MAX))
    turned = f > 0
    return np.where(turned, many, few), np.where(turned, few, many)
