# SPDX-License-Identifier: AGPL-3.0-or-later
"""Columns of numbers in few bytes, and back without losing a bit (pure).

A column of whole numbers is its first one and the steps between them, divided by what they have in common. A column
of floats is one of three: whole numbers with a decimal point, where all have few decimals; 32-bit floats, where
that loses nothing; or as they are. Bytes of equal weight stand together, because those are alike, and the whole is
compressed.
"""

from __future__ import annotations

import math
import struct
import sys
import zlib
from array import array
from collections.abc import Sequence
from itertools import accumulate, chain
from operator import sub
from typing import Final

Column = list[int] | list[float]

DECIMALS_MAX: Final = 9
_EXACT_MAX: Final = 2**53
"""Whole numbers up to here are floats, too."""
_WIDTHS: Final = (("b", 2**7), ("h", 2**15), ("i", 2**31), ("q", 2**63))
_COUNT: Final = struct.Struct("<I")
_STEPS: Final = struct.Struct("<cqq")
_LEVEL: Final = 6
_GUESSED_FROM: Final = 24
"""Values of a column whose decimals are counted to guess those of all."""


def pack(*columns: Sequence[int] | Sequence[float]) -> bytes:
    """Return the columns as bytes; each has numbers of one type, ints within ±2**62 or floats.

    >>> unpack(pack([3, 1, 2], [0.5, -0.0]))
    [[3, 1, 2], [0.5, -0.0]]
    """
    body = b"".join(chain.from_iterable((_COUNT.pack(len(column)), _column(column)) for column in columns))
    return zlib.compress(body, _LEVEL)


def unpack(body: bytes) -> list[Column]:
    """Return the columns that were packed."""
    data = zlib.decompress(body)
    columns: list[Column] = []
    at = 0
    while at < len(data):
        (count,) = _COUNT.unpack_from(data, at)
        column, at = _read(data, at + _COUNT.size, count)
        columns.append(column)
    return columns


def _column(column: Sequence[int] | Sequence[float]) -> bytes:
    if not column:
        return b""
    if isinstance(column[0], int):
        return b"i" + _steps(column)  # type: ignore[arg-type] # its numbers are of one type
    exact = array("d", column)
    decimals = _decimals(column)
    if decimals is not None:
        scale = 10.0**decimals
        whole = [round(number * scale) for number in column]
        if array("d", [number / scale for number in whole]).tobytes() == exact.tobytes():
            return bytes([ord("0") + decimals]) + _steps(whole)
    short = array("f", column)
    if array("d", short).tobytes() == exact.tobytes():
        return b"f" + _planes(short)
    return b"d" + _planes(exact)


def _decimals(column: Sequence[float]) -> int | None:
    """Return how many decimals a look at some of the numbers suggests, None where too many for whole numbers."""
    if not all(map(math.isfinite, column)):
        return None
    some = column[:: max(len(column) // _GUESSED_FROM, 1)]
    texts = [repr(float(number)) for number in some]
    if any("e" in text for text in texts):
        return None
    most = max(0 if text.endswith(".0") else len(text) - text.index(".") - 1 for text in texts)
    largest = max(abs(max(column)), abs(min(column)))
    return most if most <= DECIMALS_MAX and largest * 10.0**most < _EXACT_MAX else None


def _steps(column: Sequence[int]) -> bytes:
    steps = list(map(sub, column[1:], column))
    common = math.gcd(*steps) or 1
    if common > 1:
        steps = [step // common for step in steps]
    least, most = min(steps, default=0), max(steps, default=0)
    code = next(code for code, bound in _WIDTHS if -bound <= least and most < bound)
    return _STEPS.pack(code.encode(), column[0], common) + _planes(array(code, steps))


def _planes(numbers: array[int] | array[float]) -> bytes:
    """Return the numbers' first bytes, then their second ones, and so on; the lowest byte is first."""
    if sys.byteorder == "big":
        numbers = numbers[:]
        numbers.byteswap()
    data, width = numbers.tobytes(), numbers.itemsize
    return data if width == 1 else b"".join(data[place::width] for place in range(width))


def _read(data: bytes, at: int, count: int) -> tuple[Column, int]:
    if count == 0:
        return [], at
    kind = chr(data[at])
    if kind in "fd":
        return _numbers(kind, data, at + 1, count)
    code, first, common = _STEPS.unpack_from(data, at + 1)
    steps, end = _numbers(code.decode(), data, at + 1 + _STEPS.size, count - 1)
    if common > 1:
        steps = [step * common for step in steps]
    whole: list[int] = list(accumulate(steps, initial=first))  # type: ignore[arg-type] # steps are ints
    if kind == "i":
        return whole, end
    scale = 10.0 ** int(kind)
    return [number / scale for number in whole], end


def _numbers(code: str, data: bytes, at: int, count: int) -> tuple[Column, int]:
    numbers: array[int] | array[float] = array(code)
    width = numbers.itemsize
    end = at + count * width
    mixed = bytearray(end - at)
    for place in range(width):
        mixed[place::width] = data[at + place * count : at + (place + 1) * count]
    numbers.frombytes(bytes(mixed))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tolist(), end
