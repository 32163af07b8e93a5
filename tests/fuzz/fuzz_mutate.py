# SPDX-License-Identifier: AGPL-3.0-or-later
"""Valid messages made wrong: bits, slices, JSON tokens, whole messages of a sequence; seeded, so it can be repeated."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from typing import Final

MESSAGE: Final = b"\x1e"
"""Between the messages of one input."""
PART: Final = b"\x1f"
"""Between topic and payload, or the fields of a row."""
BYTES_MAX: Final = 512 * 1024
STEPS_MAX: Final = 6
_TOKEN: Final = re.compile(
    rb'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|[\[\]{}:,]|[A-Za-z0-9_.@-]+|/', re.DOTALL
)
_TOKENS: Final = (
    *(b"0", b"-0", b"-1", b"1e308", b"1e309", b"-1e309", b"1e-400", b"1e15", b"1000000000000001", b"0.1e1"),
    *(b"9223372036854775807", b"9223372036854775808", b"-9223372036854775809", b"18446744073709551616", b"1" * 33),
    *(b"9" * 5_000, b"0." + b"1" * 400, b"4102444800000", b"-62135596800001", b"253402300800000", b"1e", b"00", b"+1"),
    *(b"NaN", b"Infinity", b"-Infinity", b"nan", b"true", b"false", b"null", b"undefined", b"''", b'""', b"[]", b"{}"),
    *(b"[null]", b'{"a":1}', b"[" * 40 + b"]" * 40, b"[" * 100_000, b'{"a":' * 5_000, b"[" + b"1," * 12_000 + b"1]"),
    *(b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\u0000"', b'"\\u202e"', b'"\xed\xa0\x80"', b'"\xff\xfe"', b'"\xc3\xa9"'),
    *(
        b'"\xf0\x9f\x9b\xa0"',
        b'"a\\"b"',
        b'"' + b"x" * 70_000 + b'"',
        b'"2026-11-23T10:00:00Z"',
        b'"9999-12-31T23:59:60Z"',
    ),
    *(
        b'"0000-00-00T00:00:00Z"',
        b'"2026-11-23T10:00:00+99:99"',
        b'"2026-02-30T00:00:00.000000000000001Z"',
        b"'",
        b"\\",
    ),
    *(b'"v"', b'"m"', b'"ts"', b'"dt_ms"', b'"boot"', b'"seq"', b'"device"', b'"place"', b'"nozzle_degc"', b'"id"'),
    *(b'"9f1c6b0e2d7a4415"', b'"running"', b'"offline"', b'"job_ended"', b'"part"', b'"good"', b'"cause"', b'"file"'),
    *(
        b"@",
        b"+",
        b"#",
        b"$SYS",
        b"..",
        b"//",
        b"_",
        b"/_x",
        b"\0",
        b"\r\n",
        b" ",
        b"\t",
        b"\x7f",
        b">",
        b"*",
        b"a,b=c d",
    ),
    *(b"-1.7976931348623157e308", b"5e-324", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"_timestamp", b"printer_data"),
)
_Mutation = Callable[[random.Random, bytes, Sequence[bytes]], bytes]


def _place(rng: random.Random, data: bytes) -> int:
    return rng.randint(0, len(data))


def _slice(rng: random.Random, data: bytes) -> tuple[int, int]:
    first = _place(rng, data)
    return first, min(len(data), first + rng.choice((1, 1, 2, 4, 16, 256, 4_096)))


def flip_bit(rng: random.Random, data: bytes, _pool: Sequence[bytes]) -> bytes:
    """Change one bit."""
    if not data:
        return b"\0"
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def set_byte(rng: random.Random, data: bytes, _pool: Sequence[bytes]) -> bytes:
    """Put any byte in the place of another."""
    at = _place(rng, data)
    return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]


def insert(rng: random.Random, data: bytes, _pool: Sequence[bytes]) -> bytes:
    """Put bytes in between."""
    at = _place(rng, data)
    return data[:at] + rng.randbytes(rng.choice((1, 2, 8))) + data[at:]


def delete(rng: random.Random, data: bytes, _pool: Sequence[bytes]) -> bytes:
    """Take a slice out."""
    first, last = _slice(rng, data)
    return data[:first] + data[last:]


def repeat(rng: random.Random, data: bytes, _pool: Sequence[bytes]) -> bytes:
    """Say a slice several times."""
    first, last = _slice(rng, data)
    return data[:last] + data[first:last] * rng.choice((1, 2, 40, 300)) + data[last:]


def cut(rng: random.Random, data: bytes, _pool: Sequence[bytes]) -> bytes:
    """Stop early."""
    return data[: _place(rng, data)]


def splice(rng: random.Random, data: bytes, pool: Sequence[bytes]) -> bytes:
    """Go on as another input does."""
    other = rng.choice(pool)
    return data[: _place(rng, data)] + other[_place(rng, other) :]


def replace_token(rng: random.Random, data: bytes, _pool: Sequence[bytes]) -> bytes:
    """Put a token that often hurts in the place of another."""
    found = _tokens(rng, data)
    if not found:
        return data + rng.choice(_TOKENS)
    token = rng.choice(found)
    return data[: token.start()] + rng.choice(_TOKENS) + data[token.end() :]


def swap_tokens(rng: random.Random, data: bytes, _pool: Sequence[bytes]) -> bytes:
    """Exchange two tokens."""
    found = _tokens(rng, data)
    if len(found) < 2:
        return data
    one, two = sorted(rng.sample(found, 2), key=lambda token: token.start())
    return data[: one.start()] + two.group() + data[one.end() : two.start()] + one.group() + data[two.end() :]


def repeat_pair(rng: random.Random, data: bytes, _pool: Sequence[bytes]) -> bytes:
    """Say a key and its value again, with another value or another key."""
    at = data.rfind(b'"', 0, _place(rng, data)) if rng.random() < 0.5 else data.rfind(b"}")
    if at < 0:
        return data
    return data[:at] + b',"k%d":' % rng.randrange(400) + rng.choice(_TOKENS) + data[at:]


def shuffle_messages(rng: random.Random, data: bytes, pool: Sequence[bytes]) -> bytes:
    """Leave out, repeat, exchange or borrow whole messages."""
    messages = data.split(MESSAGE) + rng.choice(pool).split(MESSAGE)
    return MESSAGE.join(rng.choices(messages, k=rng.randint(1, min(len(messages), 24))))


def _tokens(rng: random.Random, data: bytes) -> list[re.Match[bytes]]:
    """Return tokens from somewhere on: of a long input only some, so that a mutation stays quick."""
    first = _place(rng, data) if len(data) > 8_192 else 0
    return list(_TOKEN.finditer(data, first, first + 8_192))


_MUTATIONS: Final[tuple[_Mutation, ...]] = (
    *(flip_bit, set_byte, insert, delete, repeat, cut, splice, replace_token, replace_token, replace_token),
    *(swap_tokens, repeat_pair, shuffle_messages),
)


def mutate(rng: random.Random, pool: Sequence[bytes]) -> bytes:
    """Return one of the pool after one to STEPS_MAX mutations, at most BYTES_MAX long."""
    data = rng.choice(pool)
    for _ in range(rng.randint(1, STEPS_MAX)):
        data = rng.choice(_MUTATIONS)(rng, data, pool)[:BYTES_MAX]
    return data
