# SPDX-License-Identifier: AGPL-3.0-or-later
"""The room on a server: what its pages hold, and what they may do."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import inspect
import json
import re
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, HTTPException

from opsroom.app import _board, _outlook, mount, same_origin
from opsroom.notice import About, Notice
from opsroom.screens.frame import View
from opsroom.words import LANGUAGES, catalogue


class StillClock:
    def now(self) -> float:
        return 0.0

    def real_s(self, plant_s: float) -> float:
        return plant_s


class NoBus:
    connected = False


def server() -> FastAPI:
    made = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    mount(made, bus=NoBus(), clock=StillClock(), seed=dict, notice=Notice(8), version="0.1.0")  # type: ignore[arg-type]
    return made


def get(made: FastAPI, path: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=made)
        async with httpx.AsyncClient(transport=transport, base_url="http://room") as client:
            return await client.get(path)

    return asyncio.run(ask())


@pytest.fixture(scope="module")
def made() -> FastAPI:
    return server()


@pytest.mark.parametrize("path", ["/", "/machine?place=a/b", "/alerts", "/intake"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_names_its_language_and_asks_no_foreign_host(made: FastAPI, path: str, language: str) -> None:
    found = get(made, f"{path}{'&' if '?' in path else '?'}lang={language}")
    assert found.status_code == 200
    assert f'<html lang="{language}"' in found.text
    assert re.findall(r'(?:src|href)="(?!/)[^"]+"', found.text) == []


def test_only_scripts_of_our_own_may_run(made: FastAPI) -> None:
    found = get(made, "/")
    policy = found.headers["content-security-policy"]
    inline = re.findall(r"<script(?![^>]*src=)(?![^>]*application/json)[^>]*>(.*?)</script>", found.text, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in inline]
    assert [each for each in hashes if f"'sha256-{each}'" not in policy] == []
    assert "unsafe-eval" not in policy
    assert "unsafe-inline" not in policy.partition("style-src")[0]


def test_the_words_travel_with_the_page(made: FastAPI) -> None:
    text = get(made, "/?lang=es").text
    boot = json.loads(re.search(r'id="boot" type="application/json">(.*?)</script>', text, re.DOTALL)[1])  # type: ignore[index]
    assert boot == {"language": "es", "words": dict(catalogue("es").texts)}


@pytest.mark.parametrize("path", ["/nope", "/alerts/", "/_dash-nope", "/assets/nope.js"])
def test_an_unknown_page_is_a_404_page(made: FastAPI, path: str) -> None:
    found = get(made, path)
    assert (found.status_code, found.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert catalogue("en").say("lost.title") in found.text


def test_callbacks_never_block_the_loop() -> None:
    board = _board(FastAPI(), About("0"))
    assert board.callback_map
    assert [key for key, row in board.callback_map.items() if not inspect.iscoroutinefunction(row["callback"])] == []


def test_a_page_of_another_host_cannot_listen() -> None:
    assert not same_origin("http://evil.example", "127.0.0.1:8050")
    assert not same_origin("null", "127.0.0.1:8050")
    assert same_origin("http://127.0.0.1:8050", "127.0.0.1:8050")


def outlook(answer: dict[str, Any] | int, language: str = "en") -> str:
    api = FastAPI()

    @api.get("/api/v1/outlook")
    async def told() -> Any:
        if isinstance(answer, int):
            raise HTTPException(answer, detail="12 values, at least 60 are needed")
        return answer

    ask = {"place": "a/b", "index": "pace_ratio", "horizon": "hours"}
    return str(asyncio.run(_outlook(api, ask, View(catalogue(language), "grey", {}))))


def test_an_outlook_is_told_as_a_sentence_and_a_chart() -> None:
    at = ["2026-11-23T10:00:00.000Z"]
    known = {"place": "a/b", "index": "pace_ratio", "unit": "1", "at": at, "mean": [0.9], "lo": [0.8], "hi": [1.0]}
    past = {"origins": 37, "error": 0.0, "error_last": 0.2}
    told = outlook({**known, "level": 0.8, "model": "constant", "horizon": "hours", "past": past})
    assert "Pace will probably reach 0.90" in told
    assert "Tried on 37 stretches" in told
    assert "data-ops='outlook-chart'" in told


@pytest.mark.parametrize("status", [409, 422, 503])
def test_no_outlook_is_said_in_words(status: int) -> None:
    assert catalogue("en").say("outlook.none") in outlook(status)
    assert "12 values" in outlook(status)
    assert "12 values" not in outlook(status, "es")
