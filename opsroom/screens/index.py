# SPDX-License-Identifier: AGPL-3.0-or-later
"""Index: what does the filter believe of this index, why, and how did it do?"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from dash import dcc, html

from opsroom.believed import Belief, Night, Usual
from opsroom.screens.frame import Screen, View, aria, ops
from opsroom.views.index import (
    Bar,
    Line,
    Stamp,
    amount,
    bars,
    did,
    duration,
    ended,
    learned,
    percent,
    said,
    why,
)
from opsroom.words import Words, number

PATH: Final = "/index"
AGAIN_MS: Final = 60_000
"""How long (ms) the page stands before it asks again."""


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
    drawn = bars(found, words)
    shares = html.Ul([_bar(bar, words) for bar in drawn], className="bars") if drawn else _muted("belief.silent", words)
    record = [html.P(text) for text in (*did(found, words), ended(found, words))]
    lessons = [html.P(_line(line)) for line in learned(found, night, words)]
    sections = [
        _section(words.say("belief.believed"), "believed", [shares]),
        _section(words.say("belief.usual"), "usual", [_usual(found, words)]),
        _section(words.say("belief.did"), "did", [*record, _newest(found, words)]),
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


def _newest(found: Belief, words: Words) -> Any:
    """Return the newest alerts; why one was raised is told in English alone, as the filter says it."""
    rows = []
    for alert in found.alerts.newest:
        at = html.Time(dateTime=alert.raised_at, **ops("when"))
        says = [words.say(f"alert.state_told.{alert.state}"), *([alert.why] if words.language == "en" else [])]
        rows.append(html.Li([at, " · ", " ".join(says)]))
    return html.Ul(rows, className="plainly")


def _line(line: Line) -> list[Any]:
    return [html.Time(dateTime=part.at, **ops("when")) if isinstance(part, Stamp) else part for part in line]


def _bar(bar: Bar, words: Words) -> Any:
    share = words.say("belief.chance", percent=percent(bar.share))
    filled = html.Span(style={"width": f"{100 * bar.share:.1f}%"}, className="lost" if bar.is_change else "left")
    return html.Li(
        [
            html.Span(_line(bar.says), className="of"),
            html.Span(filled, className="track"),
            html.Span(share, className="much"),
        ]
    )


def _usual(found: Belief, words: Words) -> Any:
    if not found.usual:
        return _muted("belief.no_usual", words)
    heads = [words.say(f"belief.table_{name}") for name in ("regime", "level", "count")]
    body = []
    for one in found.usual:
        cells = [html.Td(text) for text in _levels(one, found.unit, words)]
        body.append(html.Tr([html.Th(_regime(one, words), scope="row"), *cells]))
    top = html.Thead(html.Tr([html.Th(head, scope="col") for head in heads]))
    return html.Table([top, html.Tbody(body)])


def _regime(one: Usual, words: Words) -> str:
    regime = number(one.regime, words.language) if one.regime else words.say("belief.any")
    return words.say("belief.here", regime=regime) if one.now else regime


def _levels(one: Usual, unit: str, words: Words) -> tuple[str, str]:
    much = words.say("belief.much", size=number(one.mean, words.language), sd=amount(one.sd, unit, words))
    return much, number(one.count, words.language)


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
