# SPDX-License-Identifier: AGPL-3.0-or-later
"""MTConnect over MQTT: cppagent's documents and its entity sink (JSON), and LinuxCNC's documents (XML).

EXECUTION says the state and the jobs, unless AVAILABILITY, EMERGENCY_STOP or a condition at FAULT says more. A data
item's word is new by its stamp or its sequence: a Current tells old words again every 10 s. States, jobs and samples
have the agent's own time where its clock agrees with ours, for a document may hold words of some seconds.
"""

from __future__ import annotations

import math
import re
import zlib
from typing import Final

import msgspec
from msgspec.structs import replace

from collector.contract.errors import Refusal
from collector.contract.event import State
from collector.contract.indicator import known
from collector.contract.limits import AHEAD_S_MAX, CLOCK_SET_S_MIN, TOPIC_BYTES_MAX
from collector.contract.reading import Samples
from collector.dialects import work
from collector.dialects.dialect import Dialect, Found, Heard, Quality
from collector.dialects.mtconnect_read import DataItem, Document, Observation, read
from collector.dialects.state_words import clean, read_word

AGENT_GONE: Final = "agent lost (last will)"
UNAVAILABLE: Final = "machine unavailable (AVAILABILITY)"
EMERGENCY_STOP: Final = "emergency stop"
ITEMS_MAX: Final = 64
"""Data items whose newest word is remembered; those of a machine that we read are a dozen."""
FAULTS_MAX: Final = 8
FIRST_AGE_S_MAX: Final = 60.0
"""What a data item said when it is first heard of may be days old: the state is ours since no longer than this."""
_PLAIN_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,32}")
INSTANCES_MAX: Final = 8
_FORM: Final = re.compile(
    r"MTConnect/(?:(Probe|Current|Sample|Asset)/([^/]+)|(?:Probe)/([^/]+)/(Availability)"
    r"|Devices/([^/]+)/(Observations/.+))"
)
_ROLES: Final = {
    ("AVAILABILITY", ""): "@available",
    ("EXECUTION", ""): "@state",
    ("EMERGENCY_STOP", ""): "@stop",
    ("PROGRAM", ""): "@file",
    ("PART_COUNT", ""): "@count",
    ("PART_COUNT", "ALL"): "@count",
    ("PART_COUNT", "GOOD"): "@good",
    ("PART_COUNT", "BAD"): "@scrap",
}
_SPINDLES: Final = frozenset({"ROTARY", "SPINDLE"})
_WHOLES: Final = frozenset({"DEVICE", "ELECTRIC"})
_MEASURES: Final = {
    "LOAD": ("spindle_load_pct", 1.0, _SPINDLES),
    "ROTARY_VELOCITY": ("spindle_rpm", 1.0, _SPINDLES),
    "SPINDLE_SPEED": ("spindle_rpm", 1.0, _SPINDLES),
    "WATTAGE": ("power_w", 1.0, _WHOLES),
    "ELECTRICAL_ENERGY": ("energy_kwh", 1 / 3.6e6, _WHOLES),  # watt-seconds
}
_COUNTERS: Final = ("good", "scrap", "count")


