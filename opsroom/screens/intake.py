# SPDX-License-Identifier: AGPL-3.0-or-later
"""Intake: is everything that was received accounted for?"""

from __future__ import annotations

from typing import Any, Final

from dash import html

from opsroom.screens.frame import Screen, View, aria, ops

_SECTIONS: Final = ("way", "devices", "gaps", "refused", "noticed")


def layout(view: View) -> list[Any]:
    """Return the grounds of the sentence, of the way to the historian, and of the tables."""
    return [
        html.Div(className="ground", **ops("intake-account")),
        *(
            html.Section(
                [
                    html.H2(view.words.say(f"intake.{name}"), id=f"{name}-title"),
                    html.Div(className="ground", **ops(f"intake-{name}")),
                ],
                **aria(labelledby=f"{name}-title"),
            )
            for name in _SECTIONS
        ),
    ]


SCREEN: Final = Screen("intake", "/intake", layout)
