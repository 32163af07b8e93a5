# SPDX-License-Identifier: AGPL-3.0-or-later
"""Production: what did the workshop's time come to, and where was it lost?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlencode

from dash import dcc, html

from opsroom.screens.frame import Screen, View, aria
from opsroom.screens.index import name_of
from opsroom.views.production import (
    COLUMNS,
    JOB_COLUMNS,
    JOBS_MAX,
    PERIODS,
    PLACES_MAX,
    RATIOS,
    Ahead,
    Bar,
    Item,
    UnitTriple,
    newest,
    period,
    short,
    unknown_share,
    waterfall,
)
from opsroom.words import Words, number

PATH: Final = "/production"
AGAIN_MS: Final = 60_000
"""How long (ms) the page stands before it asks again."""


def layout(view: View) -> list[Any]:
    """Return the choice of the period, and the ground of what the API tells of it."""
    words, place, chosen = view.words, view.query.get("place", ""), period(view.query.get("period"))
    tabs = [
        html.Li(
            html.A(
                words.say(f"production.period.{row.name}"),
                href=_link(place, row.name),
                **(aria(current="true") if row is chosen else {}),
            )
        )
        for row in PERIODS
    ]
    return [
        html.Ul(tabs, className="tabs"),
        dcc.Store(id="production-ask", data={"place": place, "period": chosen.name}),
        dcc.Interval(id="production-again", interval=AGAIN_MS),
        html.Div(html.P(words.say("production.asking")), id="production", className="production"),
        html.Div(id="production-ahead"),
        html.Div(html.P(words.say("triples.asking")), id="triples", className="production"),
    ]


def told(items: Sequence[Item], jobs: Sequence[Item], view: View) -> list[Any]:
    """Return the table of places, the waterfall of the first of them, and the table of jobs."""
    words = view.words
    rows = newest(items, view.query.get("place"))
    if not rows:
        return [html.P(words.say("production.none"))]
    first = rows[0]
    return [
        _section(words.say("production.places"), "places", [_places(rows[:PLACES_MAX], view), *_more(rows, words)]),
        _section(words.say("production.losses", place=first.place), "losses", _bars(first, words)),
        _section(words.say("production.jobs"), "jobs", _jobs(jobs[:JOBS_MAX], words)),
    ]


def nothing(view: View, detail: str) -> list[Any]:
    """Return an honest sentence where there is no answer; the reason is the API's, in its own words."""
    words = view.words
    said = [html.P(words.say("production.none"))]
    return [*said, html.P(detail, className="muted")] if detail and words.language == "en" else said


def ahead_told(found: Ahead, view: View) -> list[Any]:
    """Return how many good parts will come, as whole parts."""
    words = view.words
    figures = {"lo": str(round(found.lo)), "hi": str(round(found.hi)), "mean": str(round(found.mean))}
    percent = round(100 * found.level)
    return [html.P(words.say("production.ahead", day=found.until, percent=percent, **figures))]


def no_ahead(view: View) -> list[Any]:
    """Return an honest sentence where days so far are too few, or no guide."""
    return [html.P(view.words.say("production.no_ahead"), className="muted")]


def triples(rows: Sequence[UnitTriple], view: View) -> list[Any]:
    """Return the table of the units' triples."""
    words, title = view.words, view.words.say("triples.title")
    if not rows:
        return [_section(title, "triples", [html.P(words.say("triples.none"), className="muted")])]
    heads = ("place", "index", "productivity", "latency", "performance", "machines", "narrow", "remark")
    asked = period(view.query.get("period")).name
    body = [
        html.Tr(
            [
                html.Th(html.A(row.place, href=_link(row.place, asked)), scope="row"),
                html.Td(name_of(row.index, words)),
                *(html.Td(_share(ratio, words)) for ratio in (row.productivity, row.latency, row.performance)),
                html.Td(words.say("triples.of", known=row.known, of=row.of)),
                html.Td(short(row.bottleneck) if row.bottleneck else "–", title=row.bottleneck or ""),
                html.Td(_assumed(row, words)),
            ]
        )
        for row in rows
    ]
    return [_section(title, "triples", [_table([words.say(f"triples.{name}") for name in heads], body, title)])]


