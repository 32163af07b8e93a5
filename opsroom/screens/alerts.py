# SPDX-License-Identifier: AGPL-3.0-or-later
"""Alerts: what needs whom, and in how long?"""

from __future__ import annotations

from typing import Any, Final

from dash import html

from opsroom.screens.frame import Screen, View, aria, ops


def layout(view: View) -> list[Any]:
    """Return the filter, how the keys work, and the grounds of the open and the closed alerts."""
    words = view.words
    return [
        html.Div(
            [
                html.Div(className="filter", **ops("filter", label=words.say("alerts.filter"))),
                html.P(words.say("alerts.keys"), className="muted keys"),
            ],
            className="tools",
        ),
        html.Section(
            [
                html.H2(words.say("alerts.open"), id="open-title"),
                html.P(words.say("alerts.final"), className="muted"),
                html.Div(className="ground", **ops("alerts")),
            ],
            **aria(labelledby="open-title"),
        ),
        html.Section(
            [
                html.H2(words.say("alerts.closed"), id="closed-title"),
                html.Div(className="ground", **ops("closed")),
            ],
            **aria(labelledby="closed-title"),
        ),
    ]


SCREEN: Final = Screen("alerts", "/alerts", layout)
