# SPDX-License-Identifier: AGPL-3.0-or-later
"""Index: what does the filter believe of this index, why, and how did it do?"""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import urlencode

from dash import dcc, html

from opsroom.believed import Belief, Night
from opsroom.screens.frame import Screen, View, aria, ops
from opsroom.seen import AlertSeen
from opsroom.views.index import (
    Bar,
    Line,
    Stamp,
    amount,
    bars,
    did,
    duration,
    ended,
    errors,
    evidence,
    learned,
    said,
    sentence_of,
    why,
    words_said,
)
from opsroom.views.usual import UsualRow, usual
from opsroom.words import Words, number

PATH: Final = "/index"
AGAIN_MS: Final = 60_000
"""How long (ms) the page stands before it asks again."""
READS: Final = ("value", "changes", "bars", "alert", "usual", "last", "learned")
"""What the page explains to who is new to it."""


def layout(view: View) -> list[Any]:
    """Return the grounds of the page's parts; without a place and an index, how to get here."""
    words, place, index = view.words, view.query.get("place", ""), view.query.get("index", "")
    if not place or not index:
        choose = html.A(words.say("belief.choose"), href="/machine")
        return [html.P(words.say("belief.how")), html.P(choose, className="go")]
    named = {"place": place, "index": index}
    back = html.A(words.say("belief.back"), href=f"/machine?{urlencode({'place': place})}")
    return [
        dcc.Store(id="index-ask", data=named),
        dcc.Interval(id="index-again", interval=AGAIN_MS),
        html.P(
            [html.Strong(name_of(index, words)), " · ", html.Span(place, className="where"), " · ", back],
            className="go",
        ),
        html.Details(
            [
                html.Summary(words.say("belief.read")),
                html.Ul([html.Li(words.say(f"belief.reads.{name}")) for name in READS]),
            ],
            className="legend",
        ),
        html.Div(html.P(words.say("belief.asking")), id="index-now"),
        _section(words.say("belief.trend"), "trend", [html.Div(className="ground", **ops("trends", **named))]),
        html.Div(id="index-told"),
        _section(words.say("tell.title"), "tell", [html.Div(**ops("tell", **named))]),
    ]


def link(place: str, index: str) -> str:
    """Return the address of an index's page."""
    return f"{PATH}?{urlencode({'place': place, 'index': index})}"


def name_of(index: str, words: Words) -> str:
    """Return what people call an index; its own name where the catalogue has none."""
    return words.say(f"index.{index}") if f"index.{index}" in words.texts else index


def now(found: Belief, view: View) -> list[Any]:
    """Return the value, what was expected, the verdict, and why."""
    words, unit = view.words, found.unit
    value, band = amount(found.value, unit, words), found.expected
    told = words.say("belief.no_band", value=value)
    if band is not None:
        lo, hi = number(band.lo95, words.language), amount(band.hi95, unit, words)
        told = words.say("belief.value", value=value, lo=lo, hi=hi)
    rows: list[Any] = [html.P([html.Strong(words.say(f"verdict.{found.verdict}")), " · ", told])]
    rows.append(html.P(_line(why(found, words)) or words.say("belief.silent"), className="why"))
    if found.level is not None and found.sigma is not None:
        facts = {"level": amount(found.level, unit, words), "sigma": amount(found.sigma, unit, words)}
        rows.append(html.P(words.say("belief.level", **facts), className="muted"))
    if found.clock_s is not None:
        rows.append(html.P(words.say("belief.clock", span=duration(found.clock_s, words)), className="muted"))
    if found.revision is not None:
        rows.append(html.P(_revised(found, words)))
    return [_section(words.say("belief.now"), "now", rows)]


def told(found: Belief, night: Night | None, view: View) -> list[Any]:
    """Return what is believed, the usual levels, how the filter did, and what it has learned."""
    words = view.words
    shares = _bars(bars(found, words)) or _muted("belief.silent", words)
    lessons = [html.P(_line(line)) for line in learned(found, night, words)]
    sections = [
        _section(words.say("belief.believed"), "believed", [shares]),
        _section(words.say("belief.usual"), "usual", [_usual(found, words)]),
        _section(words.say("belief.did"), "did", _did(found, words)),
        _section(words.say("belief.learned"), "learned", lessons),
    ]
    if found.interventions:
        rows = [html.Li(_line(said(one, found.unit, words))) for one in found.interventions]
        sections.append(_section(words.say("belief.said"), "said", [html.Ul(rows, className="plainly")]))
    return sections


