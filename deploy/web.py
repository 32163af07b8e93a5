# SPDX-License-Identifier: AGPL-3.0-or-later
"""One FastAPI application a service: problems, health, metrics, and the routes that it is given."""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from itertools import takewhile
from typing import Any, Final, NamedTuple, Protocol

import uvicorn
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.exceptions import HTTPException
from starlette.routing import Match

from collector.contract.errors import Misconfigured, Refusal, Unavailable
from collector.contract.figure import Figure

_REFUSED: Final = {"too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "over_quota": HTTPStatus.TOO_MANY_REQUESTS}
"""Refusals that have an HTTP status of their own."""
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"]


class Service(NamedTuple):
    """What one service puts on its port; `start` and `stop` are called inside the running event loop."""

    title: str
    routers: Sequence[APIRouter]
    ready: Callable[[], str | None]
    figures: Callable[[], Iterable[Figure]]
    mount: Callable[[FastAPI], Room] | None = None


class Room(Protocol):
    """What wants to know when the server begins and ends."""

    def start(self) -> None:
        """Begin, inside the running event loop."""

    def close(self) -> None:
        """End."""


def application(service: Service, *, version: str) -> FastAPI:
    """Return the application; unknown /api paths are problem documents whatever the method (contract 6)."""
    rooms: list[Room] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        for room in rooms:
            room.start()
        yield
        for room in rooms:
            room.close()

    server = FastAPI(
        title=service.title,
        version=version,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
    )
    for error, answer in _ANSWERS:
        server.add_exception_handler(error, answer)
    for router in service.routers:
        server.include_router(router)
    server.include_router(_health(service.ready, service.figures))
    server.add_api_route("/api/{path:path}", _nothing_there, methods=_METHODS, include_in_schema=False)
    if service.mount is not None:
        rooms.append(service.mount(server))
    return server


def _health(ready: Callable[[], str | None], figures: Callable[[], Iterable[Figure]]) -> APIRouter:
    router = APIRouter(tags=["health"])

    @router.get("/healthz", summary="Alive")
    def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @router.get("/readyz", summary="Ready, or why not")
    def readyz() -> Response:
        reason = ready()
        if reason is None:
            return JSONResponse({"status": "ready"})
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, reason)

    @router.get("/metrics", summary="Figures as Prometheus text", response_class=PlainTextResponse)
    def metrics() -> Response:
        return Response(_prometheus(figures()), media_type="text/plain; version=0.0.4; charset=utf-8")

    return router


def _prometheus(figures: Iterable[Figure]) -> bytes:
    families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
    for figure in figures:
        family = families.get(figure.name)
        if family is None:
            kind = CounterMetricFamily if figure.kind == "counter" else GaugeMetricFamily
            family = families[figure.name] = kind(figure.name, figure.help, labels=list(figure.labels))
        family.add_metric(list(figure.labels.values()), figure.value)

    class _Collector(Collector):
        def collect(self) -> Iterable[Metric]:
            return families.values()

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector())
    return generate_latest(registry)


def problem(status: int, detail: str, **more: Any) -> JSONResponse:
    """Return an RFC 9457 problem document."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": int(status), "detail": detail, **more}
    return JSONResponse(body, status_code=int(status), media_type="application/problem+json")


async def _http_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _with_headers(problem(error.status_code, str(error.detail)), error.headers)


def _with_headers(answer: JSONResponse, headers: Mapping[str, str] | None) -> JSONResponse:
    answer.headers.update(headers or {})
    return answer


async def _invalid_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    match first["type"]:
        case "missing":
            detail = f"{where} is missing"
        case "json_invalid":
            detail = f"the body is not JSON: {first['ctx']['error']}"
        case _:
            detail = f"{where} = {str(first.get('input'))[:80]!r}: {first['msg']}"
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail)


async def _refusal_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    status = _REFUSED.get(error.reason, HTTPStatus.UNPROCESSABLE_ENTITY)
    headers = {"Retry-After": "1"} if status == HTTPStatus.TOO_MANY_REQUESTS else None
    return _with_headers(problem(status, error.detail, reason=error.reason), headers)


async def _unavailable_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Unavailable)
    headers = {"Retry-After": str(math.ceil(error.retry_after_s or 1.0))}
    return _with_headers(problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error)), headers)


async def _own_problem(request: Request, _: Exception) -> Response:
    return problem(
        HTTPStatus.INTERNAL_SERVER_ERROR, f"{request.url.path} failed by a mistake of ours; the log says more"
    )


async def _nothing_there(request: Request) -> Response:
    path = request.url.path
    ours = list(takewhile(lambda route: getattr(route, "endpoint", None) is not _nothing_there, request.app.routes))
    tried = {method: {**request.scope, "method": method} for method in _METHODS}
    fits = [name for name, scope in tried.items() if any(each.matches(scope)[0] is Match.FULL for each in ours)]
    if not fits:
        return problem(HTTPStatus.NOT_FOUND, f"there is nothing at {path}")
    allowed = ", ".join(fits)
    answer = problem(HTTPStatus.METHOD_NOT_ALLOWED, f"{request.method} is none of {allowed}, which {path} knows")
    return _with_headers(answer, {"Allow": allowed})


_ANSWERS: Final = (
    (HTTPException, _http_problem),
    (RequestValidationError, _invalid_problem),
    (Refusal, _refusal_problem),
    (Unavailable, _unavailable_problem),
    (Exception, _own_problem),
)


class Port:
    """A uvicorn server in a thread of its own, between `start` and `stop`."""

    def __init__(self, server: FastAPI, *, host: str, port: int) -> None:
        self.host = host
        self.port = port
        config = uvicorn.Config(
            server, host=host, port=port, log_level="warning", timeout_graceful_shutdown=2, ws_ping_interval=20
        )
        self._uvicorn = uvicorn.Server(config)
        self._socket = _bound(host, port)
        self._thread = threading.Thread(
            target=self._uvicorn.run, kwargs={"sockets": [self._socket]}, name=f"http-{port}", daemon=True
        )

    def start(self) -> None:
        """Serve from now on; returns when it answers."""
        self._socket.listen(128)
        self._thread.start()
        while not self._uvicorn.started and self._thread.is_alive():
            time.sleep(0.01)
        if not self._uvicorn.started:
            raise Unavailable(f"the server on port {self.port} did not start; the log says why")

    def stop(self) -> None:
        """Let requests in flight end, and leave the port."""
        self._uvicorn.should_exit = True
        self._thread.join(timeout=10)
        self._socket.close()


def check_port(host: str, port: int) -> None:
    """Return when the port can be had, before anything slow begins. Raises Misconfigured."""
    _bound(host, port).close()


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise Misconfigured(f"port {port} on {host}: {error.strerror}; name another with --port") from None
    return listener
