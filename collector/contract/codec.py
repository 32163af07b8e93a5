# SPDX-License-Identifier: Apache-2.0
"""Bytes to messages and back: versioned, bounded, total. What it cannot read is a Refusal, never a crash."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, NamedTuple, TypeVar

import msgspec

from collector.contract import limits
from collector.contract.errors import Refusal
from collector.contract.event import State
from collector.contract.indicator import is_name, known
from collector.contract.reading import Batch, Samples

_BRACKETS: Final = re.compile(rb"[\[\]{}]")
_STRINGS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_LONG_NUMBER: Final = re.compile(rb"[-+.0-9eE]{%d}" % (limits.NUMBER_CHARS_MAX + 1))
_Cell = float | None
T = TypeVar("T")


class _ReadingWire(msgspec.Struct):
    v: Literal[1]
    m: dict[str, _Cell | list[_Cell]]
    boot: str | None = None
    seq: int | None = None
    ts: str | int | None = None
    dt_ms: list[int] | None = None
    device: str | None = None
    place: str | None = None


class _StateWire(msgspec.Struct):
    v: Literal[1]
    state: State
    ts: str | int | None = None
    boot: str | None = None
    why: str | None = None


class EventMessage(msgspec.Struct):
    """A native event as it was sent (contract 4); times still as the sender wrote them."""

    v: Literal[1]
    id: str
    event: str
    ts: str | int | None = None
    device: str | None = None
    place: str | None = None
    job: str | None = None
    file: str | None = None
    outcome: Literal["done", "cancelled", "failed", "unknown"] | None = None
    cause: str | None = None
    estimate_s: float | None = None
    duration_s: float | None = None
    print_duration_s: float | None = None
    total_duration_s: float | None = None
    held_s: float | None = None
    material_g: float | None = None
    energy_kwh: float | None = None
    good: int = 0
    scrap: int = 0


class OffScale(NamedTuple):
    """A value outside what the catalogue holds possible: kept out of the samples, and told to quarantine."""

    indicator: str
    value: float
    low: float
    high: float


class ReadingMessage(NamedTuple):
    """A native reading, checked: samples whose off-scale cells are None, and those cells."""

    boot: str | None
    seq: int | None
    device: str | None
    place: str | None
    samples: Samples
    off_scale: tuple[OffScale, ...]


class StateMessage(NamedTuple):
    """A native state, checked; `ts` is None where the sender gave none."""

    state: State
    ts: float | None
    why: str | None


_FIGURES: Final = (
    "estimate_s", "duration_s", "print_duration_s", "total_duration_s", "held_s", "material_g", "energy_kwh", "good",
    "scrap",
)  # fmt: skip
_READING: Final = msgspec.json.Decoder(_ReadingWire)
_STATE: Final = msgspec.json.Decoder(_StateWire)
_EVENT: Final = msgspec.json.Decoder(EventMessage)
_BATCH: Final = msgspec.json.Decoder(Batch)
_ENCODER: Final = msgspec.json.Encoder()


def check_bounds(payload: bytes) -> None:
    """Refuse what is too large, too deeply nested or has too long a number, before anything is parsed."""
    if len(payload) > limits.PAYLOAD_BYTES_MAX:
        raise Refusal("too_large", f"payload has {len(payload)} bytes, at most {limits.PAYLOAD_BYTES_MAX} are allowed")
    if _LONG_NUMBER.search(payload) and _LONG_NUMBER.search(_STRINGS.sub(b'""', payload)):
        raise Refusal("long_number", f"a number has more than {limits.NUMBER_CHARS_MAX} characters")
    if payload.count(b"[") + payload.count(b"{") <= limits.JSON_DEPTH_MAX:
        return
    depth = 0
    for bracket in _BRACKETS.finditer(_STRINGS.sub(b"", payload)):
        depth += 1 if bracket.group() in b"[{" else -1
        if depth > limits.JSON_DEPTH_MAX:
            raise Refusal("too_deep", f"brackets are nested deeper than {limits.JSON_DEPTH_MAX} levels")


def decode_json(payload: bytes, decode: Callable[[bytes], T]) -> T:
    """Return what the decoder makes of a bounded payload; a Refusal says what does not fit, and where."""
    check_bounds(payload)
    try:
        return decode(payload)
    except msgspec.ValidationError as error:
        raise Refusal("wrong_shape", str(error)[:300]) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal("not_json", str(error)[:300]) from None


def decode_object(payload: bytes) -> dict[str, Any]:
    """Return a JSON object of unknown shape."""
    found = decode_json(payload, msgspec.json.decode)
    if not isinstance(found, dict):
        raise Refusal("wrong_shape", f"expected an object, got {type(found).__name__}")
    return found


def parse_time(stamp: str | int | None) -> float | None:
    """Return Unix seconds of an RFC 3339 text in UTC or of integer milliseconds; None stays None.

    >>> parse_time("1970-01-01T00:00:01.500Z"), parse_time(1500), parse_time(None)
    (1.5, 1.5, None)
    """
    if stamp is None:
        return None
    if isinstance(stamp, int):
        return _time_within(stamp / 1000, str(stamp))
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        raise Refusal("bad_time", f"ts = {stamp[:60]!r} is not RFC 3339") from None
    if moment.utcoffset() != timedelta(0):
        raise Refusal("bad_time", f"ts = {stamp[:60]!r} is not in UTC")
    return _time_within(moment.timestamp(), stamp)


def _time_within(ts: float, said: str) -> float:
    if not 0.0 <= ts < limits.TIME_S_MAX:
        raise Refusal("bad_time", f"ts = {said[:60]} is not within 1970..2099")
    return ts


def format_time(ts: float) -> str:
    """Return RFC 3339 in UTC with milliseconds; what lies outside 1970..2099 is told as that bound.

    >>> format_time(1.5)
    '1970-01-01T00:00:01.500Z'
    """
    bounded = min(max(round(ts, 3), 0.0), limits.TIME_S_MAX)
    return datetime.fromtimestamp(bounded, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def decode_reading(payload: bytes, *, now: float) -> ReadingMessage:
    """Return a native reading; `now` (Unix s) stands in where it has no time. Raises Refusal (contract 3)."""
    wire = decode_json(payload, _READING.decode)
    if len(wire.m) > limits.INDICATORS_PER_MESSAGE_MAX:
        raise Refusal("too_many", f"{len(wire.m)} indicators, at most {limits.INDICATORS_PER_MESSAGE_MAX} are allowed")
    _check_sender(wire.boot, wire.seq)
    times = _times(wire, now)
    values: dict[str, tuple[_Cell, ...]] = {}
    off_scale: list[OffScale] = []
    for name, cells in wire.m.items():
        values[name] = _column(name, cells, len(times), batched=wire.dt_ms is not None, off_scale=off_scale)
    samples = Samples(times, values, assigned=wire.ts is None)
    return ReadingMessage(wire.boot, wire.seq, wire.device, wire.place, samples, tuple(off_scale))


def _check_sender(boot: str | None, seq: int | None) -> None:
    if boot is not None and not 0 < len(boot) <= limits.BOOT_CHARS_MAX:
        raise Refusal("bad_boot", f"boot has {len(boot)} characters, 1..{limits.BOOT_CHARS_MAX} are allowed")
    if seq is not None and not 0 <= seq <= limits.SEQ_MAX:
        raise Refusal("bad_seq", f"seq = {seq} is not within 0..{limits.SEQ_MAX}")


def _times(wire: _ReadingWire, now: float) -> tuple[float, ...]:
    start = parse_time(wire.ts)
    start = now if start is None else start
    if wire.dt_ms is None:
        return (start,)
    if len(wire.dt_ms) > limits.SAMPLES_PER_MESSAGE_MAX:
        raise Refusal("too_many", f"{len(wire.dt_ms)} samples, at most {limits.SAMPLES_PER_MESSAGE_MAX} are allowed")
    return tuple(_time_within(start + offset / 1000, f"{start:.3f} s with dt_ms {offset}") for offset in wire.dt_ms)


def _column(
    name: str, cells: _Cell | list[_Cell], count: int, *, batched: bool, off_scale: list[OffScale]
) -> tuple[_Cell, ...]:
    if not is_name(name):
        raise Refusal("bad_indicator", f"indicator {name[:80]!r} is not snake_case with a unit last")
    if isinstance(cells, list) is not batched:
        wanted = f"a list of {count}, because dt_ms is there" if batched else "one value, because dt_ms is not there"
        raise Refusal("wrong_shape", f"m.{name} is not {wanted}")
    column = cells if isinstance(cells, list) else [cells]
    if len(column) != count:
        raise Refusal("wrong_shape", f"m.{name} has {len(column)} values, dt_ms has {count}")
    row = known(name)
    low, high = (row.low, row.high) if row else (-limits.NUMBER_ABS_MAX, limits.NUMBER_ABS_MAX)
    kept: list[_Cell] = []
    for value in column:
        possible = value is None or (math.isfinite(value) and low <= value <= high)
        if not possible and value is not None:
            off_scale.append(OffScale(name, value, low, high))
        kept.append(value if possible else None)
    return tuple(kept)


def decode_state(payload: bytes) -> StateMessage:
    """Return a native state. Raises Refusal."""
    wire = decode_json(payload, _STATE.decode)
    return StateMessage(wire.state, parse_time(wire.ts), _short(wire.why))


def decode_event(payload: bytes) -> EventMessage:
    """Return a native event. Raises Refusal."""
    wire = decode_json(payload, _EVENT.decode)
    for name in ("id", "event", "job", "file", "cause"):
        text = getattr(wire, name)
        if text is not None and not len(text) <= limits.JOB_TEXT_CHARS_MAX:
            raise Refusal(
                "too_long", f"{name} has {len(text)} characters, at most {limits.JOB_TEXT_CHARS_MAX} are allowed"
            )
    for name in _FIGURES:
        figure = getattr(wire, name)
        if figure is not None and not 0.0 <= figure <= limits.DURATION_S_MAX:
            raise Refusal("bad_figure", f"{name} = {figure:g} is not within 0..{limits.DURATION_S_MAX:g}")
    if not wire.id or not wire.event:
        raise Refusal("wrong_shape", "id and event must not be empty")
    return wire


def _short(text: str | None) -> str | None:
    return text if text is None else text[: limits.JOB_TEXT_CHARS_MAX]


def encode_batch(batch: Batch) -> bytes:
    """Return the batch as it stands in the fact log and on the `fact` topic; `decode_batch` undoes it."""
    return _ENCODER.encode(batch)


def decode_batch(blob: bytes) -> Batch:
    """Return the batch that `encode_batch` wrote; a Refusal where it is something else."""
    try:
        return _BATCH.decode(blob)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal("wrong_shape", str(error)[:300]) from None


def encode(thing: object) -> bytes:
    """Return any struct, dictionary or list as compact JSON."""
    return _ENCODER.encode(thing)
