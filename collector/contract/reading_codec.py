# SPDX-License-Identifier: Apache-2.0
"""A native reading: bytes to samples, checked against the catalogue (contract 3)."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Final, Literal, NamedTuple

import msgspec

from collector.contract import limits
from collector.contract.codec import decode_json, parse_time, time_within
from collector.contract.errors import Refusal
from collector.contract.indicator import is_name, known
from collector.contract.reading import Samples

_NAMES: Final = re.compile(rb'"\s*:')
_SPACED: Final = re.compile(rb'"[ \t\r\n]')
"""A name may end so, and then its colon is not next to it."""
_Cell = float | None


class _ReadingWire(msgspec.Struct):
    v: Literal[1]
    m: dict[str, _Cell | list[_Cell]]
    boot: str | None = None
    seq: int | None = None
    ts: str | int | None = None
    dt_ms: list[int] | None = None
    device: str | None = None
    place: str | None = None


_READING: Final = msgspec.json.Decoder(_ReadingWire)


class SetAside(NamedTuple):
    """Values of a message that are kept out of its samples, and told to quarantine."""

    reason: str
    detail: str


class ReadingMessage(NamedTuple):
    """A native reading, checked: samples without what was set aside, and empty cells by name."""

    boot: str | None
    seq: int | None
    device: str | None
    place: str | None
    samples: Samples
    aside: tuple[SetAside, ...]
    nulls: dict[str, int]


def decode_reading(payload: bytes, *, now: float, clockless: bool = False) -> ReadingMessage:
    """Return a native reading; `now` (Unix s) stands in where it has no time. Raises Refusal (contract 3).

    Of a sender without a clock, a time before 2000 is none: its clock was never set.
    """
    wire = decode_json(payload, _READING.decode)
    if len(wire.m) > limits.INDICATORS_PER_MESSAGE_MAX:
        raise Refusal("too_many", f"{len(wire.m)} indicators, at most {limits.INDICATORS_PER_MESSAGE_MAX} are allowed")
    _check_names(payload, wire)
    _check_sender(wire.boot, wire.seq)
    start = parse_time(wire.ts)
    if start is None or (clockless and start < limits.CLOCK_SET_S_MIN):
        times, assigned = _times(wire, now), True
    else:
        times, assigned = _times(wire, start), False
    values: dict[str, tuple[_Cell, ...]] = {}
    off_scale: list[tuple[str, float]] = []
    nulls: dict[str, int] = {}
    is_single = wire.dt_ms is None
    for name, cells in wire.m.items():
        bounds = _bounds(name)
        if bounds is not None and is_single and isinstance(cells, float) and bounds[0] <= cells <= bounds[1]:
            values[name] = (cells,)  # by far the most
            continue
        values[name] = column = _column(name, cells, len(times), batched=not is_single, off_scale=off_scale)
        if None in column and (empty := cells.count(None) if isinstance(cells, list) else cells is None):
            nulls[name] = int(empty)
    samples = Samples(times, values, assigned=assigned)
    aside = (_told(off_scale),) if off_scale else ()
    return ReadingMessage(wire.boot, wire.seq, wire.device, wire.place, samples, aside, nulls)


def _told(off_scale: list[tuple[str, float]]) -> SetAside:
    """Return what quarantine says of impossible values: the first in full, the others by their number."""
    name, value = off_scale[0]
    low, high = _bounds(name) or (0.0, 0.0)
    more = f", and {len(off_scale) - 1} more" if len(off_scale) > 1 else ""
    return SetAside("off_scale", f"{name} = {value:g} is not within {low:g}..{high:g}{more}")


def _check_names(payload: bytes, wire: _ReadingWire) -> None:
    """Refuse a body in which a name comes twice: nobody knows which of the two is meant (RFC 7493, 2.3)."""
    told = len(wire.m) + 2 + (wire.boot is not None) + (wire.seq is not None) + (wire.ts is not None)
    told += (wire.dt_ms is not None) + (wire.device is not None) + (wire.place is not None)
    if payload.count(b'":') > told or (_SPACED.search(payload) and len(_NAMES.findall(payload)) > told):
        try:
            json.loads(payload.decode(errors="backslashreplace"), object_pairs_hook=_unique)
        except ValueError as error:
            raise Refusal("not_json", str(error)[:300]) from None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Refusal("twice", f"the name {twice[:80]!r} is there more than once")
    return found


def _check_sender(boot: str | None, seq: int | None) -> None:
    if boot is not None and not 0 < len(boot) <= limits.BOOT_CHARS_MAX:
        raise Refusal("bad_boot", f"boot has {len(boot)} characters, 1..{limits.BOOT_CHARS_MAX} are allowed")
    if seq is not None and not 0 <= seq <= limits.SEQ_MAX:
        raise Refusal("bad_seq", f"seq = {seq} is not within 0..{limits.SEQ_MAX}")


def _times(wire: _ReadingWire, start: float) -> tuple[float, ...]:
    if wire.dt_ms is None:
        return (start,)
    if len(wire.dt_ms) > limits.SAMPLES_PER_MESSAGE_MAX:
        raise Refusal("too_many", f"{len(wire.dt_ms)} samples, at most {limits.SAMPLES_PER_MESSAGE_MAX} are allowed")
    return tuple(time_within(start + offset / 1000, f"{start:.3f} s with dt_ms {offset}") for offset in wire.dt_ms)


def _column(
    name: str, cells: _Cell | list[_Cell], count: int, *, batched: bool, off_scale: list[tuple[str, float]]
) -> tuple[_Cell, ...]:
    """Return an indicator's values, None for those that are not possible: they go into `off_scale`."""
    bounds = _bounds(name)
    if bounds is None:
        raise Refusal("bad_indicator", f"indicator {name[:80]!r} is not snake_case with a unit last")
    low, high = bounds
    if not isinstance(cells, list):
        if batched:
            raise Refusal("wrong_shape", f"m.{name} is not a list of {count}, because dt_ms is there")
        if cells is None or low <= cells <= high:
            return (cells,)
        off_scale.append((name, cells))
        return (None,)
    if not batched:
        raise Refusal("wrong_shape", f"m.{name} is not one value, because dt_ms is not there")
    if len(cells) != count:
        raise Refusal("wrong_shape", f"m.{name} has {len(cells)} values, dt_ms has {count}")
    off_scale += [(name, value) for value in cells if value is not None and not low <= value <= high]
    return tuple([value if value is not None and low <= value <= high else None for value in cells])


@lru_cache(maxsize=65_536)
def _bounds(name: str) -> tuple[float, float] | None:
    """Return what an indicator's values lie between, None where the text is no indicator's name."""
    if not is_name(name):
        return None
    row = known(name)
    return (row.low, row.high) if row else (-limits.NUMBER_ABS_MAX, limits.NUMBER_ABS_MAX)
