# SPDX-License-Identifier: AGPL-3.0-or-later
"""Scales on which the noise of an index is even: none, arcsine, minutes, log, sqrt, counts, binary; there and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cyberfilter.filter.model import Floats

_QUARTER_TURN: Final = np.pi / 2
_ANSCOMBE: Final = 3 / 8
_ANSCOMBE_LEAST: Final = float(2.0 * np.sqrt(_ANSCOMBE))
_LOG_MAX: Final = 690.0
"""The exponential of more overflows; no value is that large."""


class Transform(NamedTuple):
    """A scale: `forward` and `back` undo each other within low..high, `stretch` is the derivative of `back`.

    `back` takes any number: what lies beyond the scale's ends (a band may) comes back as the end. A value outside
    low..high by no more than `slack` is taken as the end (a ratio of 1.02 as 1); by more (a percentage) it is refused.
    `noise_least` is a variance on the scale that a learned noise stays above: chance alone gives so much.
    """

    name: str
    low: float
    high: float
    slack: float
    forward: Callable[[Floats], Floats]
    back: Callable[[Floats], Floats]
    stretch: Callable[[Floats], Floats]
    noise_least: float = 0.0

    @property
    def plain(self) -> bool:
        """Whether the scale is the value's own."""
        return self.back is _same

    def is_off(self, value: ArrayLike) -> NDArray[np.bool_]:
        """Tell which values are not of this scale; NaN, which is missing, is none of them."""
        x = np.asarray(value, dtype=np.float64)
        return np.asarray((x < self.low - self.slack) | (x > self.high + self.slack))

    def ended(self, values: Sequence[float]) -> tuple[float, ...]:
        """Return the values, those beyond the scale's ends as the end: no share is above 1."""
        return tuple(np.clip(values, self.low, self.high).tolist())


def _same(x: Floats) -> Floats:
    return x


def _one(z: Floats) -> Floats:
    return np.ones_like(z)


def _arcsine(x: Floats) -> Floats:
    return np.arcsin(np.sqrt(np.clip(x, 0.0, 1.0)))


def _sine_squared(z: Floats) -> Floats:
    sine = np.sin(np.clip(z, 0.0, _QUARTER_TURN))
    return sine * sine


def _sine_of_double(z: Floats) -> Floats:
    return np.sin(2.0 * np.clip(z, 0.0, _QUARTER_TURN))


def _exp(z: Floats) -> Floats:
    return np.exp(np.clip(z, -_LOG_MAX, _LOG_MAX))


def _square(z: Floats) -> Floats:
    floored = np.maximum(z, 0.0)
    return floored * floored


def _double(z: Floats) -> Floats:
    return 2.0 * np.maximum(z, 0.0)


def _anscombe(x: Floats) -> Floats:
    return 2.0 * np.sqrt(x + _ANSCOMBE)


def _anscombe_back(z: Floats) -> Floats:
    half = 0.5 * np.maximum(z, _ANSCOMBE_LEAST)
    return np.maximum(half * half - _ANSCOMBE, 0.0)


def _anscombe_stretch(z: Floats) -> Floats:
    return 0.5 * np.maximum(z, _ANSCOMBE_LEAST)


def _share(z: Floats) -> Floats:
    return np.clip(z, 0.0, 1.0)


_SHIPPED: Final = (
    Transform("none", -np.inf, np.inf, 0.0, _same, _same, _one),
    # Beer's inverse sine: the spread of a ratio is even on it (Brain of the Firm, ch. 11).
    Transform("arcsine", 0.0, 1.0, 0.5, _arcsine, _sine_squared, _sine_of_double),
    # a share of an hour, known to the minute: at 1 no noise is smaller than rounding's, a minute by the root of 12
    Transform("minutes", 0.0, 1.0, 0.5, _arcsine, _sine_squared, _sine_of_double, noise_least=1 / (60 * 12**0.5)),
    Transform("log", np.finfo(np.float64).tiny, np.inf, 0.0, np.log, _exp, _exp),
    Transform("sqrt", 0.0, np.inf, 0.0, np.sqrt, _square, _double),
    # Anscombe (1948), Biometrika 35, 246-254: a Poisson count has variance 1 on it from a mean of 4 on, rare ones less.
    Transform("counts", 0.0, np.inf, 0.0, _anscombe, _anscombe_back, _anscombe_stretch, noise_least=0.25),
    # no scale makes yes and no even: their variance is p(1-p), and a run of no must not teach that there is none
    Transform("binary", 0.0, 1.0, 0.0, _share, _share, _one, noise_least=0.12),
)
TRANSFORMS: Final = {transform.name: transform for transform in _SHIPPED}


def band_back(transform: Transform, mean: Floats, half: Floats) -> tuple[Floats, Floats, Floats]:
    """Return (mean, low, high) in the value's own unit of the band mean ± half on the scale.

    Quantiles go back as they are, so low <= mean <= high; away from `none` the mean is therefore the median. A mean
    beyond the scale's end (a rising ratio near 1) counts as that end, so that the band never shrinks to a point.
    """
    if transform.plain:
        return mean, mean - half, mean + half
    ends = transform.forward(np.array([transform.low, transform.high]))
    centre = np.clip(mean, ends[0], ends[1])
    return transform.back(centre), transform.back(centre - half), transform.back(centre + half)
