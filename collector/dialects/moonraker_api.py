# SPDX-License-Identifier: AGPL-3.0-or-later
"""Moonraker's JSON-RPC: what is asked of it, and what its answers say. Only reading is asked for.

All clients share one topic for answers. Ours are known by their ids, those of others by the request that was heard.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from collector.contract.event import Outcome
from collector.contract.reading import Samples
from collector.dialects.dialect import Ask, Said
from collector.dialects.figures import estimate_of, number_of
from collector.dialects.moonraker_jobs import KNOWN_MAX, begun_at
from collector.dialects.moonraker_state import Moonraker, text_of
from collector.signs import Ended, Running

REQUESTS: Final = "moonraker/api/request"
FIRST_ID: Final = 0x43590000
"""Our range of ids: others count from 1, or take random ones."""
QUERY: Final = "printer.objects.query"
HISTORY: Final = "server.history.list"
QUEUE: Final = "server.job_queue.status"
SERVER: Final = "server.info"
PRINTER: Final = "printer.info"
REQUESTS_MAX: Final = 8
ASK_EVERY_S: Final = 10.0
"""The whole is asked for no more often than this, a job's record each second."""
SAME_JOB_S: Final = 5.0
"""A record whose start is within this of a start that we know is of that job."""
AHEAD_S: Final = 5.0
"""A record that ends so far in the future comes from a clock that is not ours: it is passed over."""
_OBJECTS: Final = ("webhooks", "print_stats", "virtual_sdcard", "display_status", "toolhead", "extruder", "heater_bed")
_PARAMS: Final[dict[str, dict[str, Any]]] = {
    SERVER: {},
    QUERY: {"objects": dict.fromkeys(_OBJECTS)},
    HISTORY: {"limit": 8, "order": "desc"},
    QUEUE: {},
}
_IDS: Final = {method: FIRST_ID + number for number, method in enumerate(_PARAMS, 1)}
_METHODS: Final = {str(number): method for method, number in _IDS.items()}
_READ: Final = frozenset({*_PARAMS, PRINTER})
_OUTCOMES: Final = {
    "completed": Outcome.DONE,
    "cancelled": Outcome.CANCELLED,
    "error": Outcome.FAILED,
    "klippy_shutdown": Outcome.FAILED,
    "klippy_disconnect": Outcome.FAILED,
    "server_exit": Outcome.UNKNOWN,
    "interrupted": Outcome.UNKNOWN,
}
_CAUSES: Final = {
    "error": "print error",
    "klippy_shutdown": "Klipper shutdown",
    "klippy_disconnect": "Klipper was lost",
    "server_exit": "Moonraker was stopped",
    "interrupted": "Moonraker was lost",
}


def ask(was: Moonraker, at: float, methods: Iterable[str], every_s: float) -> tuple[Moonraker, Said]:
    """Return the memory and the questions, without those that were asked less than `every_s` ago."""
    due = [method for method in methods if abs(at - was.asked.get(method, -every_s)) >= every_s]
    if not due:
        return was, ()
    asks = tuple(Ask(REQUESTS, _question(method)) for method in due)
    return replace(was, asked={**was.asked, **dict.fromkeys(due, at)}), asks


def ask_all(was: Moonraker, at: float) -> tuple[Moonraker, Said]:
    """Return the memory and the questions of somebody who knows nothing; the record last, it needs the rest."""
    return ask(was, at, (SERVER, QUERY, HISTORY, QUEUE), ASK_EVERY_S)


def ask_record(was: Moonraker, at: float) -> tuple[Moonraker, Said]:
    """Return the memory and the questions at a job's start and end."""
    return ask(was, at, (HISTORY, QUEUE), 1.0)


def _question(method: str) -> bytes:
    body: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "id": _IDS[method]}
    if _PARAMS[method]:
        body["params"] = _PARAMS[method]
    return json.dumps(body).encode()


def requested(was: Moonraker, body: Mapping[str, Any]) -> Moonraker:
    """Return the memory of a question that somebody else asked, where its answer is worth reading."""
    name, method = _name(body), body.get("method")
    if name is None or name in _METHODS or not isinstance(method, str):
        return was
    others = [row for row in was.requests.items() if row[0] != name]
    if method not in _READ:
        return replace(was, requests=dict(others)) if name in was.requests else was
    return replace(was, requests=dict([*others, (name, method)][-REQUESTS_MAX:]))


def _name(body: Mapping[str, Any]) -> str | None:
    found = body.get("id")
    return str(found)[:40] if isinstance(found, str | int) and not isinstance(found, bool) else None


class Answer(NamedTuple):
    """What Moonraker answered to a method."""

    method: str
    result: Mapping[str, Any]


