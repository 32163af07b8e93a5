# SPDX-License-Identifier: AGPL-3.0-or-later
"""MQTT 3.1.1 frames as a small server reads and writes them; the numbers are those of the OASIS standard."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import IntEnum
from typing import Final, NamedTuple

FRAME_BYTES_MAX: Final = 256 * 1024
PROTOCOL: Final = ("MQTT", 4)
ACCEPTED, WRONG_PROTOCOL, NOT_AUTHORIZED = 0, 1, 5
PINGRESP: Final = b"\xd0\x00"
_LENGTH_BYTES_MAX: Final = 4


class Kind(IntEnum):
    """Packets that a client sends."""

    CONNECT = 1
    PUBLISH = 3
    SUBSCRIBE = 8
    UNSUBSCRIBE = 10
    PINGREQ = 12
    DISCONNECT = 14


class Connect(NamedTuple):
    """What a client says of itself; `keepalive_s` 0 is none."""

    protocol: tuple[str, int]
    keepalive_s: int
    username: str
    password: str


class Published(NamedTuple):
    """A client's message; `number` is None at QoS 0."""

    topic: str
    payload: bytes
    number: int | None


class Broken(ValueError):
    """Bytes that are no MQTT 3.1.1."""


async def read_frame(exactly: Callable[[int], Awaitable[bytes]]) -> tuple[int, int, bytes]:
    """Return kind, flags and body of the next packet; `exactly(n)` reads n bytes. Raises Broken."""
    first = (await exactly(1))[0]
    length = 0
    for count in range(_LENGTH_BYTES_MAX):
        byte = (await exactly(1))[0]
        length |= (byte & 0x7F) << 7 * count
        if not byte & 0x80:
            break
    else:
        raise Broken("a length of more than four bytes")
    if length > FRAME_BYTES_MAX:
        raise Broken(f"a packet of {length} bytes is longer than {FRAME_BYTES_MAX}")
    return first >> 4, first & 0x0F, await exactly(length)


def read_connect(body: bytes) -> Connect:
    """Return who connects; a will is read over. Raises Broken."""
    protocol, rest = _text_of(body)
    if len(rest) < 4:  # noqa: PLR2004 - level, flags, keep alive
        raise Broken("a CONNECT that ends early")
    level, flags, keepalive_s = rest[0], rest[1], int.from_bytes(rest[2:4])
    _, rest = _text_of(rest[4:])
    if flags & 0x04:
        _, rest = _raw(_raw(rest)[1])
    username, rest = _text_of(rest) if flags & 0x80 else ("", rest)
    password, _ = _text_of(rest) if flags & 0x40 else ("", rest)
    return Connect((protocol, level), keepalive_s, username, password)


def read_publish(flags: int, body: bytes) -> Published:
    """Return the message. Raises Broken."""
    topic, rest = _text_of(body)
    if not flags & 0x06:
        return Published(topic, rest, None)
    return Published(topic, rest[2:], _number(rest))


def read_subscribe(body: bytes) -> tuple[int, list[str]]:
    """Return the packet's number and its filters; all get QoS 0. Raises Broken."""
    return _number(body), _filters(body[2:], qos_bytes=1)


def read_unsubscribe(body: bytes) -> tuple[int, list[str]]:
    """Return the packet's number and its filters. Raises Broken."""
    return _number(body), _filters(body[2:], qos_bytes=0)


def connack(code: int) -> bytes:
    """Return the answer to CONNECT: no session was there."""
    return bytes((0x20, 2, 0, code))


def suback(number: int, codes: list[int]) -> bytes:
    """Return the answer to SUBSCRIBE."""
    return _frame(0x90, number.to_bytes(2) + bytes(codes))


def unsuback(number: int) -> bytes:
    """Return the answer to UNSUBSCRIBE."""
    return _frame(0xB0, number.to_bytes(2))


def puback(number: int) -> bytes:
    """Return the answer to a message of QoS 1."""
    return _frame(0x40, number.to_bytes(2))


def publish(topic: str, payload: bytes) -> bytes:
    """Return a message of QoS 0."""
    name = topic.encode()
    return _frame(0x30, len(name).to_bytes(2) + name + payload)


def _frame(first: int, body: bytes) -> bytes:
    length, size = bytearray(), len(body)
    while True:
        size, low = divmod(size, 128)
        length.append(low | 0x80 if size else low)
        if not size:
            return bytes((first,)) + bytes(length) + body


def _filters(rest: bytes, *, qos_bytes: int) -> list[str]:
    filters = []
    while rest:
        one, rest = _text_of(rest)
        filters.append(one)
        rest = rest[qos_bytes:]
    return filters


def _number(body: bytes) -> int:
    if len(body) < 2:  # noqa: PLR2004 - a packet's number has two bytes
        raise Broken("a packet without its number")
    return int.from_bytes(body[:2])


def _raw(body: bytes) -> tuple[bytes, bytes]:
    end = 2 + _number(body)
    if end > len(body):
        raise Broken("a string that ends early")
    return body[2:end], body[end:]


def _text_of(body: bytes) -> tuple[str, bytes]:
    raw, rest = _raw(body)
    try:
        return raw.decode(), rest
    except UnicodeDecodeError:
        raise Broken("a string that is not UTF-8") from None
