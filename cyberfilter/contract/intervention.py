# SPDX-License-Identifier: AGPL-3.0-or-later
"""An intervention: what a person tells the filter beforehand (West & Harrison's feed-forward), read and checked."""

from __future__ import annotations

import math
import re
from enum import StrEnum
from typing import Final

import msgspec

from collector.contract import limits
from collector.contract.codec import format_time, parse_time
from collector.contract.errors import Refusal
from collector.contract.place import check_place

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")


class Sort(StrEnum):
    """What a person tells: these values mean nothing, a shift comes, the level is another one, anything may come."""

    IGNORE = "ignore"
    SHIFT = "shift"
    LEVEL = "level"
    UNCERTAIN = "uncertain"


class Intervention(msgspec.Struct, frozen=True):
    """A person's word on an index at a place, from `ts` on (Unix s).

    `mean` is the shift or the new level, `sd` how sure of it, both in the index's unit; `until` (Unix s) is the end of
    what is ignored, None: one value.
    """

    id: str
    ts: float
    place: str
    index: str
    action: Sort
    mean: float | None = None
    sd: float | None = None
    until: float | None = None
    note: str | None = None
    by: str | None = None

    def covers(self, ts: float) -> bool:
        """Tell whether the value of a bucket that ends at `ts` is ignored."""
        return self.action is Sort.IGNORE and self.ts <= ts and (self.until is None or ts <= self.until)


class Wire(msgspec.Struct):
    """The body as it comes over MQTT and HTTP (contract 2)."""

    v: int
    id: str
    ts: str | int
    index: str
    action: str
    place: str | None = None
    mean: float | None = None
    sd: float | None = None
    until: str | int | None = None
    note: str | None = None
    by: str | None = None


def read(wire: Wire, *, place: str | None = None) -> Intervention:
    """Return what the body says, at `place` where the topic says it; raises Refusal, which names what is wrong."""
    if wire.v != 1:
        raise Refusal("bad_version", f"v = {wire.v} is not 1")
    if not _ID.fullmatch(wire.id):
        raise Refusal("bad_id", f"id = {wire.id[:80]!r} does not match {_ID.pattern}")
    if place is not None and wire.place not in {None, place}:
        raise Refusal("bad_place", f"place = {str(wire.place)[:200]!r} is not the topic's {place}")
    where = check_place(place or wire.place or "")
    for name, text in (("note", wire.note), ("by", wire.by)):
        if text is not None and len(text) > limits.JOB_TEXT_CHARS_MAX:
            raise Refusal("too_long", f"{name} has {len(text)} characters, at most {limits.JOB_TEXT_CHARS_MAX}")
    ts, until, sort = parse_time(wire.ts), parse_time(wire.until), _sort(wire.action)
    assert ts is not None
    _check_figures(sort, wire)
    if until is not None and (sort is not Sort.IGNORE or until < ts):
        raise Refusal("bad_until", f"until = {wire.until} goes with ignore alone, and is not before ts = {wire.ts}")
    return Intervention(wire.id, ts, where, wire.index, sort, wire.mean, wire.sd, until, wire.note, wire.by)


def _sort(text: str) -> Sort:
    try:
        return Sort(text)
    except ValueError:
        raise Refusal("unknown_action", f"action = {text[:40]!r} is none of {', '.join(Sort)}") from None


def _check_figures(sort: Sort, wire: Wire) -> None:
    for name, figure in (("mean", wire.mean), ("sd", wire.sd)):
        if figure is not None and not (math.isfinite(figure) and abs(figure) <= limits.NUMBER_ABS_MAX):
            raise Refusal("off_scale", f"{name} = {figure} is not a number within ±{limits.NUMBER_ABS_MAX:g}")
    if sort in {Sort.SHIFT, Sort.LEVEL} and wire.mean is None:
        raise Refusal("no_mean", f"action = {sort} needs mean: how far, or where to, in the index's unit")
    if wire.sd is not None and wire.sd < 0:
        raise Refusal("off_scale", f"sd = {wire.sd} is below 0")


def shown(said: Intervention) -> dict[str, object]:
    """Return the intervention as the journal keeps it: times in Unix s."""
    found: dict[str, object] = msgspec.to_builtins(said)
    return found


def told(said: Intervention) -> dict[str, object]:
    """Return the intervention as the API gives it: times in RFC 3339."""
    until = format_time(said.until) if said.until is not None else None
    return shown(said) | {"ts": format_time(said.ts), "until": until}
