# SPDX-License-Identifier: AGPL-3.0-or-later
"""Who asks for which page in which language; honest 404s, safe headers, no writes from foreign sites."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from opsroom.door import ASKED, Asked, Door, read
from opsroom.screens import PATHS


def scope(path: str = "/", query: str = "", **headers: str) -> dict[str, Any]:
    told = [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
    return {"type": "http", "method": "GET", "path": path, "query_string": query.encode(), "headers": told}


@pytest.mark.parametrize(
    ("query", "headers", "language"),
    [
        ("", {}, "en"),
        ("lang=es", {"cookie": "lang=en"}, "es"),
        ("", {"cookie": "lang=es; other=1"}, "es"),
        ("", {"referer": "http://room/alerts?lang=es", "cookie": "lang=en"}, "es"),
        ("", {"accept_language": "es-CL,es;q=0.9,en;q=0.8"}, "es"),
        ("lang=tlh", {"accept_language": "fr"}, "en"),
    ],
)
def test_the_language_is_that_of_the_address_the_page_the_cookie_or_the_browser(
    query: str, headers: dict[str, str], language: str
) -> None:
    assert read(scope(query=query, **headers), PATHS).language == language


def test_what_the_address_chooses_is_kept_in_a_cookie() -> None:
    asked = read(scope(query="lang=es&theme=%0d%0aevil"), PATHS)
    assert [cookie.partition(b";")[0] for cookie in asked.cookies] == [b"lang=es", b"theme=grey"]


def test_a_page_is_one_of_the_screens() -> None:
    assert (read(scope("/alerts"), PATHS).page, read(scope("/nope"), PATHS).page) == ("/alerts", None)


@pytest.fixture
def answers() -> Any:
    """A function that asks a small server behind the door."""
    server = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @server.get("/")
    async def index() -> str:
        ASKED.get().unknown = ASKED.get().page is None
        return ASKED.get().page or ""

    @server.get("/catch/{rest:path}")
    async def catch(rest: str) -> str:
        ASKED.get().unknown = True
        return rest

    @server.post("/api/v1/act")
    async def act() -> str:
        return "done"

    def lost(asked: Asked) -> str:
        return f"<h1>{asked.language}</h1>"

    door = Door(server, pages=PATHS, policy=lambda: "default-src 'self'", not_found=lost)

    async def ask(method: str, path: str, headers: dict[str, str]) -> httpx.Response:
        transport = httpx.ASGITransport(app=door)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://room") as client:
            return await client.request(method, path, headers=headers)

    return lambda method, path, **headers: asyncio.run(
        ask(method, path, {k.replace("_", "-"): v for k, v in headers.items()})
    )


def test_a_page_comes_from_dash_with_headers_that_keep_it_safe(answers: Any) -> None:
    found = answers("GET", "/alerts?lang=es")
    assert (found.status_code, found.text, found.headers["set-cookie"][:7]) == (200, '"/alerts"', "lang=es")
    assert found.headers["content-security-policy"] == "default-src 'self'"
    assert found.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/nope", "/catch/dash"])
def test_an_unknown_page_is_a_404_in_the_readers_language(answers: Any, path: str) -> None:
    found = answers("GET", path, accept_language="es")
    assert (found.status_code, found.text, found.headers["content-type"]) == (
        404,
        "<h1>es</h1>",
        "text/html; charset=utf-8",
    )


def test_the_apis_own_404_is_left_alone(answers: Any) -> None:
    assert (answers("GET", "/api/nope").status_code, answers("GET", "/api/nope").json()) == (
        404,
        {"detail": "Not Found"},
    )


@pytest.mark.parametrize(
    ("site", "status"), [("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)]
)
def test_a_foreign_site_cannot_write(answers: Any, site: str, status: int) -> None:
    assert answers("POST", "/api/v1/act", sec_fetch_site=site).status_code == status


def test_a_program_can_write(answers: Any) -> None:
    assert answers("POST", "/api/v1/act").json() == "done"
