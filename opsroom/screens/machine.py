# SPDX-License-Identifier: AGPL-3.0-or-later
"""Machine: what is this machine doing, why the alert, and where is it heading?"""

from __future__ import annotations

import json
import re
from typing import Any, Final
from urllib.parse import urlencode

from dash import dcc, html

from opsroom.screens.frame import Screen, View, aria, ops
from opsroom.screens.index import link, name_of
from opsroom.theme import theme
from opsroom.views.index import amount
from opsroom.views.outlook import HORIZONS, Outlook, figure
from opsroom.words import Words, number


def layout(view: View) -> list[Any]:
    """Return the grounds of the page's parts; without a place, one that lists the machines."""
    words, place = view.words, view.query.get("place", "")
    if not place:
        return [html.Div(className="ground", **ops("chooser"))]
    return [
        html.Div(className="ground", **ops("machine", place=place)),
        html.P(html.A(words.say("machine.tap"), href=f"/hand?{urlencode({'place': place})}")),
        _section(words.say("machine.trends"), "trends", place),
        html.Section(
            [
                html.H2(words.say("machine.outlook"), id="outlook-title"),
                html.Div(className="ground", **ops("outlook-choice", place=place)),
                _horizons(view),
                dcc.Store(
                    id="outlook-ask",
                    data={"place": place, "index": view.query.get("index", ""), "horizon": _horizon(view)},
                ),
                html.Div(html.P(words.say("outlook.asking")), id="outlook", className="outlook"),
            ],
            **aria(labelledby="outlook-title"),
        ),
        _section(words.say("machine.values"), "values", place),
        _section(words.say("machine.jobs"), "jobs", place),
    ]


def outlook_drawn(outlook: Outlook, measured: list[tuple[str, float]], view: View) -> list[Any]:
    """Return the chart of an outlook with a sentence that says the same."""
    words = view.words
    name = name_of(outlook.index, words)
    sentence = words.say(
        "outlook.says",
        index=name,
        mean=amount(outlook.mean[-1], outlook.unit, words),
        lo=number(outlook.lo[-1], words.language),
        hi=amount(outlook.hi[-1], outlook.unit, words),
        percent=round(100 * outlook.level),
    )
    chart = figure(outlook, measured, name, words, theme(view.theme))
    return [
        html.P(sentence),
        html.Div(className="chart", **ops("outlook-chart", figure=json.dumps(chart))),
        html.P([_model(words, outlook.model), " ", _past(words, outlook)], className="muted"),
        html.P(html.A(words.say("belief.link"), href=link(outlook.place, outlook.index)), className="go"),
    ]


def no_outlook(view: View, detail: str) -> list[Any]:
    """Return an honest sentence where there is no outlook; the reason is the cyberfilter's, in its own words."""
    words = view.words
    told = [html.P(words.say("outlook.none"))]
    return [*told, html.P(detail, className="muted")] if detail and words.language == "en" else told


def _model(words: Words, model: str) -> str:
    """Return the sentence that names the model; a name that the catalogue lacks is told in English alone."""
    key = "model." + re.sub(r"[^a-z]+", "_", model.lower()).strip("_")
    if key in words.texts:
        return words.say("outlook.model", model=words.say(key))
    return words.say("outlook.model", model=model) if words.language == "en" else ""


def _past(words: Words, outlook: Outlook) -> str:
    """Return how such outlooks did in the past; nothing where the series is constant."""
    past = outlook.past
    if past.error is None or past.error_last is None:
        return ""
    error, last = (amount(each, outlook.unit, words) for each in (past.error, past.error_last))
    return words.say("outlook.past", origins=past.origins, error=error, last=last)


def _horizon(view: View) -> str:
    wish = view.query.get("horizon", "")
    return wish if wish in HORIZONS else HORIZONS[0]


def _horizons(view: View) -> Any:
    """Return the links by which a reader chooses how far ahead, so that the address holds it."""
    words, chosen = view.words, _horizon(view)
    links = [
        html.Li(
            html.A(
                words.say(f"outlook.horizon.{name}"),
                href=f"/machine?{urlencode({**view.query, 'horizon': name})}#outlook-title",
                **(aria(current="true") if name == chosen else {}),
            )
        )
        for name in HORIZONS
    ]
    return html.Ul(links, className="tabs", **aria(label=words.say("outlook.how_far")))


def _section(title: str, name: str, place: str) -> Any:
    return html.Section(
        [html.H2(title, id=f"{name}-title"), html.Div(className="ground", **ops(name, place=place))],
        **aria(labelledby=f"{name}-title"),
    )


SCREEN: Final = Screen("machine", "/machine", layout)
