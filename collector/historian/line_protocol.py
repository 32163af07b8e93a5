# SPDX-License-Identifier: AGPL-3.0-or-later
"""Rows as InfluxDB's line protocol: escaped, formatted, split into requests (pure).

Measurement `reading` has the tags `device indicator place` and the field `value`; `index` has the tags
`index place` and the fields `value lo95 hi95` (contract 8). Times are nanoseconds, rounded to the microsecond.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

from collector.contract.errors import Refusal
from collector.contract.ports import ReadingRow
from collector.historian.admission import Row, Run, micros, why_not, why_not_text

REQUEST_BYTES_MAX: Final = 1_000_000
"""Largest request: about ten thousand lines; servers take 25 MB and ask for far less."""
_ESCAPES: Final = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ "})


def format_line(row: Row) -> str:
    r"""Return the row's one line without its line break; a Refusal `bad_row` where no line can say it.

    >>> format_line(ReadingRow("commons/mk4", "00:1a", "nozzle_degc", 1.5, 209.8))
    'reading,device=00:1a,indicator=nozzle_degc,place=commons/mk4 value=209.8 1500000000'
    """
    reason = why_not(row)
    if reason is not None:
        raise Refusal("bad_row", reason)
    time_ns = micros(row.ts) * 1_000
    if isinstance(row, ReadingRow):
        return f"{_reading_head(row.device, row.name, row.place)} value={_number(row.value)} {time_ns}"
    band = "".join(f",{key}={_number(v)}" for key, v in (("lo95", row.lo95), ("hi95", row.hi95)) if v is not None)
    return f"{_index_head(row.name, row.place)} value={_number(row.value)}{band} {time_ns}"


def lines_of(run: Run) -> list[bytes]:
    """Return the lines of samples that were admitted, without their line breaks."""
    if run.device is not None:
        head = _reading_head(run.device, run.name, run.place)
        pairs = zip(run.values, run.times_us, strict=True)
        return [f"{head} value={value!r} {time_us}000".encode() for value, time_us in pairs]
    return [format_line(run.row(position)).encode() for position in range(len(run.values))]


def escape_tag(text: str) -> str:
    r"""Return the text as a tag's value; a Refusal `bad_tag` where it has what cannot be escaped.

    >>> print(escape_tag("a,b=c d"))
    a\,b\=c\ d
    """
    reason = why_not_text("tag", text)
    if reason is not None:
        raise Refusal("bad_tag", reason)
    return text.translate(_ESCAPES)


def split(lines: Sequence[bytes], *, bytes_max: int = REQUEST_BYTES_MAX) -> Iterator[slice]:
    """Yield slices of the lines, in order and without gaps; joined by line breaks each has at most `bytes_max` bytes.

    A line that is longer by itself is alone in its slice.

    >>> list(split([b"four", b"four", b"four"], bytes_max=9))
    [slice(0, 2, None), slice(2, 3, None)]
    """
    first, size = 0, -1
    for position, line in enumerate(lines):
        size += len(line) + 1
        if size > bytes_max and position > first:
            yield slice(first, position)
            first, size = position, len(line)
    if first < len(lines):
        yield slice(first, len(lines))


@lru_cache(maxsize=65_536)
def _reading_head(device: str, name: str, place: str) -> str:
    return f"reading,device={escape_tag(device)},indicator={escape_tag(name)},place={escape_tag(place)}"


@lru_cache(maxsize=65_536)
def _index_head(name: str, place: str) -> str:
    return f"index,index={escape_tag(name)},place={escape_tag(place)}"


def _number(value: float) -> str:
    return repr(float(value))  # the shortest text that reads back as the same float; `float` also of subclasses
