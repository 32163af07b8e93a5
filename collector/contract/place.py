# SPDX-License-Identifier: Apache-2.0
"""A place is a path in the recursion; a device is known by a stable id of its own."""

from __future__ import annotations

import re
from typing import Final

from collector.contract.errors import Refusal
from collector.contract.limits import SEGMENTS_MAX

_SEGMENT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_DEVICE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")


def check_place(text: str) -> str:
    """Return the place unchanged; a Refusal says which segment breaks the grammar (contract 1).

    >>> check_place("commons/valparaiso/printing/mk4-07")
    'commons/valparaiso/printing/mk4-07'
    """
    segments = text.split("/")
    if len(segments) > SEGMENTS_MAX:
        raise Refusal("bad_place", f"place has {len(segments)} segments, at most {SEGMENTS_MAX} are allowed")
    for segment in segments:
        if not _SEGMENT.fullmatch(segment):
            raise Refusal("bad_place", f"place segment {segment[:80]!r} does not match {_SEGMENT.pattern}")
    return text


def check_device(text: str) -> str:
    """Return the device id unchanged; a Refusal names what does not fit."""
    if not _DEVICE.fullmatch(text):
        raise Refusal("bad_device", f"device {text[:80]!r} does not match {_DEVICE.pattern}")
    return text


def parent(place: str) -> str | None:
    """Return the place one recursion level up, or None above the root.

    >>> parent("commons/valparaiso"), parent("commons")
    ('commons', None)
    """
    return place.rpartition("/")[0] or None


def contains(unit: str, place: str) -> bool:
    """Tell whether the place is the unit itself or lies below it."""
    return place == unit or place.startswith(unit + "/")
