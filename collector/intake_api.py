# SPDX-License-Identifier: AGPL-3.0-or-later
"""Intake over HTTP, for those without MQTT: the same bodies, the same rules, the same account."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, HTTPException, Request, Response
from starlette.concurrency import run_in_threadpool

from collector.contract.codec import decode_event, decode_object, parse_time
from collector.contract.errors import Refusal
from collector.contract.limits import PAYLOAD_BYTES_MAX
from collector.contract.topics import Kind
from collector.login import Denied, Login, trespass
from collector.mine import Mine, Own, person
from collector.service import Collector

_REALM: Final = 'Basic realm="cybersyn", charset="UTF-8"'


def routes(collector: Collector, login: Login | None = None, mine: Mine | None = None) -> APIRouter:
    """Return the routes that take readings and events; without `login` everybody may (tests, one's own machine).

    `mine` remembers events for whoever gives a secret along; the collector is never told of it.
    """
    router = APIRouter()

    async def take(request: Request, kind: Kind) -> Response:
        device = await _who(request, login)
        body = await _body(request)
        if device is not None:
            _check_covered(collector, device, body)
        secret = request.headers.get("x-person") if kind is Kind.EVENT and mine is not None else None
        whose = person(secret) if secret is not None else None
        receipt = await run_in_threadpool(collector.post, kind, body)
        if mine is not None and whose is not None:
            await run_in_threadpool(mine.add, whose, own(body, collector.clock.now()))
        return Response(receipt, media_type="application/json")

    @router.post("/readings", summary="A reading, as over MQTT, with device or place; answers once it is on disk")
    async def readings(request: Request) -> Response:
        return await take(request, Kind.READING)

    @router.post("/events", summary="An event, as over MQTT, with device or place; answers once it is on disk")
    async def events(request: Request) -> Response:
        return await take(request, Kind.EVENT)

    return router


def own(body: bytes, now: float) -> Own:
    """Return what is remembered of an event that was taken, for its person."""
    event = decode_event(body)
    ts = parse_time(event.ts)
    about = event.about or event.device or event.place or ""
    return Own(event.id, now if ts is None else ts, about, event.event)


async def _who(request: Request, login: Login | None) -> str | None:
    """Return whose credentials came along, None for nobody's; raises HTTPException, before any body is read."""
    if login is None:
        return None
    address = request.client.host if request.client is not None else ""
    found = await run_in_threadpool(login.device, request.headers.get("authorization"), address)
    if not isinstance(found, Denied):
        return found
    headers = {"WWW-Authenticate": _REALM} if found.status == 401 else {"Retry-After": str(found.retry_after_s)}  # noqa: PLR2004 - an HTTP status
    raise HTTPException(found.status, found.detail, headers=headers)


async def _body(request: Request) -> bytes:
    """Return the body; of one that is too large as much as it takes for the codec to refuse it."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > PAYLOAD_BYTES_MAX:
            break
    return bytes(body)


def _check_covered(collector: Collector, device: str, body: bytes) -> None:
    """Return where the body names nobody but the credentials' device; raises HTTPException 403."""
    try:
        said = decode_object(body)
    except Refusal:
        return  # the collector refuses it, and says why
    plant = collector.registry.plant
    reason = trespass(plant, device, said_device=said.get("device"), said_place=said.get("place"))
    if reason is not None:
        raise HTTPException(403, f"mis_addressed: {reason}")
