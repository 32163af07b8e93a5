# SPDX-License-Identifier: AGPL-3.0-or-later
"""The outermost layer of the room's port: who asks for which page, safe headers, honest 404s."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from collector.contract.codec import encode
from opsroom.theme import GREY, THEMES
from opsroom.words import FALLBACK, pick

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

YEAR_S: Final = 31_536_000
_SAFE: Final = {"GET", "HEAD", "OPTIONS"}
_OURS: Final = {"", "same-origin", "none"}
_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)


@dataclass
class Asked:
    """What one request asks for: `page` is a screen's path or None, `unknown` that Dash was asked for no page."""

    language: str = FALLBACK
    theme: str = GREY.name
    page: str | None = None
    cookies: tuple[bytes, ...] = ()
    unknown: bool = False


ASKED: ContextVar[Asked] = ContextVar("asked")


def read(scope: Scope, pages: frozenset[str], language: str = FALLBACK) -> Asked:
    """Return what a request asks for: its own query first, then the page that it came from, then cookies."""
    headers = {name.decode("latin-1"): text.decode("latin-1") for name, text in scope["headers"]}
    query = _query(scope["query_string"].decode("latin-1"))
    came_from = _query(urlsplit(headers.get("referer", "")).query)
    cookies = _cookies(headers.get("cookie", ""))
    wanted = (query.get("lang"), came_from.get("lang"), cookies.get("lang"))
    language = pick(*wanted, accept=headers.get("accept-language", ""), otherwise=language)
    known = {row.name for row in THEMES}
    wishes = (query.get("theme"), came_from.get("theme"), cookies.get("theme"))
    theme = next((wish for wish in wishes if wish in known), None) or GREY.name
    kept = {"lang": language, "theme": theme}
    told = tuple(
        f"{name}={kept[name]}; Path=/; Max-Age={YEAR_S}; SameSite=Lax".encode() for name in kept if name in query
    )
    page = scope["path"] if scope["path"] in pages else None
    return Asked(language, theme, page, told)


def _query(text: str) -> dict[str, str]:
    return {name: found[0] for name, found in parse_qs(text[:2_000]).items()}


def _cookies(text: str) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(text).items()}
    except CookieError:
        return {}


class Door:
    """ASGI: pages go to Dash's index, an unknown page is a 404, a write from a foreign site a 403."""

    def __init__(
        self,
        app: App,
        *,
        pages: frozenset[str],
        policy: Callable[[], str],
        not_found: Callable[[Asked], str],
        language: str = FALLBACK,
    ) -> None:
        self._app = app
        self._pages = pages
        self._language = language
        self._policy = policy
        self._not_found = not_found

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = read(scope, self._pages, self._language)
        token = ASKED.set(asked)
        guarded = self._guarded(scope, asked, send)
        try:
            if scope["method"] not in _SAFE and _site(scope) not in _OURS:
                await _refuse(guarded)
                return
            if asked.page is not None and scope["method"] in _SAFE:
                scope = {**scope, "path": "/", "raw_path": b"/"}
            await self._app(scope, receive, guarded)
        finally:
            ASKED.reset(token)

    def _guarded(self, scope: Scope, asked: Asked, send: Send) -> Send:
        """Return a `send` that adds the headers, and puts our 404 page in the place of any other."""
        replaced = False

        async def guarded(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start":
                lost = asked.unknown or (message["status"] == 404 and scope["method"] == "GET")  # noqa: PLR2004
                replaced = lost and not scope["path"].startswith("/api/")
                if replaced:
                    await self._lose(asked, send)
                    return
                message = {**message, "headers": [*message.get("headers", []), *self._added(scope, asked)]}
            if not replaced:
                await send(message)

        return guarded

    async def _lose(self, asked: Asked, send: Send) -> None:
        body = self._not_found(asked).encode()
        kind = [(b"content-type", b"text/html; charset=utf-8"), (b"content-length", str(len(body)).encode())]
        headers = [*kind, (b"cache-control", b"no-store"), *self._safe()]
        await send({"type": "http.response.start", "status": 404, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _added(self, scope: Scope, asked: Asked) -> list[tuple[bytes, bytes]]:
        added = self._safe()
        if asked.page is not None:
            added += [(b"cache-control", b"no-store"), (b"vary", b"Cookie, Accept-Language")]
            added += [(b"set-cookie", cookie) for cookie in asked.cookies]
        elif scope["path"].startswith("/assets/"):
            added.append((b"cache-control", b"no-cache"))
        return added

    def _safe(self) -> list[tuple[bytes, bytes]]:
        return [*_HEADERS, (b"content-security-policy", self._policy().encode())]


def _site(scope: Scope) -> str:
    return next((text.decode("latin-1") for name, text in scope["headers"] if name == b"sec-fetch-site"), "")


async def _refuse(send: Send) -> None:
    problem = {"type": "about:blank", "title": "Forbidden", "status": 403, "detail": "sec-fetch-site = cross-site"}
    body = encode(problem)
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})
