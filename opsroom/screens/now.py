# SPDX-License-Identifier: AGPL-3.0-or-later
"""Now: is anything abnormal anywhere?"""

from __future__ import annotations

from typing import Any, Final

from dash import html

from opsroom.screens.frame import Screen, View, ops


def layout(view: View) -> list[Any]:
    """Return the filter, the legend, the newcomers, and the ground on which the tiles are put."""
    words = view.words
    return [
        html.Div(
            [
                html.Div(className="filter", **ops("filter", label=words.say("now.filter"))),
                html.Details(
                    [
                        html.Summary(words.say("legend.title")),
                        html.Ul(
                            [
                                html.Li(words.say(f"legend.{part}"))
                                for part in ("order", "marks", "square", "bar", "age", "keys")
                            ]
                        ),
                    ],
                    className="legend",
                ),
            ],
            className="tools",
        ),
        html.Div(**ops("newcomers")),
        html.Div(className="ground", **ops("board")),
    ]


SCREEN: Final = Screen("now", "/", layout)
