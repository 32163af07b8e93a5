# SPDX-License-Identifier: AGPL-3.0-or-later
"""MQTT frames as bytes: many PUBLISH and PUBACK read or written in one go (pure).

Only what makes up nearly all traffic is known here, PUBLISH at QoS 0 and 1 and PUBACK, in MQTT 3.1.1 and 5
(OASIS MQTT 5.0, 2.1, 3.3, 3.4). At any other frame reading stops and says so.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from collector.contract.limits import TOPIC_BYTES_MAX
from collector.contract.ports import Delivery, Posting

MID_MAX: Final = 65_535
"""Largest message number; 0 is none."""
_TOPICS_KEPT: Final = 8_192
_TOPICS: Final[dict[bytes, str]] = {}
"""Topics that were heard before, by their bytes: a dictionary alone costs the loop a third of `lru_cache`."""
_new: Final = tuple.__new__
"""Makes a NamedTuple without the call of its constructor, which is written in Python."""
_LENGTHS_KEPT: Final = 16_384
_PUBLISH: Final = 0x30
_PUBLISH_MASK: Final = 0xF4
"""The type, and the upper bit of the QoS; duplicate, lower QoS and retain may be anything."""
_PUBACK: Final = 0x40
_PUBACK_HEAD: Final = 0x4002_0000
_LENGTH_BYTES_MAX: Final = 4
_MORE: Final = 0x80
_REFUSED_FROM: Final = 0x80


class Malformed(ValueError):
    """Bytes that are no MQTT; the connection cannot go on."""


class Other(NamedTuple):
    """A frame that is not read here: its first byte, and its body."""

    kind: int
    body: bytes


class Parsed(NamedTuple):
    """What was read: deliveries, numbers acknowledged by the broker, and how many of these it refused.

    `end` is where reading stopped; `other` the frame that follows if it is complete and of another kind (`end` lies
    behind it then); `wanted_bytes` how many bytes from `end` on the next frame needs, as far as is known, 0 where
    nothing is left.
    """

    arrived: list[Delivery]
    acknowledged: list[int]
    refused_count: int
    end: int
    other: Other | None
    wanted_bytes: int


# tidy: one loop without calls; at tens of thousands of messages a second each call costs a twentieth of a core.
def parse(buffer: bytes, begin: int, *, five: bool, stamp: float, base: int) -> Parsed:  # noqa: C901, PLR0912
    """Return what the buffer holds from `begin` on, up to a frame of another kind; raises Malformed.

    Deliveries carry `stamp` as their arrival and `base` plus their number as their token (QoS 0: number 0). `five`
    says that the connection speaks MQTT 5, whose PUBLISH carries properties.
    """
    arrived: list[Delivery] = []
    acknowledged: list[int] = []
    refused_count, size, here = 0, len(buffer), begin
    text_of, keep = _TOPICS.get, arrived.append
    try:
        while here + 1 < size:
            kind, length, body = buffer[here], buffer[here + 1], here + 2
            if length >= _MORE:
                more = buffer[body] if body < size else _MORE
                if more < _MORE:
                    length, body = length & 0x7F | more << 7, body + 1
                else:
                    length, body = read_length(buffer, here + 1)
                    if not body:
                        return Parsed(arrived, acknowledged, refused_count, here, None, size - here + 1)
            end = body + length
            if end > size:
                return Parsed(arrived, acknowledged, refused_count, here, None, end - here)
            if kind & _PUBLISH_MASK == _PUBLISH:
                body += 2
                after = body + (buffer[body - 2] << 8 | buffer[body - 1])
                topic = text_of(written := buffer[body:after]) or topic_text(written)
                token = base
                if kind & 2:
                    token += buffer[after] << 8 | buffer[after + 1]
                    after += 2
                if five:
                    properties = buffer[after]
                    after += 1
                    if properties:
                        after = _behind_properties(buffer, after - 1)
                if after > end:
                    raise Malformed(f"PUBLISH of {length} bytes is shorter than its own parts")
                keep(_new(Delivery, (topic, buffer[after:end], kind & 1 == 1, stamp, token)))
            elif kind == _PUBACK:
                if length < 2:  # noqa: PLR2004 - a message number has two bytes
                    raise Malformed(f"PUBACK of {length} bytes, at least 2 are needed")
                acknowledged.append(buffer[body] << 8 | buffer[body + 1])
                if length > 2 and buffer[body + 2] >= _REFUSED_FROM:  # noqa: PLR2004 - behind the number
                    refused_count += 1
            else:
                return Parsed(arrived, acknowledged, refused_count, end, Other(kind, buffer[body:end]), 0)
            here = end
    except IndexError:
        raise Malformed("a frame is shorter than its own parts") from None
    return Parsed(arrived, acknowledged, refused_count, here, None, 2 if here < size else 0)


def _behind_properties(buffer: bytes, at: int) -> int:
    length, after = read_length(buffer, at)
    if not after:
        raise Malformed("a length is cut off by the end of its frame")
    return after + length


def read_length(buffer: bytes, at: int) -> tuple[int, int]:
    """Return a length of up to four bytes and where it ends; (0, 0) where bytes are missing. Raises Malformed.

    >>> read_length(bytes([0x80, 0x01]), 0)
    (128, 2)
    """
    length = 0
    for position, byte in enumerate(buffer[at : at + _LENGTH_BYTES_MAX]):
        length |= (byte & 0x7F) << (7 * position)
        if byte < _MORE:
            return length, at + position + 1
    if len(buffer) - at >= _LENGTH_BYTES_MAX:
        raise Malformed(f"a length takes more than {_LENGTH_BYTES_MAX} bytes")
    return 0, 0


def topic_text(topic: bytes) -> str:
    r"""Return a topic; bytes that are not UTF-8 stand as escapes, so that quarantine can show them.

    >>> topic_text(b"a/\xff")
    'a/\\xff'
    """
    text = topic.decode(errors="backslashreplace")
    if len(topic) <= TOPIC_BYTES_MAX:
        if len(_TOPICS) >= _TOPICS_KEPT:
            _TOPICS.clear()
        _TOPICS[topic] = text
    return text


@lru_cache(_TOPICS_KEPT)
def topic_bytes(topic: str) -> bytes:
    """Return a topic as it stands in a frame, its length first."""
    text = topic.encode()
    return len(text).to_bytes(2, "big") + text


@lru_cache(_LENGTHS_KEPT)
def length_bytes(length: int) -> bytes:
    """Return a length as it stands in a frame: seven bits a byte, the lowest first.

    >>> length_bytes(321).hex()
    'c102'
    """
    written = bytearray()
    while length >= _MORE:
        written.append(length & 0x7F | _MORE)
        length >>= 7
    written.append(length)
    return bytes(written)


def publish_frames(postings: Sequence[tuple[int, Posting]], *, five: bool) -> bytes:
    """Return one PUBLISH at QoS 1 for each number and posting."""
    pieces: list[bytes] = []
    for mid, (topic, payload, retain) in postings:
        head = topic_bytes(topic)
        length = len(head) + len(payload) + (3 if five else 2)
        number = (mid << 8).to_bytes(3, "big") if five else mid.to_bytes(2, "big")  # of five, no properties
        pieces += (b"\x33" if retain else b"\x32", length_bytes(length), head, number, payload)
    return b"".join(pieces)


def puback_frames(mids: Sequence[int]) -> bytes:
    """Return one PUBACK for each number.

    >>> puback_frames([1, 258]).hex(" ", 4)
    '40020001 40020102'
    """
    return struct.pack(f">{len(mids)}I", *[_PUBACK_HEAD | mid for mid in mids])
