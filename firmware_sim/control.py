# SPDX-License-Identifier: AGPL-3.0-or-later
"""The fault switch of a running fleet: over MQTT and over HTTP on loopback; what cannot be is answered, not ignored.

MQTT: `<root>/sim/fault/<device>` with `{"kind":"clog","lasts_s":600}`, answered on `<root>/sim/answer/<device>`.
HTTP: `POST /faults` with `device` in the body too, `GET /machines`, `GET /truth?after=N`.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qs, urlsplit

from collector.contract.errors import Misconfigured
from firmware_sim.fleet import Fleet
from firmware_sim.voices.voice import Publication, text

BODY_BYTES_MAX: Final = 64 * 1024
ENTRIES_MAX: Final = 1_000
"""Entries of the truth in one answer."""
_KEYS: Final = {"kind", "device", "lasts_s"}


def strike(fleet: Fleet, payload: bytes, *, device: str | None = None) -> dict[str, Any]:
    """Let the fault of a request strike and return its plan; Misconfigured names what is wrong with it."""
    try:
        body = json.loads(payload)
    except ValueError as error:
        raise Misconfigured(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise Misconfigured('the body is not an object with kind, device and lasts_s, as {"kind":"clog","lasts_s":600}')
    unknown = sorted(set(body) - _KEYS)
    if unknown:
        raise Misconfigured(f"{unknown[0]} is none of {', '.join(sorted(_KEYS))}")
    lasts_s = body.get("lasts_s")
    if isinstance(lasts_s, bool) or not isinstance(lasts_s, int | float | None):
        raise Misconfigured(f"lasts_s = {lasts_s!r} is not a number")
    plan = fleet.inject(str(body.get("kind")), device or str(body.get("device")), lasts_s=lasts_s)
    return plan._asdict()


class MqttSwitch:
    """The switch on the fleet's broker: a caller of the uplink beside the machines."""

    reachable = True

    def __init__(self, fleet: Fleet, *, root: str = "cybersyn") -> None:
        self._fleet = fleet
        self._root = f"{root}/sim"
        self._outbox: deque[Publication] = deque(maxlen=ENTRIES_MAX)

    @property
    def will(self) -> Publication:
        """Return that the simulator is gone."""
        return Publication(f"{self._root}/state", text({"v": 1, "state": "offline"}), 1, True)

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """Return the topic of faults for every device."""
        return (f"{self._root}/fault/+",)

    def connected(self, real_s: float) -> None:
        """Say that the simulator runs, and with which devices."""
        del real_s
        body = {"v": 1, "state": "running", "devices": list(self._fleet.devices)}
        self._outbox.append(Publication(f"{self._root}/state", text(body), 1, True))

    def received(self, topic: str, payload: bytes, real_s: float) -> None:
        """Let a fault strike, or answer why not."""
        del real_s
        device = topic.rpartition("/")[2]
        try:
            answer = {"struck": strike(self._fleet, payload, device=device)}
        except Misconfigured as error:
            answer = {"error": {"detail": str(error)}}
        self._outbox.append(Publication(f"{self._root}/answer/{device}", text(answer), 1, False))

    def take(self, room: int, real_s: float) -> list[Publication]:
        """Return the answers that are due."""
        del real_s
        return [self._outbox.popleft() for _ in range(min(room, len(self._outbox)))]


class HttpSwitch:
    """The switch on 127.0.0.1 at `port` (0: a free one); it answers from its own threads until it is closed."""

    def __init__(self, fleet: Fleet, port: int) -> None:
        try:
            self._server = _Server(port, fleet)
        except (OSError, OverflowError) as error:
            raise Misconfigured(f"--control = {port} cannot be had: {error}") from error
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="control", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _machines(fleet: Fleet) -> dict[str, Any]:
    return {"items": [{"device": device, **account} for device, account in fleet.accounts().items()]}


def _truth(fleet: Fleet, query: str) -> dict[str, Any]:
    """Return the entries after the N-th, at most so many, and the number to ask for next."""
    word = parse_qs(query).get("after", ["0"])[0]
    if not word.isdecimal():
        raise Misconfigured(f"after = {word!r} is not a number of 0 or more")
    after = int(word)
    entries = [entry._asdict() for entry in fleet.truth.entries[after : after + ENTRIES_MAX]]
    return {"items": entries, "next": after + len(entries)}


class _Server(ThreadingHTTPServer):
    """A server that knows its fleet."""

    def __init__(self, port: int, fleet: Fleet) -> None:
        self.fleet = fleet
        super().__init__(("127.0.0.1", port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    """One request; its log lines go nowhere: the truth has what happened."""

    timeout = 10.0
    server: _Server

    def do_GET(self) -> None:
        """Answer what is asked."""
        self._attempt(self._get)

    def do_POST(self) -> None:
        """Let a fault strike."""
        self._attempt(self._post)

    def _attempt(self, work: Callable[[Fleet], tuple[int, dict[str, Any]]]) -> None:
        try:
            status, body = work(self.server.fleet)
        except Misconfigured as error:
            status, body = 422, {"detail": str(error)}
        if status != HTTPStatus.OK:
            body = {"status": status, "title": "not done", **body}
        payload = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if status == HTTPStatus.OK else "application/problem+json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def _get(self, fleet: Fleet) -> tuple[int, dict[str, Any]]:
        asked = urlsplit(self.path)
        if asked.path == "/machines":
            return 200, _machines(fleet)
        return (200, _truth(fleet, asked.query)) if asked.path == "/truth" else self._unknown()

    def _post(self, fleet: Fleet) -> tuple[int, dict[str, Any]]:
        size = self.headers.get("Content-Length", "0")
        if self.path != "/faults":
            return self._unknown()
        if self.headers.get("Origin") is not None:
            return 403, {"detail": "a page of a browser may not switch faults"}
        if not size.isdecimal() or int(size) > BODY_BYTES_MAX:
            return 413, {"detail": f"Content-Length = {size} is not within 0..{BODY_BYTES_MAX}"}
        return 200, strike(fleet, self.rfile.read(int(size)))

    def _unknown(self) -> tuple[int, dict[str, Any]]:
        return 404, {"detail": f"{self.command} {self.path} is none of GET /machines, GET /truth, POST /faults"}

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Say nothing."""
