# SPDX-License-Identifier: Apache-2.0
"""Bytes to messages and back: versioned, bounded, total. What it cannot read is a Refusal, never a crash."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, NamedTuple, TypeVar

import msgspec

from collector.contract import limits
from collector.contract.errors import Refusal
from collector.contract.event import State
from collector.contract.reading import Batch

_BRACKETS: Final = re.compile(rb"[\[\]{}]")
_STRINGS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NUMBER_SIGNS: Final = b"-+.0123456789eE"
_AS_ZEROS: Final = bytes(ord("0") if byte in _NUMBER_SIGNS else ord(" ") for byte in range(256))
_LONG_NUMBER: Final = b"0" * (limits.NUMBER_CHARS_MAX + 1)
T = TypeVar("T")


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
    about: str | None = None
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
    material_mm: float | None = None
    energy_kwh: float | None = None
    good: int = 0
    scrap: int = 0
    corrects: str | None = None


class StateMessage(NamedTuple):
    """A native state, checked; `ts` is None where the sender gave none."""

    state: State
    ts: float | None
    why: str | None


_FIGURES: Final = (
    "estimate_s", "duration_s", "print_duration_s", "total_duration_s", "held_s", "material_g", "material_mm",
    "energy_kwh", "good", "scrap",
)  # fmt: skip
_STATE: Final = msgspec.json.Decoder(_StateWire)
_EVENT: Final = msgspec.json.Decoder(EventMessage)
_BATCH: Final = msgspec.json.Decoder(Batch)
_ENCODER: Final = msgspec.json.Encoder()


def check_size(payload: bytes) -> None:
    """Refuse what is too large, whatever it is written in."""
    if len(payload) > limits.PAYLOAD_BYTES_MAX:
        raise Refusal("too_large", f"payload has {len(payload)} bytes, at most {limits.PAYLOAD_BYTES_MAX} are allowed")


def check_bounds(payload: bytes) -> None:
    """Refuse what is too large, too deeply nested or has too long a number, before anything is parsed."""
    check_size(payload)
    if _LONG_NUMBER in payload.translate(_AS_ZEROS) and (
        _LONG_NUMBER in _STRINGS.sub(b'""', payload).translate(_AS_ZEROS)
    ):
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
        return time_within(stamp / 1000, stamp)
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        raise Refusal("bad_time", f"ts = {stamp[:60]!r} is not RFC 3339") from None
    if moment.utcoffset() != timedelta(0):
        raise Refusal("bad_time", f"ts = {stamp[:60]!r} is not in UTC")
    return time_within(moment.timestamp(), stamp)


def time_within(ts: float, said: object) -> float:
    """Return the Unix time; a Refusal `bad_time` where it is none of a machine."""
    if not 0.0 <= ts < limits.TIME_S_MAX:
        raise Refusal("bad_time", f"ts = {str(said)[:60]} is not within 1970..2099")
    return ts


def format_time(ts: float) -> str:
    """Return RFC 3339 in UTC with milliseconds; what lies outside 1970..2099 is told as that bound.

    >>> format_time(1.5)
    '1970-01-01T00:00:01.500Z'
    """
    bounded = min(max(round(ts, 3), 0.0), limits.TIME_S_MAX)
    return datetime.fromtimestamp(bounded, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def decode_state(payload: bytes) -> StateMessage:
    """Return a native state. Raises Refusal."""
    wire = decode_json(payload, _STATE.decode)
    return StateMessage(wire.state, parse_time(wire.ts), _short(wire.why))


def decode_event(payload: bytes) -> EventMessage:
    """Return a native event. Raises Refusal."""
    wire = decode_json(payload, _EVENT.decode)
    for name in ("id", "event", "job", "file", "cause", "corrects"):
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
