# SPDX-License-Identifier: AGPL-3.0-or-later
"""What every screen has around it: skip link, names of the screens, counts, notice, footer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs, urlencode

from dash import html

from opsroom.notice import About
from opsroom.theme import THEMES
from opsroom.words import LANGUAGES, Words

COMPONENTS_MAX: Final = 300
"""Dash components on one page: its first drawing grows faster than their number."""


class View(NamedTuple):
    """What a screen is drawn from: words, the theme's name, and what the address asks for."""

    words: Words
    theme: str
    query: dict[str, str]


class Screen(NamedTuple):
    """One screen: `name` is its key among the words, `layout` draws what is inside `main`.

    One that is not `listed` in the menu is reached from others.
    """

    name: str
    path: str
    layout: Callable[[View], list[Any]]
    listed: bool = True


def ops(widget: str, **facts: str) -> dict[str, Any]:
    """Return the attributes by which our scripts find a ground, and what they must know of it.

    >>> ops("board", place="a/b")
    {'data-ops': 'board', 'data-place': 'a/b'}
    """
    return {"data-ops": widget, **{f"data-{name}": fact for name, fact in facts.items()}}


def aria(**facts: str) -> dict[str, Any]:
    """Return attributes for those who listen instead of look.

    >>> aria(label="Menu")
    {'aria-label': 'Menu'}
    """
    return {f"aria-{name}": fact for name, fact in facts.items()}


def query_of(search: str | None) -> dict[str, str]:
    """Return the first value of each part of an address's query.

    >>> query_of("?place=a/b&lang=es")
    {'place': 'a/b', 'lang': 'es'}
    """
    return {name: found[0] for name, found in parse_qs((search or "").lstrip("?")[:2_000]).items()}


def framed(screen: Screen, screens: Sequence[Screen], view: View, about: About) -> list[Any]:
    """Return the whole page."""
    words = view.words
    question = words.say(f"screen.{screen.name}.question")
    return [
        html.A(words.say("app.skip"), href="#main", className="skip"),
        html.Header(_top(screen, screens, view), className="top"),
        *_notice(words, about),
        html.Main(
            [
                html.Div(
                    [
                        html.H1(words.say(f"screen.{screen.name}.name"), id="title"),
                        html.P(question, className="question"),
                    ],
                    className="title",
                ),
                *screen.layout(view),
            ],
            id="main",
            className=screen.name,
            tabIndex=-1,
        ),
        html.Div(**ops("crier"), className="unseen"),
        _footer(words, about),
    ]


def _top(screen: Screen, screens: Sequence[Screen], view: View) -> list[Any]:
    words = view.words
    return [
        html.A(
            [html.Span(className="logo", **aria(hidden="true")), words.say("app.name")], href="/", className="brand"
        ),
        html.Nav(
            [
                html.A(
                    [
                        words.say(f"screen.{each.name}.name"),
                        html.Span(className="badge", **ops(f"badge-{each.name}")),
                    ],
                    href=each.path,
                    **(aria(current="page") if each is screen else {}),
                )
                for each in screens
                if each.listed
            ],
            **aria(label=words.say("app.menu")),
        ),
        html.Div(className="counts", role="group", **ops("counts"), **aria(label=words.say("app.counts"))),
        html.Div(className="clock", **ops("clock")),
        html.Div(_choices(view), className="choices", role="group", **aria(label=words.say("app.choices"))),
    ]


def _choices(view: View) -> list[Any]:
    words = view.words
    languages = [
        html.A(words.say(f"language.{name}"), href=_again(view, lang=name), lang=name, **ops("choice"))
        for name in LANGUAGES
        if name != words.language
    ]
    themes = [
        html.A(words.say(f"theme.{row.name}"), href=_again(view, theme=row.name), **ops("choice"))
        for row in THEMES
        if row.name != view.theme
    ]
    return languages + themes


def _again(view: View, **more: str) -> str:
    """Return the same page, of the same place, in another language or theme."""
    return f"?{urlencode({**view.query, **more})}"


def _notice(words: Words, about: About) -> list[Any]:
    if about.notice is None:
        return []
    simulated, recorded = about.notice
    told = (
        words.say("notice.recorded", simulated=simulated, recorded=recorded)
        if recorded
        else words.say("notice.simulated", simulated=simulated)
    )
    return [
        html.Aside(
            [
                html.Strong(words.say("notice.demo")),
                " ",
                html.Span(told),
                " ",
                html.Span(**ops("speed")),
            ],
            className="notice",
            **aria(label=words.say("notice.label")),
        )
    ]


def _footer(words: Words, about: About) -> Any:
    source = (
        html.A(words.say("footer.source"), href=about.source, rel="noreferrer")
        if about.source
        else words.say("footer.licence")
    )
    version = html.Span(words.say("footer.version", version=about.version))
    return html.Footer([html.Span(words.say("footer.advises")), version, html.Span(source)], className="foot")
