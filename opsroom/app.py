# SPDX-License-Identifier: AGPL-3.0-or-later
"""The room on its port: FastAPI in front, Dash on the same object, live values by an own WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import dash
import httpx
import msgspec
from dash import Input, Output, dcc, html
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from collector.contract.codec import format_time, parse_time
from collector.contract.ports import Bus, Clock
from collector.contract.topics import ROOT_DEFAULT
from opsroom import asking, document
from opsroom.door import ASKED, Asked, Door
from opsroom.intake import keep_asking
from opsroom.live import CLIENTS_MAX, Client, Hub, Pump, keep_telling, serve
from opsroom.notice import About, Notice
from opsroom.screens import PATHS, SCREENS, machine, production, screen_at
from opsroom.screens.frame import View, framed, query_of
from opsroom.views.machine import usual_rank
from opsroom.views.outlook import Outlook
from opsroom.views.production import JOBS_MAX, Ahead, Item, period
from opsroom.words import FALLBACK, catalogue, pick

ASSETS: Final = Path(__file__).parent / "assets"
OUTLOOK_WAIT_S: Final = 20.0
OUTLOOK_PAST: Final = {"hours": (6 * 3_600, 60), "shift": (3 * 86_400, 900), "days": (14 * 86_400, 3_600)}
"""How much of the past is drawn before an outlook, and in which steps (s)."""
TRY_AGAIN_CODE: Final = 1013
"""WebSocket close code: too many browsers now."""
_POLICY: Final = (
    "default-src 'self'; script-src 'self' {hashes}; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self'; worker-src 'self'; object-src 'none'; base-uri 'none'; "
    "frame-ancestors 'none'; form-action 'self'"
)


class Room:
    """The ops room on a server: `start` inside its running event loop, `close` at its end."""

    def __init__(self, server: FastAPI, hub: Hub, pump: Pump) -> None:
        self.hub = hub
        self._server = server
        self._pump = pump
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Listen to the bus and tell the browsers from now on; needs a running event loop."""
        work = {
            "opsroom-telling": keep_telling(self.hub),
            "opsroom-intake": keep_asking(_inside(self._server), self.hub),
        }
        self._tasks = [asyncio.get_running_loop().create_task(each, name=name) for name, each in work.items()]
        self._pump.start()

    def close(self) -> None:
        """Stop listening and let every browser go; the bus stays open, it belongs to whoever made it."""
        for task in self._tasks:
            task.cancel()
        for client in list(self.hub.clients):
            client.leave()
        self._pump.close()


class _Board(dash.Dash):
    """Dash with a document of our own around it."""

    about: About

    def interpolate_index(  # noqa: PLR0917 - Dash's own signature
        self,
        metas: str = "",
        title: str = "",  # noqa: ARG002 - the title is the screen's, in the language asked for
        css: str = "",
        config: str = "",
        scripts: str = "",
        app_entry: str = "",  # noqa: ARG002 - ours speaks the language asked for
        favicon: str = "",  # noqa: ARG002 - ours is a drawing
        renderer: str = "",
    ) -> str:
        """Return the document of the page that was asked for; where none was, the door makes a 404 of it."""
        asked = ASKED.get(Asked())
        asked.unknown = asked.page is None
        parts = document.Parts(metas, css, config, scripts, renderer)
        words = catalogue(asked.language)
        heading = document.page_title(words, words.say(f"screen.{screen_at(asked.page).name}.name"))
        return document.index(parts, asked, heading)


def mount(
    server: FastAPI,
    *,
    bus: Bus,
    clock: Clock,
    seed: Callable[[], dict[str, Any]],
    root: str = ROOT_DEFAULT,
    notice: Notice | None = None,
    version: str,
    source: str | None = None,
    language: str = FALLBACK,
) -> Room:
    """Put the room on the server: its pages, their assets and `/ws/live`; the API's routes are the server's own.

    `seed` gives {"machines": …, "indices": …, "alerts": …} as the API lists them. Unknown pages answer 404 in HTML;
    what lies under /api is not touched. `source` is the address of the source code that every page links to,
    `language` is for visitors who chose none.
    """
    hub = Hub(clock, root=root)
    _live_route(server, hub)
    board = _board(server, About(version, source, notice))
    policy = _POLICY.format(hashes=" ".join(board.csp_hashes()))
    server.add_middleware(Door, pages=PATHS, policy=lambda: policy, not_found=document.not_found, language=language)
    return Room(server, hub, Pump(hub, bus, seed, root=root))


