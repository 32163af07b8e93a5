# SPDX-License-Identifier: AGPL-3.0-or-later
"""A Sparkplug payload's bytes to plain values, bounded: what cannot be read is a Refusal."""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

from google.protobuf.message import DecodeError

from collector.contract.codec import check_size
from collector.contract.errors import Refusal
from collector.contract.limits import CLOCK_SET_S_MIN, NUMBER_ABS_MAX, TIME_S_MAX
from collector.contract.sparkplug_b import payload_class, properties_class

METRICS_MAX: Final = 4_096
"""Metrics of one payload."""
PREFIXES: Final = ("DATA/", "ATTR/", "CMD/")
"""What mqtt-spb-wrapper puts before names in births, and leaves out in data."""
REBIRTH: Final = "Node Control/Rebirth"
_SIGNED_BITS: Final = {1: 8, 2: 16, 3: 32, 4: 64}
"""Datatypes Int8 to Int64: their values travel as unsigned numbers."""
_BOOLEAN: Final = 11
_BROKEN: Final = (DecodeError, UnicodeDecodeError)
_PROPERTIES_BYTES_MAX: Final = 4_096


class Metric(NamedTuple):
    """One metric: a number, a text or nothing (null, NaN, and kinds that nobody here reads).

    `name` is "" where the alias stands for it; `stamp_ms` is the edge node's clock.
    """

    name: str
    alias: int | None
    stamp_ms: int | None
    value: float | str | None
    historical: bool
    whole: bool
    unit: str | None


class Payload(NamedTuple):
    """A payload: its stamp (ms), its number in the node's sequence, and its metrics."""

    stamp_ms: int | None
    seq: int | None
    metrics: tuple[Metric, ...]


def read(payload: bytes) -> Payload:
    """Return the payload. Raises Refusal where it is too large, broken, or says nothing."""
    check_size(payload)
    try:
        wire = payload_class().FromString(payload)
        if len(wire.metrics) > METRICS_MAX:
            raise Refusal("too_many", f"payload has {len(wire.metrics)} metrics, at most {METRICS_MAX} are allowed")
        metrics = tuple(_metric(metric) for metric in wire.metrics)
    except _BROKEN as error:
        raise Refusal("not_protobuf", f"payload is no Sparkplug B protobuf: {str(error)[:200]}") from None
    stamp_ms, seq = _stamp(wire), int(wire.seq) if wire.HasField("seq") else None
    if stamp_ms is None and seq is None and not metrics:
        raise Refusal("wrong_shape", "payload has neither timestamp, seq nor metrics")
    return Payload(stamp_ms, seq, metrics)


def rebirth(at: float) -> bytes:
    """Return the command that asks a node to tell its births again."""
    payload = payload_class()(timestamp=round(at * 1000))
    payload.metrics.add(name=REBIRTH, datatype=_BOOLEAN, boolean_value=True)
    told: bytes = payload.SerializeToString()
    return told


def _text(found: str | bytes) -> str:
    """Return a text; protobuf's fast runtime gives bytes where they are not UTF-8, its plain one raises."""
    return found if isinstance(found, str) else found.decode()


def _stamp(wire: Any) -> int | None:
    found = int(wire.timestamp) if wire.HasField("timestamp") else None
    return found if found is not None and CLOCK_SET_S_MIN <= found / 1000 < TIME_S_MAX else None


def _metric(wire: Any) -> Metric:
    name = _text(wire.name)
    for prefix in PREFIXES:
        name = name.removeprefix(prefix)
    kind = wire.WhichOneof("value")
    found = getattr(wire, kind) if kind is not None and not wire.is_null else None
    value: float | str | None = None
    whole = kind in {"int_value", "long_value"}
    if found is not None and whole:
        value = float(_signed(found, wire.datatype, 32 if kind == "int_value" else 64))
    elif kind in {"float_value", "double_value"} and found is not None:
        value = found if math.isfinite(found) else None
    elif kind == "string_value" and found is not None:
        value = _text(found)
    if isinstance(value, float) and abs(value) > NUMBER_ABS_MAX:
        value = None
    return Metric(
        name,
        int(wire.alias) if wire.HasField("alias") else None,
        _stamp(wire),
        value,
        bool(wire.is_historical),
        whole,
        _unit(wire.properties),
    )


def _signed(found: int, datatype: int, bits: int) -> int:
    """Return the number as its datatype has it; where data leaves that out, the topmost bit is a sign."""
    width = _SIGNED_BITS.get(datatype)
    if datatype and width is None:
        return found
    for sign in {width or bits, bits}:
        if found >> (sign - 1) == 1:
            return found - (1 << sign)
    return found


def _unit(properties: bytes) -> str | None:
    if not properties or len(properties) > _PROPERTIES_BYTES_MAX:
        return None
    try:
        wire = properties_class().FromString(properties)
        for key, value in zip(wire.keys, wire.values, strict=False):
            if _text(key).lower() in {"engunit", "unit", "units", "engunits"}:
                return _text(value.string_value) or None
    except _BROKEN:
        return None
    return None
