# SPDX-License-Identifier: AGPL-3.0-or-later
"""Phone: what did I just do at this machine?"""

from __future__ import annotations

from typing import Any, Final

from dash import html

from opsroom.screens.frame import Screen, View, aria, ops


def layout(view: View) -> list[Any]:
    """Return the grounds of the buttons, of the last taps and of what this phone remembers; else one that chooses."""
    words, place = view.words, view.query.get("place", "")
    if not place:
        return [html.Div(className="ground", **ops("phone-chooser"))]
    return [
        html.Div(className="ground", **ops("phone", place=place)),
        html.Section(
            [html.H2(words.say("phone.last"), id="last-title"), html.Div(**ops("phone-taps", place=place))],
            **aria(labelledby="last-title"),
        ),
        html.Section(
            [
                html.H2(words.say("phone.mine"), id="mine-title"),
                html.P(words.say("phone.mine_told"), className="muted"),
                html.Div(**ops("phone-mine")),
            ],
            **aria(labelledby="mine-title"),
        ),
    ]


SCREEN: Final = Screen("phone", "/hand", layout)
