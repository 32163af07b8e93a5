# SPDX-License-Identifier: AGPL-3.0-or-later
"""The outlook of an index as a figure: where it is heading, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import Any, Final

import msgspec

from collector.contract.codec import parse_time
from opsroom.theme import Theme
from opsroom.words import Words

HORIZONS: Final = ("hours", "shift", "days")
"""How far ahead one may ask."""
HISTORY_POINTS_MAX: Final = 600
"""Measured points drawn before the outlook."""
GAP_STEPS: Final = 4
"""A distance of more than so many usual ones is a gap: there nothing is drawn, as in trends."""


class Past(msgspec.Struct, frozen=True):
    """How forecasts of the past did: how many, and root mean square errors of the mean over the horizon."""

    origins: int
    error: float | None = None
    error_last: float | None = None


class Outlook(msgspec.Struct, frozen=True):
    """What the cyberfilter answers: times RFC 3339, the rest in the index's unit; `level` is the interval's chance."""

    place: str
    index: str
    unit: str
    at: list[str]
    mean: list[float]
    lo: list[float]
    hi: list[float]
    level: float
    model: str
    horizon: str
    past: Past

    @property
    def spoken_unit(self) -> str:
        """The unit as a sentence has it: a ratio has none."""
        return "" if self.unit == "1" else self.unit


def figure(
    outlook: Outlook, measured: list[tuple[str, float]], name: str, words: Words, theme: Theme
) -> dict[str, Any]:
    """Return a Plotly figure: what was measured, the outlook's mean, its interval as a shaded band.

    Times are RFC 3339: the browser writes them in its own zone (`outlook.js`), and `text` of each point with them.
    """
    chance = words.say("outlook.interval", percent=round(100 * outlook.level))
    edge = {"width": 0}
    seen = _spaced(measured[-HISTORY_POINTS_MAX:])
    ahead = list(zip(outlook.at, outlook.mean, strict=True))
    return {
        "data": [
            {"x": outlook.at, "y": outlook.hi, "mode": "lines", "line": edge, "hoverinfo": "skip", "showlegend": False},
            {
                "x": outlook.at,
                "y": outlook.lo,
                "mode": "lines",
                "line": edge,
                "fill": "tonexty",
                "fillcolor": theme.band,
                "hoverinfo": "skip",
                "name": chance,
            },
            _curve(words.say("outlook.measured", index=name), seen, outlook.spoken_unit, color=theme.data, width=1.5),
            _curve(words.say("outlook.mean"), ahead, outlook.spoken_unit, color=theme.ink, width=2, dash="dash"),
        ],
        "layout": _layout(outlook.spoken_unit, words, theme),
    }


def _curve(name: str, points: Sequence[tuple[str, float | None]], unit: str, **line: Any) -> dict[str, Any]:
    return {
        "x": [at for at, _ in points],
        "y": [value for _, value in points],
        "mode": "lines",
        "line": line,
        "name": name,
        "hovertemplate": f"%{{text}} · %{{y:.4g}} {unit}<extra>%{{fullData.name}}</extra>",
    }


def _spaced(measured: Sequence[tuple[str, float]]) -> list[tuple[str, float | None]]:
    """Return the points with one without a value in each gap: a closed gate is no value."""
    times = [parse_time(at) or 0.0 for at, _ in measured]
    steps = [after - before for before, after in pairwise(times)]
    far = GAP_STEPS * median(steps) if steps else 0.0
    found: list[tuple[str, float | None]] = []
    for (at, value), step in zip(measured, [*steps, 0.0], strict=False):
        found += [(at, value), *([(at, None)] if step > far else [])]
    return found


def _layout(unit: str, words: Words, theme: Theme) -> dict[str, Any]:
    axis = {"gridcolor": theme.line, "linecolor": theme.line, "zeroline": False, "fixedrange": True}
    return {
        "paper_bgcolor": theme.panel,
        "plot_bgcolor": theme.panel,
        "font": {"color": theme.ink, "family": "inherit", "size": 13},
        "margin": {"l": 56, "r": 12, "t": 8, "b": 40},
        "height": 300,
        "separators": ",." if words.language == "es" else ".,",
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        "xaxis": axis,
        "yaxis": {**axis, "title": {"text": unit}, "tickformat": ".4~g"},
        "hovermode": "x",
        "dragmode": False,
        "uirevision": "outlook",
    }