class MTConnect(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is remembered of a machine: its last words, and whose they were.

    `gone_at` is when its agent went; `faults` are the conditions at FAULT by data item; `means` holds what the probe
    says of data items that do not say it themselves; `holders` the data item of each role, the first one heard;
    `newest` stamp and sequence by data item; `instances` the agent's starts.
    """

    work: work.Work = work.Work()
    gone_at: float | None = None
    available: bool = True
    stopped: bool = False
    execution: str | None = None
    faults: dict[str, str] = {}
    means: dict[str, str] = {}
    holders: dict[str, str] = {}
    newest: dict[str, tuple[float, int]] = {}
    instances: tuple[int, ...] = ()


Decoded = tuple[MTConnect, work.Said]


def decode(was: MTConnect, heard: Heard) -> Decoded:
    """Return the memory and what the message says; assets, and words that the broker had kept, say nothing."""
    if heard.topic == "Availability":
        return _agent(was, heard)
    if heard.topic == "Probe":
        return _probed(was, read(heard.payload).items), ()
    if heard.retained or not (heard.topic in {"Current", "Sample"} or heard.topic.startswith("Observations/")):
        return was, ()
    document = read(heard.payload)
    if not document.observations:
        return was, ()
    if document.instance is not None and document.instance != (was.instances[-1:] or (None,))[0]:
        if document.instance in was.instances:  # an agent's life that is over, told again
            return was, ()
        was = replace(was, instances=(*was.instances, document.instance)[-INSTANCES_MAX:], newest={})
    now, back = _agent_back(was, heard.at)
    said = [back]
    for one in document.observations:
        now, facts = _observed(now, one, heard.at, _time(document, one, heard.at))
        said.append(facts)
    if now.work.state is None:
        alive, facts = work.heard(now.work, heard.at)
        now = replace(now, work=alive)
        said.append(facts)
    return now, tuple(item for items in said for item in items)


def _agent(was: MTConnect, heard: Heard) -> Decoded:
    word = heard.payload[:64].strip()
    if word not in {b"AVAILABLE", b"UNAVAILABLE"}:
        raise Refusal("wrong_shape", f"Availability says {word!r}, not AVAILABLE or UNAVAILABLE")
    if word == b"AVAILABLE":
        return (was, ()) if heard.retained else _agent_back(was, heard.at)
    now, facts = work.lost(was.work, heard.at, AGENT_GONE)
    return replace(was, work=now, gone_at=heard.at if was.gone_at is None else was.gone_at), facts


def _agent_back(was: MTConnect, at: float) -> Decoded:
    if was.gone_at is None:
        return was, ()
    return _judged(replace(was, gone_at=None), at)


def _probed(was: MTConnect, items: tuple[DataItem, ...]) -> MTConnect:
    means = {_key(row.item): role for row in items if (role := _measure(row.kind, row.sub, row.component)) != ""}
    return replace(was, means=dict(list(means.items())[:ITEMS_MAX])) if means else was


def _key(item: str) -> str:
    """Return a data item's id, or where it is long or strange a number made of it: memory is bounded."""
    return item if _PLAIN_ID.fullmatch(item) else f"{zlib.crc32(item.encode(errors='replace')):08x}"


def _measure(kind: str, sub: str, component: str) -> str:
    row = _MEASURES.get(kind)
    return row[0] if row is not None and sub in {"", "ACTUAL"} and component.upper() in row[2] else ""


def _time(document: Document, one: Observation, at: float) -> float | None:
    """Return the word's own time, where the agent's clock agrees with ours."""
    if one.stamp is None or one.stamp < CLOCK_SET_S_MIN or one.stamp > at + AHEAD_S_MAX:
        return None
    reference = one.stamp if document.created is None else document.created
    return min(one.stamp, at) if abs(at - reference) <= AHEAD_S_MAX else None


def _observed(was: MTConnect, one: Observation, at: float, own: float | None) -> Decoded:
    """Return the memory after one word of one data item; what is not read, or not new, changes nothing."""
    role = _role(was, one)
    item = _key(one.item)
    if role == "" or was.holders.get(role, item) != item or one.component.upper() == "AGENT":
        return was, ()
    stamp, sequence = was.newest.get(item, (-math.inf, -1))
    mine = one.stamp if one.stamp is not None else -1.0
    if mine <= stamp and one.sequence <= sequence:
        return was, ()
    others = [row for row in was.newest.items() if row[0] != item]
    newest = dict([*others, (item, (max(mine, -1.0), one.sequence))][-ITEMS_MAX:])
    holders = was.holders if role == "@condition" else {**was.holders, role: item}
    now = replace(was, newest=newest, holders=holders)
    if own is not None and item not in was.newest:
        own = max(own, at - FIRST_AGE_S_MAX)
    return _read(now, role, one, at, own)


def _role(was: MTConnect, one: Observation) -> str:
    if one.kind == "CONDITION":
        return "@condition"
    found = _ROLES.get((one.kind, one.sub)) or _measure(one.kind, one.sub, one.component)
    return found or (was.means.get(_key(one.item), "") if one.kind in _MEASURES else "")


def _read(was: MTConnect, role: str, one: Observation, at: float, own: float | None) -> Decoded:
    # A state cannot come before the one that is known already.
    ts = at if own is None else max(own, was.work.state_at)
    if not role.startswith("@"):
        return was, _sample(role, one, at, own)
    if role == "@file":
        now, facts = work.named(was.work, ts, clean(one.value or ""))
        return replace(was, work=now), facts
    for counter in _COUNTERS:
        if role == f"@{counter}":
            count = _number(one.value)
            now, facts = work.counted(was.work, ts, counter, count) if count is not None else (was.work, ())
            return replace(was, work=now), facts
    return _judged(_learnt(was, role, one), ts)


def _learnt(was: MTConnect, role: str, one: Observation) -> MTConnect:
    if role == "@available":
        return replace(was, available=one.value is not None)
    if role == "@stop":
        return replace(was, stopped=one.value == "TRIGGERED")
    if role == "@state":
        return replace(was, execution=clean(one.value or "UNAVAILABLE"))
    item = _key(one.item)
    faults = {name: text for name, text in was.faults.items() if name != item}
    if one.value == "FAULT":
        faults = dict([*faults.items(), (item, clean(one.text) or "")][-FAULTS_MAX:])
    return replace(was, faults=faults)


def _judged(was: MTConnect, ts: float) -> Decoded:
    """Return the memory in the state that all its words together make; a fault beside a running program ends none."""
    if not was.available:
        now, facts = work.lost(was.work, ts, UNAVAILABLE)
        return replace(was, work=now), facts
    word = read_word(was.execution or "")
    if word is None and was.work.state is None and not (was.faults or was.stopped):
        return was, ()
    why = EMERGENCY_STOP if was.stopped else next(iter(was.faults.values()), None)
    if why is None:
        now, facts = work.told(was.work, ts, word) if word is not None else work.heard(was.work, ts)
    elif word is not None and word.state is State.RUNNING and not was.stopped:
        now, facts = work.shown(was.work, ts, State.FAULT, why or None)
    else:
        now, facts = work.broken(was.work, ts, why or None)
    return replace(was, work=now), facts


def _number(text: str | None) -> float | None:
    try:
        found = float(text or "")
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def _sample(name: str, one: Observation, at: float, own: float | None) -> work.Said:
    value, row = _number(one.value), known(name)
    factor = _MEASURES[one.kind][1]
    if value is None or row is None or not row.low <= value * factor <= row.high:
        return ()
    return (Samples((at if own is None else own,), {name: (value * factor,)}, assigned=own is None),)


def _filters(prefix: str) -> tuple[str, ...]:
    agent, _, uuid = prefix.partition("/")
    return (f"{agent}/+/{uuid}/#",)


def _recognise(topic: str) -> Found | None:
    found = _FORM.fullmatch(topic) if len(topic) <= TOPIC_BYTES_MAX else None
    if found is None:
        return None
    kind, uuid, of_will, will, of_item, item = found.groups()
    return Found(f"MTConnect/{uuid or of_will or of_item}", kind or will or item)


DIALECT: Final = Dialect(
    "mtconnect",
    "MTConnect",
    _filters,
    MTConnect,
    decode,
    _recognise,
    ("MTConnect/#",),
    frozenset({State.RUNNING}),
    Quality(
        states="direct",
        jobs="derived",
        parts="direct",
        cycle="derived",
        energy="derived",
        clock="milliseconds or better, used for states, jobs and samples while it agrees with ours",
        silence="last will of cppagent, AVAILABILITY; LinuxCNC has no will",
        loses="words that changed twice between two documents, parts where no PART_COUNT is there",
    ),
    scattered=True,
)