def answer(was: Moonraker, body: Mapping[str, Any]) -> Answer | None:
    """Return the answer where we know to what; an error, and what nobody known asked, is none."""
    name, result = _name(body), body.get("result")
    method = None if name is None else _METHODS.get(name) or was.requests.get(name)
    return None if method is None or not isinstance(result, dict) else Answer(method, result)


def host_of(found: Answer) -> dict[str, Any]:
    """Return webhooks' fields, as far as the answer tells them."""
    if found.method == PRINTER:
        return {name: found.result.get(name) for name in ("state", "state_message")}
    connected = found.result.get("klippy_connected")
    word = "disconnected" if connected is False else found.result.get("klippy_state")
    return {"state": word}


def queue(result: Mapping[str, Any], at: float) -> Said:
    """Return how many jobs wait in Moonraker's queue."""
    jobs = result.get("queued_jobs")
    return (Samples((at,), {"queue_jobs": (float(len(jobs)),)}, assigned=True),) if isinstance(jobs, list) else ()


def history(was: Moonraker, result: Mapping[str, Any], at: float) -> tuple[Moonraker, Said]:
    """Return what Moonraker's records say: of the newest job, and of those that came and went unheard."""
    rows = result.get("jobs")
    records = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    now: Moonraker = was
    told: Said = ()
    for row in sorted(records, key=lambda row: number_of(row.get("start_time")) or 0.0)[-KNOWN_MAX:]:
        now, more = _record(now, row, at)
        told = (*told, *more)
    return now, told


def _record(was: Moonraker, row: Mapping[str, Any], at: float) -> tuple[Moonraker, Said]:
    started_at, file = number_of(row.get("start_time")), text_of(row.get("filename"))
    if started_at is None or file is None:
        return was, ()
    begun = begun_at(was)
    if begun is not None and abs(begun - started_at) <= SAME_JOB_S and was.file in {None, file}:
        return _newest(was, row, at)
    if any(abs(known_at - started_at) <= SAME_JOB_S for known_at in was.known):
        return was, ()
    ended_at = number_of(row.get("end_time"))
    outcome = _OUTCOMES.get(str(row.get("status")))
    if outcome is None or ended_at is None or was.since is None or not was.since < ended_at <= at + AHEAD_S:
        return was, ()
    if ended_at < max(was.known, default=0.0) - SAME_JOB_S and len(was.known) == KNOWN_MAX:
        return was, ()
    name = f"{str(row.get('job_id'))[:32]}-{round(started_at)}"
    now = replace(was, known=(*was.known, started_at)[-KNOWN_MAX:])
    return now, (_ended(row, at, job=name),)


def _newest(was: Moonraker, row: Mapping[str, Any], at: float) -> tuple[Moonraker, Said]:
    status, file = row.get("status"), text_of(row.get("filename"))
    if status == "in_progress":
        estimate_s = estimate_of(_metadata(row, "estimated_time"))
        if estimate_s is None:
            return replace(was, file=file), ()
        now = replace(was, file=file, estimate_s=estimate_s)
        if estimate_s == was.estimate_s:
            return now, ()
        samples = Samples((at,), {"estimate_s": (estimate_s,)}, assigned=True)
        return now, (Running(at, file, estimate_s=estimate_s), samples)
    # Klipper may go on without Moonraker: an end that only Moonraker's own stop made is none.
    if _OUTCOMES.get(str(status), Outcome.UNKNOWN) is Outcome.UNKNOWN:
        return was, ()
    return was, (_ended(row, at),)


def _ended(row: Mapping[str, Any], at: float, job: str | None = None) -> Ended:
    status = str(row.get("status"))
    outcome = _OUTCOMES[status]
    used_mm, total_mm = _positive(row.get("filament_used")), _metadata(row, "filament_total")
    weight_g = _metadata(row, "filament_weight_total")
    grams = used_mm * weight_g / total_mm if used_mm and weight_g and total_mm else None
    return Ended(
        at,
        outcome,
        text_of(row.get("filename")),
        cause=_CAUSES.get(status) if job is not None else None,
        print_duration_s=_positive(row.get("print_duration")),
        total_duration_s=_positive(row.get("total_duration")),
        estimate_s=_metadata(row, "estimated_time"),
        material_g=grams,
        material_mm=used_mm,
        job=job,
        started_at=number_of(row.get("start_time")),
        ended_at=number_of(row.get("end_time")),
    )


def _metadata(row: Mapping[str, Any], name: str) -> float | None:
    metadata = row.get("metadata")
    found = number_of(metadata.get(name)) if isinstance(metadata, dict) else None
    return found if found is not None and found > 0 else None


def _positive(found: object) -> float | None:
    value = number_of(found)
    return value if value is not None and value >= 0 else None