def unknown(view: View, *, answered: bool) -> list[Any]:
    """Return an honest sentence where the filter knows no such index, or does not answer."""
    return [html.P(view.words.say("belief.unknown" if answered else "belief.away"))]


def _muted(key: str, words: Words) -> Any:
    return html.P(words.say(key), className="muted")


def _did(found: Belief, words: Words) -> list[Any]:
    """Return how the filter did: forecasts, what it said of the values, alerts; each as words, then as a picture."""
    *forecasts, said_of = [html.P(text) for text in did(found, words)]
    rows = [*forecasts, _bars(errors(found, words)), said_of, _bars(words_said(found, words))]
    alerts = [html.P(ended(found, words)), html.Ul([_alert(each, words) for each in found.alerts.newest])]
    return [row for row in (*rows, *alerts) if row is not None]


def _alert(alert: AlertSeen, words: Words) -> Any:
    """Return when an alert was raised, its sentence, which the browser says, and what it was raised for."""
    told = html.Span(**ops("alert-says", place=alert.place, alert=json.dumps(sentence_of(alert))))
    state = html.Span(words.say(f"alert.state_told.{alert.state}"), className="muted")
    head: list[Any] = [html.Time(dateTime=alert.raised_at, **ops("when")), " · ", told, " ", state]
    return html.Li([html.P(head), html.P(_line(evidence(alert, words)), className="muted")], className="raised")


def _line(line: Line) -> list[Any]:
    return [html.Time(dateTime=part.at, **ops("when")) if isinstance(part, Stamp) else part for part in line]


def _bars(found: list[Bar]) -> Any | None:
    """Return bars with their words and figures; None where there are none."""
    return html.Ul([_bar(bar) for bar in found], className="bars") if found else None


def _bar(bar: Bar) -> Any:
    filled = html.Span(style={"width": f"{100 * bar.share:.1f}%"}, className="lost" if bar.is_change else "left")
    return html.Li(
        [
            html.Span(_line(bar.says), className="of"),
            html.Span(filled, className="track"),
            html.Span(bar.much, className="much"),
        ]
    )


def _usual(found: Belief, words: Words) -> Any:
    if not found.usual:
        return _muted("belief.no_usual", words)
    by = next((one.by for one in found.usual if one.by in {"nothing", "target"}), "file")
    heads = [words.say(f"belief.table.{name}") for name in (by, "level", "count")]
    top = html.Thead(html.Tr([html.Th(head, scope="col") for head in heads]))
    table = html.Table([top, html.Tbody([_level(row) for row in usual(found, words)])])
    return html.Div(table, className="wide usual", tabIndex=0, role="group", **aria(label=words.say("belief.usual")))


def _level(row: UsualRow) -> Any:
    """Return a row of the table; its picture says nothing that its words don't say, so it is not read out."""
    band = html.Span(style={"left": f"{100 * row.lo:.1f}%", "width": f"{100 * (row.hi - row.lo):.1f}%"})
    needle = [] if row.here is None else [html.I(style={"left": f"{100 * row.here:.1f}%"})]
    picture = html.Div([band, *needle], className="scale", **aria(hidden="true"))
    level = html.Td([html.Span(row.level), picture])
    return html.Tr([html.Th(row.name, scope="row"), level, html.Td(row.known)])


def _revised(found: Belief, words: Words) -> str:
    assert found.revision is not None
    return words.say(
        "revision.says",
        index=name_of(found.index, words),
        capability=amount(found.capability, found.unit, words),
        proposed=amount(found.revision.capability, found.unit, words),
        count=found.revision.count,
    )


def _section(title: str, name: str, children: list[Any]) -> Any:
    return html.Section([html.H2(title, id=f"{name}-title"), *children], **aria(labelledby=f"{name}-title"))


SCREEN: Final = Screen("index", PATH, layout, listed=False)
