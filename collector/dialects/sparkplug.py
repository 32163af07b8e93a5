# SPDX-License-Identifier: AGPL-3.0-or-later
"""Sparkplug B 3.0, as a tolerant host: births, data and deaths of edge nodes and the devices behind them.

Real libraries break the specification in their own ways (dialects.md 1.6): names are taken where aliases fail, data
before a birth is taken as it stands, and a node is asked for its births again, but not for ever. Metrics' stamps are
the times of samples where the node's clock can be believed; states and jobs have the arrival.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from collector.contract.errors import Refusal
from collector.contract.event import Noted, State
from collector.contract.indicator import is_name, known
from collector.contract.limits import AHEAD_S_MAX, INDICATORS_PER_MESSAGE_MAX, TOPIC_BYTES_MAX
from collector.contract.reading import Samples
from collector.dialects import sparkplug_payload, work
from collector.dialects.dialect import Ask, Dialect, Found, Heard, Of, Quality, Said
from collector.dialects.metric_names import NOTHING, Role, role_of
from collector.dialects.sparkplug_payload import REBIRTH, Metric, Payload
from collector.dialects.sparkplug_state import (
    ASK_EVERY_S,
    ASKS_MAX,
    MEANINGS_BYTES_MAX,
    Device,
    Node,
    Turn,
    born,
    is_old_will,
    turn,
    with_device,
)
from collector.dialects.state_words import clean, read_packml, read_word

NODE_DEAD: Final = "edge node lost (NDEATH)"
DEVICE_DEAD: Final = "device lost (DDEATH)"
NO_ANSWER: Final = "node doesn't answer rebirth"
_DEVICE_CHARS_MAX: Final = 128
_FORM: Final = re.compile(r"(spBv1\.0/[^/]+)/(?:(N(?:BIRTH|DEATH|DATA|CMD))/([^/]+)|(D(?:BIRTH|DEATH|DATA|CMD))/(.+))")
_TWO_LEVELS: Final = 2
_HEARD: Final = frozenset({"NBIRTH", "NDEATH", "NDATA", "DBIRTH", "DDEATH", "DDATA"})
_COUNTERS: Final = {"@good": "good", "@scrap": "scrap", "@count": "count"}
Decoded = tuple[Node, Said]


def decode(was: Node, heard: Heard) -> Decoded:
    """Return the memory and what the message says; commands, and words that the broker had kept, say nothing."""
    kind = heard.topic
    if kind not in _HEARD or heard.retained:
        return was, ()
    if len(heard.part) > _DEVICE_CHARS_MAX:
        raise Refusal("bad_device", f"a device's name has {len(heard.part)} characters, at most {_DEVICE_CHARS_MAX}")
    told = sparkplug_payload.read(heard.payload)
    if kind == "NDEATH":
        return _node_dies(was, heard, told)
    if kind == "NBIRTH":
        now = born(was, told, heard.at, _bd(told))
        return (now, ()) if now.echo else _tells(now, heard, told, Turn.NEXT)
    when = turn(was, heard.part, told)
    if when is Turn.AGAIN:
        return was, ()
    if when is not Turn.LATE and told.seq is not None:
        was = replace(was, seq=told.seq, echo=False)
    return (_device_dies if kind == "DDEATH" else _tells)(was, heard, told, when)


def _bd(told: Payload) -> int | None:
    found = next((metric.value for metric in told.metrics if metric.name == "bdSeq"), None)
    return int(found) if isinstance(found, float) and found >= 0 else None


def _node_dies(was: Node, heard: Heard, told: Payload) -> Decoded:
    stamps = (metric.stamp_ms for metric in told.metrics if metric.name == "bdSeq")
    if is_old_will(was, heard.at, _bd(told), told.stamp_ms or next(stamps, None)):
        return was, ()
    said: list[Said] = []
    devices = {}
    for name, device in (was.devices or {"": Device()}).items():
        after, facts = work.lost(device.work, heard.at, NODE_DEAD)
        devices[name] = replace(device, work=after)
        said.append(_of(name, facts))
    return replace(was, seq=None, devices=devices), tuple(item for items in said for item in items)


def _device_dies(was: Node, heard: Heard, told: Payload, when: Turn) -> Decoded:
    device = was.devices.get(heard.part, Device())
    if when is Turn.LATE or was.echo:
        return was, ()
    after, facts = work.lost(device.work, heard.at, DEVICE_DEAD)
    device = replace(device, work=after, newest_ms=told.stamp_ms or device.newest_ms, seq=told.seq)
    return with_device(was, heard.part, device), _of(heard.part, facts)


def _of(part: str, facts: work.Said) -> Said:
    """Return facts as the gateway says them: its own as they are, those of a device with its name."""
    if not facts:
        return ()
    return (Of(part, facts),) if part else facts


def _tells(was: Node, heard: Heard, told: Payload, when: Turn) -> Decoded:
    """Return the memory after a birth or data, with a question where something is missing."""
    device = was.devices.get(heard.part, Device())
    is_birth = heard.topic.endswith("BIRTH")
    if is_birth and when is not Turn.LATE:
        device = replace(device, born=True, means=_meanings(told.metrics))
        if heard.part or set(was.devices) <= {""}:  # the node answered, and all that is known was born again
            was = replace(was, asked=0, asked_at=None)
    roles = [(metric, _role(device, metric)) for metric in told.metrics]
    found = [(metric, role) for metric, role in roles if role is not None]
    said: tuple[work.Said, ...] = (_samples(found, heard.at, own_time_only=when is Turn.LATE),)
    lacks = len(found) < len(roles) or (not is_birth and not device.born) or when is Turn.GAP
    if when is not Turn.LATE:
        after, facts = _at_work(device.work, heard.at, found)
        newest = told.stamp_ms if told.stamp_ms is not None else device.newest_ms
        device = replace(device, work=after, newest_ms=newest, seq=told.seq, heard_at=heard.at)
        said = (*said, facts)
    now = with_device(was, heard.part, device)
    asks: Said = ()
    if lacks:
        now, asks = _ask(now, heard.at)
    return now, (*_of(heard.part, tuple(item for items in said for item in items)), *asks)


def _ask(was: Node, at: float) -> Decoded:
    """Return a question for the births, at most one in 60 s; after three without an answer, that there is none."""
    if was.asked > ASKS_MAX or (was.asked_at is not None and at - was.asked_at < ASK_EVERY_S):
        return was, ()
    now = replace(was, asked=was.asked + 1, asked_at=at)
    if was.asked == ASKS_MAX:
        return now, (Noted(at, "rebirth_unanswered", {"why": NO_ANSWER}),)
    return now, (Ask("NCMD", sparkplug_payload.rebirth(at)),)


def _meanings(metrics: Iterable[Metric]) -> dict[str, str]:
    """Return what a birth says of names that data will leave out, or will not say alone; bounded."""
    means: dict[str, str] = {}
    size = 0
    for metric in metrics:
        role = _named(metric)
        keys = [] if metric.alias is None else [str(metric.alias)]
        if (role.name and role != role_of(metric.name)) or (role.name and not role.common):
            keys.append(metric.name)
        for key in keys:
            size += len(key.encode(errors="replace")) + len(role.name) + 32
            if size > MEANINGS_BYTES_MAX:
                return means
            means[key] = role.name if role.factor == 1.0 else f"{role.name} {role.factor!r}"
    return means


def _named(metric: Metric) -> Role:
    if metric.name in {"", "bdSeq", REBIRTH} or metric.name.startswith(("Node Control/", "Device Control/", "Propert")):
        return NOTHING
    role = role_of(metric.name, metric.unit)
    if role.name == "progress_ratio" and role.factor == 1.0 and metric.whole:
        return role._replace(factor=0.01)  # whole numbers of progress are per cent
    return role


def _role(device: Device, metric: Metric) -> Role | None:
    """Return what the metric means; None where only a birth can tell."""
    kept = device.means.get(str(metric.alias)) if metric.alias is not None else None
    kept = device.means.get(metric.name) if kept is None and metric.name else kept
    if kept is not None:
        name, _, factor = kept.partition(" ")
        return Role(name, float(factor) if factor else 1.0)
    if not metric.name:
        return None
    role = _named(metric)
    return role if role.common else NOTHING


def _at_work(was: work.Work, at: float, found: list[tuple[Metric, Role]]) -> work.Step:
    """Return the memory after names, progress and counts, then the state, were read: a part is made by what ends."""
    now, said = work.heard(was, at) if not _states(found) else (was, ())
    parts: list[work.Said] = [said]
    live = [(metric, role) for metric, role in found if not metric.historical]
    for metric, role in live:
        facts: work.Said = ()
        if role.name == "@file" and isinstance(metric.value, str):
            now, facts = work.named(now, at, clean(metric.value))
        elif role.name in _COUNTERS and isinstance(metric.value, float):
            now, facts = work.counted(now, at, _COUNTERS[role.name], metric.value)  # type: ignore[arg-type]
        parts.append(facts)
    for metric, role in live:
        if role.name == "@state" and metric.value is not None:
            word = read_word(metric.value) if isinstance(metric.value, str) else read_packml(metric.value)
            now, facts = work.told(now, at, word) if word is not None else work.heard(now, at)
            parts.append(facts)
    for metric, role in live:
        if role.name == "progress_ratio" and isinstance(metric.value, float):
            now = replace(now, progress=_ratio(metric.value * role.factor))
    return now, tuple(item for items in parts for item in items)


def _states(found: list[tuple[Metric, Role]]) -> bool:
    return any(role.name == "@state" and m.value is not None and not m.historical for m, role in found)


def _ratio(value: float) -> float:
    return value if value <= 1.0 else value / 100


def _samples(found: list[tuple[Metric, Role]], at: float, *, own_time_only: bool) -> work.Said:
    """Return the values as samples at their own times, or at the arrival where the clock can't be believed.

    A value of the past without a time to believe is left out, and so is one that the catalogue holds impossible.
    """
    columns: dict[tuple[float, bool], dict[str, tuple[float | None, ...]]] = {}
    for metric, role in found:
        if not isinstance(metric.value, float) or role.name.startswith("@") or not is_name(role.name):
            continue
        value = metric.value * role.factor
        value = _ratio(value) if role.name == "progress_ratio" else value
        row, stamp = known(role.name), None if metric.stamp_ms is None else metric.stamp_ms / 1000
        if row is not None and not row.low <= value <= row.high:
            continue
        past = metric.historical or own_time_only
        if stamp is None or stamp > at + AHEAD_S_MAX or (not past and stamp < at - AHEAD_S_MAX):
            if past:
                continue
            stamp = None
        column = columns.setdefault((at if stamp is None else stamp, stamp is None), {})
        if role.name in column or len(column) < INDICATORS_PER_MESSAGE_MAX:
            column[role.name] = (value,)
    return tuple(Samples((ts,), values, assigned) for (ts, assigned), values in sorted(columns.items()))


def _filters(prefix: str) -> tuple[str, ...]:
    # One filter for a node and its devices: nats-server keeps the order of messages within a filter only.
    version, group, node, *_ = [*prefix.split("/"), "", ""]
    return (f"{version}/{group}/+/{node}/#",)


def _recognise(topic: str) -> Found | None:
    found = _FORM.fullmatch(topic) if len(topic) <= TOPIC_BYTES_MAX else None
    if found is None:
        return None
    group, of_node, node, of_device, rest = found.groups()
    if of_node is not None:
        return Found(f"{group}/{node}", of_node)
    levels = rest.split("/")
    return Found(f"{group}/{rest}", of_device) if len(levels) == _TWO_LEVELS and all(levels) else None


def _hears(prefix: str) -> tuple[str, ...]:
    gateway = _gateway(prefix)
    return (_address(gateway, "NCMD"),) if gateway.count("/") == _TWO_LEVELS else ()


def _gateway(prefix: str) -> str:
    return "/".join(prefix.split("/")[:3])


def _address(gateway: str, word: str) -> str:
    version, group, node = gateway.split("/", 2)
    return f"{version}/{group}/{word}/{node}"


DIALECT: Final = Dialect(
    "sparkplug",
    "Sparkplug B",
    _filters,
    Node,
    decode,
    _recognise,
    ("spBv1.0/#",),
    frozenset({State.RUNNING}),
    Quality(
        states="direct",
        jobs="derived",
        parts="direct",
        cycle="derived",
        estimate="derived",
        energy="direct",
        temperature="direct",
        clock="milliseconds, used for samples; states and jobs have the arrival",
        silence="last will of the node, death of a device",
        loses="what its owner gave names that the table of common names does not know",
    ),
    scattered=True,
    gateway=_gateway,
    address=_address,
    hears=_hears,
)
