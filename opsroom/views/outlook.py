# SPDX-License-Identifier: AGPL-3.0-or-later
"""The outlook of an index as a figure: where it is heading, and how sure that is."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from opsroom.theme import Theme
from opsroom.words import Words

HORIZONS: Final = ("hours", "shift", "days")
"""How far ahead one may ask."""
HISTORY_POINTS_MAX: Final = 600
"""Measured points drawn before the outlook."""


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
    """Return a Plotly figure: what was measured, the outlook's mean, its interval as a shaded band."""
    chance = words.say("outlook.interval", percent=round(100 * outlook.level))
    edge = {"width": 0}
    hover = {"hovertemplate": "%{x|%H:%M} · %{y:.4g} " + outlook.unit + "<extra>%{fullData.name}</extra>"}
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
            {
                "x": [at for at, _ in measured[-HISTORY_POINTS_MAX:]],
                "y": [value for _, value in measured[-HISTORY_POINTS_MAX:]],
                "mode": "lines",
                "line": {"color": theme.data, "width": 1.5},
                "name": words.say("outlook.measured", index=name),
                **hover,
            },
            {
                "x": outlook.at,
                "y": outlook.mean,
                "mode": "lines",
                "line": {"color": theme.ink, "width": 2, "dash": "dash"},
                "name": words.say("outlook.mean"),
                **hover,
            },
        ],
        "layout": _layout(outlook.unit, words, theme),
    }


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
        "xaxis": {**axis, "tickformat": "%H:%M\n%d.%m."},
        "yaxis": {**axis, "title": {"text": unit}, "tickformat": ".4~g"},
        "hovermode": "x",
        "dragmode": False,
        "uirevision": "outlook",
    }
