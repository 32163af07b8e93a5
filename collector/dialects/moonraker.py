# SPDX-License-Identifier: AGPL-3.0-or-later
"""Moonraker and the Klipper behind it: whole status, split status, its JSON-RPC, the alerts of macros.

A status tells what changed, is not kept by the broker, and bears the host's monotonic clock: it places words among
each other, and tells old ones from new. Times are arrivals, but the start of a job (see moonraker_jobs).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec.structs import replace

from collector.contract.codec import decode_object
from collector.contract.errors import Refusal
from collector.contract.event import Noted, State
from collector.contract.limits import PAYLOAD_BYTES_MAX
from collector.dialects import moonraker_api as api
from collector.dialects.dialect import Dialect, Heard, Quality, Said, below, by_form
from collector.dialects.figures import number_of
from collector.dialects.moonraker_jobs import END_NOT_HEARD, KLIPPER_RESTARTED, followed
from collector.dialects.moonraker_samples import samples
from collector.dialects.moonraker_state import (
    ALIVE_S,
    AT_WORK,
    Moonraker,
    Objects,
    clocked,
    is_old,
    merged,
    said,
    started_anew,
    text_of,
)
from collector.signs import Began, Ended, Lost, Running

AGENT_LOST: Final = "agent lost (Moonraker is offline)"
ALERT_AGAIN_S: Final = 2.0
"""The same alert within this is one alert."""
Decoded = tuple[Moonraker, Said]
_FORM: Final = re.compile(
    r"([^$].*)/(moonraker/(?:status|api/(?:request|response))|klipper/(?:status|alert|state/[^/]+/[^/]+))"
)
_FIELD: Final = re.compile(r"klipper/state/([^/]{1,64})/([^/]{1,64})")


def decode(was: Moonraker, heard: Heard) -> Decoded:
    """Return the memory and what the message says; topics, objects and fields that it does not know say nothing."""
    reader = _READERS.get(heard.topic)
    if reader is not None:
        return reader(was, heard)
    field = _FIELD.fullmatch(heard.topic)
    return (was, ()) if field is None else _field(was, heard, field.group(1), field.group(2))


def _agent(was: Moonraker, heard: Heard) -> Decoded:
    word = decode_object(heard.payload).get("server")
    if word not in ("online", "offline"):
        raise Refusal("wrong_shape", f"server = {str(word)[:60]!r} is neither online nor offline")
    now, asks = _first(was, heard.at)
    if word == "online":
        now, facts = said(replace(now, gone_at=None), heard.at)
        now, more = (now, ()) if asks else api.ask_all(now, heard.at)
        return now, (*facts, *asks, *more)
    if now.gone_at is not None:
        return now, ()
    now, facts = said(replace(now, gone_at=heard.at, unheard=True, told=False), heard.at)
    return now, (*facts, Lost(heard.at, AGENT_LOST))


def _first(was: Moonraker, at: float) -> Decoded:
    """Return the memory and the questions at the first word of a machine."""
    return (was, ()) if was.since is not None else api.ask_all(replace(was, since=at), at)


def _status(was: Moonraker, heard: Heard) -> Decoded:
    body = decode_object(heard.payload)
    status = body.get("status")
    if not isinstance(status, dict):
        raise Refusal("wrong_shape", f"status is {type(status).__name__}, not an object")
    return _told(was, heard, number_of(body.get("eventtime")), _objects(status))


def _objects(status: dict[str, object]) -> Objects:
    return {name: fields for name, fields in status.items() if isinstance(fields, dict)}


def _field(was: Moonraker, heard: Heard, name: str, field: str) -> Decoded:
    body = decode_object(heard.payload)
    if "value" not in body:
        raise Refusal("wrong_shape", "there is no value")
    return _told(was, heard, number_of(body.get("eventtime")), {name: {field: body["value"]}})


def _told(was: Moonraker, heard: Heard, eventtime: float | None, objects: Objects) -> Decoded:
    """Return what Klipper's objects say, however they came."""
    if is_old(was, heard.at, eventtime):
        return was, ()
    if heard.retained:
        return _kept(was, heard.at, eventtime, objects)
    before, asks = _first(was, heard.at)
    before = _alive(before, heard.at)
    now = merged(_recovered(clocked(before, heard.at, eventtime), objects), objects)
    gap = END_NOT_HEARD if "webhooks" in objects else None
    if started_anew(before, now):
        now, gap = _started(now, objects), KLIPPER_RESTARTED
    now, signs = followed(before, now, heard.at, gap=gap)
    now, facts = said(now, heard.at)
    now, more = _questions(before, now, heard.at, begun_or_ended=any(isinstance(s, Began | Ended) for s in signs))
    return now, (*samples(before, now, objects, heard.at), *signs, *facts, *asks, *more)


def _alive(was: Moonraker, at: float) -> Moonraker:
    if was.gone_at is None:
        return replace(was, unheard=False) if was.unheard else was
    return replace(was, gone_at=None, unheard=False) if at - was.gone_at >= ALIVE_S else was


