# SPDX-License-Identifier: AGPL-3.0-or-later
"""The HTML document around the screens: language, theme, scripts of our own, and what the scripts must know."""

from __future__ import annotations

import json
from html import escape
from typing import Final, NamedTuple

from opsroom.door import Asked
from opsroom.theme import css, theme
from opsroom.words import Words, catalogue

UPLOT: Final = "/assets/vendor/uplot-1.6.32"
PLOTLY: Final = "/assets/vendor/plotly-basic-4.1.1"
STYLES: Final = ("/assets/room.css", "/assets/phone.css")
CHART_PATH: Final = "/machine"
"""The only page that draws an outlook, and so loads the large chart library."""
TREND_PATHS: Final = (CHART_PATH, "/index")
"""The pages that draw trends, and so load the small one."""


class Parts(NamedTuple):
    """What Dash puts into its document."""

    metas: str
    css: str
    config: str
    scripts: str
    renderer: str


def index(parts: Parts, asked: Asked, title: str) -> str:
    """Return the page in which Dash draws a screen; `boot` in it is what our scripts read."""
    words = catalogue(asked.language)
    trends = asked.page in TREND_PATHS
    vendor = f'<script src="{PLOTLY}/plotly-basic.min.js"></script>\n' if asked.page == CHART_PATH else ""
    vendor += f'<script src="{UPLOT}/uPlot.iife.min.js"></script>\n' if trends else ""
    styles = f'<link rel="stylesheet" href="{UPLOT}/uPlot.min.css">\n' if trends else ""
    known = {"language": words.language, "words": dict(words.texts)}
    told = json.dumps(known, ensure_ascii=False).replace("</", "<\\/")
    return f"""<!DOCTYPE html>
<html lang="{asked.language}" data-theme="{theme(asked.theme).name}">
<head>
{parts.metas}
<title>{escape(title)}</title>
{_head()}
{styles}{parts.css}
</head>
<body>
<div id="react-entry-point"><div class="_dash-loading">{escape(words.say("app.loading"))}</div></div>
<noscript><p class="plain">{escape(words.say("app.noscript"))}</p></noscript>
<script id="boot" type="application/json">{told}</script>
<div>
{_config(parts.config)}
{vendor}{parts.scripts}
{parts.renderer}
<script type="module" src="/assets/room.js"></script>
</div>
</body>
</html>
"""


def _config(script: str) -> str:
    """Return Dash's settings without its own socket: it would connect though no callback uses it."""
    start, end = script.index(">") + 1, script.rindex("</")
    settings = json.loads(script[start:end])
    settings.pop("websocket", None)
    return script[:start] + json.dumps(settings).replace("</", "<\\/") + script[end:]


def not_found(asked: Asked) -> str:
    """Return the page that says that there is no such page, and where to go."""
    words = catalogue(asked.language)
    title = words.say("lost.title")
    return f"""<!DOCTYPE html>
<html lang="{asked.language}" data-theme="{theme(asked.theme).name}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(page_title(words, title))}</title>
{_head()}
</head>
<body>
<main class="plain">
<h1>{escape(title)}</h1>
<p>{escape(words.say("lost.text"))}</p>
<p><a href="/">{escape(words.say("lost.back"))}</a></p>
</main>
</body>
</html>
"""


def page_title(words: Words, screen: str) -> str:
    """Return what the browser's tab shows."""
    return words.say("app.title", screen=screen)


def _head() -> str:
    links = "\n".join(f'<link rel="stylesheet" href="{path}">' for path in STYLES)
    return f'<link rel="icon" type="image/svg+xml" href="/assets/icon.svg">\n<style>{css()}</style>\n{links}'
