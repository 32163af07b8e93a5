# SPDX-License-Identifier: AGPL-3.0-or-later
"""OctoPrint with its MQTT plugin: temperatures, progress, states and the life of its jobs.

Its clock has whole seconds, so times are arrivals; its own stamps only tell old words from new ones. Retained
temperatures and progress are passed over: after a crash they stay for ever, and say nothing of now.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from collector.contract.codec import decode_object
from collector.contract.errors import Refusal
from collector.contract.event import State
from collector.contract.indicator import known
from collector.dialects.dialect import Dialect, Heard, Quality, below, by_form
from collector.dialects.figures import Values, estimate_of, measured, number_of
from collector.dialects.octoprint_events import (
    AGENT_LOST,
    EVENTS,
    Decoded,
    Event,
    Said,
    gone,
)
from collector.dialects.octoprint_state import (
    AT_WORK,
    HEARD_MAX,
    STALE_S,
    OctoPrint,
    alive,
    flagged,
    moves,
    to,
)
from collector.signs import Running, Stopped

LATE_S: Final = 5.0
"""A temperature whose age exceeds the usual by this was queued while the broker was away: it gets its own time."""
_FORM: Final = re.compile(
    r"([^$].*)/(mqtt|event/(?:[A-Z]\w*|plugin_\w+)|progress/(?:printing|slicing)|temperature/(?:tool\d+|bed|chamber))"
)
_HEATER: Final = re.compile(r"tool(\d{1,2})|bed|chamber")


def decode(was: OctoPrint, heard: Heard) -> Decoded:
    """Return the memory and what the message says; topics and events that it does not know say nothing."""
    head, _, rest = heard.topic.partition("/")
    if head == "mqtt" and not rest:
        return _agent(was, heard)
    if head == "temperature" and _HEATER.fullmatch(rest):
        return _temperature(was, heard, rest)
    if heard.topic == "progress/printing":
        return _progress(was, heard)
    if head == "event" and rest in EVENTS and not heard.retained:
        event = _event(heard)
        return EVENTS[rest](_in_step(was, event), event)
    return was, ()


def _event(heard: Heard) -> Event:
    body = decode_object(heard.payload)
    return Event(heard.at, number_of(body.get("_timestamp")), body)


def _in_step(was: OctoPrint, event: Event) -> OctoPrint:
    return was if event.stamp is None else replace(was, lag_s=event.at - event.stamp)


def _agent(was: OctoPrint, heard: Heard) -> Decoded:
    word = heard.payload[:64].strip()
    if word == b"disconnected":
        return gone(was, heard.at, "OctoPrint disconnected", AGENT_LOST)
    if word != b"connected":
        raise Refusal("wrong_shape", f"mqtt says {word!r}, not connected or disconnected")
    if was.state is not None and was.gone_at is None:
        return was, ()
    return to(replace(was, fault=None, busy=False), heard.at, State.UNKNOWN)


def _is_repeated(was: OctoPrint, heard: Heard) -> bool:
    return was.heard.get(heard.topic) == zlib.crc32(heard.payload)


def _remember(was: OctoPrint, heard: Heard) -> OctoPrint:
    others = [row for row in was.heard.items() if row[0] != heard.topic]
    return replace(was, heard=dict([*others, (heard.topic, zlib.crc32(heard.payload))][-HEARD_MAX:]))


def _temperature(was: OctoPrint, heard: Heard, heater: str) -> Decoded:
    event = _event(heard)
    tool = heater.removeprefix("tool")
    name = heater if tool == heater else "nozzle" + (str(int(tool)) if int(tool) else "")
    values: Values = {}
    for field, indicator in (("actual", f"{name}_degc"), ("target", f"{name}_target_degc")):
        value = _possible(event, field, indicator)
        if value is not None:
            values[indicator] = (value,)
    if heard.retained or _is_repeated(was, heard):
        return was, ()
    now = _remember(was, heard)
    samples = measured(_measured_at(now, event), values)
    now, facts = alive(now, heard.at)
    works: Said = (Running(heard.at, stamp=event.stamp),) if facts and now.state in AT_WORK else ()
    return now, (*samples, *facts, *works)


def _possible(event: Event, field: str, indicator: str) -> float | None:
    found = event.body.get(field)
    if found is None:
        return None
    value, row = event.number(field), known(indicator)
    if value is None:
        raise Refusal("wrong_shape", f"{field} = {str(found)[:60]!r} is not a number or null")
    if row is not None and not row.low <= value <= row.high:
        raise Refusal("off_scale", f"{indicator} = {value} is not within {row.low}..{row.high} {row.unit}")
    return value


def _measured_at(was: OctoPrint, event: Event) -> float:
    """Return the arrival, or for a value that OctoPrint had queued its own time on our clock."""
    if event.stamp is None or was.lag_s is None or event.at - event.stamp - was.lag_s <= LATE_S:
        return event.at
    return event.stamp + was.lag_s


def _progress(was: OctoPrint, heard: Heard) -> Decoded:
    event = _event(heard)
    if heard.retained or _is_repeated(was, heard):
        return was, ()
    now = _in_step(_remember(was, heard), event)
    model = Event(event.at, event.stamp, event.object("printer_data"))
    flags = Event(event.at, event.stamp, model.object("state")).object("flags")
    percent, file = event.number("progress"), event.file
    settled = now.state in {None, State.UNKNOWN} or event.at - now.state_at >= STALE_S
    said: Said = _progress_samples(event, model, file)
    now, facts = alive(now, event.at)
    now, more = flagged(now, event.at, flags)
    if percent != now.progress:
        now, moved = moves(now, event.at)
        more = (*more, *moved)
    if _runs(now, flags, percent, _figure(model, "progress", "printTime")) and file is not None:
        now, signs = _runs_late(now, event, model, file)
    else:
        idle_now = file is None or (flags.get("operational") is True and not _any(flags, "printing", "paused"))
        signs = (Stopped(event.at, event.stamp),) if settled and idle_now else ()
        if signs and not flags and now.state in AT_WORK:
            now, more = to(replace(now, busy=False), event.at, State.UNKNOWN)
    now = replace(now, progress=None if percent is None else int(percent), file=file or now.file)
    return now, (*said, *facts, *more, *signs)


def _progress_samples(event: Event, model: Event, file: str | None) -> Said:
    percent = _figure(model, "progress", "completion")
    percent = event.number("progress") if percent is None else percent
    values: Values = {}
    if file is not None and percent is not None and 0 <= percent <= 100:  # noqa: PLR2004 - per cent
        values["progress_ratio"] = (percent / 100,)
    estimate_s = estimate_of(_figure(model, "job", "estimatedPrintTime"))
    if estimate_s is not None:
        values["estimate_s"] = (estimate_s,)
    return measured(event.at, values)


def _runs(now: OctoPrint, flags: Mapping[str, Any], percent: float | None, print_time_s: float | None) -> bool:
    """Tell whether the progress is of a job that runs: the 100 after a done job and the 0 after an error are not."""
    begun = (percent or 0) >= 1 or (print_time_s or 0) > 0
    if flags:
        passing = _any(flags, "finishing", "cancelling", "error", "closedOrError")
        return begun and not passing and _any(flags, "printing", "paused")
    at_work = now.state in {None, State.UNKNOWN, *AT_WORK} or now.waiting_since is not None
    return begun and at_work and (percent or 0) < 100  # noqa: PLR2004 - per cent


def _any(flags: Mapping[str, Any], *names: str) -> bool:
    return any(flags.get(name) is True for name in names)


def _runs_late(was: OctoPrint, event: Event, model: Event, file: str) -> Decoded:
    estimate_s = estimate_of(_figure(model, "job", "estimatedPrintTime"))
    estimate_s = was.estimates.get(file) if estimate_s is None else estimate_s
    print_time_s = _figure(model, "progress", "printTime")
    now = replace(was, busy=True)
    now, facts = to(now, event.at, State.RUNNING) if now.state in {None, State.UNKNOWN} else (now, ())
    return now, (*facts, Running(event.at, file, event.stamp, print_time_s, estimate_s))


def _figure(model: Event, part: str, name: str) -> float | None:
    return number_of(model.object(part).get(name))


DIALECT: Final = Dialect(
    "octoprint",
    "OctoPrint",
    below,
    OctoPrint,
    decode,
    by_form(_FORM),
    # Its usual prefix is octoPrint; with many machines each has one of its own, at any depth.
    (
        "octoPrint/#",
        *(f"{above}{form}" for above in ("+/", "+/+/", "+/+/+/", "+/+/+/+/") for form in ("mqtt", "event/+")),
    ),
    # Even then it is silent while no temperature moves by 0.1 °C and the whole per cent stays the same.
    frozenset({State.RUNNING}),
    Quality(
        states="derived",
        jobs="direct",
        parts="derived",
        cycle="direct",
        estimate="direct",
        temperature="direct",
        clock="whole seconds, used for order alone",
        silence="last will of the agent; a lost printer is told",
        loses="the estimate and the flags, unless printer data is switched on",
    ),
    usual_prefix="octoprint/{device}",
)
