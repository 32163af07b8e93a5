# SPDX-License-Identifier: AGPL-3.0-or-later
"""The few bytes of Protocol Buffers that an edge node needs, by hand: varints, fixed numbers, length-delimited fields.

The encoding is protobuf.dev's; the field numbers are those of the Sparkplug B specification 3.0, section 6.4.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

VARINT: Final = 0
FIXED64: Final = 1
BYTES: Final = 2
FIXED32: Final = 5
_MASK64: Final = (1 << 64) - 1
_VARINT_BYTES_MAX: Final = 10


def varint(number: int) -> bytes:
    """Return an integer as a varint; a negative one as its 64-bit two's complement.

    >>> varint(300).hex()
    'ac02'
    """
    number &= _MASK64
    out = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits a byte
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def integer(field: int, number: int) -> bytes:
    """Return an integer or boolean field."""
    return varint(field << 3 | VARINT) + varint(number)


def single(field: int, number: float) -> bytes:
    """Return a float field."""
    return varint(field << 3 | FIXED32) + struct.pack("<f", number)


def double(field: int, number: float) -> bytes:
    """Return a double field."""
    return varint(field << 3 | FIXED64) + struct.pack("<d", number)


def delimited(field: int, content: bytes | str) -> bytes:
    """Return a string, bytes or message field."""
    raw = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | BYTES) + varint(len(raw)) + raw


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield each field's number and its content; raises ValueError where the bytes are no message."""
    at = 0
    while at < len(message):
        key, at = _read_varint(message, at)
        kind = key & 7
        if kind == VARINT:
            number, at = _read_varint(message, at)
            yield key >> 3, number
            continue
        if kind == BYTES:
            size, at = _read_varint(message, at)
        else:
            size = {FIXED64: 8, FIXED32: 4}.get(kind, -1)
        if size < 0 or at + size > len(message):
            raise ValueError(f"field {key >> 3} of wire type {kind} does not fit into {len(message)} bytes")
        yield key >> 3, message[at : at + size]
        at += size


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    number = 0
    for count, byte in enumerate(message[at : at + _VARINT_BYTES_MAX]):
        number |= (byte & 0x7F) << 7 * count
        if byte <= 0x7F:  # noqa: PLR2004
            return number, at + count + 1
    raise ValueError(f"a varint at byte {at} has no end")