def _assumed(row: UnitTriple, words: Words) -> str:
    """Return that the potentiality is nobody's figure, but a share of the capability."""
    if not row.potentiality_assumed or row.capability <= 0:
        return ""
    return words.say("triples.assumed", percent=float(round(100 * row.potentiality / row.capability)))


def no_shifts(view: View) -> list[Any]:
    """Return what to do where no place has shifts."""
    return [html.P(view.words.say("production.no_shifts"))]


def _link(place: str, name: str) -> str:
    return f"{PATH}?{urlencode({**({'place': place} if place else {}), 'period': name})}"


def _section(title: str, name: str, children: list[Any]) -> Any:
    return html.Section([html.H2(title, id=f"{name}-title"), *children], **aria(labelledby=f"{name}-title"))


def _places(rows: Sequence[Item], view: View) -> Any:
    words = view.words
    heads = ["place", *COLUMNS, "unknown"]
    asked = period(view.query.get("period")).name
    body = [
        html.Tr(
            [
                html.Th(html.A(item.place, href=_link(item.place, asked)), scope="row"),
                *(html.Td(_value(item, name, words)) for name in COLUMNS),
                html.Td(_share(unknown_share(item), words)),
            ]
        )
        for item in rows
    ]
    return _table([words.say(f"production.{name}") for name in heads], body, words.say("production.places"))


def _more(rows: Sequence[Item], words: Words) -> list[Any]:
    more = len(rows) - PLACES_MAX
    return [html.P(words.say("production.more", number=more), className="muted")] if more > 0 else []


def _bars(item: Item, words: Words) -> list[Any]:
    bars = waterfall(item)
    if not bars:
        return [html.P(words.say("production.unplanned"), className="muted")]
    unknown = words.say("production.told", unknown=_share(unknown_share(item), words))
    return [html.P(unknown), html.Ul([_bar(bar, words) for bar in bars], className="bars")]


def _bar(bar: Bar, words: Words) -> Any:
    style = {"marginLeft": f"{100 * bar.offset:.2f}%", "width": f"{min(100 * bar.share, 100.0):.2f}%"}
    share = _share(bar.share if bar.seconds >= 0 else -bar.share, words)
    return html.Li(
        [
            html.Span(words.say(f"production.loss.{bar.name}"), className="of"),
            html.Span(html.Span(style=style, className="lost" if bar.is_loss else "left"), className="track"),
            html.Span(words.say("production.bar", hours=bar.seconds / 3600, share=share), className="much"),
        ]
    )


def _jobs(jobs: Sequence[Item], words: Words) -> list[Any]:
    if not jobs:
        return [html.P(words.say("production.no_jobs"), className="muted")]
    heads = ["file", "place", "outcome", *JOB_COLUMNS, "unknown"]
    body = [
        html.Tr(
            [
                html.Th(item.name or item.job or "–", scope="row"),
                html.Td(html.A(short(item.place), href=_machine(item.place), title=item.place)),
                html.Td(words.say(f"outcome.{item.outcome or 'running'}")),
                *(html.Td(_value(item, name, words)) for name in JOB_COLUMNS),
                html.Td(_share(unknown_share(item), words)),
            ]
        )
        for item in jobs
    ]
    return [_table([words.say(f"production.{name}") for name in heads], body, words.say("production.jobs"))]


def _machine(place: str) -> str:
    return f"/machine?{urlencode({'place': place})}"


def _table(heads: Sequence[str], body: list[Any], label: str) -> Any:
    top = html.Thead(html.Tr([html.Th(head, scope="col") for head in heads]))
    return html.Div(
        html.Table([top, html.Tbody(body)]), className="wide", tabIndex=0, role="group", **aria(label=label)
    )


def _value(item: Item, name: str, words: Words) -> str:
    value = item.indicators.get(name)
    if value is None:
        return "–"
    if name in RATIOS:
        return _share(value, words)
    return number(value / 60, words.language) if name.endswith("_s") else number(value, words.language)


def _share(ratio: float | None, words: Words) -> str:
    return "–" if ratio is None else words.say("production.percent", percent=float(round(100 * ratio)))


SCREEN: Final = Screen("production", PATH, layout)