def _recovered(was: Moonraker, objects: Objects) -> Moonraker:
    """Return the memory of a host that speaks of jobs again: "ready" is not always told."""
    if "webhooks" in objects or was.host in {None, "ready"}:
        return was
    prints = objects.get("print_stats", {}).get("state") == "printing"
    if was.host == "disconnected" or prints or (was.host == "startup" and "print_stats" in objects):
        return replace(was, host="ready", host_words=None)
    return was


def _started(now: Moonraker, objects: Objects) -> Moonraker:
    """Return the memory after a start of the host or of Klipper: of a job only what was told with it is true."""
    if "webhooks" not in objects:
        now = replace(now, host=None, host_words=None)
    if "state" in objects.get("print_stats", {}):
        return now
    # Only rest may have been told just before: a start ends all else.
    return replace(now, job=now.job if now.job == "standby" else None, total_s=None)


def _questions(before: Moonraker, now: Moonraker, at: float, *, begun_or_ended: bool) -> Decoded:
    unsure = now.job in AT_WORK and now.file is None
    if unsure or (now.job is None and before.job is not None):
        return api.ask_all(now, at)
    return api.ask_record(now, at) if begun_or_ended else (now, ())


def _kept(was: Moonraker, at: float, eventtime: float | None, objects: Objects) -> Decoded:
    """Return what may be learnt from words that the broker had kept: a job's end at most, and only of a known job."""
    if eventtime is None or (was.eventtime is not None and eventtime < was.eventtime):
        return was, ()
    now, signs = followed(was, merged(was, objects), at, gap=END_NOT_HEARD)
    now, facts = said(now, at)
    if was.told:
        return now, (*(sign for sign in signs if not isinstance(sign, Began | Running)), *facts)
    return replace(now, told=False), facts


def _alert(was: Moonraker, heard: Heard) -> Decoded:
    if heard.retained or was.since is None:
        return was, ()
    if len(heard.payload) > PAYLOAD_BYTES_MAX:
        raise Refusal("too_large", f"{len(heard.payload)} bytes, at most {PAYLOAD_BYTES_MAX} are read")
    text = text_of(heard.payload.decode(errors="replace"))
    if text is None or (text == was.alert and heard.at - was.alert_at < ALERT_AGAIN_S):
        return was, ()
    now, facts = said(replace(was, alert=text, alert_at=heard.at), heard.at)
    return now, (Noted(heard.at, "alert", {"text": text}), *facts)


def _request(was: Moonraker, heard: Heard) -> Decoded:
    return was if heard.retained else api.requested(was, decode_object(heard.payload)), ()


def _response(was: Moonraker, heard: Heard) -> Decoded:
    found = api.answer(was, decode_object(heard.payload))
    if heard.retained or found is None:
        return was, ()
    if found.method == api.QUEUE:
        return was, api.queue(found.result, heard.at)
    if found.method == api.HISTORY:
        return api.history(was, found.result, heard.at)
    if found.method == api.QUERY:
        return _snapshot(was, heard, found.result)
    now = merged(_alive(was, heard.at), {"webhooks": api.host_of(found)})
    now, signs = followed(was, now, heard.at)
    now, facts = said(now, heard.at)
    return now, (*signs, *facts)


def _snapshot(was: Moonraker, heard: Heard, result: Mapping[str, Any]) -> Decoded:
    status = result.get("status")
    objects, eventtime = _objects(status) if isinstance(status, dict) else {}, number_of(result.get("eventtime"))
    if not objects or is_old(was, heard.at, eventtime):
        return was, ()
    now, told = _told(was, heard, eventtime, objects)
    if was.eventtime is None or started_anew(was, now):
        return now, told
    # A status that still waits in Moonraker is older than this answer, and not told before.
    clocks = {name: getattr(was, name) for name in ("eventtime", "heard_at", "lead_s", "machine_s")}
    return replace(now, **clocks), told


_READERS: Final[dict[str, Callable[[Moonraker, Heard], Decoded]]] = {
    "moonraker/status": _agent,
    "klipper/status": _status,
    "klipper/alert": _alert,
    api.REQUESTS: _request,
    "moonraker/api/response": _response,
}


def _hears(prefix: str) -> tuple[str, ...]:
    return (f"{prefix}/{api.REQUESTS}",)


DIALECT: Final = Dialect(
    "moonraker",
    "Klipper with Moonraker",
    below,
    Moonraker,
    decode,
    by_form(_FORM),
    # The prefix is the instance's name, by default the host's; it may have levels of its own.
    ("+/moonraker/status", "+/klipper/#", "+/+/moonraker/status", "+/+/klipper/#", "+/+/+/moonraker/status"),
    # Else the temperatures alone change, where they are published at all.
    frozenset({State.RUNNING, State.SETUP, State.HELD}),
    Quality(
        states="derived",
        jobs="direct",
        parts="derived",
        cycle="direct",
        estimate="direct",
        material="direct",
        temperature="direct",
        clock="the host's monotonic clock, used for order and for the start of jobs",
        silence="last will of the agent; a host that crashes is silent, which shows after 30 s",
        loses="all that its owner did not list in status_objects; grams, unless the slicer tells them",
    ),
    usual_prefix="{device}",
    hears=_hears,
    cadence_s=10.0,  # it may say less than its status_interval of 1 s, never so much less while it prints
)
