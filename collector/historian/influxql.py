# SPDX-License-Identifier: AGPL-3.0-or-later
"""Questions in InfluxQL and the answers to them (pure).

Text is quoted here and nowhere else: not every server that speaks InfluxQL binds parameters.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec


class Measurement(NamedTuple):
    """Where rows of one kind are: the tag with their name, and the tag that tells rows of one time apart."""

    name: str
    name_tag: str
    apart_tag: str


MEASUREMENTS: Final = (Measurement("reading", "indicator", "device"), Measurement("index", "index", "index"))
"""In the order in which a name is looked up (contract 8)."""


class _Table(msgspec.Struct):
    values: list[list[Any]] = []


class _Result(msgspec.Struct):
    series: list[_Table] = []
    error: str | None = None


class _Document(msgspec.Struct):
    results: list[_Result]
    error: str | None = None


_DECODER: Final = msgspec.json.Decoder(_Document)


def samples(measurement: Measurement, place: str, name: str, *, from_us: int, end_us: int, limit: int) -> str:
    """Return the question for rows (time, value, what tells them apart), oldest first."""
    return (
        f'SELECT "value", "{measurement.apart_tag}" {_from(measurement, place, name, from_us, end_us)} '
        f"ORDER BY time LIMIT {limit}"
    )


def buckets(
    measurement: Measurement, place: str, name: str, *, from_us: int, end_us: int, step_us: int, limit: int
) -> str:
    """Return the question for rows (bucket start, min, mean, max), without empty ones, oldest first."""
    return (
        f'SELECT min("value"), mean("value"), max("value") {_from(measurement, place, name, from_us, end_us)} '
        f"GROUP BY time({step_us}u) fill(none) ORDER BY time LIMIT {limit}"
    )


def create(database: str, days: int) -> str:
    """Return the order for a database that keeps what it has for so many days, 0: for ever.

    >>> create("plant", 0), create("plant", 14)
    ('CREATE DATABASE "plant"', 'CREATE DATABASE "plant" WITH DURATION 14d')
    """
    return f"CREATE DATABASE {identifier(database)}" + (f" WITH DURATION {days}d" if days else "")


def _from(measurement: Measurement, place: str, name: str, from_us: int, end_us: int) -> str:
    return (
        f'FROM "{measurement.name}" WHERE "{measurement.name_tag}" = {literal(name)} AND "place" = {literal(place)} '
        f"AND time >= {from_us}000 AND time < {end_us}000"
    )


def literal(text: str) -> str:
    r"""Return the text as a string literal.

    >>> print(literal("d'agua\\"))
    'd\'agua\\'
    """
    escaped = text.replace("\\", r"\\").replace("'", r"\'")
    return f"'{escaped}'"


def identifier(name: str) -> str:
    r"""Return the name as a quoted identifier.

    >>> print(identifier('the "plant"'))
    "the \"plant\""
    """
    escaped = name.replace("\\", r"\\").replace('"', r"\"")
    return f'"{escaped}"'


def read_rows(body: bytes) -> list[list[Any]] | str:
    """Return the rows of an answer (none where it has no table), or the text of what is wrong with it.

    >>> read_rows(b'{"results":[{"statement_id":0}]}'), read_rows(b'{"results":[{"error":"database not found: c"}]}')
    ([], 'database not found: c')
    """
    try:
        document = _DECODER.decode(body)
    except msgspec.DecodeError as error:
        return f"answers a query with something else than InfluxDB does: {error}"
    for told in (document.error, *(result.error for result in document.results)):
        if told is not None:
            return told
    return [row for result in document.results for table in result.series for row in table.values]


def read_refusal(body: object) -> str:
    """Return the sentence of an error document, or the head of a body that is none: at most 300 characters.

    >>> read_refusal('{"code": "invalid", "message": "partial write"}'), read_refusal("busy")
    ('partial write', 'busy')
    """
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body or "no reason given")
    try:
        document = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text[:300].strip()
    if isinstance(document, dict):
        text = str(document.get("error") or document.get("message") or text)
    return text[:300]


def read_retry_after_s(header: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks for; of a date None, the caller's own back-off counts.

    >>> read_retry_after_s("30"), read_retry_after_s("Fri, 31 Dec 2027 23:59:59 GMT")
    (30.0, None)
    """
    return float(header) if header is not None and header.isdecimal() else None