def _live_route(server: FastAPI, hub: Hub) -> None:
    async def live(socket: WebSocket) -> None:
        if not same_origin(socket.headers.get("origin"), socket.headers.get("host")):
            await socket.close()
            return
        if len(hub.clients) >= CLIENTS_MAX:
            await socket.close(code=TRY_AGAIN_CODE)
            return
        await socket.accept()
        client = Client()
        hub.join(client)
        sender = asyncio.create_task(serve(hub, client, lambda frame: socket.send_text(frame.decode())))
        listener = asyncio.create_task(_listen(hub, client, socket))
        try:
            await asyncio.wait({sender, listener}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            hub.leave(client)
            for task in (sender, listener):
                task.cancel()
            await asyncio.gather(sender, listener, return_exceptions=True)

    server.add_api_websocket_route("/ws/live", live)


async def _listen(hub: Hub, client: Client, socket: WebSocket) -> None:
    try:
        while True:
            hub.hear(client, await socket.receive_text())
    except (WebSocketDisconnect, KeyError):
        return


def same_origin(origin: str | None, host: str | None) -> bool:
    """Tell whether a page of our own opens the socket; a program that is no browser sends no Origin.

    >>> same_origin("http://room:8050", "room:8050"), same_origin("http://evil", "room:8050"), same_origin(None, "room")
    (True, False, True)
    """
    return origin is None or urlsplit(origin).netloc == host


def _board(server: FastAPI, about: About) -> _Board:  # tidy: one small callback a ground of a page
    board = _Board(
        "opsroom",
        server=server,  # type: ignore[arg-type]  # Dash 4.4 takes a FastAPI, its annotation does not say so
        assets_folder=str(ASSETS),
        include_assets_files=False,
        compress=True,
        update_title=None,  # type: ignore[arg-type]  # None: the title stays, its annotation does not say so
        use_async=True,
        suppress_callback_exceptions=True,
        title=catalogue("en").say("app.name"),
        add_log_handler=False,
    )
    board.about = about
    board.layout = html.Div([dcc.Location(id="address", refresh=False), html.Div(id="room")])

    async def page(path: str, search: str) -> list[Any]:
        return framed(screen_at(path), SCREENS, _view(search), about)

    async def outlook(ask: dict[str, str], search: str) -> list[Any]:
        return await _outlook(server, ask, _view(search))

    async def believed(ask: dict[str, str], _again: int | None, search: str) -> tuple[list[Any], list[Any]]:
        async with _inside(server) as api:
            return await asking.believed(api, ask, _view(search))

    async def triples(ask: dict[str, str], _again: int | None, search: str) -> list[Any]:
        async with _inside(server) as api:
            return await asking.triples(api, ask["place"], _view(search))

    async def made(ask: dict[str, str], _again: int | None, search: str) -> list[Any]:
        return await _production(server, ask, _view(search))

    async def ahead(ask: dict[str, str], search: str) -> list[Any]:
        return await _ahead(server, ask, _view(search))

    board.callback(Output("room", "children"), Input("address", "pathname"), Input("address", "search"))(page)
    board.callback(Output("outlook", "children"), Input("outlook-ask", "data"), dash.State("address", "search"))(
        outlook
    )
    board.callback(
        Output("index-now", "children"),
        Output("index-told", "children"),
        Input("index-ask", "data"),
        Input("index-again", "n_intervals"),
        dash.State("address", "search"),
    )(believed)
    board.callback(
        Output("triples", "children"),
        Input("production-ask", "data"),
        Input("production-again", "n_intervals"),
        dash.State("address", "search"),
    )(triples)
    board.callback(
        Output("production", "children"),
        Input("production-ask", "data"),
        Input("production-again", "n_intervals"),
        dash.State("address", "search"),
    )(made)
    board.callback(
        Output("production-ahead", "children"), Input("production-ask", "data"), dash.State("address", "search")
    )(ahead)
    return board


def _view(search: str) -> View:
    asked, query = ASKED.get(Asked()), query_of(search)
    return View(catalogue(pick(query.get("lang"), asked.language)), query.get("theme") or asked.theme, query)


async def _outlook(server: FastAPI, ask: dict[str, str], view: View) -> list[Any]:
    """Return the chart of an outlook, asked of our own API in process, or a sentence that says why there is none."""
    async with _inside(server) as api:
        place, index = ask["place"], ask["index"]
        if not index:
            listed = (await api.get("/api/v1/indices", params={"place": place})).json().get("items", [])
            names = [row["index"] for row in listed if row.get("place") == place]
            index = min(names, key=usual_rank, default="")
        answer = await api.get("/api/v1/outlook", params={"place": place, "index": index, "horizon": ask["horizon"]})
        if answer.status_code != httpx.codes.OK:
            return machine.no_outlook(view, _detail(answer))
        found = msgspec.convert(answer.json(), Outlook)
        measured = await _measured(api, place, index, until=found.at[0], horizon=ask["horizon"])
    return machine.outlook_drawn(found, measured, view)


async def _production(server: FastAPI, ask: dict[str, str], view: View) -> list[Any]:
    """Return what a period came to, asked of our own API in process, or a sentence that says why there is nothing."""
    chosen, place = period(ask["period"]), {"place": ask["place"]} if ask["place"] else {}
    async with _inside(server) as api:
        window = {**place, "last_s": str(chosen.last_s)}
        answer = await api.get("/api/v1/production", params={**window, "by": chosen.by, "depth": "1", "limit": "500"})
        listed = await api.get("/api/v1/production", params={**window, "by": "job", "limit": str(JOBS_MAX)})
    if answer.status_code != httpx.codes.OK or listed.status_code != httpx.codes.OK:
        if chosen.by == "shift" and answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY:
            return production.no_shifts(view)
        return production.nothing(view, _detail(answer) or _detail(listed))
    items, jobs = (msgspec.convert(found.json()["items"], list[Item]) for found in (answer, listed))
    return production.told(items, jobs, view)


async def _ahead(server: FastAPI, ask: dict[str, str], view: View) -> list[Any]:
    """Return how many good parts will come until Friday, asked once as a page opens; nothing without a place."""
    if not ask["place"]:
        return []
    async with _inside(server) as api:
        answer = await api.get("/api/v1/production/outlook", params={"place": ask["place"]})
    if answer.status_code != httpx.codes.OK:
        return production.no_ahead(view)
    return production.ahead_told(msgspec.convert(answer.json(), Ahead), view)


def _inside(server: FastAPI) -> httpx.AsyncClient:
    """Return who asks our own API in process."""
    transport = httpx.ASGITransport(app=server, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://room", timeout=OUTLOOK_WAIT_S)


async def _measured(
    api: httpx.AsyncClient, place: str, index: str, *, until: str, horizon: str
) -> list[tuple[str, float]]:
    """Return (time, mean) of the hours before an outlook; none where the API has none."""
    past_s, step_s = OUTLOOK_PAST[horizon]
    window = {"from": format_time((parse_time(until) or 0.0) - past_s), "to": until, "step_s": str(step_s)}
    answer = await api.get("/api/v1/series", params={"place": place, "indicator": index, **window})
    points = answer.json().get("points", []) if answer.status_code == httpx.codes.OK else []
    return [(at, mean) for at, _, mean, _ in points if mean is not None]


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json().get("detail") or "")
    except (ValueError, AttributeError):
        return ""
